"""What reactions could not do: the messages in the stack's dead-letter queues, as they are, and what becomes of them.

A letter is read by receiving it and put back at once, so that it is there for whoever looks next. It goes for good only
after its fact is in the reaction's own queue again, or where somebody discards it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import batched, groupby
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from choreography.reaction import Envelope
from prestage_contracts import CONTRACT, Event, Report

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_LOOKING = 60
"""Seconds that a letter is out of the others' sight while it is looked at, unless it is put back before."""

_AT_ONCE = 10
_NAME = re.compile(r"[A-Za-z]{1,64}")
_WAIT = 1
"""Seconds. A receive that waits asks all of SQS's servers, one that doesn't only some of them."""


type Around = Callable[["DeadLetter"], AbstractContextManager[object]]
"""What is done before and after something becomes of a letter."""


class NoSuchLetterError(Exception):
    """No dead letter goes by what was said; the text says where to look."""


@dataclass(frozen=True)
class _Queues:
    """A reaction's own queue, and one that its dead letters are in."""

    reaction: str
    own_url: str
    url: str


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up, and where it lies.

    `reaction` is the name of the reaction that it was for. `code` and `message` say why it is there; `undelivered`
    that it never reached the reaction's queue. `sent_at` is when it was given up.
    """

    id: str
    reaction: str
    code: str
    message: str
    undelivered: bool
    sent_at: datetime
    body: str
    queues: _Queues
    receipt_handle: str

    @cached_property
    def _envelope(self) -> Envelope | None:
        try:
            return Envelope.model_validate_json(self.body)
        except ValidationError:
            return None

    @cached_property
    def fact(self) -> Event | None:
        """The fact or report in it, None if it is none that this version knows."""
        told = self._envelope
        kind = CONTRACT.get(told.detail_type) if told else None
        if told is None or kind is None or not kind.is_from(told.source):
            return None
        try:
            return kind.model_validate(told.detail)
        except ValidationError:
            return None

    @property
    def named(self) -> str | None:
        """The name that the message gives its fact, whether or not this version can read it; None if it gives none."""
        name = self._envelope.detail_type if self._envelope else ""
        return name if _NAME.fullmatch(name) else None

    @property
    def group(self) -> str | None:
        """The message group that its rule gives it: of a report the one thing that its sender does not choose."""
        if self._envelope and isinstance(self.fact, Report):
            return self._envelope.account
        return self.fact.metadata.group if self.fact else None

    @property
    def can_be_redriven(self) -> bool:
        """Whether the reaction could do anything with it: it can't with what it does not take, or can't read."""
        return self.fact is not None and self.code not in {"malformed", "not_taken", "loop"}


class DeadLetters:
    """The dead letters of a stack.

    Args:
        sqs: an SQS client.
        outputs: the stack's.
    """

    def __init__(self, sqs: "SQSClient", outputs: Mapping[str, str]) -> None:
        self._sqs = sqs
        self._queues = list(_queues(outputs))

    @property
    def reactions(self) -> Sequence[str]:
        """The names of the reactions that may have any, in alphabetical order."""
        return sorted({queues.reaction for queues in self._queues})

    def list_all(self, reaction: str | None = None) -> list[DeadLetter]:
        """Those of one reaction, or all, the oldest first."""
        letters = self._take(reaction)
        self._put_back(letters)
        return letters

    def get(self, letter_id: str) -> DeadLetter:
        """The one whose id begins so.

        Raises:
            NoSuchLetterError: there is none, or several.
        """
        letter, others = self._one(letter_id)
        self._put_back([letter, *others])
        return letter

    def redrive(self, letter_id: str, around: Around = nullcontext) -> DeadLetter:
        """Give one to its reaction again.

        Raises:
            NoSuchLetterError: there is none, or several; or the reaction could do nothing with it.
        """
        letter, others = self._one(letter_id)
        if not letter.can_be_redriven:
            self._put_back([letter, *others])
            raise NoSuchLetterError(f"{letter.id} can't be redriven ({letter.code}): {letter.message}")
        self._put_back(others)
        with around(letter):
            self._send_again(letter)
        return letter

    def redrive_all(
        self, reaction: str | None = None, around: Around = nullcontext
    ) -> tuple[list[DeadLetter], list[DeadLetter]]:
        """Give all of a reaction, or all, to their reactions again: gives those, and those that can't be."""
        letters = self._take(reaction)
        able = [letter for letter in letters if letter.can_be_redriven]
        unable = [letter for letter in letters if not letter.can_be_redriven]
        self._put_back(unable)
        for letter in able:
            with around(letter):
                self._send_again(letter)
        return able, unable

    def discard(self, letter_id: str, around: Around = nullcontext) -> DeadLetter:
        """Delete one, for good.

        Raises:
            NoSuchLetterError: there is none, or several.
        """
        letter, others = self._one(letter_id)
        self._put_back(others)
        with around(letter):
            self._delete(letter)
        return letter

    def _one(self, letter_id: str) -> tuple[DeadLetter, list[DeadLetter]]:
        if not letter_id:
            raise NoSuchLetterError("an empty text is no dead letter's id: see `prestage dead-letters list`")
        letters = self._take(None)
        found = [letter for letter in letters if letter.id.startswith(letter_id)]
        if len(found) == 1:
            return found[0], [letter for letter in letters if letter is not found[0]]
        self._put_back(letters)
        those = f"{len(found)} dead letters begin with" if found else "there is no dead letter"
        raise NoSuchLetterError(f"{those} {letter_id}: see `prestage dead-letters list`")

    def _take(self, reaction: str | None) -> list[DeadLetter]:
        """Each once, out of the others' sight for a moment."""
        asked = [queues for queues in self._queues if reaction in {None, queues.reaction} and self._has_any(queues.url)]
        found = {letter.id: letter for queues in asked for letter in self._receive_all(queues)}
        return sorted(found.values(), key=lambda letter: (letter.sent_at, letter.id))

    def _has_any(self, url: str) -> bool:
        counted = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(counted["Attributes"]["ApproximateNumberOfMessages"]) > 0

    def _receive_all(self, queues: _Queues) -> Iterator[DeadLetter]:
        while received := self._sqs.receive_message(
            QueueUrl=queues.url,
            MaxNumberOfMessages=_AT_ONCE,
            VisibilityTimeout=_LOOKING,
            WaitTimeSeconds=_WAIT,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages"):
            yield from (_letter(message, queues) for message in received)
            if len(received) < _AT_ONCE and not self._has_any(queues.url):
                return

    def _put_back(self, letters: Sequence[DeadLetter]) -> None:
        """Have them seen by others. One that was out of sight for too long to be put back is there by itself."""
        for url, lying in groupby(sorted(letters, key=_url), key=_url):
            for some in batched(lying, _AT_ONCE, strict=False):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": letter.receipt_handle, "VisibilityTimeout": 0}
                        for number, letter in enumerate(some)
                    ],
                )

    def _send_again(self, letter: DeadLetter) -> None:
        """First into the reaction's queue, then out of this one: what is there twice is reacted to once."""
        group: dict[str, Any] = {"MessageGroupId": letter.group} if letter.group else {}
        self._sqs.send_message(QueueUrl=letter.queues.own_url, MessageBody=letter.body, **group)
        self._delete(letter)

    def _delete(self, letter: DeadLetter) -> None:
        self._sqs.delete_message(QueueUrl=letter.queues.url, ReceiptHandle=letter.receipt_handle)


def _url(letter: DeadLetter) -> str:
    return letter.queues.url


def _queues(outputs: Mapping[str, str]) -> Iterator[_Queues]:
    for output, url in outputs.items():
        for ending in ("DeliveryDeadLetterQueueUrl", "DeadLetterQueueUrl"):
            name = output.removesuffix(ending)
            if name != output:
                yield _Queues(name.lower(), outputs[f"{name}QueueUrl"], url)
                break


def _letter(message: "MessageTypeDef", queues: _Queues) -> DeadLetter:
    attributes: Mapping[str, Any] = message.get("MessageAttributes", {})
    told = {name: str(attribute.get("StringValue", "")) for name, attribute in attributes.items()}
    code, words = _why(told)
    system = message["Attributes"]
    return DeadLetter(
        id=message["MessageId"],
        reaction=queues.reaction,
        code=code,
        message=words,
        undelivered="ERROR_CODE" in told,
        sent_at=datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC),
        body=message["Body"],
        queues=queues,
        receipt_handle=message["ReceiptHandle"],
    )


def _why(told: Mapping[str, str]) -> tuple[str, str]:
    """The reason by its code, and in words: the reaction's own, EventBridge's, or that SQS gave it up."""
    if "ReasonCode" in told:
        return told["ReasonCode"], told.get("ReasonMessage", "")
    if "ERROR_CODE" in told:
        return (
            "undelivered",
            f"EventBridge could not deliver it ({told['ERROR_CODE']}): {told.get('ERROR_MESSAGE', '')}",
        )
    return "unfinished", "It was delivered again and again, and its function never came to an end with it"


def pretty(body: str) -> str:
    """The message as people read it; as it is where it is no JSON, or too deep."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
