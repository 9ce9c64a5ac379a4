"""Time is moved to where something waits, and never past a machine that boots in real time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prestage.stage.fly_checks import describe_checks
from prestage.stage.fly_machines import Machine
from prestage.stage.settling import Boots, Settling
from prestage.stage.time_travel import TimeTravel
from tests.unit.fly_stage import FOLLOWS_A_FILE, Stage, file, service, shell, stage, web

HOUR = timedelta(hours=1)
CHECKED = {"services": [service(checks=[{"type": "http", "path": "/"}])]}


@pytest.fixture(scope="module")
def travel() -> Iterator[TimeTravel]:
    made = TimeTravel()
    yield made
    made.close()


@pytest.fixture
def fly(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


@dataclass
class Waiting:
    """Stands in for the poller: one message that is put off again and again, `times` in all."""

    travel: TimeTravel
    times: int
    every: timedelta = timedelta(seconds=5)
    settled: list[datetime] = field(default_factory=list)
    parallel: list[bool] = field(default_factory=list)

    def settle(self, *, parallel: bool = False) -> None:
        self.settled.append(self.travel.now())
        self.parallel.append(parallel)

    def hidden(self) -> datetime | None:
        return self.settled[-1] + self.every if len(self.settled) <= self.times else None


def settling(poller: Waiting, machines: Sequence[Machine] = ()) -> Settling:
    return Settling(poller, poller.travel, Boots(lambda: machines))  # type: ignore[arg-type]  # a fake


def test_time_passes_to_each_moment_at_which_something_waits(travel: TimeTravel) -> None:
    poller = Waiting(travel, times=3)
    assert not settling(poller).until(lambda: False, HOUR)
    first, *_, last = poller.settled
    assert len(poller.settled) == 4
    assert timedelta(seconds=15) <= last - first < timedelta(seconds=20)


def test_it_ends_as_soon_as_what_is_waited_for_is_there(travel: TimeTravel) -> None:
    poller = Waiting(travel, times=10)
    assert settling(poller).until(lambda: len(poller.settled) == 2, HOUR, parallel=True)
    assert poller.parallel == [True, True]


def test_no_more_time_passes_than_may(travel: TimeTravel) -> None:
    poller = Waiting(travel, times=100)
    before = travel.now()
    assert not settling(poller).until(lambda: False, timedelta(seconds=12))
    assert len(poller.settled) == 3
    assert travel.now() - before < timedelta(seconds=12)


def test_what_is_ready_in_real_time_is_asked_about_no_more_often_than_in_life(fly: Stage, travel: TimeTravel) -> None:
    machine = fly.stand_in.machine(fly.run(web(**CHECKED)).id)
    poller = Waiting(travel, times=1000)
    ready: list[bool] = []

    def is_ready() -> bool:
        ready.append(all(check["status"] == "passing" for check in describe_checks(machine)))
        return ready[-1]

    assert settling(poller, [machine]).until(is_ready, HOUR)
    assert ready in ([False, True], [True])


# ---- Boots


class Looks:
    """Machines that are looked at; `at_the_third` happens when they are for the third time."""

    def __init__(self, fly: Stage, at_the_third: Path) -> None:
        self.count = 0
        self._fly = fly
        self._path = at_the_third

    def __call__(self) -> Sequence[Machine]:
        self.count += 1
        if self.count == 3:
            self._path.touch()
        return self._fly.stand_in.machines()


def test_a_machine_is_waited_for_until_its_checks_pass(fly: Stage) -> None:
    config: dict[str, Any] = {**CHECKED, "files": [file("/app/serve.py", FOLLOWS_A_FILE)]}
    found = fly.run(web(**config))
    looks = Looks(fly, fly.home(found) / "well")
    Boots(looks).wait()
    assert looks.count >= 3
    assert [check["status"] for check in describe_checks(fly.stand_in.machine(found.id))] == ["passing"]


def test_a_machine_that_never_gets_well_is_waited_for_so_long_and_no_longer(fly: Stage) -> None:
    config: dict[str, Any] = {**CHECKED, "files": [file("/app/serve.py", FOLLOWS_A_FILE)]}
    machine = fly.stand_in.machine(fly.run(web(**config)).id)
    Boots(lambda: [machine]).wait(patience=0.3)
    assert machine.uptime >= 0.3
    assert [check["status"] for check in describe_checks(machine)] != ["passing"]


def test_a_machine_that_has_ended_is_not_waited_for(fly: Stage) -> None:
    ended = fly.finish(shell("exit 3", **CHECKED))
    Boots(fly.stand_in.machines).wait()
    assert fly.stand_in.machine(ended.id).state == "stopped"


def test_a_machine_that_was_never_started_is_not_waited_for(fly: Stage) -> None:
    fly.run(web(**CHECKED))
    body = {"name": "later", "config": web(**CHECKED), "skip_launch": True}
    later = fly.api.post("/apps/prv-3f9a1c/machines", json=body).json()["id"]
    Boots(lambda: [fly.stand_in.machine(later)]).wait()
    assert fly.stand_in.machine(later).state == "created"
