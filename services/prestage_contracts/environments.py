"""Facts about environments: what Prestage promises to others."""

from typing import ClassVar

from prestage_contracts.envelope import Data, Event, Reason, Text
from prestage_contracts.snapshot import AboutEnvironment, Identifier, PullRequestReference, Repository


class EnvironmentCreatedData(AboutEnvironment):
    """The environment as it was created."""


class EnvironmentCreated(Event):
    """A generation of an environment began from nothing: its pull request was opened, or reopened."""

    SOURCE: ClassVar[str] = "prestage.environments"

    data: EnvironmentCreatedData


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
