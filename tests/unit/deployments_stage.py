"""An environment on record, the GitHub stand-in, and the step that tells it how the environment's deployments stand."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from choreography.reaction import Fact
from deployments.report_deployment import steps
from deployments.standing import Standing, Standings
from deployments.tell import Teller
from github_app.access import Access
from prestage.stage.github_repositories import Deployment
from prestage_contracts.deployments import DeploymentReported, DeploymentReportedData, DeploymentState
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.snapshot import Repository
from records.apps import App
from records.environments import Environment, Environments
from records.life import Report
from tests.unit.dynamodb import Local
from tests.unit.github_stage import REPOSITORY, SLUG, Stage, stage
from tests.unit.record_examples import NOW, app
from tests.unit.steps import begin, event_id, register

CAUSE, ANOTHER, THIRD = 101, 102, 103

type Told = list[tuple[int, DeploymentState]]


@dataclass
class Interrupted:
    """A teller. `acts` says what happens just before it tells a state, one for each: None for nothing."""

    teller: Teller
    acts: list[Callable[[], object] | None] = field(default_factory=list)

    def find(self, environment: Environment, generation: int) -> int | None:
        return self.teller.find(environment, generation)

    def create(self, environment: Environment) -> int:
        return self.teller.create(environment)

    def tell(self, environment: Environment, deployment_id: int, state: DeploymentState, because: str = "") -> bool:
        if self.acts and (act := self.acts.pop(0)):
            act()
        return self.teller.tell(environment, deployment_id, state, because)


@dataclass
class World:
    local: Local
    stage: Stage
    shop: App
    slug: str = SLUG
    acts: list[Callable[[], object] | None] = field(default_factory=list)

    @property
    def environments(self) -> Environments:
        return Environments(self.local.table)

    @property
    def standings(self) -> Standings:
        return Standings(self.local.table, self.stage.now)

    @property
    def sha(self) -> str:
        return self.stage.sample.git("rev-parse", "teal")

    def begin(self, intent: int = 1, **facts: Any) -> Environment:
        """The next generation of a pull request's environment."""
        given = {"sha": self.sha, "installation_id": self.stage.installation_id, **facts}
        return begin(self.local.table, intent, of=self.shop, **given)

    def deploy(self, wanted: Environment, intent: int = 1) -> Environment:
        """The next generation of an environment that no pull request asked for."""
        given = {"sha": self.sha, "installation_id": self.stage.installation_id}
        return self.environments.deploy(wanted.model_copy(update=given), event_id(intent), afresh=True)

    def report(self, environment: Environment, move: Report, number: int = 61, **told: Any) -> Environment:
        moved = self.environments.report(environment.id, environment.generation, move, event_id(number), NOW, **told)
        assert moved is not None
        return moved

    def end(self, environment: Environment, code: str, intent: int = 40) -> Environment:
        reason = Reason(code=code, message="The App is gone.")
        found = self.environments.close(environment.id, event_id(intent), reason, NOW)
        assert found is not None
        return found

    def teller(self) -> Teller:
        real = Teller(Access(self.stage.github, self.stage.tokens()), lambda: self.slug)
        return cast("Teller", Interrupted(real, self.acts))

    def react(self, event: Event, teller: Callable[[], object] | None = None) -> Sequence[Fact]:
        made = steps(self.local.table, cast("Callable[[], Teller]", teller or self.teller), self.stage.now)
        return made[type(event)].do(event)

    def tell(self, event: Event, teller: Callable[[], object] | None = None) -> Told:
        """Of which generation which state is stated to have been told."""
        facts = self.react(event, teller)
        for fact in facts:
            assert fact.event is DeploymentReported
        told = [fact.data for fact in facts if isinstance(fact.data, DeploymentReportedData)]
        return [(one.environment.generation, one.state) for one in told]

    def standing(self, environment: Environment) -> Standing:
        return self.standings.get(environment.id)

    def wait(self, seconds: float) -> None:
        self.stage.now.advance(seconds=seconds)

    def deployments(self) -> tuple[Deployment, ...]:
        return self.stage.stand_in.deployments(REPOSITORY)

    def states(self) -> list[list[str]]:
        """What each deployment was said to be, in turn."""
        return [[status.state for status in one.statuses] for one in self.deployments()]

    def calls(self) -> list[str]:
        """What GitHub was asked about deployments."""
        found = [one for one in self.stage.stand_in.requests if "/deployments" in one.path]
        return [f"{one.method} {one.path.rpartition('/')[2]}" for one in found]

    def delete(self, number: int) -> None:
        """As somebody may, on GitHub."""
        places = self.stage.stand_in._repositories
        del places.named(REPOSITORY).deployments[self.deployments()[number].id]


@contextmanager
def deployments(local: Local, folder: Path) -> Iterator[World]:
    with stage(folder) as staged:
        shop = app("storefront", repository=Repository(id=staged.repository_id, full_name=REPOSITORY))
        register(local.table, shop)
        yield World(local, staged, shop)
