import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from choreography import reaction as kernel
from choreography import wiring
from choreography.clock import utc_now
from choreography.memory import KEPT, Key
from prestage_contracts import EnvironmentCreated
from tests.choreography.world import Context, Plan, Step, World, failed

if TYPE_CHECKING:
    from tests.choreography.conftest import Aws

CLIENTS = (wiring.dynamodb, wiring.events, wiring.kms, wiring.sqs, wiring.secrets_manager, wiring._secrets)


@pytest.fixture(autouse=True)
def settings(aws: "Aws", world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    told = {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "BUS_NAME": "default",
        "MEMORY_TABLE": world.table._name,
        "QUEUE_URL": world.queue_url,
        "DEAD_LETTER_QUEUE_URL": world.dead_letters_url,
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    for client in CLIENTS:
        client.cache_clear()
    yield
    for client in CLIENTS:
        client.cache_clear()


def test_a_reaction_is_made_of_the_functions_settings(world: World) -> None:
    step = Step(Plan())
    reaction = wiring.reaction("vault", {EnvironmentCreated: kernel.Step(step, failed)})
    good, bad = world.send(), world.send("not JSON")
    for _ in range(2):
        answer: dict[str, Any] = reaction.handle({"Records": [good, bad]}, Context())  # type: ignore[arg-type]  # a fake
        assert answer == {"batchItemFailures": []}
    assert step.runs == 1
    assert {letter["body"] for letter in world.dead_letters()} == {"not JSON"}


def test_the_memory_goes_by_the_present_time(aws: "Aws", world: World) -> None:
    wiring.memory().claim(Key("vault", "111122223333", "prestage.environments", "x"), timedelta(seconds=60))
    (item,) = aws.dynamodb.scan(TableName=world.table._name)["Items"]
    assert 0 <= (utc_now() + KEPT).timestamp() - int(item["expires_at"]["N"]) < 60


@pytest.mark.parametrize("missing", ["BUS_NAME", "MEMORY_TABLE", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"])
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(wiring.MissingSettingError, match=missing):
        wiring.reaction("vault", {EnvironmentCreated: kernel.Step(Step(Plan()), failed)})


def test_a_client_is_built_once(world: World) -> None:
    assert wiring.dynamodb() is wiring.dynamodb()
    assert wiring.sqs() is wiring.sqs()


def test_a_secret_is_used_for_a_while_and_read_afresh_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    monkeypatch.setenv("SECRET_ARN", client.create_secret(Name="webhook", SecretString="planted-1")["ARN"])
    assert wiring.secret("SECRET_ARN").get_secret_value() == "planted-1"
    client.put_secret_value(SecretId="webhook", SecretString="planted-2")
    assert wiring.secret("SECRET_ARN").get_secret_value() == "planted-1"
    assert wiring.secret("SECRET_ARN", afresh=True).get_secret_value() == "planted-2"
    assert wiring.secret("SECRET_ARN").get_secret_value() == "planted-2"
    assert "planted" not in repr(wiring.secret("SECRET_ARN"))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_keeps_every_byte_but_the_line_feeds_at_its_end(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    value = json.dumps({"private_key": "-----BEGIN\nü=\n"}) + " "
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    monkeypatch.setenv("SECRET_ARN", client.create_secret(Name=str(uuid4()), SecretString=value + end)["ARN"])
    assert wiring.secret("SECRET_ARN").get_secret_value() == value
