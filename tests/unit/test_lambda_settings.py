"""What the stage's Lambda is told of functions: it says so, and what is changed is honoured."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from prestage.stage.deployment import DeployedFunction, Schedule
from prestage.stage.execution import InvocationError
from prestage.stage.lambda_settings import LambdaSettings
from prestage.stage.lambdas import Lambdas
from prestage.stage.schedules import Schedules
from prestage.stage.serve import Server
from prestage.stage.time_travel import TimeTravel

MAPPING = "0b6f1f0e-57c1-5f61-9d6b-6f0f6a1c2d3e"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:prestage-Step"
STEP = DeployedFunction(
    "Step",
    "step.handler",
    {},
    10,
    512,
    "StepRole",
    (),
    name="prestage-Step",
    mapping_id=MAPPING,
    queue_arn=QUEUE,
    batch_size=10,
    maximum_concurrency=2,
)


@pytest.fixture
def settings() -> LambdaSettings:
    made = LambdaSettings("arn:aws:lambda:us-east-1:123456789012:function:{}".format)
    made.add([STEP])
    return made


@pytest.fixture
def client(settings: LambdaSettings) -> Iterator[Any]:
    config = Config(proxies={}, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "stage", "aws_secret_access_key": "stage", "region_name": "us-east-1"}
    with Server(settings) as server:
        yield boto3.client("lambda", endpoint_url=server.url, config=config, **keys)  # type: ignore[call-overload]  # untyped


def test_a_function_is_active_and_fed_and_may_run_as_often_as_it_likes(client: Any, settings: LambdaSettings) -> None:
    assert client.get_function_configuration(FunctionName="prestage-Step")["State"] == "Active"
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="prestage-Step")
    assert client.get_event_source_mapping(UUID=MAPPING)["State"] == "Enabled"
    assert (settings.may_run(STEP), settings.is_fed(STEP)) == (True, True)


def test_a_function_is_not_fed_while_its_mapping_is_disabled(client: Any, settings: LambdaSettings) -> None:
    client.update_event_source_mapping(UUID=MAPPING, Enabled=False)
    assert client.get_event_source_mapping(UUID=MAPPING)["State"] == "Disabled"
    assert (settings.may_run(STEP), settings.is_fed(STEP)) == (True, False)
    client.update_event_source_mapping(UUID=MAPPING, Enabled=True)
    assert settings.is_fed(STEP)


def test_a_function_with_no_execution_is_neither_fed_nor_invoked(
    client: Any, settings: LambdaSettings, tmp_path: Path
) -> None:
    client.put_function_concurrency(FunctionName="prestage-Step", ReservedConcurrentExecutions=0)
    assert client.get_function_concurrency(FunctionName="prestage-Step") != {}
    assert (settings.may_run(STEP), settings.is_fed(STEP)) == (False, False)
    time = TimeTravel()
    with (
        Lambdas(
            [STEP], services=tmp_path, endpoints={}, region="us-east-1", time=time, may_run=settings.may_run
        ) as lambdas,
        pytest.raises(InvocationError, match="throttled"),
    ):
        lambdas.invoke("Step", {})
    time.close()
    client.delete_function_concurrency(FunctionName="prestage-Step")
    assert settings.is_fed(STEP)


def test_what_feeds_functions_is_listed(client: Any) -> None:
    client.update_event_source_mapping(UUID=MAPPING, Enabled=False)
    [told] = client.list_event_source_mappings()["EventSourceMappings"]
    arn = "arn:aws:lambda:us-east-1:123456789012:function:prestage-Step"
    assert (told["UUID"], told["State"], told["FunctionArn"]) == (MAPPING, "Disabled", arn)


def test_what_feeds_one_function_from_one_queue_is_found_and_how(client: Any) -> None:
    [told] = client.list_event_source_mappings(FunctionName="prestage-Step", EventSourceArn=QUEUE)[
        "EventSourceMappings"
    ]
    assert told["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (told["BatchSize"], told["ScalingConfig"]) == (10, {"MaximumConcurrency": 2})
    assert client.list_event_source_mappings(FunctionName="prestage-Other")["EventSourceMappings"] == []
    assert client.list_event_source_mappings(EventSourceArn=f"{QUEUE}-2")["EventSourceMappings"] == []


def test_what_is_reserved_for_one_is_not_left_for_the_others(client: Any) -> None:
    client.put_function_concurrency(FunctionName="prestage-Step", ReservedConcurrentExecutions=40)
    told = client.get_account_settings()["AccountLimit"]
    assert (told["ConcurrentExecutions"], told["UnreservedConcurrentExecutions"]) == (1000, 960)


def test_a_function_is_run_when_it_is_invoked_and_how_it_went_is_nobodys_business(
    client: Any, settings: LambdaSettings
) -> None:
    ran: list[object] = []

    def run(logical_id: str, event: object) -> None:
        ran.append((logical_id, event))
        raise InvocationError("it raised")

    settings.run_with(run, [STEP])
    assert client.invoke(FunctionName="prestage-Step", InvocationType="Event")["StatusCode"] == HTTPStatus.ACCEPTED
    assert ran == [("Step", {})]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.invoke(FunctionName="prestage-Step")


def test_there_is_nothing_else(client: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.get_function_configuration(FunctionName="other")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.list_functions()


def test_a_schedule_that_is_disabled_is_none_of_those_that_run() -> None:
    schedules = Schedules([Schedule("hourly", "arn:hourly", "rate(1 hour)", "Janitor")])
    schedules.set_state("hourly", enabled=False)
    assert (schedules.names, schedules.enabled, schedules.told("hourly")["State"]) == (["hourly"], [], "DISABLED")
    schedules.set_state("hourly", enabled=True)
    assert [one.name for one in schedules.enabled] == ["hourly"]
    with pytest.raises(KeyError):
        schedules.set_state("daily", enabled=False)
