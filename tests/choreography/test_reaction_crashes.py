"""The function is gone at any point. What was begun is finished by the next delivery, once."""

import json
from typing import Any

import pytest

from choreography.reaction import BACK_OFF, MARGIN, RefusedError
from tests.choreography.world import RUNTIME, VISIBILITY, World, fact

BUG = RuntimeError("a bug")
DONE = (
    "before memory.claim",
    "after memory.claim",
    "before step",
    "after step",
    "before memory.decide",
    "after memory.decide",
    "before bus.put_events",
    "after bus.put_events",
    "before memory.published",
    "after memory.published",
)
GIVEN_UP = (
    "before memory.claim",
    "after memory.claim",
    "before step",
    "before memory.give_up",
    "after memory.give_up",
    "before bus.put_events",
    "after bus.put_events",
    "before queue.bury",
    "after queue.bury",
    "before memory.bury",
    "after memory.bury",
)
AFTER_LAST_WORDS = GIVEN_UP[GIVEN_UP.index("after bus.put_events") : GIVEN_UP.index("after memory.bury")]


def deliver_again(world: World, record: dict[str, Any]) -> None:
    """As SQS does after a crash: once the queue's visibility time-out has passed."""
    world.now += VISIBILITY
    assert world.deliver(record) == []


def test_these_are_the_points_of_a_reaction(world: World) -> None:
    world.deliver(world.send())
    assert world.plan.reached == list(DONE)


def test_these_are_the_points_of_giving_up(world: World) -> None:
    fail_four_times(world)
    assert world.plan.reached == list(GIVEN_UP)


def fail_four_times(world: World) -> dict[str, Any]:
    """Then crash as planned at the fifth, which is delivered too; gives the record."""
    crash_at, world.plan.crash_at = world.plan.crash_at, None
    world.step.always = BUG
    record = world.send()
    for wait in BACK_OFF:
        world.deliver(record)
        world.now += wait
    world.plan.reached.clear()
    world.plan.crash_at = crash_at
    world.deliver(record)
    return record


@pytest.mark.parametrize("point", DONE)
def test_a_crash_anywhere_ends_with_the_outcome_stated_once_as_it_was_decided(world: World, point: str) -> None:
    world.plan.crash_at = point
    record = world.send()
    assert world.deliver(record) == [record["messageId"]]
    deliver_again(world, record)
    details = [json.dumps(fact["Detail"]) for fact in world.bus.facts]
    assert len(set(details)) == 1
    assert len(details) == (2 if point in {"after bus.put_events", "before memory.published"} else 1)
    assert world.step.runs == (2 if point in {"after step", "before memory.decide"} else 1)
    assert world.dead_letters() == []


@pytest.mark.parametrize("point", DONE)
def test_a_crash_is_invisible_to_a_copy(world: World, point: str) -> None:
    body = fact()
    world.plan.crash_at = point
    world.deliver(world.send(body))
    world.now += RUNTIME + MARGIN
    assert world.deliver(world.send(body)) == []
    assert len({json.dumps(fact["Detail"]) for fact in world.bus.facts}) == 1


@pytest.mark.parametrize("point", DONE[1:-1])
def test_before_the_claim_has_run_out_nobody_goes_on(world: World, point: str) -> None:
    body = fact()
    world.plan.crash_at = point
    world.deliver(world.send(body))
    runs, stated = world.step.runs, len(world.bus.facts)
    copy = world.send(body)
    assert world.deliver(copy) == [copy["messageId"]]
    assert (world.step.runs, len(world.bus.facts)) == (runs, stated)
    assert world.waits == [RUNTIME + MARGIN]


@pytest.mark.parametrize("point", ["after memory.decide", "before bus.put_events", "after bus.put_events"])
def test_an_outcome_of_many_facts_is_stated_whole_after_a_crash(world: World, point: str) -> None:
    world.step.facts = [[world.step.resolved(generation) for generation in range(1, 13)]]
    world.plan.crash_at = point
    record = world.send()
    world.deliver(record)
    deliver_again(world, record)
    stated = {fact["Detail"]["metadata"]["event_id"]: json.dumps(fact["Detail"]) for fact in world.bus.facts}
    assert len(stated) == 12
    assert {json.dumps(fact["Detail"]) for fact in world.bus.facts} == set(stated.values())
    assert world.step.runs == 1


@pytest.mark.parametrize("point", DONE[5:])
def test_a_refusal_survives_a_crash_too(world: World, point: str) -> None:
    world.step.raises = [RefusedError("provider_refused", "no")]
    world.plan.crash_at = point
    record = world.send()
    world.deliver(record)
    deliver_again(world, record)
    assert set(world.bus.names) == {"SecretsFailed"}
    assert world.step.runs == 1


@pytest.mark.parametrize("point", GIVEN_UP)
def test_a_crash_while_giving_up_states_one_failed_fact_and_buries_the_message(world: World, point: str) -> None:
    world.plan.crash_at = point
    record = fail_four_times(world)
    deliver_again(world, record)
    assert set(world.bus.names) == {"SecretsFailed"}
    assert len({json.dumps(fact["Detail"]) for fact in world.bus.facts}) == 1
    assert len(world.bus.facts) == (2 if point in AFTER_LAST_WORDS else 1)
    assert {letter["ReasonCode"] for letter in world.dead_letters()} == {"internal_error"}


@pytest.mark.parametrize("point", GIVEN_UP[GIVEN_UP.index("after memory.give_up") :])
def test_what_is_given_up_is_not_run_again_however_it_crashed(world: World, point: str) -> None:
    world.plan.crash_at = point
    record = fail_four_times(world)
    world.step.always = None
    deliver_again(world, record)
    assert world.step.runs == 5
    assert set(world.bus.names) == {"SecretsFailed"}


@pytest.mark.parametrize("point", GIVEN_UP)
def test_after_any_crash_while_giving_up_a_redrive_completes_and_its_double_is_silent(world: World, point: str) -> None:
    world.plan.crash_at = point
    record = fail_four_times(world)
    deliver_again(world, record)
    world.step.always = None
    redriven = world.redrive()
    assert 1 <= len(redriven) <= 2
    for letter in redriven:
        assert world.deliver(letter) == []
    assert world.bus.names.count("SecretsResolved") == 1
    assert world.dead_letters() == []


@pytest.mark.parametrize("point", ["after queue.bury", "before memory.bury"])
def test_a_dead_letter_redriven_before_its_burial_is_remembered_is_not_lost(world: World, point: str) -> None:
    world.plan.crash_at = point
    record = fail_four_times(world)
    (early,) = world.redrive()
    assert world.deliver(early) == []
    assert world.deliver(record) == []
    world.step.always = None
    (redriven,) = world.redrive()
    assert world.deliver(redriven) == []
    assert world.bus.names[-1] == "SecretsResolved"


def test_a_step_that_kills_its_function_every_time_is_given_up_too(world: World) -> None:
    """Out of memory, or over its time-out: nothing is raised, so nothing would ever be counted."""
    record = world.send()
    for _ in range(5):
        world.plan.crash_at = "before step"
        assert world.deliver(record) == [record["messageId"]]
        world.now += VISIBILITY
    assert world.deliver(record) == []
    assert world.bus.names == ["SecretsFailed"]
    assert "stopped every time" in world.bus.facts[0]["Detail"]["data"]["reason"]["message"]
    (redriven,) = world.redrive()
    assert world.deliver(redriven) == []
    assert world.bus.names == ["SecretsFailed", "SecretsResolved"]


def test_a_crash_in_a_batch_loses_none_of_it(world: World) -> None:
    records = [world.send() for _ in range(3)]
    world.plan.countdown = len(DONE) + 4
    unfinished = world.deliver(*records)
    assert len(unfinished) == 3
    world.now += VISIBILITY
    assert world.deliver(*records) == []
    assert len({fact["Detail"]["metadata"]["event_id"] for fact in world.bus.facts}) == 3
