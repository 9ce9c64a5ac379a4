"""Facts that the operator's command line states: what was asked for, and what was changed.

What was asked for is stated before it is done; what was changed, with the change (docs/adr/0023). No value is in them
that somebody may want to keep: no secret's, no config value's, no key, no command that an app is built or started with.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from prestage_contracts.envelope import Data, EnvironmentType, Event, Frozen, Text
from prestage_contracts.reports import CheckName
from prestage_contracts.snapshot import AboutEnvironment, Identifier, Repository

_OPERATORS = "prestage.operators"

# ---- What was asked for


class DeployRequestedData(Data):
    """The app, and the branch to deploy; null is production, on the default branch. `requested_by` is an AWS ARN."""

    app_id: Identifier
    app_name: Text
    repository: Repository
    branch: Text | None
    requested_by: Text

    @property
    def subject(self) -> str:
        """The app and the branch."""
        return f"{self.app_id}:{'production' if self.branch is None else self.branch}"


class DeployRequested(Event):
    """An operator asked for an app's production, or for an environment of one of its branches."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: DeployRequestedData


class OperatorRequestData(AboutEnvironment):
    """The environment that something was asked for, and by whom: an AWS ARN."""

    requested_by: Text


class RetryRequested(Event):
    """An operator asked for an environment to be deployed afresh."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: OperatorRequestData


class StopRequested(Event):
    """An operator asked for an environment to be stopped."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: OperatorRequestData


class PasswordRequested(Event):
    """An operator asked for the password that an environment's visitors give. It is told after this is stated."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: OperatorRequestData


# ---- What was changed


class ChangeData(Data):
    """What a fact about a change always says.

    `changed_by` is the AWS ARN of who made it. `confirmed` is false where the command broke off before it knew whether
    the change was made: it may have been, or a part of it. Another fact of the same correlation id may confirm it.
    """

    changed_by: Text
    confirmed: bool = True

    @property
    def subject(self) -> str:
        """What was changed, and whether that is known."""
        return self.changed if self.confirmed else f"{self.changed}:unconfirmed"

    @property
    def changed(self) -> str:
        """Tells apart what one command changes, within the fact's name."""
        raise NotImplementedError


class AppSnapshot(Frozen):
    """An app when the fact was stated. `owner` is the user whom it belongs to."""

    id: Identifier
    name: Text
    repository: Repository
    owner: Text


class AppChangeData(ChangeData):
    """The app that was changed; as it is after the change, or was before it was removed."""

    app: AppSnapshot

    @property
    def changed(self) -> str:
        """The app."""
        return self.app.id


class AppRegistered(Event):
    """An operator added an app."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: AppChangeData


class AppRemoved(Event):
    """An operator removed an app, with its secrets."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: AppChangeData


class SettingChange(Frozen):
    """A setting by its name, with its value before and after as text, `none` where it has none.

    Both are null where no value is told.
    """

    setting: Text
    before: Annotated[str, Field(max_length=1024)] | None
    after: Annotated[str, Field(max_length=1024)] | None


class SettingsChangedData(AppChangeData):
    """The app, and which of its settings were changed. No value is told of its commands and of its health path."""

    changes: tuple[SettingChange, ...]


class PolicyChanged(Event):
    """An operator changed what pull requests of an app get: an option of `prestage apps set` in docs/policies.md."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: SettingsChangedData


class AppChanged(Event):
    """An operator changed how an app is run, where, or whose it is."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: SettingsChangedData


class VariableChangedData(AppChangeData):
    """The app, and which of its variables was set or deleted, for which environments. Never its value."""

    environment_type: EnvironmentType
    name: Text
    change: Literal["set", "deleted"]

    @property
    def changed(self) -> str:
        """The app, the environment type and the name."""
        return f"{self.app.id}:{self.environment_type}:{self.name}"


class ConfigChanged(Event):
    """An operator set or deleted a config value."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: VariableChangedData


class SecretChanged(Event):
    """An operator set or deleted a secret."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: VariableChangedData


class CheckReleasedData(AppChangeData):
    """The app, the check's name, and the AWS account that it was of."""

    name: CheckName
    account: Text

    @property
    def changed(self) -> str:
        """The app and the name."""
        return f"{self.app.id}:{self.name}"


class CheckReleased(Event):
    """An operator gave the name of a check back: it is the next account's that reports it."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: CheckReleasedData


class UserChangeData(ChangeData):
    """The user, or the team."""

    user_id: Text
    name: Text

    @property
    def changed(self) -> str:
        """The user."""
        return self.user_id


class UserAdded(Event):
    """An operator added a user whom apps can belong to."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: UserChangeData


class UserRemoved(Event):
    """An operator removed a user who owned no apps."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: UserChangeData


class CertificateImportedData(ChangeData):
    """The domain, and the certificate that it has from now on. `fingerprint` is SHA-256 of it, in hexadecimal."""

    domain: Text
    fingerprint: Text
    not_after: AwareDatetime

    @property
    def changed(self) -> str:
        """The domain and the certificate."""
        return f"{self.domain}:{self.fingerprint}"


class CertificateImported(Event):
    """An operator imported the certificate of a domain, with its key."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: CertificateImportedData


class CredentialChangedData(ChangeData):
    """Which of the stack's own credentials was given another value. Never that value."""

    credential: Literal["webhook_secret", "github_key", "fly_token"]

    @property
    def changed(self) -> str:
        """The credential."""
        return self.credential


class CredentialChanged(Event):
    """An operator gave the stack another webhook secret, another key of the GitHub App, or another Fly.io token."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: CredentialChangedData


class SubscriberChangeData(ChangeData):
    """The AWS account or organisation, which facts its rules may ask for, and the source that it may report as, if any.

    Of one that was revoked, what it was allowed before.
    """

    principal: Text
    facts: tuple[Text, ...]
    reports_as: Text | None

    @property
    def changed(self) -> str:
        """The account or the organisation."""
        return self.principal


class SubscriberAllowed(Event):
    """An operator let another account or organisation subscribe to facts, and perhaps report checks."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: SubscriberChangeData


class SubscriberRevoked(Event):
    """An operator let an account or organisation subscribe to nothing more."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: SubscriberChangeData


class DeadLetterChangeData(ChangeData):
    """The dead letter: for which reaction, the code of the reason, and the name of the fact in it, null if unknown."""

    letter_id: Text
    reaction: Text
    reason_code: Text
    fact: Text | None

    @property
    def changed(self) -> str:
        """The dead letter."""
        return self.letter_id


class DeadLetterRedriven(Event):
    """An operator gave a dead letter to its reaction again."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: DeadLetterChangeData


class DeadLetterDiscarded(Event):
    """An operator deleted a dead letter for good."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: DeadLetterChangeData


class EventsReplayedData(ChangeData):
    """The rule that archived facts are delivered to again, and between which moments those were stated."""

    subscriber: Text
    since: AwareDatetime
    until: AwareDatetime

    @property
    def changed(self) -> str:
        """The rule."""
        return self.subscriber


class EventsReplayed(Event):
    """An operator had archived facts delivered to a subscriber again."""

    SOURCE: ClassVar[str] = _OPERATORS

    data: EventsReplayedData
