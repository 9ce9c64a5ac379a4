from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError

from choreography.queue import LONGEST_HIDING, Message, Queue
from tests.simulation.calls import Call
from tests.simulation.queues import Kept, Queues
from tests.simulation.topology import QueueSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NOW = datetime(2026, 11, 1, 10, 0, 5, 250_000, tzinfo=UTC)
ARN = "arn:aws:sqs:eu-west-1:111122223333:"
SECOND = timedelta(seconds=1)
SETTINGS = {
    "work": QueueSettings("work", f"{ARN}work", timedelta(seconds=360), timedelta(days=4), "dead", 3),
    "dead": QueueSettings("dead", f"{ARN}dead", timedelta(seconds=30), timedelta(days=14)),
}


@dataclass
class World:
    """The queues, and the time."""

    now: datetime = NOW
    queues: Queues = field(init=False)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queues = Queues(SETTINGS, lambda: self.now, self.between)
        self.queue = Queue(cast("SQSClient", self.queues), "work", "dead")

    def between[T](self, call: Call, act: Any) -> Any:
        self.calls.append(call)
        return act()

    def receive(self, message: Kept) -> Message:
        """As the kernel reads it."""
        record = self.queues.receive(message)
        assert record is not None
        return Message(record["messageId"], record["receiptHandle"], record["body"], message.group)


@pytest.fixture
def world() -> World:
    return World()


def test_a_message_is_given_to_a_function_as_lambda_gives_it(world: World) -> None:
    message = world.queues.send("work", '{"a": "ü"}', group="7", attributes={"Reaction": "vault"})
    world.now += SECOND
    world.queues.receive(message)
    world.now += SECOND
    assert world.queues.receive(message) == {
        "messageId": "message-1",
        "receiptHandle": "message-1/2",
        "body": '{"a": "ü"}',
        "attributes": {
            "ApproximateReceiveCount": "2",
            "SentTimestamp": "1793527205250",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1793527206250",
            "MessageGroupId": "7",
        },
        "messageAttributes": {
            "Reaction": {"stringValue": "vault", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
        },
        "md5OfBody": "8d0c0c3751be331ca4fae52b74d11c73",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"{ARN}work",
        "awsRegion": "eu-west-1",
    }


def test_a_message_waits_at_once_and_is_hidden_while_it_is_worked_on(world: World) -> None:
    one, other = world.queues.send("work", "one"), world.queues.send("work", "other")
    assert world.queues.waiting() == [one, other]
    assert world.queues.next_visible() is None
    world.receive(one)
    assert world.queues.waiting() == [other]
    assert world.queues.next_visible() == NOW + 360 * SECOND
    world.now += 360 * SECOND
    assert world.queues.waiting() == [one, other]


def test_a_message_is_hidden_for_as_long_as_the_kernel_asks(world: World) -> None:
    message = world.queues.send("work", "a fact")
    received = world.receive(message)
    world.now += 10 * SECOND
    world.queue.hide(received, 40 * SECOND)
    assert world.calls == [Call("sqs", "hide", "message-1/1 in work for 40 s")]
    assert world.queues.next_visible() == NOW + 50 * SECOND


def test_a_message_can_be_hidden_for_as_long_as_the_kernel_ever_asks(world: World) -> None:
    received = world.receive(world.queues.send("work", "a fact"))
    world.now += 350 * SECOND
    world.queue.hide(received, timedelta(days=3))
    assert world.queues.next_visible() == world.now + LONGEST_HIDING


def test_no_message_is_hidden_for_more_than_twelve_hours_from_its_receipt(world: World) -> None:
    received = world.receive(world.queues.send("work", "a fact"))
    world.now += SECOND
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        world.queues.change_message_visibility(
            QueueUrl="work", ReceiptHandle=received.receipt_handle, VisibilityTimeout=12 * 3600
        )


@pytest.mark.parametrize("how", ["finished", "come back", "received again", "shown again"])
def test_a_message_that_is_not_in_flight_under_its_handle_is_not_hidden(world: World, how: str) -> None:
    message = world.queues.send("work", "a fact")
    received = world.receive(message)
    match how:
        case "finished":
            assert world.queues.acknowledge(received.receipt_handle)
        case "come back":
            world.now += 360 * SECOND
        case "received again":
            world.receive(message)
        case _:
            world.queues.show(message)
    with pytest.raises(ClientError, match="MessageNotInflight"):
        world.queue.hide(received, SECOND)


def test_what_is_acknowledged_is_gone_and_is_so_only_once(world: World) -> None:
    received = world.receive(world.queues.send("work", "a fact"))
    assert world.queues.acknowledge(received.receipt_handle)
    assert not world.queues.acknowledge(received.receipt_handle)
    world.now += timedelta(days=1)
    assert world.queues.waiting() == []


@pytest.mark.parametrize("outdated_too", [True, False])
def test_an_outdated_handle_deletes_a_message_or_does_not(world: World, *, outdated_too: bool) -> None:
    message = world.queues.send("work", "a fact")
    first = world.receive(message)
    world.receive(message)
    assert world.queues.acknowledge(first.receipt_handle, outdated_too=outdated_too) is outdated_too
    assert world.queues.messages("work") == [] if outdated_too else [message]


def test_a_message_may_be_received_while_it_is_worked_on(world: World) -> None:
    message = world.queues.send("work", "a fact")
    handles = {world.receive(message).receipt_handle for _ in range(2)}
    assert len(handles) == 2


def test_a_copy_is_a_message_of_its_own(world: World) -> None:
    message = world.queues.send("work", "a fact", group="7")
    world.now += SECOND
    copy = world.queues.copy(message)
    assert (copy.body, copy.group, copy.sent_at) == ("a fact", "7", world.now)
    assert world.queues.acknowledge(world.receive(message).receipt_handle)
    assert world.queues.waiting() == [copy]


def test_what_was_received_too_often_is_a_dead_letter(world: World) -> None:
    message = world.queues.send("work", "a fact")
    for _ in range(3):
        world.receive(message)
    assert world.queues.receive(message) is None
    assert world.queues.waiting() == []
    assert world.queues.messages("dead") == world.queues.dead_letters() == [message]


def test_what_is_buried_is_a_dead_letter_and_a_redrive_sends_it_anew(world: World) -> None:
    message = world.queues.send("work", "a fact", group="7")
    received = world.receive(message)
    world.queue.bury(received, {"Reaction": "vault"})
    assert world.queues.acknowledge(received.receipt_handle)
    assert world.calls == [Call("sqs", "send", "to dead")]
    [letter] = world.queues.dead_letters()
    assert (letter.body, letter.group, letter.attributes) == ("a fact", "7", {"Reaction": "vault"})
    assert world.queues.waiting() == []
    world.now += timedelta(days=13)
    again = world.queues.redrive(letter)
    assert world.queues.dead_letters() == []
    assert world.queues.waiting() == [again]
    assert (again.body, again.group, again.receives, again.sent_at) == ("a fact", "7", 0, world.now)
    assert again.id not in {message.id, letter.id}


def test_what_nobody_finishes_is_forgotten_in_the_end_and_can_be_told(world: World) -> None:
    message = world.queues.send("work", "a fact")
    world.now += timedelta(days=4) - SECOND
    assert world.queues.waiting() == [message]
    world.now += SECOND
    assert world.queues.waiting() == []
    assert world.queues.expired == [message]
