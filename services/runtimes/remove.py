"""`EnvironmentClosed` → nothing of its runtime is left on Fly.io: `RuntimeRemoved`. So it is with `RuntimeOrphaned`.

While a name in DNS may lead to a runtime, its app stays: see docs/adr/0016.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from choreography.reaction import Fact, RetryLaterError
from prestage_contracts.environments import EnvironmentClosed
from prestage_contracts.janitor import RuntimeOrphaned, RuntimeOrphanedData
from prestage_contracts.runtimes import RuntimeRemoved
from prestage_contracts.snapshot import AboutEnvironment
from records.domain_names import DomainNames
from records.environments import Environment, Environments
from runtimes.lease import Lease, Leases

_LOOK_AGAIN = timedelta(seconds=10)

logger = Logger()


@dataclass(frozen=True)
class Remove:
    """The steps. `delete` returns once the app is gone; the stack's apps are called `<prefix>-…`."""

    environments: Environments
    names: DomainNames
    leases: Leases
    delete: Callable[[str, Lease], None]
    prefix: str

    def closed(self, event: EnvironmentClosed) -> Sequence[Fact]:
        """The runtime goes, if the environment is still closed at that generation.

        If it began again before its runtime was touched, that is taken over; if after, whoever converges finds the
        lease's mark and has it gone first.
        """
        about = event.data.environment
        with self.leases.held(about.id) as lease:
            environment = self.environments.get(about.id)
            if environment is None or environment.is_live or environment.generation != about.generation:
                logger.info("superseded", environment_id=about.id, generation=about.generation)
                return []
            self._expect_no_name(environment)
            self.delete(environment.fly_app, lease)
        return [_removed(environment)]

    def orphaned(self, event: RuntimeOrphaned) -> Sequence[Fact]:
        """The app goes, unless a live environment on record has its name.

        It is a fact about an environment only if one is still waiting for its runtime to be gone.
        """
        fly_app = event.data.fly_app
        if fly_app.rpartition("-")[0] != self.prefix:
            logger.warning("no app of this stack has such a name", fly_app=fly_app)
            return []
        owner = self._owner(event.data)
        with self.leases.held(owner.id if owner else fly_app) as lease:
            environment = self.environments.get(owner.id) if owner else None
            if environment is not None and environment.is_live:
                logger.info("superseded", environment_id=environment.id, fly_app=fly_app)
                return []
            if environment is not None:
                self._expect_no_name(environment)
            self.delete(fly_app, lease)
        return [_removed(environment)] if environment is not None and environment.status == "closing" else []

    def _expect_no_name(self, environment: Environment) -> None:
        if self.names.get(environment.id) is not None:
            raise RetryLaterError("the name in DNS still leads to the runtime", _LOOK_AGAIN)

    def _owner(self, orphan: RuntimeOrphanedData) -> Environment | None:
        """The environment that has the app's name on record. What the app's machine says of itself may be untrue."""
        said = self.environments.get(orphan.environment_id) if orphan.environment_id else None
        if said is not None and said.fly_app == orphan.fly_app:
            return said
        return next((found for found in self.environments.list_all() if found.fly_app == orphan.fly_app), None)


def _removed(environment: Environment) -> Fact:
    logger.info("runtime removed", environment_id=environment.id, generation=environment.generation)
    return Fact(RuntimeRemoved, AboutEnvironment(environment=environment.snapshot()))
