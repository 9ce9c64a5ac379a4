import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from choreography.queue import Message, Queue
from tests.choreography.world import World

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MESSAGE = Message(id="x", receipt_handle="a-handle", body="a fact", group="7")


class Client:
    """Writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def change_message_visibility(self, **asked: Any) -> None:
        self.asked.append(asked)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (timedelta(seconds=20), 20),
        (timedelta(seconds=20, milliseconds=1), 21),
        (timedelta(0), 1),
        (timedelta(seconds=-5), 1),
    ],
)
def test_a_message_is_hidden_for_no_less_than_asked(duration: timedelta, seconds: int) -> None:
    client = Client()
    Queue(client, "the-queue", "the-dead-letters").hide(MESSAGE, duration)  # type: ignore[arg-type]  # a fake
    asked = {"QueueUrl": "the-queue", "ReceiptHandle": "a-handle", "VisibilityTimeout": seconds}
    assert client.asked == [asked]


def test_a_message_is_hidden_for_at_most_the_twelve_hours_from_its_receipt_that_sqs_allows() -> None:
    client = Client()
    Queue(client, "the-queue", "the-dead-letters").hide(MESSAGE, timedelta(days=3))  # type: ignore[arg-type]  # a fake
    longest_function = timedelta(minutes=15)
    assert 11 * 3600 < client.asked[0]["VisibilityTimeout"] <= (timedelta(hours=12) - longest_function).total_seconds()


@pytest.mark.parametrize("group", [None, "7"])
def test_a_dead_letter_is_the_message_and_why(world: World, group: str | None) -> None:
    message = Message(id="x", receipt_handle="x", body='{"a": "ü"}', group=group)
    world.queue.bury(message, {"Reaction": "vault", "ReasonMessage": "Fly.io said:\x00 \x1b[1mno\ud800\t✓"})
    (letter,) = world.dead_letters()
    assert letter == {
        "body": '{"a": "ü"}',
        "Reaction": "vault",
        "ReasonMessage": "Fly.io said: [1mno\t✓",
        "group": group,
    }


@given(told=st.text())
def test_whatever_is_told_is_an_attribute_that_sqs_takes(told: str) -> None:
    sent: list[str] = []

    class Taking:
        def send_message(self, *, MessageAttributes: dict[str, dict[str, str]], **_: Any) -> None:  # noqa: N803  # boto3's
            sent.append(MessageAttributes["ReasonMessage"]["StringValue"])

    client: SQSClient = Taking()  # type: ignore[assignment]  # a fake
    Queue(client, "the-queue", "the-dead-letters").bury(MESSAGE, {"ReasonMessage": told})
    (value,) = sent
    assert re.fullmatch("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+", value)
