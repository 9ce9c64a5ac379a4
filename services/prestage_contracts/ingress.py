"""Facts that the webhook states."""

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, StringConstraints

from prestage_contracts.envelope import Data, Event, Frozen, Text
from prestage_contracts.snapshot import GitHubId, PullRequestReference, Repository, Sha


class Head(Frozen):
    """The pull request's latest commit; `repository_id` is null when the fork it came from was deleted."""

    branch: Text
    sha: Sha
    repository_id: GitHubId | None


class PullRequestOpenedData(Data):
    """The pull request as GitHub told it. `author_type` is GitHub's account type: `User`, `Bot` or another."""

    action: Literal["opened", "reopened"]
    repository: Repository
    default_branch: Text
    installation_id: GitHubId
    pull_request: PullRequestReference
    author_type: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    head: Head
    draft: bool
    updated_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The pull request."""
        return f"{self.repository.id}#{self.pull_request.number}"


class PullRequestOpened(Event):
    """A pull request was opened or reopened on GitHub."""

    SOURCE: ClassVar[str] = "prestage.ingress"

    data: PullRequestOpenedData
