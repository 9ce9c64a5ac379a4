"""SQS, as `choreography.queue.Queue` and Lambda's poller meet it: messages, in no order, that come back by themselves.

Nothing happens by chance and no time passes here: whoever holds the queues says which message is received when. SQS
delivers at least once, so that any message may be received, also one that is hidden or just being worked on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import md5
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from choreography.clock import Clock
from tests.simulation.calls import Between, Call, undisturbed
from tests.simulation.topology import REGION, QueueSettings

LONGEST = timedelta(hours=12)
"""SQS hides a message no longer, counted from when it was received."""


@dataclass
class Kept:
    """A message in a queue. `attributes` are the sender's; `handle` is that of its last receipt."""

    id: str
    queue: str
    body: str
    group: str | None
    attributes: Mapping[str, str]
    sent_at: datetime
    visible_at: datetime
    receives: int = 0
    first_received_at: datetime | None = None
    received_at: datetime | None = None
    handle: str = ""


class Queues:
    """All queues, empty at first. `expired` has the messages that nobody finished before their queue forgot them.

    Args:
        settings: the queues, by name.
        clock: the time.
        between: comes between a function and the queues; the poller and the bus are not functions.
    """

    def __init__(self, settings: Mapping[str, QueueSettings], clock: Clock, between: Between = undisturbed) -> None:
        self._settings = settings
        self._clock = clock
        self._between = between
        self._messages: dict[str, Kept] = {}
        self._numbers = count(1)
        self.expired: list[Kept] = []

    # ---- What functions ask of the SQS client

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803  # boto3's names
        """Let the message be hidden for that many seconds from now.

        Raises:
            ClientError: it is not in flight under that handle, or would be hidden for too long.
        """
        call = Call("sqs", "hide", f"{ReceiptHandle} in {QueueUrl} for {VisibilityTimeout} s")
        self._between(call, lambda: self._hide(QueueUrl, ReceiptHandle, timedelta(seconds=VisibilityTimeout)))

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803  # boto3's names, here and below
        MessageBody: str,  # noqa: N803
        MessageAttributes: Mapping[str, Mapping[str, str]],  # noqa: N803
        MessageGroupId: str | None = None,  # noqa: N803
    ) -> Mapping[str, str]:
        """Put a message into a queue."""
        attributes = {name: given["StringValue"] for name, given in MessageAttributes.items()}

        def act() -> Mapping[str, str]:
            return {"MessageId": self.send(QueueUrl, MessageBody, group=MessageGroupId, attributes=attributes).id}

        return self._between(Call("sqs", "send", f"to {QueueUrl}"), act)

    # ---- What the bus does

    def send(
        self, queue: str, body: str, *, group: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> Kept:
        """Put a message into a queue, where it can be received at once."""
        settings, now = self._settings[queue], self._clock()
        message = Kept(f"message-{next(self._numbers)}", settings.name, body, group, attributes or {}, now, now)
        self._messages[message.id] = message
        return message

    # ---- What Lambda's poller does, and what befalls a message

    def waiting(self) -> list[Kept]:
        """The messages that a function could be fed with now, in the order in which they were sent."""
        now = self._clock()
        return [message for message in self._fed() if message.visible_at <= now]

    def next_visible(self) -> datetime | None:
        """The next moment at which a function could be fed with a message that is hidden now, if there is one."""
        now = self._clock()
        return min((message.visible_at for message in self._fed() if message.visible_at > now), default=None)

    def receive(self, message: Kept) -> dict[str, Any] | None:
        """Have the message in flight; gives the record of it in Lambda's event.

        None if it was received too often: then it is a dead letter.
        """
        settings, now = self._settings[message.queue], self._clock()
        if settings.most_receives is not None and message.receives >= settings.most_receives:
            message.queue, message.visible_at = str(settings.dead_letters), now
            return None
        message.receives += 1
        message.first_received_at = message.first_received_at or now
        message.received_at, message.visible_at = now, now + settings.visibility
        message.handle = f"{message.id}/{message.receives}"
        return _record(message, settings)

    def acknowledge(self, handle: str, *, outdated_too: bool = False) -> bool:
        """Delete the message that was received under that handle; gives whether it is deleted.

        If it was received again since, SQS may delete it or not, and says that it did: `outdated_too` decides.
        """
        message = self._messages.get(handle.partition("/")[0])
        if message is None or (message.handle != handle and not outdated_too):
            return False
        del self._messages[message.id]
        return True

    def show(self, message: Kept) -> None:
        """Let the message be visible now: the visibility time-out runs out, however long it was to be."""
        message.visible_at = self._clock()

    def copy(self, message: Kept) -> Kept:
        """Have the message in the queue once more, as a message of its own: the bus, too, delivers at least once."""
        return self.send(message.queue, message.body, group=message.group, attributes=message.attributes)

    def messages(self, queue: str) -> list[Kept]:
        """All messages of a queue, in the order in which they were sent."""
        return [message for message in self._current() if message.queue == queue]

    def dead_letters(self) -> list[Kept]:
        """The messages that no function is fed with."""
        return [message for message in self._current() if self._settings[message.queue].dead_letters is None]

    def redrive(self, message: Kept) -> Kept:
        """Move a dead letter to the queue whose dead letters it lies among, where it is as if it had just been sent.

        Raises:
            KeyError: no function is fed from such a queue.
        """
        back = {settings.dead_letters: name for name, settings in self._settings.items() if settings.dead_letters}
        moved = self.send(back[message.queue], message.body, group=message.group, attributes=message.attributes)
        del self._messages[message.id]
        return moved

    def _hide(self, queue: str, handle: str, duration: timedelta) -> None:
        message, now = self._messages.get(handle.partition("/")[0]), self._clock()
        in_flight = message is not None and message.visible_at > now
        if message is None or not in_flight or (message.queue, message.handle) != (queue, handle):
            raise _refused("AWS.SimpleQueueService.MessageNotInflight", "the message is not in flight")
        if duration < timedelta(0) or now + duration - (message.received_at or now) > LONGEST:
            raise _refused("InvalidParameterValue", f"no message is hidden for more than {LONGEST} from its receipt")
        message.visible_at = now + duration

    def _fed(self) -> Iterator[Kept]:
        return (message for message in self._current() if self._settings[message.queue].dead_letters is not None)

    def _current(self) -> Iterator[Kept]:
        """The messages, but for those whose time in their queue is over."""
        now = self._clock()
        over = [one for one in self._messages.values() if one.sent_at + self._settings[one.queue].retention <= now]
        for message in over:
            self.expired.append(self._messages.pop(message.id))
        return iter(list(self._messages.values()))


def _record(message: Kept, settings: QueueSettings) -> dict[str, Any]:
    """The message as Lambda's event has it."""
    group = {} if message.group is None else {"MessageGroupId": message.group}
    return {
        "messageId": message.id,
        "receiptHandle": message.handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": _milliseconds(message.sent_at),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at or message.sent_at),
            **group,
        },
        "messageAttributes": {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in message.attributes.items()
        },
        "md5OfBody": md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": settings.arn,
        "awsRegion": REGION,
    }


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def _refused(code: str, why: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": why}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, "ChangeMessageVisibility")
