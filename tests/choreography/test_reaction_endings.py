"""Each way in which a step can end."""

import json
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from choreography.publisher import MAX_BYTES
from choreography.reaction import BACK_OFF, DEADLINE, BrokenError, Fact, Reaction, RefusedError, RetryLaterError, Step
from prestage.contract_examples import examples
from prestage_contracts import EnvironmentCreated, SecretsFailed, SecretsResolved
from prestage_contracts.envelope import identify
from records.table import ConflictError
from tests.choreography.quiet import QuietWorld
from tests.choreography.world import NOW, World, aws_error, fact, failed, throttled_transaction

BUG = KeyError("a-secret-in-the-text")
FLY_IS_DOWN = RetryLaterError("Fly.io does not answer", timedelta(seconds=20))
FLY_IS_DOWN_FOR_LONG = RetryLaterError("Fly.io does not answer", timedelta(hours=1))


def wrapped(error: Exception) -> Exception:
    outer = RuntimeError("could not fetch the parameter")
    outer.__cause__ = error
    return outer


# Facts


def test_what_the_step_decides_is_stated_as_caused_by_the_fact(world: World) -> None:
    record = world.send()
    assert world.deliver(record) == []
    (stated,) = world.bus.facts
    assert (stated["Source"], stated["DetailType"]) == ("prestage.vault", "SecretsResolved")
    event = SecretsResolved.model_validate(stated["Detail"])
    cause = json.loads(record["body"])["detail"]["metadata"]
    assert event.metadata.event_id == identify(cause["event_id"], SecretsResolved, event.data.subject)
    assert event.metadata.causation_id == cause["event_id"]
    assert (event.metadata.correlation_id, event.metadata.group) == (cause["correlation_id"], cause["group"])
    assert (event.metadata.hop, event.metadata.occurred_at) == (cause["hop"] + 1, NOW)


def test_a_step_may_state_several_facts_under_ids_of_their_own(world: World) -> None:
    world.step.facts = [[world.step.resolved(generation) for generation in range(1, 13)]]
    assert world.deliver(world.send()) == []
    assert len({fact["Detail"]["metadata"]["event_id"] for fact in world.bus.facts}) == 12


def test_a_step_that_finds_nothing_to_do_states_nothing_and_is_done(world: World) -> None:
    world.step.facts = [[]]
    record = world.send()
    assert world.deliver(record) == []
    assert world.deliver(record) == []
    assert (world.step.runs, world.bus.facts, world.dead_letters()) == (1, [], [])


# RetryLater


def test_waiting_hides_the_message_for_as_long_as_asked_with_jitter(world: World) -> None:
    world.step.raises = [RetryLaterError("GitHub's rate limit", timedelta(minutes=12))]
    record = world.send()
    assert world.deliver(record) == [record["messageId"]]
    assert world.waits == [timedelta(minutes=13.5)]
    assert world.deliver(record) == []
    assert world.bus.names == ["SecretsResolved"]


def test_the_default_jitter_never_shortens_a_wait(world: World) -> None:
    reaction = Reaction(
        "vault",
        steps={EnvironmentCreated: Step(world.step, failed)},
        memory=world.memory,
        publisher=cast("Any", None),
        queue=cast("Any", world),
        clock=world.clock,
    )
    after = timedelta(seconds=1000)
    world.step.raises = [RetryLaterError("a rate limit", after) for _ in range(20)]
    for _ in range(20):
        world.deliver(world.send(), reaction=reaction)
    assert all(after <= wait <= after * 1.25 for wait in world.waits)
    assert len(set(world.waits)) > 10


def test_waiting_is_not_failing_however_often() -> None:
    world = QuietWorld()
    world.step.raises = [FLY_IS_DOWN] * 40
    assert world.deliver_until_finished(world.send(), most=41) == 41
    assert world.bus.names == ["SecretsResolved"]
    assert world.dead_letters() == []


def test_waiting_ends_with_the_facts_age_in_the_failed_fact_and_the_dead_letter_queue(world: World) -> None:
    world.step.always = FLY_IS_DOWN_FOR_LONG
    began = world.now
    world.deliver_until_finished(world.send(), most=20)
    assert began + DEADLINE - timedelta(seconds=2) <= world.now <= began + DEADLINE + timedelta(seconds=2)
    assert world.bus.names == ["SecretsFailed"]
    reason = world.bus.facts[0]["Detail"]["data"]["reason"]
    assert reason == {"code": "gave_up", "message": "Gave up: Fly.io does not answer"}
    assert world.dead_letters()[0]["ReasonCode"] == "gave_up"


def test_the_deadline_ends_waiting_before_the_queues_count_of_receives_does() -> None:
    world = QuietWorld()
    world.step.always = RetryLaterError("the comment is being written", timedelta(seconds=1))
    assert world.deliver_until_finished(world.send(), most=400) < 300


def test_a_wait_beyond_the_deadline_is_cut_to_it(world: World) -> None:
    world.step.always = RetryLaterError("a rate limit", timedelta(days=365_000))
    world.deliver(world.send(fact(occurred_at=NOW - timedelta(hours=11))))
    assert world.waits == [timedelta(hours=1)]


def test_a_fact_from_the_future_is_no_longer_waited_for_than_another(world: World) -> None:
    world.step.always = FLY_IS_DOWN_FOR_LONG
    began = world.now
    world.deliver_until_finished(world.send(fact(occurred_at=NOW + timedelta(days=400))), most=20)
    assert world.now <= began + DEADLINE + timedelta(seconds=2)


@pytest.mark.parametrize(
    "error",
    [
        aws_error("ThrottlingException", 400),
        aws_error("InternalServerError", 500),
        EndpointConnectionError(endpoint_url="https://kms"),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        wrapped(aws_error("InternalServiceError", 503)),
        throttled_transaction(),
        ConflictError(),
    ],
)
def test_aws_being_away_or_busy_is_waited_out(world: World, error: Exception) -> None:
    world.step.raises = [error] * 8
    assert world.deliver_until_finished(world.send()) == 9
    assert world.bus.names == ["SecretsResolved"]


@pytest.mark.parametrize("error", [aws_error("AccessDeniedException", 400), aws_error("ValidationException", 400)])
def test_aws_refusing_is_a_failure(world: World, error: Exception) -> None:
    world.step.always = error
    assert world.deliver_until_finished(world.send()) == 5
    assert world.bus.names == ["SecretsFailed"]


# Refusals


def test_a_refusal_is_an_outcome(world: World) -> None:
    world.step.raises = [RefusedError("provider_refused", "Fly.io refused: no such region")]
    record = world.send()
    assert world.deliver(record) == []
    assert world.deliver(record) == []
    assert world.step.runs == 1
    (stated,) = world.bus.facts
    assert SecretsFailed.model_validate(stated["Detail"]).data.reason.code == "provider_refused"
    assert world.dead_letters() == []


@pytest.mark.parametrize("message", ["", "x" * 5000])
def test_a_refusal_in_any_number_of_words_is_stated(world: World, message: str) -> None:
    world.step.raises = [RefusedError("provider_refused", message)]
    assert world.deliver(world.send()) == []
    assert world.bus.names == ["SecretsFailed"]


# Exceptions


def test_the_fifth_exception_states_the_failed_fact_once_and_buries_the_message(world: World) -> None:
    world.step.always = BUG
    body = fact()
    began = world.now
    assert world.deliver_until_finished(world.send(body)) == 5
    assert world.waits == [wait * 1.125 for wait in BACK_OFF]
    assert timedelta(minutes=10) < world.now - began < timedelta(minutes=15)
    assert world.step.runs == 5
    (stated,) = world.bus.facts
    told = "An error in Prestage (KeyError); it is in the dead-letter queue of vault"
    assert SecretsFailed.model_validate(stated["Detail"]).data.reason.message == told
    (letter,) = world.dead_letters()
    assert letter == {
        "body": body,
        "group": "7",
        "Reaction": "vault",
        "ReasonCode": "internal_error",
        "ReasonMessage": told,
    }


def test_what_an_operator_has_to_mend_is_tried_again_and_then_told_in_its_own_words(world: World) -> None:
    world.step.always = BrokenError("key_refused", "See that the KMS key is enabled")
    assert world.deliver_until_finished(world.send()) == 5
    (stated,) = world.bus.facts
    reason = SecretsFailed.model_validate(stated["Detail"]).data.reason
    assert (reason.code, reason.message) == ("key_refused", "See that the KMS key is enabled")
    (letter,) = world.dead_letters()
    assert (letter["ReasonCode"], letter["ReasonMessage"]) == (reason.code, reason.message)


def test_a_redrive_that_fails_for_another_reason_is_another_fact(world: World) -> None:
    world.step.always = BUG
    world.deliver_until_finished(world.send())
    world.step.always = BrokenError("key_refused", "See that the KMS key is enabled")
    (redriven,) = world.redrive()
    world.deliver_until_finished(redriven)
    first, second = world.bus.facts
    assert first["Detail"]["metadata"]["event_id"] != second["Detail"]["metadata"]["event_id"]


def test_a_redrive_after_the_mend_completes(world: World) -> None:
    world.step.always = BUG
    world.deliver_until_finished(world.send())
    world.step.always = None
    (redriven,) = world.redrive()
    assert world.deliver(redriven) == []
    assert world.bus.names == ["SecretsFailed", "SecretsResolved"]
    assert world.dead_letters() == []


def test_a_redrive_before_the_mend_fails_five_times_and_can_be_redriven_again(world: World) -> None:
    world.step.always = BUG
    world.deliver_until_finished(world.send())
    (redriven,) = world.redrive()
    assert world.deliver_until_finished(redriven) == 5
    first, second = world.bus.facts
    assert first["Detail"]["metadata"]["event_id"] == second["Detail"]["metadata"]["event_id"]
    world.step.always = None
    (again,) = world.redrive()
    assert world.deliver(again) == []
    assert world.bus.names[-1] == "SecretsResolved"


def test_a_redrive_has_a_deadline_of_its_own(world: World) -> None:
    world.step.always = FLY_IS_DOWN_FOR_LONG
    world.deliver_until_finished(world.send(), most=20)
    (redriven,) = world.redrive()
    world.step.always = None
    world.step.raises = [FLY_IS_DOWN] * 3
    assert world.deliver_until_finished(redriven) == 4
    assert world.bus.names == ["SecretsFailed", "SecretsResolved"]


def test_exceptions_and_waits_are_counted_apart(world: World) -> None:
    world.step.raises = [BUG, FLY_IS_DOWN, BUG, FLY_IS_DOWN, BUG, FLY_IS_DOWN, BUG, FLY_IS_DOWN]
    assert world.deliver_until_finished(world.send()) == 9
    assert world.bus.names == ["SecretsResolved"]


def test_an_outcome_too_large_to_be_kept_is_a_failure_of_the_step(world: World) -> None:
    name = token_urlsafe(MAX_BYTES)[:MAX_BYTES]  # as it is random, it can't be compressed
    huge = examples()["SecretsResolved"].data.model_copy(update={"names": (name,)})
    world.step.facts = [[Fact(SecretsResolved, huge)]] * 5
    assert world.deliver_until_finished(world.send()) == 5
    assert world.bus.names == ["SecretsFailed"]
    (redriven,) = world.redrive()
    assert world.deliver(redriven) == []
    assert world.bus.names == ["SecretsFailed", "SecretsResolved"]


def test_a_failed_fact_that_cannot_be_made_still_leaves_the_message_in_the_dead_letter_queue(world: World) -> None:
    def broken(*_: Any) -> Fact:
        raise BUG

    world.step.always = BUG
    reaction = world.build(failed=broken)
    record = world.send()
    for _ in range(5):
        unfinished = world.deliver(record, reaction=reaction)
    assert unfinished == []
    assert world.bus.facts == []
    assert len(world.dead_letters()) == 1


@pytest.mark.parametrize("words", ["x" * 600, "\x00\x1b[2J", ""])
def test_whatever_is_waited_for_the_message_can_be_buried(world: World, words: str) -> None:
    world.step.always = RetryLaterError(words, timedelta(seconds=1))
    assert world.deliver(world.send(fact(occurred_at=NOW - DEADLINE))) == []
    (letter,) = world.dead_letters()
    assert "\x00" not in letter["ReasonMessage"]
    assert world.bus.names == ["SecretsFailed"]


# The bus takes nothing


def test_a_bus_that_takes_nothing_is_waited_for_and_the_step_is_not_run_again(world: World) -> None:
    world.bus.failures = 4 * 10
    assert world.deliver_until_finished(world.send()) == 11
    assert world.step.runs == 1
    assert world.bus.names == ["SecretsResolved"]


def test_an_outcome_is_never_followed_by_a_failed_fact_and_a_redrive_states_it() -> None:
    world = QuietWorld()
    world.bus.failures = 10_000
    began = world.now
    world.deliver_until_finished(world.send(), most=400)
    assert began + DEADLINE < world.now < began + 2 * DEADLINE + timedelta(seconds=10)
    assert world.bus.facts == []
    world.bus.failures = 0
    letters = world.redrive()
    assert [world.deliver(letter) for letter in letters] == [[]]
    assert world.bus.names == ["SecretsResolved"]
    assert world.step.runs == 1


def test_the_failed_fact_waits_for_the_bus_too_and_the_step_is_not_run_again(world: World) -> None:
    world.step.always = BUG
    world.bus.failures = 4 * 3
    assert world.deliver_until_finished(world.send()) == 8
    assert world.step.runs == 5
    assert world.bus.names == ["SecretsFailed"]
    assert len(world.dead_letters()) == 1


def test_with_the_bus_away_for_good_what_failed_is_buried_and_a_redrive_starts_afresh() -> None:
    world = QuietWorld()
    world.step.always = BUG
    world.bus.failures = 10_000
    world.deliver_until_finished(world.send(), most=400)
    world.bus.failures, world.step.always = 0, None
    (redriven,) = world.redrive()
    assert world.deliver(redriven) == []
    assert world.bus.names == ["SecretsResolved"]
