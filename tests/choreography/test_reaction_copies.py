"""Each kind of copy: of what is being worked on, decided, stated, waiting or given up; and what only looks like one."""

import io
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from choreography.reaction import MARGIN, Fact, RefusedError, RetryLaterError
from prestage_contracts import EnvironmentCreated
from tests.choreography.world import NOW, RUNTIME, World, fact

BUG = RuntimeError("a bug")


class StepWithACopy:
    """While it runs, a copy of its fact is delivered to another execution environment of the function."""

    def __init__(self, world: World, copy: dict[str, Any]) -> None:
        self.world = world
        self.copy = copy
        self.unfinished: list[str] = []

    def __call__(self, created: EnvironmentCreated) -> Sequence[Fact]:
        self.unfinished = self.world.deliver(self.copy)
        return self.world.step(created)


def test_a_copy_of_what_is_being_worked_on_waits_until_the_claim_runs_out(world: World) -> None:
    body = fact()
    record, copy = world.send(body), world.send(body)
    step = StepWithACopy(world, copy)
    assert world.deliver(record, reaction=world.build(step=step)) == []
    assert step.unfinished == [copy["messageId"]]
    assert world.waits == [RUNTIME + MARGIN]
    assert world.step.runs == 1


def test_a_copy_that_waited_ends_in_silence(world: World) -> None:
    body = fact()
    copy = world.send(body)
    world.deliver(world.send(body), reaction=world.build(step=StepWithACopy(world, copy)))
    world.now += RUNTIME + MARGIN
    assert world.deliver(copy) == []
    assert (world.step.runs, world.bus.names) == (1, ["SecretsResolved"])


def test_a_copy_of_what_was_stated_is_acknowledged_in_silence(world: World) -> None:
    body = fact()
    world.deliver(world.send(body))
    for days in (0, 1, 28):
        world.now += timedelta(days=days)
        assert world.deliver(world.send(body)) == []
    assert (world.step.runs, world.bus.asked, world.dead_letters()) == (1, 1, [])


def test_copies_in_one_batch_are_one(world: World) -> None:
    body = fact()
    assert world.deliver(world.send(body), world.send(body), world.send(body)) == []
    assert (world.step.runs, world.bus.names) == (1, ["SecretsResolved"])


@pytest.mark.parametrize("first", [RetryLaterError("a rate limit", timedelta(minutes=1)), BUG])
def test_a_copy_of_what_was_put_off_does_it(world: World, first: Exception) -> None:
    body = fact()
    world.step.raises = [first]
    record, copy = world.send(body), world.send(body)
    assert world.deliver(record) == [record["messageId"]]
    assert world.deliver(copy) == []
    assert world.deliver(record) == []
    assert (world.step.runs, world.bus.names) == (2, ["SecretsResolved"])


def test_a_copy_of_what_was_refused_is_acknowledged_in_silence(world: World) -> None:
    body = fact()
    world.step.raises = [RefusedError("provider_refused", "no")]
    world.deliver(world.send(body))
    assert world.deliver(world.send(body)) == []
    assert world.bus.names == ["SecretsFailed"]


def test_copies_count_the_failures_of_their_fact_together(world: World) -> None:
    body = fact()
    world.step.always = BUG
    records = [world.send(body) for _ in range(5)]
    unfinished = [world.deliver(record) for record in records]
    assert [bool(ids) for ids in unfinished] == [True, True, True, True, False]
    assert world.bus.names == ["SecretsFailed"]


def test_a_copy_of_what_was_given_up_is_acknowledged_in_silence(world: World) -> None:
    """Otherwise each copy would fail another five times, state the failed fact again and leave a dead letter."""
    body = fact()
    world.step.always = BUG
    copy = world.send(body)
    world.deliver_until_finished(world.send(body))
    world.now += timedelta(hours=1)
    assert world.deliver(copy) == []
    assert (world.step.runs, world.bus.names) == (5, ["SecretsFailed"])
    assert len(world.dead_letters()) == 1


def test_a_message_whose_deletion_failed_after_its_burial_is_no_redrive(world: World) -> None:
    world.step.always = BUG
    record = world.send()
    world.deliver_until_finished(record)
    assert world.deliver(record) == []
    assert (world.step.runs, world.bus.names) == (5, ["SecretsFailed"])


def test_a_fact_replayed_from_the_archive_after_it_was_given_up_starts_afresh(world: World) -> None:
    body = fact()
    world.step.always = BUG
    world.deliver_until_finished(world.send(body))
    world.step.always = None
    world.now += timedelta(days=3)
    assert world.deliver(world.send(json.dumps({**json.loads(body), "replay-name": "mend"}))) == []
    assert world.bus.names == ["SecretsFailed", "SecretsResolved"]


def test_a_redrive_of_what_was_done_meanwhile_is_acknowledged_in_silence(world: World) -> None:
    body = fact()
    world.step.always = BUG
    world.deliver_until_finished(world.send(body))
    world.step.always = None
    (redriven,) = world.redrive()
    world.deliver(world.send(body))
    assert world.deliver(redriven) == []
    assert world.bus.names == ["SecretsFailed", "SecretsResolved"]


def test_the_same_id_from_another_account_is_another_event(world: World) -> None:
    event_id = "11111111-1111-5111-8111-111111111111"
    world.deliver(world.send(fact(event_id=event_id)))
    world.deliver(world.send(fact(event_id=event_id, account="444455556666")))
    assert world.step.runs == 2


def test_reactions_to_the_same_fact_do_not_share_a_memory(world: World) -> None:
    body = fact()
    world.deliver(world.send(body))
    world.deliver(world.send(body), reaction=world.build("comments"))
    assert world.step.runs == 2


def test_who_overslept_the_claim_states_what_the_successor_decided_or_nothing(world: World, log: io.StringIO) -> None:
    """Two execution environments at once, the slow one past its claim: one outcome, not two."""
    body = fact()
    successor = world.send(body)

    def slow(created: EnvironmentCreated) -> Sequence[Fact]:
        facts = world.step(created)
        world.now = NOW + RUNTIME + MARGIN
        assert world.deliver(successor) == []
        return facts

    record = world.send(body)
    assert world.deliver(record, reaction=world.build(step=slow)) == [record["messageId"]]
    assert [fact["Detail"]["data"]["names"] for fact in world.bus.facts] == [["RUN_2"]]
    assert world.deliver(record) == []
    assert len(world.bus.facts) == 1
    assert "the step failed" not in log.getvalue()


def test_who_overslept_the_claim_and_failed_gives_nothing_up_again(world: World) -> None:
    body = fact()
    world.step.always = BUG
    record, successor = world.send(body), world.send(body)
    for _ in range(4):
        world.deliver(record)

    def slow(created: EnvironmentCreated) -> Sequence[Fact]:
        world.now += RUNTIME + MARGIN
        assert world.deliver(successor) == []
        raise BUG

    assert world.deliver(record, reaction=world.build(step=slow)) == [record["messageId"]]
    assert world.deliver(record) == []
    assert world.bus.names == ["SecretsFailed"]
    assert len(world.dead_letters()) == 1
