"""`RuntimeRequested` → an own host name leads to the runtime: `DomainPointed`. `EnvironmentClosed` → none does.

The name is on record before it is in DNS, and until no resolver remembers it; the runtime stays that long. See
docs/adr/0016.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import Fact, RetryLaterError
from dns.zone import TTL, Zone
from prestage_contracts.dns import DomainFailed, DomainPointed, DomainPointedData, DomainReleased, DomainReleasedData
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import EnvironmentClosed
from prestage_contracts.runtimes import RuntimeRequested
from prestage_contracts.snapshot import EnvironmentProblem
from records.domain_names import DomainName, DomainNames, NameMovedError
from records.environments import Environment, Environments

_LOOK_AGAIN = timedelta(seconds=5)

logger = Logger()


@dataclass(frozen=True)
class FollowRuntime:
    """The steps. `fly_address` is Fly.io's own address of an app; it has `{fly_app}` where the app's name goes."""

    environments: Environments
    names: DomainNames
    zone: Zone
    fly_address: str
    clock: Clock

    def requested(self, event: RuntimeRequested) -> Sequence[Fact]:
        """The name leads to the runtime, if the environment is still at that generation and has a name of its own."""
        about = event.data.environment
        environment = self.environments.live_at(about.id, about.generation)
        if environment is None:
            return _superseded(about.id, about.generation)
        wanted = self._wanted(environment)
        with _one_at_a_time():
            found = self.names.get(environment.id)
            if found is not None and (wanted is None or _leads(found) != _leads(wanted)):
                self._release(found, environment.generation)
                found = None
            if wanted is None:
                return []
            self._point(found or wanted, environment.generation)
        data = DomainPointedData(environment=environment.snapshot(), host=wanted.name, target=wanted.target)
        return [Fact(DomainPointed, data)]

    def closed(self, event: EnvironmentClosed) -> Sequence[Fact]:
        """The name leads nowhere, if the environment is still closed at that generation."""
        about = event.data.environment
        environment = self.environments.get(about.id)
        if environment is None or environment.is_live or environment.generation != about.generation:
            return _superseded(about.id, about.generation)
        with _one_at_a_time():
            found = self.names.get(environment.id)
            if found is not None:
                self._release(found, environment.generation)
        host = environment.own_host or (found.name if found else None)
        return [Fact(DomainReleased, DomainReleasedData(environment=environment.snapshot(), host=host))] if host else []

    def _wanted(self, environment: Environment) -> DomainName | None:
        if environment.own_host is None:
            return None
        target = urlsplit(self.fly_address.format(fly_app=environment.fly_app)).hostname
        return DomainName(environment_id=environment.id, name=environment.own_host, target=target or "")

    def _point(self, name: DomainName, generation: int) -> None:
        held = self.names.take(name.model_copy(update={"change": None, "forgotten_at": None}), generation)
        self.zone.point(held.name, held.target)
        self.names.give_back(held)
        logger.info("pointed", environment_id=held.environment_id, host=held.name)

    def _release(self, found: DomainName, generation: int) -> None:
        """Take the name out of DNS; returns once nobody remembers it.

        Raises:
            RetryLaterError: somebody may.
        """
        if found.change is None:
            held = self.names.take(found, generation)
            found = self.names.give_back(held, change=self.zone.remove(held.name, held.target))
        if found.forgotten_at is None:
            if not self.zone.is_everywhere(found.change or ""):
                raise RetryLaterError("Route 53 takes the name out", _LOOK_AGAIN)
            found = self.names.give_back(found, forgotten_at=self.clock() + TTL)
        left = (found.forgotten_at or self.clock()) - self.clock()
        if left > timedelta(0):
            raise RetryLaterError("resolvers may remember the name", left)
        self.names.forget(found)
        logger.info("released", environment_id=found.environment_id, host=found.name)


def failed(event: RuntimeRequested | EnvironmentClosed, reason: Reason) -> Fact:
    """The name does not lead to the runtime, or still does."""
    return Fact(DomainFailed, EnvironmentProblem(environment=event.data.environment, reason=reason))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    try:
        yield
    except NameMovedError:
        raise RetryLaterError("somebody else acts on the environment's name", _LOOK_AGAIN) from None


def _leads(name: DomainName) -> tuple[str, str]:
    return name.name, name.target


def _superseded(environment_id: str, generation: int) -> Sequence[Fact]:
    logger.info("superseded", environment_id=environment_id, generation=generation)
    return []
