"""React to reports: to what other teams state, who may be anybody that the bus lets.

Nothing of a report is believed but what EventBridge itself says of it: the account that stated it. It is refused
without a dead letter, which would be the sender's to fill, and without a fact, which would tell the sender what there
is. See docs/adr/0019.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from choreography import measures
from choreography.measures import Measure
from choreography.memory import Key
from choreography.queue import Message
from choreography.reaction import Fact, Reaction, Received, Step
from prestage_contracts.envelope import Data, Event, Metadata, Reason

MAX_BYTES = 8 * 1024
"""Of a whole report, as EventBridge delivers it. One with the longest of everything has a third of that."""

AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours: whatever came later would be older than a report of next year."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_CORRELATION = re.compile(r"[A-Za-z0-9-]{1,64}")
_NOBODY = "0"

logger = Logger()


class Reported[D: Data](Event):
    """A report by whoever EventBridge says stated it. Of its metadata, what others gave is left out or held to a form.

    The step's facts follow from the report's id, as hop 1, in the group that the step gives them.
    """

    data: D
    account: str
    source: str
    kind: type[Event]


class ReportReaction(Reaction):
    """Steps, each done once for each report that leads to it. A step gets a `Reported`."""

    def _step(self, event: Event) -> Step[Any]:
        return self._steps[event.kind if isinstance(event, Reported) else type(event)]

    def _received(self, message: Message) -> Received[Any] | None:
        envelope: _Envelope | None = None
        try:
            envelope = _envelope(message.body)
            event = self._report(envelope, len(message.body.encode()))
        except _RefusedReportError as refused:
            refuse(refused.code, envelope.account if envelope else "", envelope.source if envelope else "")
            return None
        logger.set_correlation_id(event.metadata.correlation_id)
        logger.append_keys(event_id=str(event.metadata.event_id), caused_by=event.kind.name())
        key = Key(self._name, event.account, event.source, str(event.metadata.event_id))
        return Received(event, key, self._clock())

    def _report(self, envelope: "_Envelope", size: int) -> Reported[Any]:
        if size > MAX_BYTES:
            raise _RefusedReportError("too_large")
        kind = self._taken(envelope.detail_type, envelope.source)
        if kind is None:
            raise _RefusedReportError("not_taken")
        try:
            report = kind.model_validate_json(json.dumps(envelope.detail), strict=True)
        except ValidationError:
            raise _RefusedReportError("malformed") from None
        if not _is_spelled_as_published(envelope.detail["metadata"]):
            raise _RefusedReportError("malformed")
        if report.metadata.version.split(".")[0] != kind.major():
            raise _RefusedReportError("another_version")
        if report.metadata.occurred_at > self._clock() + AHEAD:
            raise _RefusedReportError("ahead_of_time")
        return Reported(
            metadata=_ours(report.metadata),
            data=report.data,
            account=envelope.account,
            source=envelope.source,
            kind=kind,
        )

    def _refused(self, event: Event, reason: Reason) -> Sequence[Fact]:
        if isinstance(event, Reported):
            refuse(reason.code, event.account, event.source)
        return []


def refuse(code: str, account: str, source: str) -> None:
    """Tell operators that a report was refused; nobody else is told."""
    logger.warning("a report is refused", reason=code, account=account, source=source)
    measures.record(Measure("ReportRefused", reason=code))


class _RefusedReportError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Envelope(BaseModel):
    """An EventBridge event of somebody else's. Only EventBridge writes the account."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    account: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
    source: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    detail_type: str = Field(alias="detail-type")
    detail: dict[str, Any]


def _envelope(body: str) -> _Envelope:
    try:
        return _Envelope.model_validate_json(body.encode())
    except (UnicodeError, ValidationError):
        raise _RefusedReportError("malformed") from None


def _is_spelled_as_published(metadata: dict[str, Any]) -> bool:
    """Whether ids and times are as the published schema has them: pydantic reads more spellings of them."""
    return bool(_UUID.fullmatch(metadata["event_id"]) and _MOMENT.fullmatch(metadata["occurred_at"]))


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # a moment before the first year, or after the last
        raise _RefusedReportError("malformed") from None


def _ours(given: Metadata) -> Metadata:
    """What of a report's metadata goes on: its id, its time, and what began it if that reads like an id."""
    formed = _CORRELATION.fullmatch(given.correlation_id)
    correlation_id = given.correlation_id if formed else str(given.event_id)
    at = _utc(given.occurred_at)
    return given.model_copy(update={"hop": 0, "group": _NOBODY, "correlation_id": correlation_id, "occurred_at": at})
