"""Facts about what should not be: found by looking, not by being told."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from prestage_contracts.envelope import Data, Event
from prestage_contracts.snapshot import AboutEnvironment, GitHubId, Identifier, PullRequestNumber, Repository


class EnvironmentExpiredData(AboutEnvironment):
    """The preview, and for how many hours nothing happened to it."""

    idle_hours: Annotated[int, Field(ge=1)]


class EnvironmentExpired(Event):
    """A preview outlived what its app allows."""

    SOURCE: ClassVar[str] = "prestage.janitor"

    data: EnvironmentExpiredData


class PullRequestDriftedData(Data):
    """The pull request of which GitHub says something else than what is on record."""

    repository: Repository
    installation_id: GitHubId
    pull_request_number: PullRequestNumber

    @property
    def subject(self) -> str:
        """The pull request."""
        return f"{self.repository.id}#{self.pull_request_number}"


class PullRequestDrifted(Event):
    """GitHub says something else of a pull request than what it told last: a webhook was lost."""

    SOURCE: ClassVar[str] = "prestage.janitor"

    data: PullRequestDriftedData


class RuntimeOrphanedData(Data):
    """The Fly.io app, and the environment that its machine says it serves; null where there is none to ask."""

    fly_app: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,61}$")]
    environment_id: Identifier | None

    @property
    def subject(self) -> str:
        """The Fly.io app."""
        return self.fly_app


class RuntimeOrphaned(Event):
    """A Fly.io app of this stack serves no live environment."""

    SOURCE: ClassVar[str] = "prestage.janitor"

    data: RuntimeOrphanedData


class RuntimeLost(Event):
    """An environment is said to be live, and its Fly.io app or machine is gone."""

    SOURCE: ClassVar[str] = "prestage.janitor"

    data: AboutEnvironment
