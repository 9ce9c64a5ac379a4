"""A stack as CloudFormation tells of it, and what the template says that there has to be in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prestage.doctor.check import CannotLookError
from prestage.stage.template import Intrinsics, Template


@dataclass(frozen=True)
class Declared:
    """A resource of the template: its properties are resolved; `physical` is None where the stack has none."""

    logical_id: str
    physical: str | None
    properties: Mapping[str, Any]


class _Outputs(dict[str, str]):
    def __missing__(self, name: str) -> str:
        raise CannotLookError(f"the stack has no output {name}: deploy this version of the template")


class Deployed:
    """A stack, and the template that this version deploys.

    What is asked of AWS is asked once it is needed, so that a right that is missing stops only what needs it.

    Args:
        name: of the stack.
        client: gives the boto3 client for a service.
        template: the SAM template.
    """

    def __init__(self, name: str, client: Callable[[str], Any], template: Template) -> None:
        self.name = name
        self.client = client
        self._template = template

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Its outputs. One that is not there is a `CannotLookError`."""
        return _Outputs({one["OutputKey"]: one["OutputValue"] for one in self._described.get("Outputs", [])})

    @cached_property
    def status(self) -> str:
        """Its status, such as `UPDATE_COMPLETE`."""
        return str(self._described["StackStatus"])

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        return found

    @cached_property
    def physical(self) -> Mapping[str, str]:
        """The physical ids of its resources, by logical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        summaries = (one for page in pages for one in page["StackResourceSummaries"])
        return {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in summaries}

    def declared(self, kind: str) -> Iterator[Declared]:
        """What the template has of a type, such as `SQS::Queue`, and the stack should have."""
        for logical_id, resource in self._standing.items():
            if resource["Type"] == f"AWS::{kind}":
                properties = self._intrinsics.resolve(resource.get("Properties", {}))
                yield Declared(logical_id, self.physical.get(logical_id) or None, properties)

    def events_of_functions(self, kind: str) -> Iterator[tuple[Declared, Declared]]:
        """The functions with what SAM makes of their events of a type, such as `SQS`: a resource for each."""
        for function in self.declared("Serverless::Function"):
            for name, event in function.properties.get("Events", {}).items():
                if event["Type"] == kind:
                    made = f"{function.logical_id}{name}"
                    yield function, Declared(made, self.physical.get(made) or None, event["Properties"])

    def missing(self) -> list[str]:
        """The logical ids of what the template has and the stack has not."""
        made = [self._made_of(function) for function in self.declared("Serverless::Function")]
        wanted = {*self._standing, *(one for those in made for one in those)}
        return sorted(wanted - self.physical.keys())

    @staticmethod
    def _made_of(function: Declared) -> list[str]:
        """What SAM makes of its events, where we look at that."""
        events: Mapping[str, Mapping[str, Any]] = function.properties.get("Events", {})
        return [f"{function.logical_id}{name}" for name, one in events.items() if one["Type"] in {"SQS", "Schedule"}]

    @cached_property
    def _place(self) -> tuple[str, str, str]:
        """The partition, the region and the account that it is in."""
        _, partition, _, region, account, _ = self.outputs["BusArn"].split(":", 5)
        return partition, region, account

    @cached_property
    def _intrinsics(self) -> Intrinsics:
        given = {one["ParameterKey"]: one["ParameterValue"] for one in self._described.get("Parameters", [])}
        declared: Mapping[str, Mapping[str, Any]] = self._template.get("Parameters", {})
        values = {name: str(given.get(name, rules.get("Default", ""))) for name, rules in declared.items()}
        partition, region, account = self._place
        pseudo = {
            "AWS::AccountId": account,
            "AWS::Partition": partition,
            "AWS::Region": region,
            "AWS::StackName": self.name,
        }
        return Intrinsics({**values, **pseudo}, self._template.get("Conditions", {}), self._look_up)

    @cached_property
    def _standing(self) -> Mapping[str, Mapping[str, Any]]:
        resources: Mapping[str, Mapping[str, Any]] = self._template["Resources"]
        holds = self._intrinsics.holds
        return {name: one for name, one in resources.items() if "Condition" not in one or holds(one["Condition"])}

    def _look_up(self, logical_id: str, attribute: str | None) -> str:
        """What refers to a resource gets; empty where the stack has none, or nobody here looks at that attribute."""
        physical = self.physical.get(logical_id, "")
        kind = self._template["Resources"][logical_id]["Type"].removeprefix("AWS::")
        if attribute is None or not physical:
            return physical
        if (kind, attribute) == ("Events::EventBus", "Name"):
            return physical
        return self._arn(kind, physical) if attribute == "Arn" else ""

    def arn_of(self, declared: Declared) -> str:
        """A resource's ARN; empty where the stack has none."""
        return self._look_up(declared.logical_id, "Arn")

    def _arn(self, kind: str, physical: str) -> str:
        partition, region, account = self._place
        here = f"{region}:{account}"
        last = physical.rpartition("/")[2]
        tails = {
            "SQS::Queue": f"sqs:{here}:{last}",
            "IAM::Role": f"iam::{account}:role/{last}",
            "Events::EventBus": f"events:{here}:event-bus/{last}",
            "Serverless::Function": f"lambda:{here}:function:{last}",
            "DynamoDB::Table": f"dynamodb:{here}:table/{last}",
        }
        return f"arn:{partition}:{tails[kind]}" if kind in tails else ""
