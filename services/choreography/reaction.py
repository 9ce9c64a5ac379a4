"""React to facts: the same for every function, so that a step is only what it does.

A message is at least once delivered; what a step decides is stated under ids that depend on its cause alone, and the
memory keeps it until it is stated. See docs/adr/0002.
"""

import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from choreography import malformed, measures
from choreography.clock import Clock
from choreography.measures import Measure, count
from choreography.memory import Claim, HeldError, Key, Memory
from choreography.outage import wait_out
from choreography.publisher import Publisher, PublishFailedError, Statement
from choreography.queue import Message, Queue
from prestage_contracts.envelope import MAX_HOP, Data, Event, Reason

BACK_OFF = (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=3), timedelta(minutes=6))
"""Waits after the first, second, … exception: about ten minutes, and the next exception is the last."""

DEADLINE = timedelta(hours=12)
"""How old a fact may grow while a step says `RetryLater`, and again that long while the bus takes no facts.
Source queues keep messages for four days."""

PATIENCE = 30
"""A wait is at least this part of the fact's age: under 300 deliveries in a day, so that it is the deadline that ends
them and not the queue's maxReceiveCount."""

MARGIN = timedelta(seconds=5)
"""A claim outlasts its function by this much."""

PUBLISH_WAIT = timedelta(seconds=5)

type Retried = Literal["waiting", "failed", "held", "aws_away", "bus_away"]
"""Why a message is delivered again: the step waits, or failed; a copy is at it; AWS, or its bus, does not answer."""

logger = Logger()


@dataclass(frozen=True)
class Fact:
    """What a step states. `group` is the message group it goes on in, the cause's where None.

    `measures` are recorded once it is stated; those of a function that dies between are not.
    """

    event: type[Event]
    data: Data
    group: str | None = None
    measures: tuple[Measure, ...] = ()


class RetryLaterError(Exception):
    """Waiting, not failing: an outage, a rate limit, a claim held by another, a machine still booting.

    Args:
        waiting_for: what is waited for, in words that may be shown to anyone.
        after: how long to wait, at least.
    """

    def __init__(self, waiting_for: str, after: timedelta) -> None:
        super().__init__(waiting_for)
        self.waiting_for = waiting_for
        self.after = after


class _ReasonedError(Exception):
    """An error in words that may be shown to anyone.

    Args:
        code: for programs, see `Reason`.
        message: for people, see `Reason`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = _reason(code, message)


class RefusedError(_ReasonedError):
    """What the step wanted was refused for a reason that retrying can't mend; it becomes the step's failed fact."""


class BrokenError(_ReasonedError):
    """Something that an operator has to mend: a secret that is not set, a token or key that is no longer accepted.

    It is a failure like any other exception, and what is told of it, once given up, is its reason.
    """


class Envelope(BaseModel):
    """An EventBridge event, as it lies in a message."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    account: str
    source: str
    detail_type: str = Field(alias="detail-type")
    detail: dict[str, Any]


@dataclass(frozen=True)
class Received[E: Event]:
    """A fact to react to, by which key it is remembered, and since when a deadline is counted."""

    event: E
    key: Key
    since: datetime


class _Unfinished(Exception):  # noqa: N818  # not an error: it tells the batch processor to keep the message
    """The message stays in the queue."""


@dataclass(frozen=True)
class Step[E: Event]:
    """What is done about one kind of fact.

    `do` does it and gives the facts to state, possibly none. It may raise `RetryLaterError` and `RefusedError`; any
    other exception is a failure, but for AWS being away. It may be run again at any point, so it gets or creates.
    `failed` gives the fact to state when the step is refused or given up, so that nobody waits for nothing; None where
    nobody waits. `deadline` is how old a fact may grow while `do` says `RetryLaterError`.
    """

    do: Callable[[E], Sequence[Fact]]
    failed: Callable[[E, Reason], Fact | None] = lambda _event, _reason: None
    deadline: timedelta = DEADLINE


class Reaction:
    """Steps, each done once for each fact that leads to it.

    Args:
        name: the steps' owner, unique in the stack.
        steps: what is done about each kind of fact.
        jitter: given a wait, the wait to use: spreads retries.
    """

    def __init__(
        self,
        name: str,
        *,
        steps: Mapping[type[Event], Step[Any]],
        memory: Memory,
        publisher: Publisher,
        queue: Queue,
        clock: Clock,
        jitter: Callable[[timedelta], timedelta] = lambda wait: wait * random.uniform(1, 1.25),  # noqa: S311  # not a secret
    ) -> None:
        self._name = name
        self._steps = steps
        self._memory = memory
        self._publisher = publisher
        self._queue = queue
        self._clock = clock
        self._jitter = jitter

    def handle(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """The Lambda handler: react to each message of an SQS batch; answers which are not finished."""

        def handle_record(record: SQSRecord) -> None:
            lasting = timedelta(milliseconds=context.get_remaining_time_in_millis()) + MARGIN
            self.react(_message(record), lasting)

        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        try:
            return dict(process_partial_response(event, handle_record, processor, context))
        finally:
            measures.flush()

    def react(self, message: Message, lasting: timedelta) -> None:
        """React to one message; returns if it is finished, raises if it is to be delivered again.

        Args:
            message: from the reaction's queue.
            lasting: how long this attempt can run at most.
        """
        logger.set_correlation_id(None)
        logger.append_keys(message_id=message.id, event_id=None, caused_by=None)
        try:
            self._read(message, lasting)
        except _Unfinished:
            count("FactsWaiting")
            raise
        except Exception as error:  # noqa: BLE001  # the message stays, and its text goes no further: it may quote
            logger.error("broken off: the message is delivered again", **_describe(error))  # noqa: TRY400  # as above
            count("ReactionsBrokenOff")
            raise _Unfinished from None
        count("FactsFinished")

    def _read(self, message: Message, lasting: timedelta) -> None:
        received = self._received(message)
        if received is None:
            return
        try:
            self._react(message, received, lasting)
        except HeldError as held:
            logger.info("somebody else is reacting to this fact")
            raise self._put_off(message, max(held.until - self._clock(), timedelta(0)), "held") from None

    def _received(self, message: Message) -> Received[Any] | None:
        """The fact in the message, None if it is not one to react to and what is to be done about that is done."""
        try:
            envelope = Envelope.model_validate_json(message.body)
            kind = self._taken(envelope.detail_type, envelope.source)
            event = kind.model_validate(envelope.detail) if kind else None
        except ValidationError as error:
            self._bury(message, _reason("malformed", malformed.told(error)))
            return None
        if event is None:
            told = f"{envelope.detail_type} of {envelope.source} does not lead to {self._name}: see the queue's rule"
            self._bury(message, _reason("not_taken", told))
            return None
        logger.set_correlation_id(event.metadata.correlation_id)
        logger.append_keys(event_id=str(event.metadata.event_id), caused_by=event.name())
        if event.metadata.hop >= MAX_HOP:
            self._bury(message, _reason("loop", f"{MAX_HOP} facts lie between this one and its first cause"))
            return None
        key = Key(self._name, envelope.account, envelope.source, str(event.metadata.event_id))
        return Received(event, key, min(event.metadata.occurred_at, self._clock()))

    def _taken(self, name: str, source: str) -> type[Event] | None:
        """The kind of fact that there is a step for."""
        return next((kind for kind in self._steps if kind.name() == name and kind.is_from(source)), None)

    def _step(self, event: Event) -> Step[Any]:
        return self._steps[type(event)]

    def _react(self, message: Message, received: Received[Any], lasting: timedelta) -> None:
        event: Event = received.event
        claim = self._memory.claim(received.key, lasting, since=received.since, sent_at=message.sent_at)
        if claim is None:
            logger.info("a copy of a fact already reacted to")
            return
        if claim.decided is None and claim.given_up is None:
            claim = self._conclude(message, event, claim)
        claim = self._state(message, claim, self._step(event).deadline)
        if claim.given_up:
            self._bury(message, claim.given_up.reason)
            self._memory.bury(claim)
        else:
            self._memory.published(claim)
            age = (self._clock() - claim.since).total_seconds()
            measures.record(measures.seconds("HopTime", age), *claim.measures)

    def _conclude(self, message: Message, event: Event, claim: Claim) -> Claim:
        """Run the step; gives the claim with its outcome kept, or given up."""
        if claim.failures > len(BACK_OFF):
            return self._give_up(event, claim, self._internal_error("its function was stopped every time"))
        try:
            facts = self._decide(event)
            decided = self._memory.decide(claim, [self._statement(fact, event) for fact in facts])
            return replace(decided, measures=tuple(_measures(facts)))
        except HeldError:
            raise
        except RetryLaterError as waiting:
            return self._retry_later(message, event, claim, waiting)
        except Exception as error:  # noqa: BLE001  # whatever a step raises is counted, and given up in the end
            after = wait_out(error)
            if after is not None:
                logger.warning("AWS does not answer as it should", **_describe(error))
                away = RetryLaterError("AWS does not answer", after)
                return self._retry_later(message, event, claim, away, why="aws_away")
            return self._count_failure(message, event, claim, error)

    def _decide(self, event: Event) -> Sequence[Fact]:
        try:
            return self._step(event).do(event)
        except RefusedError as refused:
            return self._refused(event, refused.reason)

    def _refused(self, event: Event, reason: Reason) -> Sequence[Fact]:
        """What is stated where the step is refused."""
        logger.warning("refused", reason=reason.code, explanation=reason.message)
        return self._failed(event, reason)

    def _failed(self, event: Event, reason: Reason) -> Sequence[Fact]:
        failed = self._step(event).failed(event, reason)
        return [] if failed is None else [failed]

    def _statement(self, fact: Fact, cause: Event) -> Statement:
        metadata = cause.metadata.model_copy(update={"group": fact.group or cause.metadata.group})
        return Statement.of(fact.event.state(fact.data, cause=metadata, now=self._clock()))

    def _state(self, message: Message, claim: Claim, deadline: timedelta) -> Claim:
        """State what is to be stated; gives the claim, given up if the bus has taken nothing for too long."""
        statements = claim.given_up.last_words if claim.given_up else claim.decided or ()
        try:
            self._publisher.publish(statements)
        except PublishFailedError:
            left = self._left(claim, 2 * deadline)
            if left > timedelta(0):
                raise self._hold_on(message, claim, PUBLISH_WAIT, left, "bus_away") from None
            logger.error("facts stay unstated", count=len(statements))  # noqa: TRY400  # the publisher said why
            reason = _reason("not_stated", "The event bus takes no facts")
            return claim if claim.given_up else self._memory.give_up(claim, reason, ())
        count("FactsStated", len(statements))
        return claim

    def _retry_later(
        self, message: Message, event: Event, claim: Claim, waiting: RetryLaterError, *, why: Retried = "waiting"
    ) -> Claim:
        left = self._left(claim, self._step(event).deadline)
        if left <= timedelta(0):
            return self._give_up(event, claim, _reason("gave_up", f"Gave up: {waiting.waiting_for}"))
        logger.info("waiting", waiting_for=waiting.waiting_for, seconds=waiting.after.total_seconds())
        raise self._hold_on(message, claim, waiting.after, left, why)

    def _count_failure(self, message: Message, event: Event, claim: Claim, error: Exception) -> Claim:
        reason = error.reason if isinstance(error, BrokenError) else self._internal_error(type(error).__name__)
        told = {"reason": reason.code, "explanation": reason.message, **_describe(error)}
        logger.error("the step failed", failures=claim.failures + 1, **told)
        count("StepsFailed")
        if claim.failures >= len(BACK_OFF):
            return self._give_up(event, claim, reason)
        self._memory.release(claim, failed=True)
        raise self._put_off(message, self._jitter(BACK_OFF[claim.failures]), "failed")

    def _internal_error(self, what: str) -> Reason:
        told = f"An error in Prestage ({what}); it is in the dead-letter queue of {self._name}"
        return _reason("internal_error", told)

    def _give_up(self, event: Event, claim: Claim, reason: Reason) -> Claim:
        """The failed fact is kept only until the message is buried, so that a redrive starts afresh."""
        try:
            last_words = [self._statement(fact, event) for fact in self._failed(event, reason)]
        except Exception as error:  # noqa: BLE001  # a message that can't be buried would be lost in the end
            logger.error("the failed fact can't be made", **_describe(error))  # noqa: TRY400  # its text may quote
            last_words = []
        count("StepsGivenUp")
        return self._memory.give_up(claim, reason, last_words)

    def _left(self, claim: Claim, lasting: timedelta) -> timedelta:
        return claim.since + lasting - self._clock()

    def _hold_on(self, message: Message, claim: Claim, after: timedelta, left: timedelta, why: Retried) -> _Unfinished:
        self._memory.release(claim)
        age = self._clock() - claim.since
        measures.record(measures.seconds("WaitingTime", age.total_seconds()))
        return self._put_off(message, min(max(self._jitter(min(after, left)), age / PATIENCE), left), why)

    def _bury(self, message: Message, reason: Reason) -> None:
        logger.error("to the dead-letter queue", reason=reason.code, explanation=reason.message)
        attributes = {"Reaction": self._name, "ReasonCode": reason.code, "ReasonMessage": reason.message}
        self._queue.bury(message, attributes)
        measures.record(Measure("Failures", reason=reason.code))

    def _put_off(self, message: Message, duration: timedelta, why: Retried) -> _Unfinished:
        measures.record(Measure("Retries", cause=why))
        self._queue.hide(message, duration)
        return _Unfinished()


def _message(record: SQSRecord) -> Message:
    attributes = record["attributes"]
    sent = attributes.get("SentTimestamp")
    return Message(
        id=record.message_id,
        receipt_handle=record.receipt_handle,
        body=record.body,
        group=attributes.get("MessageGroupId"),
        sent_at=None if sent is None else datetime.fromtimestamp(int(sent) / 1000, UTC),
    )


def _reason(code: str, message: str) -> Reason:
    return Reason(code=code, message=message[:500] or code)


def _measures(facts: Sequence[Fact]) -> Iterator[Measure]:
    """What the facts are measured by; a failed one by its reason too."""
    for fact in facts:
        yield from fact.measures
        reason = getattr(fact.data, "reason", None)
        if isinstance(reason, Reason) and fact.event.name().endswith("Failed"):
            yield Measure("Failures", reason=reason.code)


def _describe(error: Exception) -> dict[str, Any]:
    """The type and where it came from; not its text, which may quote a value that is secret."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "where": where}
