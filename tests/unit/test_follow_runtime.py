"""What runtimes, vault and the janitor tell of an environment, and what is stated of it then."""

from typing import Any

import pytest

from prestage_contracts.envelope import Reason
from prestage_contracts.environments import (
    EnvironmentClosed,
    EnvironmentFailed,
    EnvironmentReady,
    EnvironmentStopped,
    EnvironmentUpdated,
)
from prestage_contracts.snapshot import EnvironmentSnapshot
from records.environments import Environments
from tests.simulation.memory_table import MemoryTable
from tests.unit.environment_asks import (
    BROKEN,
    changed,
    deploy,
    ended,
    expired,
    opened,
    reopened,
    runtime_failed,
    runtime_lost,
    runtime_ready,
    runtime_removed,
    secrets_failed,
)
from tests.unit.environments_stage import World, about, commit, named, stated
from tests.unit.record_examples import SHA
from tests.unit.steps import event_id, forged

HOUR = 3600
WEEK = 168 * HOUR


@pytest.fixture
def world() -> World:
    found = World(MemoryTable())
    found.does(opened())
    return found


@pytest.fixture
def now(world: World) -> EnvironmentSnapshot:
    """The environment in its first generation."""
    return world.environment().snapshot()


# ---- Ready and failed


def test_a_served_generation_is_ready(world: World, now: EnvironmentSnapshot) -> None:
    [fact] = world.does(runtime_ready(50, now))
    assert fact.event is EnvironmentReady
    assert about(fact)["environment"] == now.model_dump()
    assert world.environment().status == "ready"


@pytest.mark.parametrize(
    ("told", "stage", "log_url"),
    [
        (
            {"stage": "build", "exit_status": 83, "log_url": "https://logs.example.com"},
            "build",
            "https://logs.example.com",
        ),
        ({"stage": "health"}, "health", None),
        ({}, "provision", None),
    ],
    ids=str,
)
def test_a_generation_without_a_runtime_failed_and_says_why(
    world: World, now: EnvironmentSnapshot, told: dict[str, Any], stage: str, log_url: str | None
) -> None:
    [fact] = world.does(runtime_failed(50, now, **told))
    assert fact.event is EnvironmentFailed
    said = about(fact)
    assert (said["reason"], said["stage"], said["log_url"]) == (BROKEN.model_dump(), stage, log_url)
    found = world.environment()
    assert (found.status, found.reason, found.stage, found.log_url) == ("failed", BROKEN, stage, log_url)


def test_a_generation_without_secrets_failed(world: World, now: EnvironmentSnapshot) -> None:
    [fact] = world.does(secrets_failed(50, now))
    assert (fact.event, about(fact)["stage"]) == (EnvironmentFailed, "secrets")
    assert world.environment().stage == "secrets"


def test_a_failure_after_ready_of_the_same_generation_changes_nothing(world: World, now: EnvironmentSnapshot) -> None:
    world.does(runtime_ready(50, now))
    for failure in (runtime_failed(51, now), secrets_failed(52, now)):
        assert world.does(failure) == []
    assert world.environment().status == "ready"


def test_ready_after_a_failure_of_the_same_generation_takes_its_place(world: World, now: EnvironmentSnapshot) -> None:
    world.does(runtime_failed(50, now, stage="health"))
    assert named(world.does(runtime_ready(51, now))) == ["EnvironmentReady"]
    assert (world.environment().status, world.environment().stage) == ("ready", None)


def test_the_next_generation_begins_without_what_was_wrong(world: World, now: EnvironmentSnapshot) -> None:
    world.does(runtime_failed(50, now, stage="build"))
    world.does(changed(2, 1, sha=commit(2)))
    found = world.environment()
    assert (found.status, found.reason, found.stage) == ("deploying", None, None)


@pytest.mark.parametrize("report", [runtime_ready, runtime_failed, secrets_failed, runtime_removed])
def test_a_report_on_an_older_generation_changes_nothing(world: World, now: EnvironmentSnapshot, report: Any) -> None:
    world.does(changed(2, 1, sha=commit(2)))
    before = world.environment()
    assert world.does(report(50, now)) == []
    assert world.environment() == before


@pytest.mark.parametrize("report", [runtime_ready, runtime_failed, secrets_failed])
def test_a_report_on_what_was_closed_changes_nothing(world: World, now: EnvironmentSnapshot, report: Any) -> None:
    world.does(ended(2, 1))
    closing = world.environment()
    for about_ in (now, closing):
        assert world.does(report(50, about_)) == []
    assert world.environment() == closing


@pytest.mark.parametrize("report", [runtime_ready, runtime_failed, runtime_removed, runtime_lost])
def test_a_report_on_what_is_not_on_record_changes_nothing(world: World, now: EnvironmentSnapshot, report: Any) -> None:
    assert world.does(report(50, now.model_copy(update={"id": "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2aff"}))) == []


def test_what_is_stated_comes_from_the_record_and_not_from_the_report(world: World) -> None:
    found = world.environment()
    [fact] = world.does(runtime_ready(50, forged(found)))
    assert about(fact)["environment"] == found.snapshot().model_dump()


# ---- Removed


def test_a_closed_environment_is_stopped_once_its_runtime_is_gone(world: World) -> None:
    world.does(ended(2, 1))
    closing = world.environment()
    [fact] = world.does(runtime_removed(50, closing))
    assert (fact.event, about(fact)["environment"]) == (EnvironmentStopped, closing.snapshot().model_dump())
    assert world.environment().status == "stopped"


def test_a_removal_that_a_reopening_overtook_stops_nothing(world: World) -> None:
    world.does(ended(2, 1))
    closing = world.environment()
    world.does(reopened(3, 2))
    assert world.does(runtime_removed(50, closing)) == []
    assert world.environment().status == "deploying"


def test_a_live_environment_is_never_stopped(world: World, now: EnvironmentSnapshot) -> None:
    assert world.does(runtime_removed(50, now)) == []
    assert world.environment().is_live


# ---- Repeated


def test_a_repeated_report_states_the_same_and_writes_nothing(world: World, now: EnvironmentSnapshot) -> None:
    facts = world.does(runtime_failed(50, now, stage="build"))
    before = world.environment()
    assert world.does(runtime_failed(50, now, stage="build")) == facts
    assert world.environment() == before


def test_what_was_reported_is_stated_though_something_newer_came_in_between(
    world: World, now: EnvironmentSnapshot
) -> None:
    """The step broke off after it wrote, and is repeated: nobody else tells it."""
    events: list[Any] = [runtime_failed(50, now, stage="build"), runtime_ready(51, now)]
    told = [world.does(event) for event in events]
    world.does(changed(2, 1, sha=commit(2)))
    world.does(ended(3, 2))
    closing = world.environment()
    events.append(runtime_removed(52, closing))
    told.append(world.does(events[2]))
    world.does(reopened(4, 3, sha=commit(4)))
    before = world.environment()
    for event, facts in zip(events, told, strict=True):
        assert stated(world.does(event)) == stated(facts)
    assert about(world.does(events[1])[0])["environment"]["sha"] == SHA
    assert world.environment() == before


def test_only_the_report_that_counted_is_stated_again(world: World, now: EnvironmentSnapshot) -> None:
    world.does(runtime_ready(50, now))
    assert world.does(runtime_ready(51, now)) == []


# ---- Lost


@pytest.mark.parametrize("status", ["deploying", "ready", "failed"])
def test_what_lost_its_runtime_is_deployed_afresh(world: World, now: EnvironmentSnapshot, status: str) -> None:
    reports: dict[str, Any] = {"ready": runtime_ready, "failed": runtime_failed}
    if status in reports:
        world.does(reports[status](50, now))
    [fact] = world.does(runtime_lost(51, now))
    assert (fact.event, about(fact)["environment"]["generation"]) == (EnvironmentUpdated, 2)
    assert (world.environment().status, world.environment().sha) == ("deploying", SHA)


@pytest.mark.parametrize("newer", [changed(2, 1, sha=commit(2)), ended(2, 1)], ids=["a push", "a close"])
def test_a_loss_of_an_older_generation_changes_nothing(world: World, now: EnvironmentSnapshot, newer: Any) -> None:
    world.does(newer)
    before = world.environment()
    assert world.does(runtime_lost(51, now)) == []
    assert world.environment() == before


@pytest.mark.parametrize("nth", range(6))
def test_a_loss_and_a_push_end_at_the_push_wherever_they_meet(world: World, now: EnvironmentSnapshot, nth: int) -> None:
    push = changed(2, 1, sha=commit(2))
    lost = world.does_meeting(runtime_lost(51, now), nth, lambda: world.does(push))
    world.does(push)
    assert world.environment().sha == commit(2)
    assert len(lost) == (world.environment().generation == 3)


def test_production_that_lost_its_runtime_is_deployed_afresh_too(world: World) -> None:
    world.does(deploy(2))
    [production] = [one for one in Environments(world.table).list_all() if one.type == "production"]
    assert named(world.does(runtime_lost(51, production))) == ["EnvironmentUpdated"]


# ---- Expired


def test_a_preview_that_was_kept_for_as_long_as_it_may_is_closed(world: World) -> None:
    [fact] = world.does(expired(50, world.environment(), WEEK))
    assert (fact.event, about(fact)["reason"]["code"]) == (EnvironmentClosed, "expired")
    assert "168 hours" in about(fact)["reason"]["message"]


@pytest.mark.parametrize("newer", [changed(2, 1, sha=commit(2)), ended(2, 1)], ids=["a push", "a close"])
def test_the_end_of_an_older_generation_changes_nothing(world: World, newer: Any) -> None:
    before = world.environment()
    world.does(newer)
    after_it = world.environment()
    assert world.does(expired(50, before, WEEK)) == []
    assert world.environment() == after_it


def test_a_word_that_came_since_the_janitor_looked_keeps_the_preview(world: World) -> None:
    """As the label that keeps it."""
    found = world.environment()
    world.does(changed(2, WEEK - 1, action="labeled", labels=("keep-preview",)))
    assert world.does(expired(50, found, WEEK)) == []
    assert world.environment().is_live


@pytest.mark.parametrize("nth", range(8))
def test_a_word_keeps_the_preview_or_brings_it_back_wherever_they_meet(world: World, nth: int) -> None:
    found, told = world.environment(), []
    word = changed(2, WEEK + 1, action="labeled", labels=("keep-preview",))
    world.does_meeting(expired(50, found, WEEK), nth, lambda: told.append(world.does(word)))
    if not told:  # there was no such call
        world.does(word)
    assert world.environment().is_live


def test_a_branch_s_environment_has_no_pull_request_that_keeps_it(world: World) -> None:
    world.github.heads["teal"] = commit(7)
    world.does(deploy(2, branch="teal"))
    [teal] = [one for one in Environments(world.table).list_all() if one.pull_request is None]
    assert named(world.does(expired(50, teal, WEEK))) == ["EnvironmentClosed"]


def test_a_repeated_end_states_the_same_though_the_preview_is_back(world: World) -> None:
    event = expired(50, world.environment(), WEEK)
    facts = world.does(event)
    world.does(changed(2, WEEK + 1, sha=commit(2)))
    before = world.environment()
    assert before.is_live
    assert stated(world.does(event)) == stated(facts)
    assert world.environment() == before
    mark = before.mark(event_id(50))
    assert mark is not None
    assert mark.move == "close"


@pytest.mark.parametrize("event", [runtime_ready, runtime_failed, runtime_removed, runtime_lost, secrets_failed])
def test_nobody_waits_for_what_is_told_of_a_runtime(world: World, now: EnvironmentSnapshot, event: Any) -> None:
    assert world.gives_up(event(50, now), BROKEN) is None


# ---- What is measured


def measured(facts: Any) -> list[tuple[str, float]]:
    return [(one.name, one.value) for fact in facts for one in fact.measures]


def test_ready_is_measured_from_when_its_generation_began(world: World, now: EnvironmentSnapshot) -> None:
    world.now.advance(seconds=42)
    assert measured(world.does(runtime_ready(50, now))) == [("TimeToReady", 42)]


def test_failures_of_the_application_are_told_from_others(world: World, now: EnvironmentSnapshot) -> None:
    ended = Reason(code="build_failed", message="The build failed.")
    refused = Reason(code="provider_refused", message="Fly.io refused.")
    assert measured(world.does(runtime_failed(50, now, ended))) == [("ApplicationsFailed", 1)]
    world.does(changed(2, 1, sha=commit(2)))
    again = world.environment()
    assert measured(world.does(runtime_failed(51, again, refused))) == [("GenerationsFailed", 1)]


def test_a_generation_without_secrets_is_no_failure_of_the_application(world: World, now: EnvironmentSnapshot) -> None:
    assert measured(world.does(secrets_failed(50, now))) == [("GenerationsFailed", 1)]


def test_a_generation_that_a_newer_one_overtakes_is_counted_as_superseded(world: World) -> None:
    assert measured(world.does(changed(2, 1, sha=commit(2)))) == [("GenerationsSuperseded", 1)]


def test_a_generation_that_was_reported_on_was_not_superseded(world: World, now: EnvironmentSnapshot) -> None:
    world.does(runtime_ready(50, now))
    assert measured(world.does(changed(2, 1, sha=commit(2)))) == []
