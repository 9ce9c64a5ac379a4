"""The chapter of the story that operators are in: what they set up and change, from the first user to the last app."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid5

from prestage import contract_cast as cast
from prestage.contract_cast import OPENED_AT, SHOP
from prestage_contracts import (
    AppChanged,
    AppRegistered,
    AppRemoved,
    CertificateImported,
    CheckReleased,
    ConfigChanged,
    CredentialChanged,
    DeadLetterDiscarded,
    DeadLetterRedriven,
    Event,
    EventsReplayed,
    PolicyChanged,
    SecretChanged,
    SubscriberAllowed,
    SubscriberRevoked,
    UserAdded,
    UserRemoved,
)
from prestage_contracts.operators import (
    AppChangeData,
    AppSnapshot,
    CertificateImportedData,
    ChangeData,
    CheckReleasedData,
    CredentialChangedData,
    DeadLetterChangeData,
    EventsReplayedData,
    SettingChange,
    SettingsChangedData,
    SubscriberChangeData,
    UserChangeData,
    VariableChangedData,
)

_BY = cast.OPERATOR
_COMMANDS = UUID("3f8e0b52-7c1d-4a96-8e27-d05b9a6c41f3")
_MONTH_BEFORE = OPENED_AT - timedelta(days=30)
_BACK_OFFICE = AppSnapshot(id=cast.BACK_OFFICE, name="back-office", repository=SHOP, owner="shop-team")
_STOREFRONT = AppSnapshot(id=cast.STOREFRONT, name="storefront", repository=SHOP, owner="shop-team")


def changes() -> Iterator[Event]:
    """Each by a command of its own, a minute after the one before."""
    for number, (event, data) in enumerate(_changes()):
        command = str(uuid5(_COMMANDS, str(number)))
        now = _MONTH_BEFORE + timedelta(minutes=number)
        group = str(data.app.repository.id) if isinstance(data, AppChangeData) else "0"
        yield event.begin(data, cause=command, correlation_id=command, now=now, group=group)


def _changes() -> Iterator[tuple[type[Event], ChangeData]]:
    yield UserAdded, UserChangeData(changed_by=_BY, user_id="shop-team", name="The shop's team")
    yield UserRemoved, UserChangeData(changed_by=_BY, user_id="web-team", name="The web team")
    yield CredentialChanged, CredentialChangedData(changed_by=_BY, credential="fly_token")
    yield AppRegistered, AppChangeData(changed_by=_BY, app=_STOREFRONT)
    yield from _settings()
    yield from _beside()
    yield AppRemoved, AppChangeData(changed_by=_BY, app=_BACK_OFFICE)


def _settings() -> Iterator[tuple[type[Event], ChangeData]]:
    """What the app's machines get, and which pull requests do."""
    moved = (SettingChange(setting="owner", before="web-team", after="shop-team"), _untold("start"))
    yield AppChanged, SettingsChangedData(changed_by=_BY, app=_STOREFRONT, changes=moved)
    stricter = (
        SettingChange(setting="forks", before="trusted", after="without_secrets"),
        SettingChange(setting="max_previews", before="20", after="5"),
    )
    yield PolicyChanged, SettingsChangedData(changed_by=_BY, app=_STOREFRONT, changes=stricter)
    about = {"changed_by": _BY, "app": _STOREFRONT, "environment_type": "preview", "change": "set"}
    yield ConfigChanged, VariableChangedData.model_validate({**about, "name": "CURRENCY"})
    yield SecretChanged, VariableChangedData.model_validate({**about, "name": "STRIPE_API_KEY"})


def _beside() -> Iterator[tuple[type[Event], ChangeData]]:
    """Who may listen, what is served where, and what was to be done again."""
    account, source = cast.REPORTER
    yield (
        CertificateImported,
        CertificateImportedData(
            changed_by=_BY,
            domain="previews.acme.example",
            fingerprint="9b1d4f7e0c3a58e2d6b794f01a2c8e5d3f6071b9c4e8a25d7f0361b8c9e4d2a7",
            not_after=OPENED_AT + timedelta(days=60),
        ),
    )
    facts = ("EnvironmentReady", "EnvironmentStopped")
    allowed = SubscriberChangeData(changed_by=_BY, principal=account, facts=facts, reports_as=source)
    yield SubscriberAllowed, allowed
    replayed = {"subscriber": "browser-tests", "since": _MONTH_BEFORE - timedelta(days=1), "until": _MONTH_BEFORE}
    yield EventsReplayed, EventsReplayedData.model_validate({"changed_by": _BY, **replayed})
    yield CheckReleased, CheckReleasedData(changed_by=_BY, app=_STOREFRONT, name="browser tests", account=account)
    yield SubscriberRevoked, allowed
    letter = {"changed_by": _BY, "reaction": "runtimes", "fact": "SecretsResolved"}
    given_up = {**letter, "letter_id": "5f2c81d0-6b9e-4a37-91c4-e8d02f7a3b56", "reason_code": "provider_unauthorized"}
    yield DeadLetterRedriven, DeadLetterChangeData.model_validate(given_up)
    not_taken = {**letter, "letter_id": "c07a94e3-21bf-4d58-a6e0-3b8f15d7290c", "reason_code": "not_taken"}
    yield DeadLetterDiscarded, DeadLetterChangeData.model_validate(not_taken)


def _untold(setting: str) -> SettingChange:
    return SettingChange(setting=setting, before=None, after=None)
