"""`RuntimeRequested` → the machine has booted and its health check passes: `RuntimeReady`, or `RuntimeFailed`.

Where the environment has a host name of its own, Fly.io has to serve that too.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import Fact, RetryLaterError
from fly_io.client import Fly, FlyRefused, Machine
from prestage_contracts.envelope import Reason
from prestage_contracts.runtimes import (
    Runtime,
    RuntimeFailed,
    RuntimeFailedData,
    RuntimeReady,
    RuntimeReadyData,
    RuntimeRequested,
)
from records.apps import Apps
from records.environments import Environment, Environments
from runtimes.boot import Ending, explain, not_ready, not_served, progress
from runtimes.machine import find_ours, is_gone, metadata
from runtimes.outcomes import MOVED, as_outcomes

READY_WITHIN = timedelta(minutes=30)
"""From the request to a health check that passes: a pull of the image, a fetch, a build and a start."""

SEEN_WITHIN = timedelta(minutes=1)
"""Not all of Fly sees a new app and its machine at once."""

SOON = timedelta(minutes=1)
"""For so long after the request, whoever waits for it is likely to be looking."""

_LOOK_AGAIN = timedelta(seconds=5)
_LOOK_SOON = timedelta(seconds=2)
_GONE_FOR_GOOD = frozenset({HTTPStatus.NOT_FOUND})
_UNSEEN = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED})
_GONE = Ending("health", None, Reason(code="runtime_gone", message="The machine is gone: somebody removed it"))

logger = Logger()


@dataclass(frozen=True)
class AwaitReady:
    """The step. All that it changes is that a machine that was stopped runs, so it takes no lease.

    `log_address` has `{fly_app}` where the name of the app goes.
    """

    environments: Environments
    apps: Apps
    fly: Fly
    log_address: str
    clock: Clock

    def __call__(self, requested: RuntimeRequested) -> Sequence[Fact]:
        """What became of the machine, if the environment is still at that generation.

        Raises:
            RetryLaterError: nothing yet.
        """
        about, runtime = requested.data.environment, requested.data.runtime
        environment = self.environments.live_at(about.id, about.generation)
        if environment is None:
            logger.info("superseded", environment_id=about.id, generation=about.generation)
            return []
        age = self.clock() - requested.metadata.occurred_at
        with as_outcomes():
            machine = self._find(environment.fly_app, runtime.machine_id, fresh=age < SEEN_WITHIN)
            if machine is None:
                return [self._failed(environment, _GONE)]
            return [self._conclude(environment, machine, runtime, age)]

    def failed(self, requested: RuntimeRequested, reason: Reason) -> Fact:
        """Nobody knows what became of the machine."""
        about, fly_app = requested.data.environment, requested.data.runtime.fly_app
        log_url = self.log_address.format(fly_app=fly_app)
        data = RuntimeFailedData(environment=about, reason=reason, stage="health", log_url=log_url)
        return Fact(RuntimeFailed, data)

    def _find(self, fly_app: str, machine_id: str, *, fresh: bool) -> Machine | None:
        """The machine; where that is gone, the one in its place."""
        unseen = _UNSEEN if fresh else _GONE_FOR_GOOD
        found = _unless(unseen, lambda: self.fly.get_machine(fly_app, machine_id))
        if found is None or is_gone(found):
            found = find_ours(_unless(unseen, lambda: self.fly.list_machines(fly_app)) or ())
        if found is None and fresh:
            raise RetryLaterError("Fly.io does not show the machine yet", _LOOK_AGAIN)
        return found

    def _conclude(self, environment: Environment, machine: Machine, asked: Runtime, age: timedelta) -> Fact:
        if metadata(environment).items() <= machine.metadata.items():  # otherwise it is not of this generation yet
            match progress(machine):
                case "ready" if self._is_served(environment):
                    return _ready(environment, machine, asked.region)
                case "ended":
                    return self._failed(environment, explain(machine, self.apps.get(environment.app_id)))
                case "stopped":
                    _unless(MOVED, lambda: self.fly.start_machine(environment.fly_app, machine.id))
                    raise RetryLaterError("the machine was stopped before it was ready", _wait(age))
        if age >= READY_WITHIN:
            return self._failed(environment, self._late(environment, machine))
        raise RetryLaterError("the machine is booting, or DNS does not lead to it yet", _wait(age))

    def _is_served(self, environment: Environment) -> bool:
        host = environment.own_host
        if host is None:
            return True
        found = _unless(_GONE_FOR_GOOD, lambda: self.fly.check_certificate(environment.fly_app, host))
        return found is not None and found.state == "active"

    def _late(self, environment: Environment, machine: Machine) -> Ending:
        if environment.own_host and progress(machine) == "ready":
            return not_served(environment.own_host, READY_WITHIN)
        return not_ready(machine, self.apps.get(environment.app_id), READY_WITHIN)

    def _failed(self, environment: Environment, ending: Ending) -> Fact:
        logger.info(
            "runtime failed",
            environment_id=environment.id,
            generation=environment.generation,
            reason=ending.reason.code,
            exit_status=ending.exit_status,
        )
        data = RuntimeFailedData(
            environment=environment.snapshot(),
            reason=ending.reason,
            stage=ending.stage,
            exit_status=ending.exit_status,
            log_url=self.log_address.format(fly_app=environment.fly_app),
        )
        return Fact(RuntimeFailed, data)


def _wait(age: timedelta) -> timedelta:
    return _LOOK_SOON if age < SOON else _LOOK_AGAIN


def _ready(environment: Environment, machine: Machine, region: str) -> Fact:
    logger.info("runtime ready", environment_id=environment.id, generation=environment.generation)
    runtime = Runtime(
        provider="fly.io",
        fly_app=environment.fly_app,
        machine_id=machine.id,
        region=machine.region or region,
        address=environment.address,
    )
    return Fact(RuntimeReady, RuntimeReadyData(environment=environment.snapshot(), runtime=runtime))


def _unless[T](statuses: Collection[int], ask: Callable[[], T]) -> T | None:
    """What Fly answers, None if it refuses with one of those statuses."""
    try:
        return ask()
    except FlyRefused as error:
        if error.status not in statuses:
            raise
        return None
