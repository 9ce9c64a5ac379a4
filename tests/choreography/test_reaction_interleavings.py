"""Any interleaving of crashes, copies, endings, a refusing bus and redrives."""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from choreography.reaction import RefusedError, RetryLaterError
from prestage_contracts import EVENTS
from prestage_contracts.envelope import identify
from tests.choreography.quiet import QuietWorld
from tests.choreography.world import VISIBILITY, World, fact

ENDINGS: dict[str, Callable[[], list[Exception]]] = {
    "outcome": list,
    "refusal": lambda: [RefusedError("provider_refused", "no")],
    "waiting": lambda: [RetryLaterError("an outage", timedelta(seconds=20))],
    "bug": lambda: [RuntimeError("a bug")],
}


@dataclass(frozen=True)
class Turn:
    """One of the messages is delivered after `seconds`, or what lies in the dead-letter queue is redriven.

    `gone_after` is how many points the function reaches before it crashes, `refused` how many calls the bus refuses.
    """

    copy: int
    ending: str
    gone_after: int | None
    refused: int
    seconds: int
    redrive: bool


def stories(*, redrives: bool) -> st.SearchStrategy[list[Turn]]:
    turn = st.builds(
        Turn,
        copy=st.integers(min_value=0, max_value=2),
        ending=st.sampled_from([*["bug"] * 7, "waiting", "outcome", "refusal"]),
        gone_after=st.none() | st.none() | st.integers(min_value=1, max_value=12),
        refused=st.sampled_from([0, 0, 0, 2, 4]),
        seconds=st.sampled_from([0, 30, 120, 400]),
        redrive=st.sampled_from([False, False, redrives]),
    )
    return st.integers(min_value=0, max_value=25).flatmap(lambda size: st.lists(turn, min_size=size, max_size=size))


def play(world: World, event_id: str, story: Sequence[Turn]) -> None:
    """Three copies of a fact live through the story; then nothing goes wrong any more, and they are finished."""
    body = fact(event_id=event_id)
    messages = [world.send(body) for _ in range(3)]
    world.now += timedelta(minutes=1)
    for turn in story:
        world.now += timedelta(seconds=turn.seconds)
        message = messages[turn.copy]
        if turn.redrive:
            messages = [*world.redrive(), *messages]
        elif message["messageId"] not in world.finished:
            world.step.raises = ENDINGS[turn.ending]()
            world.plan.countdown, world.bus.failures = turn.gone_after, turn.refused
            world.deliver(message)
    world.plan.countdown, world.bus.failures, world.step.raises = None, 0, []
    for message in messages:
        if message["messageId"] not in world.finished:
            world.now += VISIBILITY
            world.deliver_until_finished(message)


def contents(world: World, name: str) -> set[str]:
    return {json.dumps(stated["Detail"]) for stated in world.bus.facts if stated["DetailType"] == name}


def assert_identified_by_cause_name_and_subject(world: World, event_id: str) -> None:
    for stated in world.bus.facts:
        kind = EVENTS[stated["DetailType"]]
        expected = identify(event_id, kind, kind.model_validate(stated["Detail"]).data.subject)
        assert stated["Detail"]["metadata"]["event_id"] == str(expected)


def is_refused(world: World) -> bool:
    return "provider_refused" in str(contents(world, "SecretsFailed"))


@settings(max_examples=200)
@given(story=stories(redrives=False))
def test_whatever_happens_one_fact_with_one_content_is_stated(story: Sequence[Turn]) -> None:
    world, event_id = QuietWorld(), str(uuid.UUID(int=1))
    play(world, event_id, story)
    assert len(contents(world, "SecretsResolved") | contents(world, "SecretsFailed")) == 1
    assert_identified_by_cause_name_and_subject(world, event_id)
    is_given_up = bool(world.dead_letters())
    event("given up" if is_given_up else world.bus.names[0])
    assert (is_given_up or is_refused(world)) == (world.bus.names[0] == "SecretsFailed")


@settings(max_examples=200)
@given(story=stories(redrives=True))
def test_whatever_is_redriven_there_is_one_outcome_in_the_end(story: Sequence[Turn]) -> None:
    world, event_id = QuietWorld(), str(uuid.UUID(int=1))
    play(world, event_id, story)
    for message in world.redrive():
        world.deliver_until_finished(message)
    assert world.dead_letters() == []
    assert_identified_by_cause_name_and_subject(world, event_id)
    assert len(contents(world, "SecretsResolved")) == (0 if is_refused(world) else 1)
    event(f"{len(contents(world, 'SecretsFailed'))} failed facts, refused: {is_refused(world)}")
