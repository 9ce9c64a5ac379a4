import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from boto3.dynamodb.conditions import ConditionBase

from choreography.memory import KEPT, SKEW, Claim, HeldError, Key, Memory
from choreography.publisher import Statement
from prestage.contract_examples import examples
from prestage_contracts.envelope import Reason
from records.table import Table

if TYPE_CHECKING:
    from tests.choreography.conftest import Aws

KEY = Key("vault", "111122223333", "prestage.environments", "72d3162e-cc78-51e3-81ab-4c9367dc0958")
NOW = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)
LASTING = timedelta(seconds=65)
SOON = timedelta(seconds=1)
OUTCOME = (Statement("prestage.vault", "SecretsResolved", '{"a": "ü"}'), Statement("a", "b", "c"))
REASON = Reason(code="gave_up", message="Gave up: Fly.io is down")


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, duration: timedelta) -> None:
        self.now += duration


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(table: Table, clock: Clock) -> Memory:
    return Memory(table, clock)


def claim(memory: Memory, key: Key = KEY, **changes: Any) -> Claim:
    found = memory.claim(key, LASTING, **changes)
    assert found is not None
    return found


def test_an_event_seen_for_the_first_time_is_claimed(memory: Memory) -> None:
    found = claim(memory)
    assert (found.until, found.since, found.decided, found.failures) == (NOW + LASTING, NOW, None, 0)


def test_a_copy_of_what_is_being_worked_on_is_held_until_the_claim_runs_out(memory: Memory, clock: Clock) -> None:
    claim(memory)
    clock.advance(LASTING - SOON)
    with pytest.raises(HeldError) as caught:
        memory.claim(KEY, LASTING)
    assert caught.value.until == NOW + LASTING


def test_a_claim_that_ran_out_undecided_is_taken_over_and_counts_as_a_failure(memory: Memory, clock: Clock) -> None:
    claim(memory)
    for times in (1, 2, 3):
        clock.advance(LASTING)
        assert claim(memory).failures == times


def test_an_outcome_is_kept_byte_for_byte_for_whoever_goes_on(memory: Memory, clock: Clock) -> None:
    memory.decide(claim(memory), OUTCOME)
    clock.advance(LASTING)
    found = claim(memory)
    assert (found.decided, found.failures) == (OUTCOME, 0)


def test_an_outcome_of_a_thousand_facts_is_kept_whole(memory: Memory, clock: Clock) -> None:
    """As when the App loses an organisation with as many previews. DynamoDB takes 400 KB, which these are not."""
    closed = examples()["EnvironmentClosed"].model_dump(mode="json")
    ids = (str(uuid5(NAMESPACE_URL, str(number))) for number in range(1000))
    told = (json.dumps({**closed, "metadata": {**closed["metadata"], "event_id": one}}) for one in ids)
    outcome = tuple(Statement("prestage.environments", "EnvironmentClosed", one) for one in told)
    assert sum(len(one.detail) for one in outcome) > 400 * 1024
    memory.decide(claim(memory), outcome)
    clock.advance(LASTING)
    assert claim(memory).decided == outcome


def test_an_outcome_of_no_facts_is_an_outcome_too(memory: Memory, clock: Clock) -> None:
    memory.decide(claim(memory), [])
    clock.advance(LASTING)
    assert claim(memory).decided == ()


def test_nothing_is_left_to_do_on_what_was_stated(memory: Memory, clock: Clock) -> None:
    memory.published(memory.decide(claim(memory), OUTCOME))
    assert memory.claim(KEY, LASTING) is None
    clock.advance(KEPT - SOON)
    assert memory.claim(KEY, LASTING) is None


def test_what_was_let_go_is_taken_up_at_once_with_its_failures(memory: Memory) -> None:
    memory.release(claim(memory), failed=True)
    memory.release(claim(memory))
    memory.release(claim(memory), failed=True)
    assert claim(memory).failures == 2


def test_a_deadline_is_counted_from_the_first_claim_of_a_round(memory: Memory, clock: Clock) -> None:
    before = NOW - timedelta(hours=1)
    memory.release(claim(memory, since=before))
    clock.advance(LASTING)
    assert claim(memory, since=clock.now).since == before


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, reaction="comments"),
        replace(KEY, account="444455556666"),
        replace(KEY, source="prestage.runtimes"),
        replace(KEY, event_id="00000000-cc78-51e3-81ab-4c9367dc0958"),
    ],
)
def test_another_reaction_account_source_or_id_is_another_event(memory: Memory, other: Key) -> None:
    memory.published(claim(memory))
    assert claim(memory, other).decided is None


@pytest.mark.parametrize("write", ["decide", "published", "release", "give_up", "bury"])
def test_who_overslept_the_claim_writes_nothing_over_the_successor(memory: Memory, clock: Clock, write: str) -> None:
    slow = claim(memory)
    clock.advance(LASTING)
    successor = claim(memory)
    arguments: Mapping[str, tuple[Any, ...]] = {"decide": (OUTCOME,), "give_up": (REASON, OUTCOME)}
    with pytest.raises(HeldError) as caught:
        getattr(memory, write)(slow, *arguments.get(write, ()))
    assert caught.value.until == successor.until
    assert memory.decide(successor, []).decided == ()


def test_who_takes_over_does_not_undo_what_the_holder_decided_at_the_last_moment(table: Table, clock: Clock) -> None:
    """The holder is slow, not gone: it writes between the successor's look at the item and the taking over."""
    memory = Memory(table, clock)
    slow = claim(memory)
    clock.advance(LASTING)

    class Late(Table):
        puts = 0

        def put(self, item: Mapping[str, Any], condition: ConditionBase | None = None) -> None:
            self.puts += 1
            if self.puts == 2:
                memory.decide(slow, OUTCOME)
            super().put(item, condition)

    with pytest.raises(HeldError):
        Memory(Late(table._client, table._name), clock).claim(KEY, LASTING)
    assert claim(memory).decided == OUTCOME


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_write_that_was_sent_twice_as_its_answer_was_lost_is_one_write(
    table: Table, clock: Clock, taken_over: bool
) -> None:
    class Twice(Table):
        def put(self, item: Mapping[str, Any], condition: ConditionBase | None = None) -> None:
            super().put(item, condition)
            super().put(item, condition)

    memory = Memory(Twice(table._client, table._name), clock)
    if taken_over:
        claim(Memory(table, clock))
        clock.advance(LASTING)
    found = memory.decide(claim(memory), OUTCOME)
    memory.published(found)
    assert memory.claim(KEY, LASTING) is None


def test_what_is_given_up_is_not_decided_anew_but_said_and_buried(memory: Memory, clock: Clock) -> None:
    memory.give_up(claim(memory), REASON, OUTCOME)
    clock.advance(LASTING)
    found = claim(memory)
    assert found.given_up is not None
    assert (found.given_up.reason, found.given_up.last_words, found.given_up.at) == (REASON, OUTCOME, NOW)
    assert (found.decided, found.failures) == (None, 0)


def test_a_copy_of_what_was_buried_is_nothing_to_do_and_a_redrive_starts_afresh(memory: Memory, clock: Clock) -> None:
    given_up = memory.give_up(memory.release(claim(memory), failed=True), REASON, OUTCOME)
    memory.bury(given_up)
    clock.advance(timedelta(days=2))
    assert memory.claim(KEY, LASTING, sent_at=NOW - SKEW - SOON) is None
    found = claim(memory, sent_at=clock.now - SOON, since=NOW)
    assert (found.decided, found.given_up, found.failures, found.since) == (None, None, 0, clock.now)


@pytest.mark.parametrize("sent_at", [None, NOW, NOW - SKEW])
def test_in_doubt_a_message_is_a_redrive(memory: Memory, sent_at: datetime | None) -> None:
    memory.bury(memory.give_up(claim(memory), REASON, ()))
    assert claim(memory, sent_at=sent_at).given_up is None


def test_an_outcome_that_was_decided_outlives_the_burial(memory: Memory) -> None:
    memory.bury(memory.give_up(memory.decide(claim(memory), OUTCOME), REASON, ()))
    assert claim(memory).decided == OUTCOME


def test_what_ran_out_is_forgotten_even_if_it_is_not_yet_deleted(memory: Memory, clock: Clock) -> None:
    memory.published(memory.decide(claim(memory), OUTCOME))
    clock.advance(KEPT)
    assert claim(memory).decided is None


def test_an_item_says_when_it_may_be_deleted_in_seconds(aws: "Aws", table: Table, memory: Memory) -> None:
    memory.published(claim(memory))
    (item,) = aws.dynamodb.scan(TableName=table._name)["Items"]
    assert item["expires_at"] == {"N": str(int((NOW + KEPT).timestamp()))}
    assert item["pk"] == {"S": f"VAULT#111122223333#prestage.environments#{KEY.event_id}"}
