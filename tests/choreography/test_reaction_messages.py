"""What comes in a message or a batch, what stays in the queue, and what is told of it."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from choreography import malformed
from choreography import reaction as kernel
from choreography.queue import Message
from choreography.reaction import Reaction, RetryLaterError, Step
from prestage_contracts import EnvironmentCreated
from prestage_contracts.envelope import MAX_HOP
from tests.choreography.world import EXAMPLE, NOW, World, aws_error, fact, failed

BUG = KeyError("a-secret-in-the-text")
FLY_IS_DOWN = RetryLaterError("Fly.io does not answer", timedelta(seconds=20))


# What is no fact for this step


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        "{}",
        "[" * 100_000,
        '{"detail": "\\ud800"}',
        fact().replace('"generation": 1', '"generation": 0'),
        fact().replace('"hop": 1', f'"hop": {MAX_HOP + 1}'),
        json.dumps({**json.loads(fact()), "detail": "text"}),
    ],
)
def test_what_cannot_be_read_is_buried_at_once(world: World, body: str) -> None:
    assert world.deliver(world.send(body)) == []
    (letter,) = world.dead_letters()
    assert (letter["body"], letter["ReasonCode"]) == (body, "malformed")
    assert (world.step.runs, world.bus.facts) == (0, [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "Not as promised: the message (json_invalid)"),
        (fact().replace('"hop": 1', '"hop": 17'), "Not as promised: metadata.hop (less_than_equal)"),
        (
            fact().replace('"version": "1.', '"version": "1.9.'),
            "Not as promised: metadata.version (string_pattern_mismatch)",
        ),
        ('{"source": "a", "account": 1}', "account (string_type), detail-type (missing), detail (missing)"),
        ("{}", "Not as promised: account (missing), source (missing), detail-type (missing), 1 more"),
    ],
)
def test_what_cannot_be_read_says_which_fields_are_wrong_and_how(world: World, body: str, words: str) -> None:
    world.deliver(world.send(body))
    (letter,) = world.dead_letters()
    assert words in letter["ReasonMessage"]


def test_what_is_wrong_is_said_without_a_word_of_the_senders() -> None:
    class Told(BaseModel):
        values: dict[str, int]

    with pytest.raises(ValidationError) as raised:
        Told.model_validate({"values": {"Secret Words": "a-secret", "a" * 60: "b"}})
    assert malformed.told(raised.value) == "Not as promised: values.… (int_parsing), values.… (int_parsing)"


@given(body=st.text(min_size=1))
def test_whatever_the_message_it_is_buried_and_nothing_is_raised(body: str) -> None:
    buried: list[str] = []

    class Queue:
        def bury(self, message: Message, attributes: dict[str, str]) -> None:
            buried.append(message.body)

    parts: Any = {"memory": None, "publisher": None, "queue": Queue(), "clock": lambda: NOW}
    reaction = Reaction("vault", steps={EnvironmentCreated: Step(lambda _: [], failed)}, **parts)
    reaction.react(Message(id="x", receipt_handle="x", body=body), timedelta(seconds=60))
    assert buried == [body]


def test_a_fact_that_the_step_does_not_take_is_not_lost(world: World) -> None:
    """The rule is ahead of the code: after the next deployment, a redrive does it."""
    body = json.loads(fact())
    assert world.deliver(world.send(json.dumps({**body, "detail-type": "EnvironmentUpdated"}))) == []
    assert world.deliver(world.send(json.dumps({**body, "source": "prestage.runtimes"}))) == []
    assert [letter["ReasonCode"] for letter in world.dead_letters()] == ["not_taken", "not_taken"]


def test_fields_that_a_newer_producer_added_are_ignored(world: World) -> None:
    body = json.loads(fact())
    body["detail"]["data"]["colour"] = "teal"
    assert world.deliver(world.send(json.dumps({**body, "replay-name": "x"}))) == []
    assert world.bus.names == ["SecretsResolved"]


def test_facts_lead_to_facts_for_sixteen_hops_and_no_further(world: World) -> None:
    assert world.deliver(world.send(fact(hop=MAX_HOP - 1))) == []
    assert world.bus.facts[0]["Detail"]["metadata"]["hop"] == MAX_HOP
    assert world.deliver(world.send(fact(hop=MAX_HOP))) == []
    assert (world.step.runs, len(world.bus.facts)) == (1, 1)
    assert world.dead_letters()[0]["ReasonCode"] == "loop"


# A batch


def test_one_bad_message_does_not_stop_the_others(world: World) -> None:
    world.step.raises = [BUG]
    records = [world.send(), world.send("not JSON"), world.send(), world.send()]
    assert world.deliver(*records) == [records[0]["messageId"]]
    assert world.step.runs == 3
    assert world.bus.names == ["SecretsResolved"] * 2
    assert world.deliver(records[0]) == []


def test_a_batch_in_which_every_message_fails_is_no_error_of_the_function(world: World) -> None:
    world.step.always = BUG
    records = [world.send(), world.send()]
    assert world.deliver(*records) == [record["messageId"] for record in records]


def test_a_message_that_cannot_be_hidden_stays_all_the_same(world: World) -> None:
    """Its receipt handle has expired, say: it is received again after the queue's own visibility time-out."""

    class Expired:
        def hide(self, message: Message, duration: timedelta) -> None:
            raise aws_error("ReceiptHandleIsInvalid", 400)

    world.step.raises = [FLY_IS_DOWN, BUG]
    record = world.send()
    reaction = world.build(queue=Expired())
    assert world.deliver(record, reaction=reaction) == [record["messageId"]]
    assert world.deliver(record, reaction=reaction) == [record["messageId"]]
    assert world.deliver(record) == []
    assert world.bus.names == ["SecretsResolved"]


def test_a_message_that_cannot_be_buried_stays(world: World) -> None:
    class Full:
        def bury(self, message: Message, attributes: dict[str, str]) -> None:
            raise aws_error("AccessDenied", 403)

    record = world.send("not JSON")
    assert world.deliver(record, reaction=world.build(queue=Full())) == [record["messageId"]]


def test_a_memory_that_does_not_answer_leaves_the_message_for_later(world: World) -> None:
    class Away:
        def claim(self, *_: Any, **__: Any) -> None:
            raise aws_error("ProvisionedThroughputExceededException", 400)

    record = world.send()
    assert world.deliver(record, reaction=world.build(memory=Away())) == [record["messageId"]]
    assert world.step.runs == 0
    assert world.deliver(record) == []


# What is told


def test_no_log_line_quotes_an_exception_or_a_message(world: World, log: io.StringIO) -> None:
    world.step.raises = [BUG, aws_error("InternalFailure", 500)]
    body = fact(correlation_id="the-delivery")
    world.deliver_until_finished(world.send(body))
    world.deliver(world.send(body.replace('"generation": 1', '"generation": "a-secret-in-the-text"')))
    logged = log.getvalue()
    assert "a-secret-in-the-text" not in logged
    assert EXAMPLE.data.model_dump()["environment"]["branch"] not in logged
    lines = [json.loads(line) for line in logged.splitlines()]
    failure = next(line for line in lines if line["message"] == "the step failed")
    assert (failure["error"], failure["correlation_id"], failure["failures"]) == ("KeyError", "the-delivery", 1)
    assert failure["where"][-1].startswith("world.py:")


def test_a_log_line_has_nothing_of_the_message_before(world: World, log: io.StringIO) -> None:
    world.deliver(world.send(fact(correlation_id="the-delivery")), world.send("not JSON"))
    last = json.loads(log.getvalue().splitlines()[-1])
    assert last["message"] == "to the dead-letter queue"
    assert not {"correlation_id", "event_id", "caused_by"} & set(last)


def test_each_function_counts_what_it_does_without_a_dimension_per_environment(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.step.raises = [BUG]
    world.deliver(world.send(), world.send())
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    described = [one["_aws"]["CloudWatchMetrics"][0] for one in told]
    assert {name for one in described for name in one["Dimensions"][0]} <= {"service", "reason", "cause"}
    assert {one["Namespace"] for one in described} == {"Prestage"}
    counts = next(one for one in told if "StepsFailed" in one)
    assert (counts["StepsFailed"], counts["FactsStated"]) == ([1.0], [1.0])
    assert (counts["FactsWaiting"], counts["FactsFinished"]) == ([1.0], [1.0])


def test_an_error_of_the_contract_says_how_many_fields_and_not_their_values() -> None:
    with pytest.raises(ValidationError) as caught:
        kernel.Envelope.model_validate_json('{"account": ["a-secret-in-the-text"]}')
    assert "a-secret-in-the-text" not in str(caught.value)
