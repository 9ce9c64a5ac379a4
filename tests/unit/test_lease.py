"""One actor at a time touches a runtime."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from choreography.reaction import RefusedError, RetryLaterError
from prestage.stage.template import load
from runtimes.lease import LASTING, Leases
from tests.unit.dynamodb import TABLE, Local, ResendingTable
from tests.unit.github_stage import Now

ENVIRONMENT = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2a11"
OTHER = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2a12"
TEMPLATE = Path(__file__).parents[2] / "template.yaml"


@dataclass
class World:
    local: Local
    now: Now = field(default_factory=Now)

    def leases(self) -> Leases:
        return Leases(self.local.table, self.now)

    def is_free(self, environment_id: str = ENVIRONMENT) -> bool:
        """Whether somebody could hold it; who tries does not keep it."""
        try:
            with self.leases().held(environment_id):
                return True
        except RetryLaterError:
            return False


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


def test_nobody_else_holds_it_meanwhile(world: World) -> None:
    with world.leases().held(ENVIRONMENT):
        assert not world.is_free()
        assert world.is_free(OTHER)
    assert world.is_free()


def test_the_same_actor_does_not_hold_it_twice(world: World) -> None:
    leases = world.leases()
    with (
        leases.held(ENVIRONMENT),
        pytest.raises(RetryLaterError, match="somebody else acts") as raised,
        leases.held(ENVIRONMENT),
    ):
        pass
    assert raised.value.after == timedelta(seconds=10)
    assert world.is_free()


def test_a_write_that_is_sent_again_does_not_lock_its_own_actor_out(world: World) -> None:
    table = ResendingTable(world.local.dynamodb, TABLE)
    with Leases(table, world.now).held(ENVIRONMENT):
        assert not world.is_free()
    assert world.is_free()


@pytest.mark.parametrize(
    "error", [RefusedError("code", "no"), RetryLaterError("Fly", timedelta(1)), KeyboardInterrupt()]
)
def test_it_is_given_back_whatever_ends_the_work(world: World, error: BaseException) -> None:
    with pytest.raises(type(error)), world.leases().held(ENVIRONMENT):
        raise error
    assert world.is_free()
    assert world.local.items() == []


def test_it_runs_out_when_its_holder_was_stopped(world: World) -> None:
    left_open = ExitStack()
    left_open.enter_context(world.leases().held(ENVIRONMENT))
    world.now.advance(seconds=LASTING.total_seconds() - 1)
    assert not world.is_free()
    world.now.advance(seconds=1)
    assert world.is_free()
    left_open.close()


def test_who_overslept_leaves_the_successors_alone(world: World) -> None:
    overslept = ExitStack()
    overslept.enter_context(world.leases().held(ENVIRONMENT))
    world.now.advance(seconds=LASTING.total_seconds())
    with world.leases().held(ENVIRONMENT):
        overslept.close()
        assert not world.is_free()
    assert world.is_free()


def test_one_of_two_who_find_one_that_ran_out_holds_it(world: World) -> None:
    overslept, quicker = ExitStack(), ExitStack()
    overslept.enter_context(world.leases().held(ENVIRONMENT))
    world.now.advance(seconds=LASTING.total_seconds())
    world.local.before("PutItem", lambda: quicker.enter_context(world.leases().held(ENVIRONMENT)))
    assert not world.is_free()
    quicker.close()
    overslept.close()


# ---- What is being removed


def test_the_mark_outlasts_the_lease_and_is_no_lease(world: World) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()
        assert not world.is_free()
    assert world.is_free()
    for _ in range(2):
        with world.leases().held(ENVIRONMENT) as lease:
            assert lease.removing


def test_nothing_is_left_once_the_mark_is_taken_away(world: World) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removed()
    assert world.local.items() == []
    with world.leases().held(ENVIRONMENT) as lease:
        assert not lease.removing


def test_a_mark_is_written_at_once_and_not_only_as_the_lease_is_given_back(world: World) -> None:
    died = ExitStack()
    died.enter_context(world.leases().held(ENVIRONMENT)).mark_removing()
    world.now.advance(seconds=LASTING.total_seconds())
    with world.leases().held(ENVIRONMENT) as lease:
        assert lease.removing
    died.close()
    with world.leases().held(ENVIRONMENT) as lease:
        assert lease.removing


def test_a_mark_is_taken_away_at_once(world: World) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()
    died = ExitStack()
    died.enter_context(world.leases().held(ENVIRONMENT)).mark_removed()
    world.now.advance(seconds=LASTING.total_seconds())
    with world.leases().held(ENVIRONMENT) as lease:
        assert not lease.removing
    died.close()


def test_marking_what_is_marked_writes_nothing(world: World) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()
        world.local.calls.clear()
        lease.mark_removing()
        assert world.local.calls == []


@pytest.mark.parametrize("marked", [False, True])
def test_who_overslept_neither_marks_nor_takes_a_mark_away(world: World, marked: bool) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()
        if not marked:
            lease.mark_removed()
    overslept = ExitStack()
    old = overslept.enter_context(world.leases().held(ENVIRONMENT))
    world.now.advance(seconds=LASTING.total_seconds())
    with world.leases().held(ENVIRONMENT):
        with pytest.raises(RetryLaterError, match="somebody else acts"):
            (old.mark_removed if marked else old.mark_removing)()
        overslept.close()
        assert not world.is_free()
    with world.leases().held(ENVIRONMENT) as lease:
        assert lease.removing is marked


@pytest.mark.parametrize("marked", [False, True])
def test_who_takes_over_does_not_overlook_a_mark_that_changes_meanwhile(world: World, marked: bool) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()
        if not marked:
            lease.mark_removed()
    overslept = ExitStack()
    old = overslept.enter_context(world.leases().held(ENVIRONMENT))
    world.now.advance(seconds=LASTING.total_seconds())
    world.local.before("PutItem", lambda: None)  # the try that finds it held
    world.local.before("PutItem", old.mark_removed if marked else old.mark_removing)
    assert not world.is_free()
    with world.leases().held(ENVIRONMENT) as lease:
        assert lease.removing is not marked
    overslept.close()


def test_one_of_two_who_find_a_mark_holds_the_lease(world: World) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()
    quicker = ExitStack()
    world.local.before("PutItem", lambda: None)
    world.local.before("PutItem", lambda: quicker.enter_context(world.leases().held(ENVIRONMENT)))
    assert not world.is_free()
    quicker.close()


def test_one_of_two_holds_it_though_the_other_has_given_it_back_by_then(world: World) -> None:
    with world.leases().held(ENVIRONMENT) as lease:
        lease.mark_removing()

    def finish() -> None:
        with world.leases().held(ENVIRONMENT) as quicker:
            quicker.mark_removed()

    world.local.before("PutItem", lambda: None)
    world.local.before("PutItem", finish)
    assert not world.is_free()
    assert world.local.items() == []


def test_writes_that_are_sent_again_mark_and_take_over_once(world: World) -> None:
    leases = Leases(ResendingTable(world.local.dynamodb, TABLE), world.now)
    with leases.held(ENVIRONMENT) as lease:
        lease.mark_removing()
    with leases.held(ENVIRONMENT) as lease:
        assert lease.removing
        lease.mark_removed()
        assert not world.is_free()
    assert world.local.items() == []


def test_a_lease_costs_two_writes_unless_something_is_in_its_way(world: World) -> None:
    with world.leases().held(ENVIRONMENT):
        pass
    assert world.local.calls == ["PutItem", "DeleteItem"]


def test_it_outlasts_the_function_that_holds_it() -> None:
    """Otherwise a holder could act on after its lease ran out."""
    function = load(TEMPLATE)["Resources"]["RuntimesFunction"]["Properties"]
    assert timedelta(seconds=function["Timeout"]) < LASTING
