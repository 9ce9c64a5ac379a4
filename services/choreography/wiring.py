"""What a function is made of, built once per execution environment from its settings (the template's variables)."""

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config
from pydantic import SecretStr

from choreography.clock import utc_now
from choreography.memory import Memory
from choreography.publisher import ATTEMPTS, Publisher
from choreography.queue import Queue
from choreography.reaction import BrokenError, Reaction, Step
from prestage_contracts.envelope import Event
from records.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

SECRET_SECONDS = 300
"""How long a secret of the operator's is used before it is read again."""

_SOONER = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})


class MissingSettingError(Exception):
    """A variable of the function's environment is missing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not set: the function's environment comes from template.yaml, deploy it again")


def setting(name: str) -> str:
    """The function's setting of that name.

    Raises:
        MissingSettingError: it is not set.
    """
    try:
        return os.environ[name]
    except KeyError:
        raise MissingSettingError(name) from None


@cache
def _config() -> Config:
    """How long to wait for AWS. A function that somebody waits for says in its settings that it is less."""
    seconds, attempts = int(os.environ.get("CALL_SECONDS", "6")), int(os.environ.get("CALL_ATTEMPTS", "3"))
    retries = {"mode": "standard", "total_max_attempts": attempts}
    return Config(connect_timeout=min(2, seconds), read_timeout=seconds, retries=retries)  # type: ignore[arg-type]  # a plain dictionary


@cache
def dynamodb() -> "DynamoDBClient":
    """The DynamoDB client."""
    return boto3.client("dynamodb", config=_config())


@cache
def events() -> "EventBridgeClient":
    """The EventBridge client; the publisher does the retrying."""
    return boto3.client("events", config=_SOONER)


@cache
def kms() -> "KMSClient":
    """The KMS client."""
    return boto3.client("kms", config=_config())


@cache
def route53() -> Any:
    """The Route 53 client."""
    return boto3.client("route53", config=_config())


@cache
def sqs() -> "SQSClient":
    """The SQS client."""
    return boto3.client("sqs", config=_config())


@cache
def secrets_manager() -> "SecretsManagerClient":
    """The Secrets Manager client."""
    return boto3.client("secretsmanager", config=_config())


@cache
def _secrets() -> SecretsProvider:
    return SecretsProvider(boto3_client=secrets_manager())


def secret(setting_name: str, *, afresh: bool = False) -> SecretStr:
    """The operator's secret whose ARN is in that setting, at most `SECRET_SECONDS` old; `afresh` reads it now.

    Without line feeds at its end: those are the file's that it was put in from.

    Raises:
        BrokenError: it can't be read.
    """
    try:
        value: Any = _secrets().get(setting(setting_name), max_age=SECRET_SECONDS, force_fetch=afresh)
    except GetParameterError as error:
        told = f"The secret of {setting_name} can't be read: put its value into Secrets Manager"
        raise BrokenError("secret_unreadable", told) from error
    return SecretStr(str(value).rstrip("\r\n"))


def table(setting_name: str) -> Table:
    """The table whose name is in that setting."""
    return Table(dynamodb(), setting(setting_name))


def publisher(*, attempts: int = ATTEMPTS) -> Publisher:
    """States facts on the stack's bus."""
    return Publisher(events(), setting("BUS_NAME"), attempts=attempts)


def memory() -> Memory:
    """The functions' memory."""
    return Memory(table("MEMORY_TABLE"), utc_now)


def reaction(name: str, steps: Mapping[type[Event], Step[Any]], kind: type[Reaction] = Reaction) -> Reaction:
    """A reaction of that kind on this function's own queue."""
    queue = Queue(sqs(), setting("QUEUE_URL"), setting("DEAD_LETTER_QUEUE_URL"))
    return kind(name, steps=steps, memory=memory(), publisher=publisher(), queue=queue, clock=utc_now)
