"""The poller does with queues what Lambda's does."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from prestage.stage.aws import LocalAws
from prestage.stage.deployment import DeployedFunction
from prestage.stage.execution import InvocationError
from prestage.stage.poller import Poller
from prestage.stage.time_travel import TimeTravel

VISIBILITY = 60


@dataclass
class Function:
    """Stands in for all functions: remembers what it was given, and answers by each message's body."""

    batches: list[list[Mapping[str, Any]]] = field(default_factory=list)
    unfinished: set[str] = field(default_factory=set)
    failing: bool = False
    together: threading.Barrier | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def invoke(self, _logical_id: str, event: Mapping[str, Any]) -> dict[str, Any]:
        if self.together:
            self.together.wait()
        self.batches.append(event["Records"])
        self.done.set()
        if self.failing:
            raise InvocationError("it raised")
        kept = [record for record in event["Records"] if record["body"] in self.unfinished]
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in kept]}

    @property
    def bodies(self) -> list[list[str]]:
        return [[record["body"] for record in batch] for batch in self.batches]


@dataclass
class World:
    poller: Poller
    function: Function
    send: Callable[[str], object]
    deployed: DeployedFunction
    time: TimeTravel


@pytest.fixture(scope="module")
def travel() -> Iterator[TimeTravel]:
    made = TimeTravel()
    yield made
    made.close()


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as made:
        yield made


@pytest.fixture
def world(aws: LocalAws, travel: TimeTravel) -> Iterator[World]:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid4()}", Attributes={"VisibilityTimeout": str(VISIBILITY)})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    deployed = DeployedFunction(
        logical_id="StepFunction",
        handler="step.handler",
        environment={},
        timeout=10,
        memory_mb=512,
        role_logical_id="StepRole",
        publishes=(),
        queue_arn=arn,
        queue_url=url,
        visibility=VISIBILITY,
        batch_size=2,
        maximum_concurrency=3,
    )
    function = Function()
    poller = Poller([deployed], function, sqs, aws.next_visible)  # type: ignore[arg-type]  # a fake
    yield World(
        poller,
        function,
        lambda body: sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="9"),
        deployed,
        travel,
    )
    poller.stop()


def test_messages_come_in_batches_and_finished_ones_never_again(world: World) -> None:
    for body in ("a", "b", "c"):
        world.send(body)
    world.poller.settle()
    assert world.function.bodies == [["a", "b"], ["c"]]
    assert world.poller.hidden() is None
    world.time.advance(timedelta(seconds=VISIBILITY + 1))
    world.poller.settle()
    assert len(world.function.batches) == 2


def test_what_is_not_finished_comes_again_after_the_visibility_time_out(world: World) -> None:
    world.function.unfinished = {"b"}
    world.send("a")
    world.send("b")
    world.poller.settle()
    back = world.poller.hidden()
    assert back is not None
    assert timedelta(0) < back - world.time.now() <= timedelta(seconds=VISIBILITY)
    world.poller.settle()
    assert world.function.bodies == [["a", "b"]]
    world.time.advance(timedelta(seconds=VISIBILITY + 1))
    assert world.poller.hidden() == back
    world.poller.settle()
    assert world.function.bodies == [["a", "b"], ["b"]]
    assert world.function.batches[1][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_a_function_that_fails_finishes_nothing(world: World) -> None:
    world.function.failing = True
    world.send("a")
    world.poller.settle()
    world.function.failing = False
    world.time.advance(timedelta(seconds=VISIBILITY + 1))
    world.poller.settle()
    assert world.function.bodies == [["a"], ["a"]]
    assert world.poller.hidden() is None


def test_a_record_has_what_lambda_gives(world: World) -> None:
    world.send("a")
    world.poller.settle()
    record = world.function.batches[0][0]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == world.deployed.queue_arn
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"]["MessageGroupId"] == "9"
    assert record["receiptHandle"]


def test_in_parallel_as_many_batches_are_out_at_once_as_the_template_allows(world: World) -> None:
    world.function.together = threading.Barrier(3, timeout=20)
    for number in range(6):
        world.send(str(number))
    world.poller.settle(parallel=True)
    assert sorted(body for batch in world.function.bodies for body in batch) == ["0", "1", "2", "3", "4", "5"]


def test_a_started_poller_feeds_by_itself_and_stops(world: World) -> None:
    world.poller.start()
    world.send("a")
    world.poller.wake(str(world.deployed.queue_arn))
    assert world.function.done.wait(20)
    world.poller.stop()
    world.send("b")
    assert world.function.bodies == [["a"]]


def test_messages_of_a_function_that_is_not_fed_wait_for_it(world: World, aws: LocalAws) -> None:
    fed: list[bool] = []
    sqs, function = aws.client("sqs"), world.function
    poller = Poller([world.deployed], function, sqs, aws.next_visible, lambda _: bool(fed))  # type: ignore[arg-type]  # a fake
    world.send("a")
    poller.settle()
    assert (function.batches, poller.hidden()) == ([], None)
    fed.append(True)
    poller.settle()
    assert function.bodies == [["a"]]
