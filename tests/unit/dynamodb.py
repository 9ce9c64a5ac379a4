"""A pk/sk table and a KMS key in moto, within the process."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import ConditionBase
from moto import mock_aws

from prestage.stage import moto_pace
from records.table import Item, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

TABLE = "things"
REGION = "us-east-1"

moto_pace.hurry()

type Before = Callable[[], object]


@dataclass
class Local:
    """AWS in this process.

    `calls` has the operations of both clients, in order; `contexts` those of KMS with their encryption contexts.
    """

    dynamodb: "DynamoDBClient"
    kms: "KMSClient"
    table: Table
    calls: list[str] = field(default_factory=list)
    contexts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _before: dict[str, list[Before]] = field(default_factory=dict)

    def before(self, operation: str, act: Before) -> None:
        """Do `act` just before the next call of that operation, as somebody else might; once."""
        self._before.setdefault(operation, []).append(act)

    def item(self, pk: str, sk: str) -> dict[str, Any]:
        found = self.table.get(pk, sk)
        assert found is not None
        return dict(found)

    def items(self) -> list[Mapping[str, Any]]:
        return list(self.dynamodb.scan(TableName=TABLE)["Items"])

    def called(self, *, model: Any, params: Mapping[str, Any], **_: object) -> None:
        self.calls.append(model.name)
        context = json.loads(params["body"]).get("EncryptionContext")
        if context is not None:
            self.contexts.append((model.name, context))
        waiting = self._before.get(model.name, [])
        if waiting:
            waiting.pop(0)()


class ResendingTable(Table):
    """Its puts reach DynamoDB twice: the answer to the first is lost, and botocore sends it again."""

    def put(self, item: Item, condition: ConditionBase | None = None) -> None:
        super().put(item, condition)
        super().put(item, condition)


@cache
def _session() -> boto3.Session:
    """One for all tests: it keeps the services' descriptions, which take long to read."""
    return boto3.Session("testing", "testing", region_name=REGION)


@contextmanager
def local_aws() -> Iterator[Local]:
    """Everything there is, empty, with credentials that no AWS would take."""
    with mock_aws():
        session = _session()
        dynamodb, kms = session.client("dynamodb"), session.client("kms")
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        local = Local(dynamodb, kms, Table(dynamodb, TABLE))
        for client in (dynamodb, kms):
            client.meta.events.register("before-call", local.called)
        yield local
        for client in (dynamodb, kms):
            client.close()
