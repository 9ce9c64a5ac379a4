"""Facts about environments: what Prestage promises to others."""

from typing import ClassVar

from prestage_contracts.envelope import Data, Event, Reason, Text
from prestage_contracts.snapshot import (
    AboutEnvironment,
    EnvironmentProblem,
    Identifier,
    PullRequestNumber,
    PullRequestReference,
    Repository,
    Stage,
    Url,
)


class EnvironmentCreatedData(AboutEnvironment):
    """The environment as it was created."""


class EnvironmentCreated(Event):
    """A generation of an environment began from nothing: nothing of it ran, or what ran was closed before."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: EnvironmentCreatedData


class EnvironmentUpdatedData(AboutEnvironment):
    """The environment as it is to be now."""


class EnvironmentUpdated(Event):
    """A new generation of a live environment began, at the same address: a new commit, or the same one afresh."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: EnvironmentUpdatedData


class EnvironmentClosedData(AboutEnvironment):
    """The environment as it is ended, and why."""

    reason: Reason


class EnvironmentClosed(Event):
    """An environment is no longer wanted; its runtime is being removed."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: EnvironmentClosedData


class EnvironmentReadyData(AboutEnvironment):
    """The environment that answers at its address."""


class EnvironmentReady(Event):
    """An environment serves the commit of its generation at its address."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: EnvironmentReadyData


class EnvironmentFailedData(EnvironmentProblem):
    """The environment, why its generation failed, and at which stage. `log_url` is where its log is read."""

    stage: Stage
    log_url: Url | None = None


class EnvironmentFailed(Event):
    """An environment's generation does not serve its commit; the next one may."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: EnvironmentFailedData


class EnvironmentStoppedData(AboutEnvironment):
    """The environment that runs no more."""


class EnvironmentStopped(Event):
    """The runtime of a closed environment is gone: nothing of it runs or costs any more."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: EnvironmentStoppedData


class PreviewSkippedData(Data):
    """The pull request and the app that gets no environment for it, and why."""

    repository: Repository
    pull_request: PullRequestReference
    app_id: Identifier
    app_name: Text
    reason: Reason

    @property
    def subject(self) -> str:
        """The pull request and the app."""
        return f"{self.repository.id}#{self.pull_request.number}/{self.app_id}"


class PreviewSkipped(Event):
    """By the app's policy, a pull request gets no environment."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: PreviewSkippedData


class PreviewFailedData(Data):
    """The pull request whose environments could not be decided, and why."""

    repository: Repository
    pull_request: PullRequestReference
    reason: Reason

    @property
    def subject(self) -> str:
        """The pull request and the reason: after a redrive it may be another one."""
        return f"{self.repository.id}#{self.pull_request.number}:{self.reason.code}"


class PreviewFailed(Event):
    """Prestage could not create the environments of a pull request; the message waits in the dead-letter queue."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: PreviewFailedData


class RequestFailedData(Data):
    """What was asked for, as far as it is known, and why it could not be followed."""

    repository: Repository
    pull_request_number: PullRequestNumber | None
    branch: Text | None
    reason: Reason

    @property
    def subject(self) -> str:
        """What it was about and the reason: after a redrive it may be another one."""
        return f"{self.repository.id}#{self.pull_request_number}:{self.branch}:{self.reason.code}"


class RequestFailed(Event):
    """A push, a comment or an operator's request could not be followed."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: RequestFailedData


type EnvironmentChanged = (
    EnvironmentCreated
    | EnvironmentUpdated
    | EnvironmentReady
    | EnvironmentFailed
    | EnvironmentClosed
    | EnvironmentStopped
)

ENVIRONMENT_CHANGES: tuple[type[Event], ...] = EnvironmentChanged.__value__.__args__
"""What tells that something about an environment is to be seen."""
