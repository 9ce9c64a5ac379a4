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


def test_it_outlasts_the_function_that_holds_it() -> None:
    """Otherwise a holder could act on after its lease ran out."""
    function = load(TEMPLATE)["Resources"]["RuntimesFunction"]["Properties"]
    assert timedelta(seconds=function["Timeout"]) < LASTING
