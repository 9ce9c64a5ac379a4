"""A bus for tests, queues that remember, and what to put on it."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from prestage.stage.bus import Bus, Delivery
from prestage.stage.deployment import Rule, Target

NOW = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
ARN = "arn:aws:sqs:us-east-1:123456789012:"
KEY = "stage-Ingress"


class BrokenError(Exception):
    pass


@dataclass
class Queues:
    """Where deliveries go: each queue's, and those that no queue takes."""

    sent: list[Delivery] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def deliver(self, delivery: Delivery) -> None:
        if delivery.queue_arn.removeprefix(ARN) in self.broken:
            raise BrokenError("no such queue")
        self.sent.append(delivery)

    def of(self, name: str) -> list[Delivery]:
        return [delivery for delivery in self.sent if delivery.queue_arn == ARN + name]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(delivery.body) for delivery in self.of(name)]


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def rule(name: str, pattern: dict[str, Any], *targets: Target, **changes: Any) -> Rule:
    arn = f"arn:aws:events:us-east-1:123456789012:rule/prestage/{name}"
    chosen = targets or (Target(ARN + name, None, ARN + f"{name}-dead"),)
    return replace(Rule(name, arn, "prestage", pattern, chosen, enabled=True), **changes)


def entry(detail_type: str = "Opened", detail: Any = None, **changes: Any) -> dict[str, Any]:
    return {
        "Source": "prestage.ingress",
        "DetailType": detail_type,
        "Detail": json.dumps({"group": "7"} if detail is None else detail),
        "EventBusName": "prestage",
    } | changes


ANY = {"source": ["prestage.ingress"]}


def build_bus(queues: Queues, clock: Clock) -> Bus:
    return Bus(
        name="prestage",
        account="123456789012",
        region="us-east-1",
        deliver=queues.deliver,
        may_publish=lambda key, source, _name: not source.startswith("prestage.") or key == KEY,
        clock=clock,
    )
