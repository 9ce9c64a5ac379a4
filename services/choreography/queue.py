"""A reaction's own queue and its dead letters."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST_HIDING = timedelta(hours=11, minutes=40)
"""SQS hides no message for longer than 12 hours, counted from when it was received."""

_UNTAKEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Message:
    """A message as SQS delivered it. `sent_at` is when it was put into the queue, not when its fact was stated."""

    id: str
    receipt_handle: str
    body: str
    group: str | None = None
    sent_at: datetime | None = None


class Queue:
    """The queue that a reaction's function is invoked from, and its dead-letter queue.

    Args:
        client: an SQS client.
        url: the queue's URL.
        dead_letters_url: the dead-letter queue's URL.
    """

    def __init__(self, client: "SQSClient", url: str, dead_letters_url: str) -> None:
        self._client = client
        self._url = url
        self._dead_letters_url = dead_letters_url

    def hide(self, message: Message, duration: timedelta) -> None:
        """Make the message's next delivery happen no sooner than `duration` from now."""
        bounded = max(timedelta(seconds=1), min(duration, LONGEST_HIDING))
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=message.receipt_handle,
            VisibilityTimeout=math.ceil(bounded.total_seconds()),
        )

    def bury(self, message: Message, attributes: Mapping[str, str]) -> None:
        """Put a copy of the message into the dead-letter queue, with `attributes` that say why.

        Characters that SQS does not take are left out of them: they may quote a provider's answer.
        """
        group: dict[str, Any] = {"MessageGroupId": message.group} if message.group else {}
        self._client.send_message(
            QueueUrl=self._dead_letters_url,
            MessageBody=message.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": _UNTAKEN.sub("", value) or "-"}
                for name, value in attributes.items()
            },
            **group,
        )
