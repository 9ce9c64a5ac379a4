"""Letting what was begun come to its end, in no more time than that takes."""

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from prestage.stage.fly_checks import describe_checks
from prestage.stage.fly_machines import SETTLED, Machine
from prestage.stage.poller import Poller
from prestage.stage.time_travel import TimeTravel

BOOT_PATIENCE = 20.0
"""Real seconds after which a boot whose checks don't pass counts as one that never will."""

_LOOK_SECONDS = 0.02
_AT_REST = SETTLED | {"created"}
_MARGIN = timedelta(milliseconds=50)


class Boots:
    """Machines of the Fly.io stand-in on their way: they boot in real time, however the stage's clock is moved.

    Args:
        machines: gives all machines.
    """

    def __init__(self, machines: Callable[[], Iterable[Machine]]) -> None:
        self._machines = machines

    def wait(self, patience: float = BOOT_PATIENCE) -> None:
        """Return when each machine is at rest, has all its checks passing, or began its boot `patience` seconds ago."""
        while any(machine.uptime < patience and _is_on_its_way(machine) for machine in self._machines()):
            time.sleep(_LOOK_SECONDS)


def _is_on_its_way(machine: Machine) -> bool:
    if machine.state == "started":
        return any(check["status"] != "passing" for check in describe_checks(machine))
    return machine.state not in _AT_REST


class Settling:
    """Lets the functions work, and time pass where all of them wait.

    While a machine is on its way, it is waited for and the clock is not moved: a function that asks every few seconds
    of the stage's time whether the machine is ready asks no more often than it would in life.

    Args:
        poller: feeds the functions.
        travel: moves the clock.
        boots: the machines' boots.
    """

    def __init__(self, poller: Poller, travel: TimeTravel, boots: Boots) -> None:
        self._poller = poller
        self._travel = travel
        self._boots = boots

    def until(
        self,
        holds: Callable[[], bool],
        at_most: timedelta,
        *,
        parallel: bool = False,
        boot_patience: float = BOOT_PATIENCE,
    ) -> bool:
        """Go on until `holds` does. See `Stage.settle_until`."""
        latest = self._travel.now() + at_most
        self._poller.settle(parallel=parallel)
        while not holds():
            self._boots.wait(boot_patience)
            due = self._poller.hidden()
            if due is None or due > latest:
                return False
            self._travel.advance(max(due - self._travel.now(), timedelta(0)) + _MARGIN)
            self._poller.settle(parallel=parallel)
        return True
