"""Previews that are kept longer than their app allows."""

from datetime import timedelta
from typing import Any

import pytest

from janitor.finding import Finding
from prestage_contracts.janitor import EnvironmentExpired, EnvironmentExpiredData
from records.apps import Apps
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import SHOP, World
from tests.unit.record_examples import ad_hoc, production


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


def allow(world: World, **policy: Any) -> None:
    current = Apps(world.local.table).get(SHOP.id)
    assert current is not None
    Apps(world.local.table).update(current.model_copy(update=policy))


def expired(world: World) -> list[str]:
    return [told(finding).environment.id for finding in world.look(world.expired())]


def told(finding: Finding) -> EnvironmentExpiredData:
    assert finding.event is EnvironmentExpired
    assert isinstance(finding.data, EnvironmentExpiredData)
    return finding.data


def test_a_preview_that_nothing_happened_to_for_longer_than_its_app_allows_is_found(world: World) -> None:
    allow(world, idle_hours=48)
    begun = world.begin()
    world.now.advance(hours=49, minutes=30)
    [finding] = world.look(world.expired())
    assert told(finding).environment == begun.snapshot()
    assert told(finding).idle_hours == 49
    assert finding.group == str(begun.repository.id)


def test_a_preview_is_kept_for_as_long_as_its_app_allows(world: World) -> None:
    allow(world, idle_hours=48)
    world.begin()
    world.now.advance(hours=48)
    assert expired(world) == []


@pytest.mark.parametrize("move", ["ready", "fail"])
def test_what_is_ready_or_failed_expires_as_well(world: World, move: str) -> None:
    begun = world.report(world.begin(), move)
    world.now.advance(hours=SHOP.idle_hours, seconds=1)
    assert expired(world) == [begun.id]


def test_a_newer_word_on_the_pull_request_keeps_it(world: World) -> None:
    begun = world.begin()
    world.now.advance(hours=SHOP.idle_hours)
    world.tell("event-2")
    world.now.advance(hours=1)
    assert expired(world) == []
    world.now.advance(hours=SHOP.idle_hours)
    assert expired(world) == [begun.id]


def test_a_new_generation_keeps_it_whatever_the_pull_request_says(world: World) -> None:
    begun = world.begin()
    world.now.advance(hours=SHOP.idle_hours)
    again = begun.model_copy(update={"updated_at": world.now()})
    world.environments.deploy(again, "event-retry", afresh=True)
    world.now.advance(hours=1)
    assert expired(world) == []


def test_a_label_keeps_it_for_good(world: World) -> None:
    world.begin()
    world.tell("event-2", labels=("bug", SHOP.keep_label), updated_at=world.now() + timedelta(seconds=1))
    world.now.advance(days=400)
    assert expired(world) == []


def test_another_label_does_not_keep_it(world: World) -> None:
    begun = world.begin()
    world.tell("event-2", labels=("bug", "keep"), updated_at=world.now() + timedelta(seconds=1))
    world.now.advance(days=400)
    assert expired(world) == [begun.id]


def test_a_label_that_is_taken_away_is_another_finding_of_the_same_generation(world: World) -> None:
    world.begin()
    world.now.advance(hours=SHOP.idle_hours, minutes=1)
    [before] = world.look(world.expired())
    allow(world, idle_hours=1)
    world.tell("event-2", labels=())
    world.now.advance(hours=2)
    [after] = world.look(world.expired())
    assert before.data.subject == after.data.subject
    assert before.cause != after.cause


def test_a_branch_s_preview_expires_and_production_never_does(world: World) -> None:
    branch = world.environments.deploy(ad_hoc(), "event-1")
    world.environments.deploy(production(), "event-1")
    world.now.advance(days=400)
    assert expired(world) == [branch.id]


def test_what_is_closed_or_stopped_is_not_found(world: World) -> None:
    world.close(world.begin(3))
    world.stop(world.begin(4))
    world.now.advance(days=400)
    assert expired(world) == []


def test_a_preview_that_begins_anew_while_the_sweep_runs_is_not_found(world: World) -> None:
    begun = world.begin()
    world.now.advance(days=400)
    watch, look = world.watch(), world.expired()
    later = begun.model_copy(update={"sha": "b" * 40, "updated_at": world.now()})

    def pushed() -> None:
        world.environments.deploy(later, "event-2")

    world.local.before("Scan", lambda: world.local.before("GetItem", lambda: world.local.before("GetItem", pushed)))
    assert list(look(watch)) == []
    current = world.environments.get(begun.id)
    assert current is not None
    assert current.generation == 2


def test_nothing_is_said_of_the_preview_of_an_app_that_is_no_more(world: World) -> None:
    begun = world.begin()
    world.local.table.delete(f"APP#{begun.app_id}", "APP")
    world.now.advance(days=400)
    assert expired(world) == []


def test_the_time_counts_from_the_last_that_happened_to_either(world: World) -> None:
    begun = world.begin()
    world.now.advance(hours=10)
    again = begun.model_copy(update={"updated_at": world.now()})
    world.environments.deploy(again, "event-retry", afresh=True)
    world.now.advance(hours=400)
    [finding] = world.look(world.expired())
    assert told(finding).idle_hours == 400
    world.tell("event-2", updated_at=world.now() - timedelta(hours=300))
    [finding] = world.look(world.expired())
    assert told(finding).idle_hours == 300
