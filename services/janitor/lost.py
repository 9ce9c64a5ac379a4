"""Environments that are said to be live, and whose Fly.io app or machine is gone: `RuntimeLost`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from aws_lambda_powertools import Logger

from fly_io.client import Fly, FlyRefused, FlyUnavailable
from janitor.finding import Finding
from janitor.watch import Patience, Watch
from prestage_contracts.janitor import RuntimeLost
from prestage_contracts.snapshot import AboutEnvironment, Stage
from records.environments import Environment, Environments

MOST = 500
"""Environments asked about in one sweep: about two minutes. Fly limits what is asked about one app, not in all."""

OVERDUE = timedelta(days=1)
"""A generation that is neither ready nor failed by then waits for something that is lost."""

_BOOTED: frozenset[Stage] = frozenset({"fetch", "unpack", "build", "start", "health"})
"""Where an environment can fail that has a machine."""

_DESTROYED = "destroyed"

logger = Logger()


@dataclass(frozen=True)
class Lost:
    """The look. `most` is how many it comes to in one sweep."""

    fly: Fly
    environments: Environments
    most: int = MOST

    def __call__(self, watch: Watch) -> Iterator[Finding]:
        """Environments that Fly says have no app, or no machine in it."""
        served = [one for one in self.environments.list_all() if _should_run(one, watch.began)]
        served.sort(key=lambda one: one.id)
        patience = Patience()
        for environment in watch.in_turn(served, self.most):
            try:
                gone = self._is_gone(environment.fly_app)
            except (FlyUnavailable, FlyRefused) as error:
                logger.warning("unknown", environment_id=environment.id, explanation=str(error))
                patience.lost(error)
                continue
            patience.answered()
            if gone and self._stands(environment):
                yield _finding(environment)

    def _is_gone(self, fly_app: str) -> bool:
        try:
            machines = self.fly.list_machines(fly_app)
        except FlyRefused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return self.fly.get_app(fly_app) is None
        return all(machine.state == _DESTROYED for machine in machines)

    def _stands(self, seen: Environment) -> bool:
        """Whether it was to run all the while that Fly was asked: what is closed is removed, and no loss."""
        found = self.environments.get(seen.id)
        return found is not None and found.revision == seen.revision


def _should_run(environment: Environment, now: datetime) -> bool:
    """Of those that failed, one whose machine had booted: what kept the others from having one is told already."""
    overdue = environment.status == "deploying" and now - environment.intended_at > OVERDUE
    had_booted = environment.status == "failed" and environment.stage in _BOOTED
    return environment.status == "ready" or overdue or had_booted


def _finding(environment: Environment) -> Finding:
    return Finding(
        RuntimeLost,
        AboutEnvironment(environment=environment.snapshot()),
        cause=f"{environment.id}@{environment.generation}",
        group=str(environment.repository.id),
    )
