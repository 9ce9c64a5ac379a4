"""Facts as they are stated: through a queue and a rule that are there for as long as somebody looks."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from botocore.exceptions import ClientError

from choreography.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

_MOMENT = "%Y%m%dT%H%M%S"
_LEFT_BEHIND = timedelta(hours=24)
"""How old a queue and a rule are that nobody looks at any more: whoever did was ended before they could be removed."""

_KEPT = 300
"""Seconds that a fact waits to be shown."""

_MOST = 10


@dataclass(frozen=True)
class Wanted:
    """Which facts: all of these hold, and what is None or empty holds for every fact.

    `pull_request` is a number, in the repository that `repository_id` has.
    """

    names: tuple[str, ...] = ()
    app_id: str | None = None
    environment_id: str | None = None
    repository_id: int | None = None
    pull_request: int | None = None

    @property
    def pattern(self) -> dict[str, Any]:
        """What EventBridge can tell of it: the names, and the repository, which is the facts' group."""
        named = {"detail-type": [*self.names]} if self.names else {}
        group = {"detail": {"metadata": {"group": [str(self.repository_id)]}}} if self.repository_id else {}
        return {"source": [{"prefix": ""}], **named, **group}

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Whether it is one of those."""
        data = _mapping(_mapping(event.get("detail")).get("data"))
        environment = _mapping(data.get("environment"))
        told = environment or data
        app = _mapping(data.get("app"))
        number = _mapping(told.get("pull_request")).get("number") or data.get("pull_request_number")
        return (
            (not self.names or event.get("detail-type") in self.names)
            and (self.app_id is None or self.app_id in (told.get("app_id"), app.get("id")))
            and self.environment_id in {None, environment.get("id"), data.get("environment_id")}
            and (self.pull_request is None or number == self.pull_request)
        )


def tail_prefix(bus: str) -> str:
    """How the names of the queues and rules begin that are there while somebody looks."""
    return f"{bus[:20]}-tail-"


def _mapping(value: Any) -> Mapping[str, Any]:
    """What others state may be anything."""
    return value if isinstance(value, Mapping) else {}


class Tail:
    """The facts that are stated from `__enter__` on, until `__exit__`.

    Args:
        events: an EventBridge client.
        sqs: an SQS client.
        outputs: the stack's.
        wanted: which facts.
        clock: the time.
    """

    def __init__(
        self, events: "EventBridgeClient", sqs: "SQSClient", outputs: Mapping[str, str], wanted: Wanted, clock: Clock
    ) -> None:
        self._events = events
        self._sqs = sqs
        self._bus, self._bus_arn = outputs["BusName"], outputs["BusArn"]
        self._wanted = wanted
        self._clock = clock
        self._prefix = tail_prefix(self._bus)
        self._name = f"{self._prefix}{clock().astimezone(UTC):{_MOMENT}}-{uuid4().hex[:8]}"

    def __enter__(self) -> Self:
        self._remove_what_was_left()
        try:
            self._make()
        except BaseException:
            self._remove(self._name)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove(self._name)

    def receive(self, wait: int) -> Iterator[dict[str, Any]]:
        """The facts that have come by now, as rules deliver them; waits some seconds for one. Each may come twice."""
        received = self._sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=_MOST, WaitTimeSeconds=wait
        ).get("Messages", [])
        for message in received:
            event = json.loads(message["Body"])
            if self._wanted.takes(event):
                yield event
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])

    def _make(self) -> None:
        rule_arn = self._bus_arn.replace(":event-bus/", ":rule/") + f"/{self._name}"
        queue_arn = self._bus_arn.replace(":events:", ":sqs:").partition(":event-bus/")[0] + f":{self._name}"
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
        }
        settings = {
            "Policy": json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
            "MessageRetentionPeriod": str(_KEPT),
            "SqsManagedSseEnabled": "true",
        }
        self._queue_url = self._sqs.create_queue(QueueName=self._name, Attributes=settings)["QueueUrl"]  # type: ignore[arg-type]  # attributes by name
        pattern = json.dumps(self._wanted.pattern)
        self._events.put_rule(Name=self._name, EventBusName=self._bus, EventPattern=pattern)
        self._events.put_targets(Rule=self._name, EventBusName=self._bus, Targets=[{"Id": "0", "Arn": queue_arn}])

    def _remove(self, name: str) -> None:
        """Its rule and its queue, as far as they are there."""
        with suppress(self._events.exceptions.ResourceNotFoundException):
            self._events.remove_targets(Rule=name, EventBusName=self._bus, Ids=["0"])
        self._events.delete_rule(Name=name, EventBusName=self._bus)
        with suppress(self._sqs.exceptions.QueueDoesNotExist):
            self._sqs.delete_queue(QueueUrl=self._sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def _remove_what_was_left(self) -> None:
        rules = self._events.list_rules(EventBusName=self._bus, NamePrefix=self._prefix)["Rules"]
        queues = self._sqs.list_queues(QueueNamePrefix=self._prefix).get("QueueUrls", [])
        names = {*(rule["Name"] for rule in rules), *(url.rpartition("/")[2] for url in queues)}
        for name in sorted(names):
            if self._clock() - self._made_at(name) > _LEFT_BEHIND:
                with suppress(ClientError):  # another may be removing it
                    self._remove(name)

    def _made_at(self, name: str) -> datetime:
        moment = name.removeprefix(self._prefix).partition("-")[0]
        try:
            return datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC)
        except ValueError:
            return self._clock()  # a queue of somebody else's that is called so
