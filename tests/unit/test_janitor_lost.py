"""Environments that are said to be live, and whose Fly.io app or machine is gone."""

from datetime import timedelta

import httpx
import pytest

from fly_io.client import FlyRefused, FlyUnavailable
from janitor.lost import OVERDUE
from janitor.watch import MOST_AWAY
from prestage_contracts.janitor import RuntimeLost
from prestage_contracts.snapshot import AboutEnvironment
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import World, about, machine


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


def lost(world: World) -> list[str]:
    return about(world.look(world.lost()))


def test_a_ready_environment_whose_app_is_gone_is_lost(world: World) -> None:
    ready = world.ready()
    del world.fly.machines[ready.fly_app]
    [finding] = world.look(world.lost())
    assert finding.event is RuntimeLost
    assert finding.data == AboutEnvironment(environment=ready.snapshot())
    assert finding.group == str(ready.repository.id)


def test_a_ready_environment_without_a_machine_is_lost(world: World) -> None:
    empty, destroyed = world.ready(3), world.ready(4)
    world.fly.run(empty.fly_app)
    world.fly.run(destroyed.fly_app, machine(destroyed.id, "destroyed"))
    assert set(lost(world)) == {f"{empty.id}@1", f"{destroyed.id}@1"}


@pytest.mark.parametrize("state", ["started", "stopped", "suspended", "failed", "destroying", "of a new kind"])
def test_an_environment_with_a_machine_is_not_lost(world: World, state: str) -> None:
    ready = world.ready()
    world.fly.run(ready.fly_app, machine(ready.id, state))
    assert lost(world) == []


def test_an_environment_that_is_deploying_is_lost_after_a_day(world: World) -> None:
    begun = world.begin()
    world.now.advance(seconds=OVERDUE.total_seconds())
    assert lost(world) == []
    world.now.advance(seconds=1)
    assert lost(world) == [f"{begun.id}@1"]


@pytest.mark.parametrize("stage", ["fetch", "unpack", "build", "start", "health"])
def test_an_environment_that_failed_in_its_machine_is_lost_with_it(world: World, stage: str) -> None:
    failed = world.report(world.begin(), "fail", stage=stage)
    assert lost(world) == [f"{failed.id}@1"]
    world.fly.run(failed.fly_app, machine(failed.id, "stopped"))
    assert lost(world) == []


def test_an_environment_that_got_no_machine_or_is_closed_is_not_lost(world: World) -> None:
    world.report(world.begin(1), "fail", stage="provision")
    world.report(world.begin(2), "fail", stage="secrets")
    world.report(world.begin(3), "fail")
    world.close(world.begin(4))
    world.stop(world.begin(5))
    world.now.advance(days=400)
    assert lost(world) == []
    assert world.fly.asked == []


@pytest.mark.parametrize("how", [500, 503, 429, 408, 401, 403, 400, httpx.ReadTimeout, httpx.ConnectError], ids=str)
def test_nothing_is_said_of_an_environment_that_fly_does_not_tell_of(world: World, how: int | type[Exception]) -> None:
    gone = [world.ready(number) for number in (3, 4)]
    for environment in gone:
        world.fly.run(environment.fly_app)
    world.fly.fail(f"{gone[0].fly_app}/machines", how)
    assert lost(world) == [f"{gone[1].id}@1"]


def test_that_machines_are_not_found_is_not_believed_while_the_app_is_there(world: World) -> None:
    world.ready()
    world.fly.fail("/machines$", 404)
    assert lost(world) == []


@pytest.mark.parametrize("how", [500, 403, httpx.ReadTimeout], ids=str)
def test_that_machines_are_not_found_is_not_believed_while_the_app_is_not_told(
    world: World, how: int | type[Exception]
) -> None:
    ready = world.ready()
    del world.fly.machines[ready.fly_app]
    world.fly.fail(f"{ready.fly_app}$", how)
    assert lost(world) == []


@pytest.mark.parametrize(("how", "error"), [(503, FlyUnavailable), (401, FlyRefused)])
def test_the_look_ends_where_fly_is_away(world: World, how: int, error: type[Exception]) -> None:
    for number in range(1, MOST_AWAY + 3):
        world.fly.run(world.ready(number).fly_app)
    world.fly.fail("/machines$", how, MOST_AWAY)
    with pytest.raises(error):
        lost(world)
    assert len(world.fly.asked) == MOST_AWAY


def test_answers_in_between_show_that_fly_is_there(world: World) -> None:
    ready = sorted((world.ready(number) for number in range(1, 2 * MOST_AWAY + 1)), key=lambda one: one.id)
    for environment in ready:
        world.fly.run(environment.fly_app)
    for environment in ready[::2]:
        world.fly.fail(f"{environment.fly_app}/machines", 503)
    assert set(lost(world)) == {f"{one.id}@1" for one in ready[1::2]}


def test_an_environment_that_is_closed_while_fly_is_asked_is_not_lost(world: World) -> None:
    ready = world.ready()
    del world.fly.machines[ready.fly_app]
    world.fly.before("/machines$", lambda: world.close(ready))
    assert lost(world) == []


def test_an_environment_that_is_updated_while_fly_is_asked_is_not_lost(world: World) -> None:
    ready = world.ready()
    world.fly.run(ready.fly_app)
    later = ready.model_copy(update={"sha": "b" * 40, "updated_at": world.now() + timedelta(seconds=1)})
    world.fly.before("/machines$", lambda: world.environments.deploy(later, "event-2"))
    assert lost(world) == []


def test_a_sweep_asks_about_no_more_than_it_may(world: World) -> None:
    look = world.lost(most=2)
    ready = [world.ready(number) for number in range(1, 6)]
    asked = set()
    for _ in range(3):
        world.look(look)
        asked |= set(world.fly.asked[-2:])
        world.now.advance(hours=1)
    assert asked == {f"GET /v1/apps/{one.fly_app}/machines" for one in ready}
    assert len(world.fly.asked) == 6
