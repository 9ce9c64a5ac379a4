"""operations/alarms.yaml as template.yaml uses it, with every resource called by its own logical id."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from prestage.stage.template import Intrinsics, Template, load, parameter_values
from tests.alarms import Metric, metrics_of

ROOT = Path(__file__).parents[2]
TEMPLATE = load(ROOT / "template.yaml")
ALARMS = load(ROOT / "operations" / "alarms.yaml")
STACK = "watched"
OWN = f"Prestage/{STACK}"
SEARCHED = re.compile(r"SEARCH\('\{\"([^\"]+)\",([a-z_,]+)\} MetricName=\"(\w+)\"', '\w+', 300\)")


class Watched:
    """The stack that watches, with a zone or without."""

    def __init__(self, *, zone: bool, **parameters: str) -> None:
        pseudo = {
            "AWS::StackName": STACK,
            "AWS::Region": "eu-west-1",
            "AWS::AccountId": "1" * 12,
            "AWS::Partition": "aws",
        }
        main = Intrinsics(
            {**pseudo, **_defaults(TEMPLATE), "HostedZoneId": "Z1" if zone else "", **parameters},
            TEMPLATE["Conditions"],
            _itself,
        )
        nested = TEMPLATE["Resources"]["Operations"]["Properties"]
        self.given: Mapping[str, str] = main.resolve(nested["Parameters"])
        values = parameter_values(ALARMS, self.given)
        own = Intrinsics({**pseudo, **values}, ALARMS["Conditions"], _itself)
        self.resources = {
            name: {**declared, "Properties": own.resolve(declared["Properties"])}
            for name, declared in ALARMS["Resources"].items()
            if "Condition" not in declared or own.holds(declared["Condition"])
        }
        self.queues = {
            name: declared["Properties"]
            for name, declared in TEMPLATE["Resources"].items()
            if declared["Type"] == "AWS::SQS::Queue" and ("Condition" not in declared or zone)
        }

    def of(self, kind: str) -> dict[str, Any]:
        """The properties of resources of that type."""
        found = self.resources.items()
        return {name: one["Properties"] for name, one in found if one["Type"] == f"AWS::{kind}"}

    @property
    def alarms(self) -> dict[str, Any]:
        return self.of("CloudWatch::Alarm")

    @property
    def widgets(self) -> list[dict[str, Any]]:
        [dashboard] = self.of("CloudWatch::Dashboard").values()
        widgets: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"])["widgets"]
        return widgets

    def drawn(self) -> list[Metric]:
        """The metrics that the dashboard draws one by one."""
        rows = [row for widget in self.widgets for row in widget["properties"].get("metrics", [])]
        return [_drawn(row) for row in rows if isinstance(row[0], str)]

    def searched(self) -> list[tuple[str, str, frozenset[str]]]:
        """The namespace, name and dimensions of those that it searches for."""
        rows = [row for widget in self.widgets for row in widget["properties"].get("metrics", [])]
        found = [SEARCHED.fullmatch(row[0]["expression"]) for row in rows if isinstance(row[0], dict)]
        return [(one[1], one[3], frozenset(one[2].split(","))) for one in found if one] + [
            ("", "not understood", frozenset()) for one in found if not one
        ]

    def looked_at(self) -> list[Metric]:
        """Every metric that an alarm looks at, or the dashboard draws."""
        return [*(metric for alarm in self.alarms.values() for metric in metrics_of(alarm)), *self.drawn()]


def _drawn(row: list[Any]) -> Metric:
    namespace, name, *pairs = [part for part in row if isinstance(part, str)]
    return Metric(namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))


def _itself(logical_id: str, attribute: str | None) -> str:
    return logical_id if attribute in {None, "QueueName"} else f"{logical_id}.{attribute}"


def _defaults(template: Template) -> dict[str, str]:
    return parameter_values(template, {})


# ---- What the code emits

_DIMENSIONS = {"reason", "cause", "detail_type"}


def emitted() -> set[tuple[str, str, frozenset[str]]]:
    """Each metric that is recorded in services/: the package, the name, the dimensions beside the service."""
    return set(_emitted())


@cache
def _emitted() -> frozenset[tuple[str, str, frozenset[str]]]:
    services = ROOT / "services"
    return frozenset(
        (file.relative_to(services).parts[0], *call)
        for file in services.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for call in _recorded(node)
    )


def _recorded(node: ast.AST) -> Iterator[tuple[str, frozenset[str]]]:
    match node:
        case ast.Call(
            func=ast.Name(id="Measure" | "count" | "seconds") | ast.Attribute(attr="Measure" | "count" | "seconds"),
            args=[ast.Constant(value=str(name)), *_],
            keywords=keywords,
        ):
            yield name, frozenset(one.arg for one in keywords if one.arg in _DIMENSIONS)
