import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from choreography import reaction as kernel
from records.table import Table
from tests.choreography.world import World, create_table
from tests.logs import written_by

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Aws:
    """Clients of moto's."""

    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        clients = Aws(boto3.client("dynamodb", region_name="eu-west-1"), boto3.client("sqs", region_name="eu-west-1"))
        yield clients
        clients.dynamodb.close()
        clients.sqs.close()


@pytest.fixture
def table(aws: Aws) -> Table:
    return create_table(aws.dynamodb, f"memory-{uuid.uuid4()}")


@pytest.fixture
def world(aws: Aws, table: Table) -> World:
    def create_queue(kind: str) -> str:
        return aws.sqs.create_queue(QueueName=f"{kind}-{uuid.uuid4()}")["QueueUrl"]

    return World(aws.sqs, create_queue("queue"), create_queue("dead-letters"), table)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with written_by(kernel.logger) as stream:
        yield stream
