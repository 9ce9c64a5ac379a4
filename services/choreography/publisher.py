"""State facts on the bus."""

import json
import random
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from prestage_contracts.envelope import Event

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef, PutEventsResultEntryTypeDef

MAX_BATCH = 10
"""Entries in one PutEvents (EventBridge's limit)."""

MAX_BYTES = 1_000_000
"""Size of all entries of one PutEvents, and so of one event. EventBridge takes less than this."""

ATTEMPTS = 4
"""PutEvents for one batch, before its facts are said not to be on the bus."""

_WAIT_SECONDS = 0.1
_TIME_BYTES = 14

logger = Logger()


@dataclass(frozen=True)
class Statement:
    """A fact as it goes onto the bus, and as the memory keeps it."""

    source: str
    detail_type: str
    detail: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """The fact `event`, written down."""
        return cls(source=event.SOURCE, detail_type=event.name(), detail=event.model_dump_json())

    @property
    def size(self) -> int:
        """In bytes, as EventBridge counts an entry."""
        return _TIME_BYTES + sum(len(part.encode()) for part in (self.source, self.detail_type, self.detail))


class EventTooLargeError(Exception):
    """A fact is larger than the bus takes; it was not sent."""


class PublishFailedError(Exception):
    """Some facts are not on the bus, after several attempts. Stating them again, under the same ids, is safe."""


class Publisher:
    """Puts facts on one bus.

    Args:
        client: an EventBridge client.
        bus_name: the bus.
        attempts: for each batch.
        sleep: waits that many seconds between attempts.
    """

    def __init__(
        self,
        client: "EventBridgeClient",
        bus_name: str,
        *,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._bus_name = bus_name
        self._attempts = attempts
        self._sleep = sleep

    def publish(self, statements: Sequence[Statement]) -> None:
        """State the facts, in order, in as few calls as the limits allow.

        Raises:
            EventTooLargeError: before anything is sent.
            PublishFailedError: some are not on the bus.
        """
        for statement in statements:
            if statement.size >= MAX_BYTES:
                message = f"{statement.detail_type} has {statement.size} bytes, the bus takes less than {MAX_BYTES}"
                raise EventTooLargeError(f"{message}: carry a reference")
        for batch in _batches(statements):
            self._publish_batch(batch)

    def _publish_batch(self, batch: Sequence[Statement]) -> None:
        waiting = list(batch)
        errors: list[str] = []
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311  # jitter, not a secret
            results = self._put(waiting)
            failed = [(kept, result) for kept, result in zip(waiting, results, strict=True) if result.get("ErrorCode")]
            waiting = [kept for kept, _ in failed]
            errors = sorted({result["ErrorCode"] for _, result in failed})
            if not waiting:
                return
            logger.warning("facts not taken by the bus", count=len(waiting), errors=errors)
        raise PublishFailedError(f"{len(waiting)} of {len(batch)} facts are not on the bus: {', '.join(errors)}")

    def _put(self, statements: Sequence[Statement]) -> "Sequence[PutEventsResultEntryTypeDef]":
        try:
            return self._client.put_events(Entries=[self._entry(statement) for statement in statements])["Entries"]
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            return [{"ErrorCode": code} for _ in statements]

    def _entry(self, statement: Statement) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self._bus_name,
            "Source": statement.source,
            "DetailType": statement.detail_type,
            "Detail": statement.detail,
        }


def _batches(statements: Sequence[Statement]) -> Iterator[Sequence[Statement]]:
    batch: list[Statement] = []
    size = 0
    for statement in statements:
        if batch and (len(batch) == MAX_BATCH or size + statement.size >= MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(statement)
        size += statement.size
    if batch:
        yield batch


def dump(statements: Sequence[Statement]) -> bytes:
    """The statements as the memory keeps them: many are much alike, so they take a tenth of their size."""
    told = json.dumps([[kept.source, kept.detail_type, kept.detail] for kept in statements], ensure_ascii=False)
    return zlib.compress(told.encode())


def load(kept: bytes) -> tuple[Statement, ...]:
    """The statements that `dump` wrote."""
    return tuple(Statement(*parts) for parts in json.loads(zlib.decompress(kept)))
