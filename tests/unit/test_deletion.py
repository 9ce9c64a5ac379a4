"""Fly.io is driven to have nothing of a runtime, and nothing that is not ours is touched."""

import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from choreography.reaction import BrokenError, RetryLaterError
from runtimes.deletion import logger
from runtimes.lease import LASTING, Lease, Leases
from tests.unit.dynamodb import Local
from tests.unit.github_stage import Now
from tests.unit.provision_stage import NAME, ORGANIZATION, CrashError, World, provisioning, stop_at, wanted
from tests.unit.record_examples import preview
from tests.unit.steps import logged

ENVIRONMENT = preview().id


class Stage:
    """Fly, and the lease on the runtime."""

    def __init__(self, fly: World, local: Local) -> None:
        self.fly = fly
        self.local = local
        self.now = Now()
        self.leases = Leases(local.table, self.now)

    def delete(self) -> None:
        with self.leases.held(ENVIRONMENT) as lease:
            self.fly.delete(NAME, lease)

    def attempt_for_ever(self) -> None:
        """The same, again and again; where it crashes, the lease is not given back."""
        now = int(self.now().timestamp())
        while True:
            lease = Lease(self.local.table, ENVIRONMENT, "mortal", now + 60)
            lease.take(now)
            with suppress(RetryLaterError):
                self.fly.delete(NAME, lease)
            lease.give_back()

    def delete_until_gone(self, times: int = 20) -> int:
        """Gives how often it had to wait."""
        for waits in range(times):
            try:
                self.delete()
            except RetryLaterError:
                continue
            return waits
        raise AssertionError("it never goes")

    def is_marked(self) -> bool:
        self.now.advance(seconds=LASTING.total_seconds())  # who held the lease is stopped by now
        with self.leases.held(ENVIRONMENT) as lease:
            return lease.removing


@pytest.fixture
def stage(tmp_path: Path, local: Local) -> Iterator[Stage]:
    with provisioning(tmp_path) as fly:
        yield Stage(fly, local)


def test_the_app_goes_with_its_machine_and_is_gone_when_fly_says_so(stage: Stage) -> None:
    stage.fly.provision(wanted())
    stage.fly.stand_in.let_deletions_linger(2)
    stage.fly.forget()
    with pytest.raises(RetryLaterError, match="is removing the app") as raised:
        stage.delete()
    assert raised.value.after == timedelta(seconds=5)
    assert stage.fly.calls() == ["GET /it", "DELETE /it"]
    assert stage.is_marked()
    assert stage.delete_until_gone() > 0
    assert not stage.is_marked()
    assert (stage.fly.stand_in.apps(), stage.fly.stand_in.machines()) == ((), ())
    assert stage.fly.calls()[-1] == "GET /it"


def test_what_is_gone_already_costs_one_look_and_leaves_no_record(stage: Stage) -> None:
    stage.delete()
    assert stage.fly.calls() == ["GET /it"]
    assert stage.local.items() == []


def test_the_mark_is_there_before_the_app_is_asked_to_go(stage: Stage) -> None:
    """So that whoever comes after a crash knows that the app is dying."""
    marked: list[bool] = []

    def look(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method == "DELETE":
            marked.append("removing" in stage.local.item(f"ENVIRONMENT#{ENVIRONMENT}", "RUNTIME"))
        return answer

    stage.fly.provision(wanted())
    stage.fly.wire.edit = look
    stage.delete_until_gone()
    assert marked == [True]


def test_a_lease_that_is_no_longer_ours_deletes_nothing(stage: Stage) -> None:
    stage.fly.provision(wanted())
    stage.fly.forget()
    with pytest.raises(RetryLaterError, match="somebody else acts"):
        stage.fly.delete(NAME, Lease(stage.local.table, ENVIRONMENT, "overslept", 0))
    assert stage.fly.changes() == []


# ---- Broken off


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("call", range(1, 8))
def test_it_is_finished_after_a_crash_at_any_call(stage: Stage, call: int, after_effect: bool) -> None:
    """The lease's holder is dead then, and what it knew with it."""
    stage.fly.provision(wanted())
    stage.fly.stand_in.let_deletions_linger(2)
    stage.fly.forget()
    stage.fly.wire.stop = stop_at(call, after_effect=after_effect)
    with pytest.raises(CrashError):
        stage.attempt_for_ever()
    stage.now.advance(seconds=LASTING.total_seconds())
    stage.delete_until_gone()
    assert stage.fly.stand_in.apps() == ()
    assert stage.local.items() == []


@pytest.mark.parametrize("fault", [{"status": 408}, {"status": 500}, {"status": 429}, {"status": 504}])
@pytest.mark.parametrize("after_effect", [False, True])
def test_an_answer_that_is_lost_is_looked_into(stage: Stage, fault: dict[str, Any], after_effect: bool) -> None:
    stage.fly.provision(wanted())
    stage.fly.stand_in.fail(1, match="^DELETE ", after_effect=after_effect, **fault)
    assert stage.delete_until_gone() > 0
    assert stage.fly.stand_in.apps() == ()


def test_while_fly_does_not_answer_the_app_is_not_gone(stage: Stage) -> None:
    stage.fly.provision(wanted())
    stage.fly.stand_in.fail(3, status=503, match="^GET ")
    for _ in range(3):
        with pytest.raises(RetryLaterError, match="503"):
            stage.delete()
    assert len(stage.fly.stand_in.apps()) == 1
    stage.delete_until_gone()


@pytest.mark.parametrize("call", ["^GET ", "^DELETE "])
def test_a_refusal_is_for_an_operator_to_mend_as_nobody_else_is_told(stage: Stage, call: str) -> None:
    stage.fly.provision(wanted())
    stage.fly.stand_in.fail(1, status=422, match=call)
    with pytest.raises(BrokenError) as raised:
        stage.delete()
    assert raised.value.reason.code == "provider_refused"
    stage.delete_until_gone()


# ---- The successor


def test_a_name_that_is_dying_is_not_adopted_and_made_anew_once_it_is_gone(stage: Stage) -> None:
    first = stage.fly.provision(wanted())
    stage.fly.stand_in.let_deletions_linger(3, machines_run=True)
    with pytest.raises(RetryLaterError):
        stage.delete()
    assert stage.is_marked()
    assert stage.delete_until_gone() > 0
    second = stage.fly.provision(wanted(3))
    assert second.machine_id != first.machine_id
    assert stage.fly.stand_in.apps()[0].network == NAME


# ---- Whose it is


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


@pytest.mark.parametrize(
    ("organization", "network"), [("others", NAME), (ORGANIZATION, "default"), (ORGANIZATION, f"{NAME}-2")]
)
def test_what_is_not_ours_is_not_touched_and_nothing_of_ours_is_left(
    stage: Stage, log: io.StringIO, organization: str, network: str
) -> None:
    stage.fly.stand_in.plant_app(NAME, organization, network)
    stage.delete()
    assert stage.fly.changes() == []
    assert stage.local.items() == []
    assert "somebody else" in log.getvalue()


@pytest.mark.parametrize("untold", [{"network": None}, {"network": ""}, {"organization": None}])
def test_what_fly_does_not_say_the_owner_of_is_not_touched_and_not_taken_for_gone(
    stage: Stage, untold: dict[str, None]
) -> None:
    stage.fly.provision(wanted())
    stage.fly.forget()
    stage.fly.wire.edit = lambda _, answer: httpx.Response(200, json={**answer.json(), **untold})
    with pytest.raises(RetryLaterError, match="whose"):
        stage.delete()
    assert stage.fly.changes() == []
