"""The tables on moto: what the ones in memory are held to."""

from collections.abc import Iterator
from contextlib import contextmanager

from records.table import Table
from tests.simulation.functions import Tables
from tests.unit.dynamodb import local_aws

NAMES = ("records", "secrets", "bundles", "memory", "journal")


@contextmanager
def moto_tables() -> Iterator[Tables]:
    """Tables of moto's DynamoDB, empty."""
    with local_aws() as local:
        for name in NAMES:
            local.dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            )
        yield Tables(**{name: Table(local.dynamodb, name) for name in NAMES})
