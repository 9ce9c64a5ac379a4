"""Fly.io apps of this stack that serve no live environment."""

from datetime import timedelta

import httpx
import pytest

from fly_io.client import FlyRefused, FlyUnavailable
from janitor.finding import Finding
from janitor.orphaned import REMOVAL
from prestage_contracts.janitor import RuntimeOrphaned, RuntimeOrphanedData
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import World, fly_app, machine

UNKNOWN = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2aff"
ORPHAN = fly_app(UNKNOWN)
AFTER = REMOVAL + timedelta(seconds=1)


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


def orphans(world: World) -> dict[str, str | None]:
    found = [told(finding) for finding in world.look(world.orphaned())]
    return {one.fly_app: one.environment_id for one in found}


def told(finding: Finding) -> RuntimeOrphanedData:
    assert finding.event is RuntimeOrphaned
    assert isinstance(finding.data, RuntimeOrphanedData)
    return finding.data


def test_an_app_that_no_record_names_is_an_orphan_with_the_environment_that_its_machine_names(world: World) -> None:
    world.fly.run(ORPHAN, machine(UNKNOWN))
    [finding] = world.look(world.orphaned())
    assert told(finding) == RuntimeOrphanedData(fly_app=ORPHAN, environment_id=UNKNOWN)
    assert finding.group == "0"


def test_an_orphan_without_a_machine_is_one_too(world: World) -> None:
    world.fly.run(ORPHAN)
    assert orphans(world) == {ORPHAN: None}


@pytest.mark.parametrize("how", [500, 404, 403, httpx.ReadTimeout], ids=str)
def test_an_orphan_whose_machines_are_not_told_is_one_too(world: World, how: int | type[Exception]) -> None:
    world.fly.run(ORPHAN, machine(UNKNOWN))
    world.fly.fail("/machines$", how)
    assert orphans(world) == {ORPHAN: None}


@pytest.mark.parametrize("said", ["", "production", "../../etc", UNKNOWN + "0"])
def test_what_is_no_environment_s_id_is_not_taken_for_one(world: World, said: str) -> None:
    world.fly.run(ORPHAN, machine(said))
    assert orphans(world) == {ORPHAN: None}


def test_a_machine_is_not_believed_to_serve_an_environment_that_has_another_app(world: World) -> None:
    ready = world.ready()
    world.fly.run(ORPHAN, machine(ready.id))
    assert orphans(world) == {ORPHAN: None}


def test_the_app_of_a_live_environment_is_no_orphan(world: World) -> None:
    world.ready(3)
    world.report(world.ready(4), "ready")
    failed = world.begin(5)
    world.fly.run(failed.fly_app)
    world.report(failed, "fail")
    deploying = world.begin(6)
    world.fly.run(deploying.fly_app)
    world.now.advance(days=400)
    assert orphans(world) == {}


def test_the_app_of_a_closed_environment_is_being_removed_for_a_day(world: World) -> None:
    closed = world.close(world.ready())
    assert orphans(world) == {}
    world.now.advance(seconds=AFTER.total_seconds() - 2)
    assert orphans(world) == {}
    world.now.advance(seconds=2)
    assert orphans(world) == {closed.fly_app: closed.id}


def test_the_app_of_a_stopped_environment_may_be_listed_a_little_longer(world: World) -> None:
    stopped = world.stop(world.ready())
    assert orphans(world) == {}
    world.now.advance(seconds=AFTER.total_seconds())
    [finding] = world.look(world.orphaned())
    assert told(finding).environment_id == stopped.id
    assert finding.group == str(stopped.repository.id)


def test_an_environment_that_began_again_is_no_orphan(world: World) -> None:
    world.stop(world.ready())
    world.now.advance(seconds=AFTER.total_seconds())
    world.begin(cause="event-2")
    assert orphans(world) == {}


def test_an_environment_that_begins_while_the_sweep_runs_is_no_orphan(world: World) -> None:
    """It is begun, and its app made, while Fly answers; or it begins again after the records were read."""
    closed = world.stop(world.ready(3))
    world.now.advance(seconds=AFTER.total_seconds())
    world.fly.before("/apps\\?", lambda: world.ready(4))
    world.local.before("Scan", lambda: world.local.before("GetItem", lambda: world.begin(3, cause="event-2")))
    assert orphans(world) == {}
    assert sorted(world.fly.machines) == sorted([closed.fly_app, fly_app(world.begin(4).id)])


@pytest.mark.parametrize(
    "name",
    [
        "prestage",
        "prestage-router",
        "prestage-",
        f"{ORPHAN}x",
        fly_app(UNKNOWN, "staging"),
        fly_app(UNKNOWN, "prestage-two"),
        fly_app(UNKNOWN, "the-prestage"),
    ],
)
def test_an_app_of_somebody_else_s_is_left_alone(world: World, name: str) -> None:
    world.fly.run(name, machine(UNKNOWN))
    assert orphans(world) == {}


@pytest.mark.parametrize("network", [None, "", "default", "prestage"])
def test_an_app_on_a_network_that_is_not_its_own_is_left_alone(world: World, network: str | None) -> None:
    world.fly.run(ORPHAN, machine(UNKNOWN), network=network)
    assert orphans(world) == {}


@pytest.mark.parametrize("how", [500, 429, httpx.ReadTimeout, httpx.ConnectError], ids=str)
def test_nothing_is_said_where_fly_does_not_list_its_apps(world: World, how: int | type[Exception]) -> None:
    world.fly.run(ORPHAN)
    world.fly.fail("/apps\\?", how)
    with pytest.raises(FlyUnavailable):
        orphans(world)


def test_nothing_is_said_of_a_list_that_leaves_apps_out(world: World) -> None:
    world.fly.run(ORPHAN)
    world.fly.total = 2
    with pytest.raises(FlyRefused):
        orphans(world)


def test_nothing_is_said_where_a_record_can_t_be_read(world: World) -> None:
    ready = world.ready()
    world.local.table.put({"pk": f"ENVIRONMENT#{ready.id}", "sk": "ENVIRONMENT", "id": ready.id})
    with pytest.raises(ValueError, match="validation error"):
        orphans(world)


def test_another_app_of_the_same_name_is_another_finding_of_the_day(world: World) -> None:
    world.fly.run(ORPHAN)
    [finding] = world.look(world.orphaned())
    assert finding.cause == f"{ORPHAN}/id of {ORPHAN}"
