"""What events say of a pull request and of an environment."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from prestage_contracts.envelope import Data, EnvironmentType, Frozen, Reason, Text

type Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
type FullName = Annotated[str, StringConstraints(pattern=r"^[^/\s]{1,100}/[^/\s]{1,100}$")]
type GitHubId = Annotated[int, Field(ge=1, le=2**53)]
"""GitHub's numeric id. EventBridge compares numbers as doubles, exact up to 2^53."""
type PullRequestNumber = Annotated[int, Field(ge=1, le=2**53)]
type Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2048)]
type Stage = Literal["secrets", "provision", "fetch", "unpack", "build", "start", "health"]
"""How far an environment's generation came: its secrets resolved, its runtime had, its commit fetched, and so on."""
type Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]


class Repository(Frozen):
    """A repository, by the id that outlives its name."""

    id: GitHubId
    full_name: FullName


class PullRequestReference(Frozen):
    """A pull request as people know it."""

    number: PullRequestNumber
    title: Annotated[str, StringConstraints(max_length=1024)]
    html_url: Url
    author: Text


class EnvironmentSnapshot(Frozen):
    """An environment when the fact was stated, so that a subscriber needs no read.

    `pull_request` is null for an environment that no pull request asked for. `generation` counts the intents for the
    environment: a fact with a lower generation than one already seen is old news.
    """

    id: Identifier
    app_id: Identifier
    app_name: Text
    type: EnvironmentType
    repository: Repository
    installation_id: GitHubId
    branch: Text
    sha: Sha
    pull_request: PullRequestReference | None
    generation: Annotated[int, Field(ge=1)]
    address: Url
    created_at: AwareDatetime


class AboutEnvironment(Data):
    """What a fact about one generation of an environment always says."""

    environment: EnvironmentSnapshot

    @property
    def subject(self) -> str:
        """The environment and its generation."""
        return f"{self.environment.id}@{self.environment.generation}"


class EnvironmentProblem(AboutEnvironment):
    """The environment that something could not be done for, and why."""

    reason: Reason

    @property
    def subject(self) -> str:
        """The environment, its generation and the reason: after a redrive it may be another one."""
        return f"{super().subject}:{self.reason.code}"
