"""A reaction and all around it: a bus that writes down what is stated, moto's DynamoDB and SQS, a clock that is set."""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from choreography import reaction as kernel
from choreography.memory import Memory
from choreography.publisher import Publisher
from choreography.queue import Message, Queue
from choreography.reaction import Fact, Reaction
from prestage.contract_examples import delivered, examples
from prestage_contracts import EVENTS, EnvironmentCreated, SecretsFailed, SecretsResolved
from prestage_contracts.envelope import Reason
from prestage_contracts.snapshot import EnvironmentProblem
from prestage_contracts.vault import SecretsResolvedData
from records.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

NOW = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)
RUNTIME = timedelta(seconds=60)
VISIBILITY = timedelta(seconds=360)
EXAMPLE = examples()["EnvironmentCreated"]
RESOLVED = examples()["SecretsResolved"].data


class CrashError(BaseException):
    """The function is gone: nothing that it would have done after this is done."""


@dataclass
class Plan:
    """Where the function is to crash next. Points are named `before bus.put_events`, `after step`, …"""

    crash_at: str | None = None
    countdown: int | None = None
    reached: list[str] = field(default_factory=list)

    def reach(self, point: str) -> None:
        self.reached.append(point)
        if self.countdown is not None:
            self.countdown -= 1
        if point == self.crash_at or self.countdown == 0:
            self.crash_at = self.countdown = None
            raise CrashError


@dataclass
class Breakable:
    """Stands before `inner`: each call is a point to crash before and after."""

    label: str
    inner: Any
    plan: Plan

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.inner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.plan.reach(f"before {self.label}.{name}")
            result = method(*args, **kwargs)
            self.plan.reach(f"after {self.label}.{name}")
            return result

        return call


@dataclass
class Bus:
    """Takes facts, if they are as promised; takes none as often as it is told to."""

    facts: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    asked: int = 0

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        self.asked += 1
        if self.failures:
            self.failures -= 1
            return {"Entries": [{"ErrorCode": "InternalFailure"} for _ in Entries]}
        for entry in Entries:
            EVENTS[entry["DetailType"]].model_validate_json(entry["Detail"])
        self.facts += [{**entry, "Detail": json.loads(entry["Detail"])} for entry in Entries]
        return {"Entries": [{"EventId": "x"} for _ in Entries]}

    @property
    def names(self) -> list[str]:
        return [fact["DetailType"] for fact in self.facts]


@dataclass
class Step:
    """States that secrets are resolved, told apart by how often it ran; first raises what `raises` holds, in turn."""

    plan: Plan
    raises: list[Exception] = field(default_factory=list)
    facts: list[Sequence[Fact]] = field(default_factory=list)
    runs: int = 0
    always: Exception | None = None

    def __call__(self, created: EnvironmentCreated) -> Sequence[Fact]:
        self.plan.reach("before step")
        self.runs += 1
        if self.always is not None:
            raise self.always
        if self.raises:
            raise self.raises.pop(0)
        stated = self.facts.pop(0) if self.facts else [self.resolved()]
        self.plan.reach("after step")
        return stated

    def resolved(self, generation: int = 1) -> Fact:
        data = SecretsResolvedData.model_validate({**RESOLVED.model_dump(), "names": [f"RUN_{self.runs}"]})
        environment = data.environment.model_copy(update={"generation": generation})
        return Fact(SecretsResolved, data.model_copy(update={"environment": environment}))


def failed(created: EnvironmentCreated, reason: Reason) -> Fact:
    return Fact(SecretsFailed, EnvironmentProblem(environment=created.data.environment, reason=reason))


@dataclass(frozen=True)
class Context:
    """What a reaction asks of Lambda's context."""

    function_name: str = "vault"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:111122223333:function:vault"
    aws_request_id: str = "x"

    def get_remaining_time_in_millis(self) -> int:
        return int(RUNTIME.total_seconds() * 1000)


@dataclass
class World:
    """`deliver` does what Lambda does with a batch; time passes by `now` alone, and hiding is written down."""

    sqs: "SQSClient"
    queue_url: str
    dead_letters_url: str
    table: Table
    now: datetime = NOW
    plan: Plan = field(default_factory=Plan)
    bus: Bus = field(default_factory=Bus)
    waits: list[timedelta] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.step = Step(self.plan)
        self.memory = Memory(self.table, self.clock)
        self.queue = Queue(self.sqs, self.queue_url, self.dead_letters_url)
        self.reaction = self.build()

    def clock(self) -> datetime:
        return self.now

    def build(self, name: str = "vault", *, step: Any = None, failed: Any = failed, **changes: Any) -> Reaction:
        bus = Breakable("bus", self.bus, self.plan)
        parts: dict[str, Any] = {
            "steps": {EnvironmentCreated: kernel.Step(step or self.step, failed)},
            "memory": Breakable("memory", self.memory, self.plan),
            "publisher": Publisher(bus, "bus", sleep=lambda _: None),  # type: ignore[arg-type]  # a fake
            "queue": Breakable("queue", self, self.plan),
            "clock": self.clock,
            "jitter": lambda wait: wait * 1.125,
        }
        return Reaction(name, **{**parts, **changes})

    def hide(self, message: Message, duration: timedelta) -> None:
        self.waits.append(duration)
        self.queue.hide(message, duration)

    def bury(self, message: Message, attributes: dict[str, str]) -> None:
        self.queue.bury(message, attributes)

    def send(self, body: str | None = None) -> dict[str, Any]:
        """Put a message into the queue; gives the record that Lambda makes of it."""
        sent = self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=fact() if body is None else body)
        answer = self.sqs.receive_message(
            QueueUrl=self.queue_url, AttributeNames=["All"], VisibilityTimeout=40_000, MaxNumberOfMessages=10
        )
        (message,) = (found for found in answer["Messages"] if found["MessageId"] == sent["MessageId"])
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"SentTimestamp": str(int(self.now.timestamp() * 1000)), "MessageGroupId": "7"},
            "eventSource": "aws:sqs",
        }

    def deliver(self, *records: dict[str, Any], reaction: Reaction | None = None) -> list[str]:
        """Deliver a batch; gives the ids of the messages that stay in the queue. A crash leaves them all."""
        unfinished = [record["messageId"] for record in records]
        try:
            answer = (reaction or self.reaction).handle({"Records": list(records)}, Context())  # type: ignore[arg-type]
        except CrashError:
            return unfinished
        unfinished = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        self.finished |= {record["messageId"] for record in records} - set(unfinished)
        return unfinished

    def deliver_until_finished(self, record: dict[str, Any], most: int = 12) -> int:
        """Deliver a message each time it can be received, until it is deleted; gives how often."""
        for times in range(1, most + 1):
            hidden_before = len(self.waits)
            if not self.deliver(record):
                return times
            self.now += max(self.waits[-1], timedelta(seconds=1)) if len(self.waits) > hidden_before else VISIBILITY
        raise AssertionError(f"not finished after {most} deliveries")

    def dead_letters(self) -> list[dict[str, Any]]:
        """Take the messages out of the dead-letter queue."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.dead_letters_url, MessageAttributeNames=["All"], AttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                self.sqs.delete_message(QueueUrl=self.dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
                attributes = message.get("MessageAttributes", {})
                told = {name: value["StringValue"] for name, value in attributes.items()}
                found.append({"body": message["Body"], **told, "group": message["Attributes"].get("MessageGroupId")})

    def redrive(self) -> list[dict[str, Any]]:
        """Move the dead letters back into the queue, some time later; gives their records."""
        self.now += timedelta(minutes=10)
        return [self.send(letter["body"]) for letter in self.dead_letters()]


def fact(*, account: str = "111122223333", event_id: str = "", **metadata: Any) -> str:
    """A message's body: `EnvironmentCreated` as EventBridge hands it over, stated just now and like no other."""
    told = uuid.UUID(event_id) if event_id else uuid.uuid4()
    changes = {"event_id": told, "occurred_at": NOW - timedelta(seconds=2), **metadata}
    event = EXAMPLE.model_copy(update={"metadata": EXAMPLE.metadata.model_copy(update=changes)})
    return json.dumps({**delivered(event), "account": account})


def aws_error(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Decrypt")


def throttled_transaction() -> ClientError:
    """The table's own port says what a conflict and a condition are, and passes on all else."""
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "x"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
        "CancellationReasons": [{"Code": "None"}, {"Code": "ThrottlingError"}],
    }
    return ClientError(answer, "TransactWriteItems")


def create_table(client: "DynamoDBClient", name: str) -> Table:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    return Table(client, name)
