"""Facts that the webhook states."""

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from prestage_contracts.envelope import Data, Event, Frozen, Text
from prestage_contracts.snapshot import GitHubId, PullRequestNumber, PullRequestReference, Repository, Sha


class Head(Frozen):
    """The pull request's latest commit; `repository_id` is null when the fork it came from was deleted."""

    branch: Text
    sha: Sha
    repository_id: GitHubId | None


class PullRequestTold(Data):
    """The pull request as GitHub told it."""

    repository: Repository
    default_branch: Text
    installation_id: GitHubId
    pull_request: PullRequestReference
    author_type: Annotated[
        str,
        StringConstraints(min_length=1, max_length=64),
        Field(description="GitHub's account type: `User`, `Bot` or another."),
    ]
    head: Head
    draft: bool
    labels: tuple[Text, ...] = ()
    updated_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The pull request."""
        return f"{self.repository.id}#{self.pull_request.number}"


class PullRequestOpenedData(PullRequestTold):
    """The pull request as it was opened or reopened."""

    action: Literal["opened", "reopened"]


class PullRequestOpened(Event):
    """A pull request was opened or reopened on GitHub."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: PullRequestOpenedData


class PullRequestUpdatedData(PullRequestTold):
    """The pull request after the change that `action` names; `edited` stands for another base branch."""

    action: Literal["synchronize", "edited", "ready_for_review", "converted_to_draft", "labeled", "unlabeled"]


class PullRequestUpdated(Event):
    """A pull request got new commits, another base, or changed in what decides whether it gets a preview."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: PullRequestUpdatedData


class PullRequestClosedData(PullRequestTold):
    """The pull request as it was closed; `merged` says how."""

    merged: bool


class PullRequestClosed(Event):
    """A pull request was merged, or closed without."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: PullRequestClosedData


class BranchPushedData(Data):
    """The branch before and after: `before` is null where it is new, `sha` where it was deleted."""

    repository: Repository
    default_branch: Text
    installation_id: GitHubId
    branch: Text
    before: Sha | None
    sha: Sha | None

    @property
    def subject(self) -> str:
        """The branch and its commit."""
        return f"{self.repository.id}:{self.branch}@{self.sha or 'deleted'}"


class BranchPushed(Event):
    """A branch of the repository got new commits, came to be, or was deleted."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: BranchPushedData


class CommandData(Data):
    """Who asked for something by a comment on a pull request. What they may ask for is not decided yet."""

    repository: Repository
    installation_id: GitHubId
    pull_request_number: PullRequestNumber
    comment_id: GitHubId
    by: Text
    requested_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The comment."""
        return f"{self.repository.id}#{self.pull_request_number}/{self.comment_id}"


class PreviewRequestedData(CommandData):
    """Who asked for a preview; `retry` asks for a fresh one of the same commit."""

    retry: bool


class PreviewRequested(Event):
    """Somebody commented `/preview` or `/preview retry`. It is followed if GitHub says that they may write."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: PreviewRequestedData


class PreviewStopRequestedData(CommandData):
    """Who asked for the preview to be stopped."""


class PreviewStopRequested(Event):
    """Somebody commented `/preview stop`. It is followed if GitHub says that they may write."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: PreviewStopRequestedData


class InstallationRevokedData(Data):
    """What the GitHub App lost: these repositories, or all of the installation's where `repositories` is null."""

    installation_id: GitHubId
    account: Text
    why: Literal["deleted", "suspended", "repositories_removed"]
    repositories: tuple[Repository, ...] | None

    @property
    def subject(self) -> str:
        """The installation, and the first repository of those that are told together."""
        first = self.repositories[0].id if self.repositories else "all"
        return f"{self.installation_id}/{first}"


class InstallationRevoked(Event):
    """The GitHub App was uninstalled or suspended, or repositories were taken from it."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: InstallationRevokedData
