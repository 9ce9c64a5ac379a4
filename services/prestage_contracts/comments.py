"""Facts about the comment on a pull request."""

from typing import Annotated, ClassVar

from pydantic import Field

from prestage_contracts.envelope import Data, Event, Frozen
from prestage_contracts.snapshot import EnvironmentProblem, GitHubId, Identifier, PullRequestNumber, Repository, Url


class Shown(Frozen):
    """An environment as the comment shows it; `revision` rises with every change of its record."""

    environment_id: Identifier
    generation: Annotated[int, Field(ge=1)]
    revision: Annotated[int, Field(ge=1)]


class PrCommentedData(Data):
    """The comment, and the environments that it shows."""

    repository: Repository
    pull_request_number: PullRequestNumber
    comment_id: GitHubId
    comment_url: Url
    created: bool
    shows: tuple[Shown, ...]

    @property
    def subject(self) -> str:
        """The pull request."""
        return f"{self.repository.id}#{self.pull_request_number}"


class PrCommented(Event):
    """Prestage's comment on a pull request was written or rewritten. One write may show many environments."""

    SOURCE: ClassVar[str] = "prestage.comments"

    data: PrCommentedData


class PrCommentFailed(Event):
    """The comment on a pull request could not be written. The preview itself does not wait for it."""

    SOURCE: ClassVar[str] = "prestage.comments"

    data: EnvironmentProblem
