"""An ingress and all around it: a bus, a vault with the webhook's secret, and a memory in moto."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic import SecretStr

from choreography.memory import Memory
from choreography.publisher import Publisher
from choreography.reaction import BrokenError
from ingress.webhook import Ingress, WebhookSecret
from records.table import Table
from tests.unit.webhooks import SECRET

NOW = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)


@dataclass
class Bus:
    """Takes facts; fails as often as it is told to, or from a number of facts on."""

    facts: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    fails_from: int | None = None

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        if self.failures or self.fails_from == len(self.facts):
            self.failures = max(0, self.failures - 1)
            return {"Entries": [{"ErrorCode": "InternalFailure"} for _ in Entries]}
        self.facts += [{**entry, "Detail": json.loads(entry["Detail"])} for entry in Entries]
        return {"Entries": [{"EventId": "x"} for _ in Entries]}


@dataclass
class Vault:
    """Where the webhook secret is kept; what is handed out may be old."""

    current: str = SECRET
    handed_out: str = SECRET
    fetches: int = 0
    broken: bool = False

    def fetch(self, afresh: bool) -> SecretStr:
        if self.broken:
            raise BrokenError("secret_unreadable", "The secret can't be read: put its value into Secrets Manager")
        if afresh:
            self.fetches += 1
            self.handed_out = self.current
        return SecretStr(self.handed_out)


@dataclass
class World:
    """An ingress and all around it."""

    ingress: Ingress
    bus: Bus
    vault: Vault
    now: list[datetime]

    def post(self, event: dict[str, Any]) -> tuple[int, str]:
        answer = self.ingress.receive(event)
        assert answer["headers"]["content-type"] == "application/json"
        return answer["statusCode"], json.loads(answer["body"])["message"]


@contextmanager
def ingress_world() -> Iterator[World]:
    """In AWS that ends with the block."""
    with pytest.MonkeyPatch.context() as patched, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patched.setenv(name, "testing")
        client = boto3.client("dynamodb", region_name="us-east-1")
        keys = [("pk", "HASH"), ("sk", "RANGE")]
        client.create_table(
            TableName="memory",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],  # type: ignore[typeddict-item]
        )
        now = [NOW]
        bus, vault = Bus(), Vault()
        clock = lambda: now[0]  # noqa: E731
        publisher = Publisher(bus, "bus", sleep=lambda _: None)  # type: ignore[arg-type]  # a fake
        ingress = Ingress(WebhookSecret(vault.fetch, clock), Memory(Table(client, "memory"), clock), publisher, clock)
        yield World(ingress, bus, vault, now)
        client.close()
