"""What template.yaml says of rules, queues and the functions that are fed from them; nothing is deployed for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prestage.stage.deployment import Reader, Resource, Rule
from prestage.stage.template import Intrinsics, Template, load, parameter_values

ACCOUNT = "111122223333"
REGION = "eu-west-1"
TEMPLATE = Path(__file__).parents[2] / "template.yaml"


@dataclass(frozen=True)
class QueueSettings:
    """A queue. `name` is its logical id, which is its URL too; `dead_letters` is the name of another queue."""

    name: str
    arn: str
    visibility: timedelta
    retention: timedelta
    dead_letters: str | None = None
    most_receives: int | None = None


@dataclass(frozen=True)
class Fed:
    """A function that a queue invokes."""

    name: str
    handler: str
    timeout: timedelta
    queue: str
    batch_size: int


@dataclass(frozen=True)
class Topology:
    """Who hears of what: the rules, the queues by name, and the functions by their queue's name."""

    rules: tuple[Rule, ...]
    queues: Mapping[str, QueueSettings]
    functions: Mapping[str, Fed]


@cache
def topology() -> Topology:
    """That of this repository's template, read once."""
    return read(load(TEMPLATE))


def read(template: Template, parameters: Mapping[str, str] = MappingProxyType({})) -> Topology:
    """What a template says, with its parameters as they are given or by default.

    Raises:
        TemplateError: the stage's reader does not understand it.
    """
    resources = list(_resources(template, parameters))
    on_a_bus = [
        found for found in resources if found.type == "AWS::Events::Rule" and "EventPattern" in found.properties
    ]
    queues = [_queue(found) for found in resources if found.type == "AWS::SQS::Queue"]
    functions = [_fed(found) for found in resources if found.type == "AWS::Serverless::Function" and _source(found)]
    return Topology(
        rules=Reader(on_a_bus).rules(),
        queues={queue.name: queue for queue in queues},
        functions={function.queue: function for function in functions},
    )


def _resources(template: Template, parameters: Mapping[str, str]) -> Iterator[Resource]:
    pseudo = {"AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::StackName": "prestage"}
    values = {**parameter_values(template, parameters), **pseudo}
    intrinsics = Intrinsics(values, template.get("Conditions", {}), _attribute)
    globally = template.get("Globals", {}).get("Function", {})
    for name, declared in template["Resources"].items():
        left_out = "Condition" in declared and not intrinsics.holds(declared["Condition"])
        if declared["Type"] not in _READ or left_out:
            continue
        inherited = globally if declared["Type"] == "AWS::Serverless::Function" else {}
        properties = intrinsics.resolve({**inherited, **declared["Properties"]})
        yield Resource(name, declared["Type"], properties, name, {"Arn": _attribute(name, "Arn")})


_READ = frozenset({"AWS::Events::Rule", "AWS::SQS::Queue", "AWS::Serverless::Function"})


def _attribute(logical_id: str, attribute: str | None) -> str:
    """A resource goes by its logical id, and so does its ARN, whatever it is."""
    if attribute == "Arn":
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{logical_id}"
    return logical_id if attribute is None else f"{logical_id}.{attribute}"


def named(arn: str) -> str:
    """The logical id in an ARN."""
    return arn.rpartition(":")[2]


def _queue(found: Resource) -> QueueSettings:
    redrive: Mapping[str, Any] = found.properties.get("RedrivePolicy", {})
    return QueueSettings(
        name=found.logical_id,
        arn=found.attributes["Arn"],
        visibility=timedelta(seconds=int(found.properties.get("VisibilityTimeout", 30))),
        retention=timedelta(seconds=int(found.properties.get("MessageRetentionPeriod", 345_600))),
        dead_letters=named(redrive["deadLetterTargetArn"]) if redrive else None,
        most_receives=int(redrive["maxReceiveCount"]) if redrive else None,
    )


def _source(found: Resource) -> Mapping[str, Any] | None:
    events: Mapping[str, Mapping[str, Any]] = found.properties.get("Events", {})
    return next((event["Properties"] for event in events.values() if event["Type"] == "SQS"), None)


def _fed(found: Resource) -> Fed:
    source = _source(found) or {}
    return Fed(
        name=found.logical_id,
        handler=found.properties["Handler"],
        timeout=timedelta(seconds=int(found.properties["Timeout"])),
        queue=named(source["Queue"]),
        batch_size=int(source.get("BatchSize", 10)),
    )
