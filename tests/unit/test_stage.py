"""The stage as a whole: who may state what on its bus, and what runs when somebody says so."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from prestage.stage.stage import Stage
from prestage_contracts.envelope import Data, Event
from prestage_contracts.janitor import RuntimeOrphaned, RuntimeOrphanedData
from prestage_contracts.operators import DeployRequested, DeployRequestedData
from tests.unit.record_examples import app

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


@pytest.fixture(scope="module")
def logged() -> list[tuple[str, str]]:
    return []


@pytest.fixture(scope="module")
def stage(logged: list[tuple[str, str]]) -> Iterator[Stage]:
    with Stage(TEMPLATE, log=lambda function, line: logged.append((function, line))) as made:
        yield made


def entry(stage: Stage, event: type[Event], data: Data) -> dict[str, Any]:
    cause = str(uuid4())
    fact = event.begin(data, cause=cause, correlation_id=cause, now=stage.time.now(), group="9")
    detail = fact.model_dump_json()
    return {"EventBusName": stage.bus.name, "Source": event.SOURCE, "DetailType": event.name(), "Detail": detail}


def asked_to_deploy() -> DeployRequestedData:
    about = app()
    told = {"app_id": about.id, "app_name": about.name, "repository": about.repository}
    return DeployRequestedData(**told, branch=None, requested_by="arn:aws:iam::123456789012:user/ana")


def published(stage: Stage, sent: dict[str, Any], function: str) -> dict[str, str]:
    key = stage.deployment.function(function).access_key_id
    [result] = stage.bus.put_events([sent], key)
    return result


def test_whoever_calls_states_what_operators_state(stage: Stage) -> None:
    sent = entry(stage, DeployRequested, asked_to_deploy())
    assert stage.aws.client("events").put_events(Entries=[sent])["FailedEntryCount"] == 0
    assert stage.bus.events[-1]["source"] == "prestage.operators"


def test_no_function_is_an_operator(stage: Stage) -> None:
    refused = published(stage, entry(stage, DeployRequested, asked_to_deploy()), "EnvironmentsFunction")
    assert refused["ErrorCode"] == "NotAuthorizedForSourceException"


def test_a_source_is_its_functions_alone(stage: Stage) -> None:
    sent = entry(stage, RuntimeOrphaned, RuntimeOrphanedData(fly_app="prestage-a", environment_id=None))
    assert "EventId" in published(stage, sent, "JanitorFunction")
    [refused] = stage.aws.client("events").put_events(Entries=[sent])["Entries"]
    assert refused["ErrorCode"] == "NotAuthorizedForSourceException"


def test_what_has_a_schedule_runs_when_it_is_swept(stage: Stage, logged: list[tuple[str, str]]) -> None:
    logged.clear()
    stage.sweep()
    [told] = [json.loads(line) for name, line in logged if name == "JanitorFunction" and '"swept"' in line]
    assert told["unfinished"] == []
    assert told["correlation_id"] == f"janitor-{stage.time.now():%Y-%m-%dT%HZ}"


def test_a_log_is_read_at_the_address_that_runtimes_are_told(stage: Stage) -> None:
    address = stage.deployment.function("RuntimesFunction").environment["LOG_ADDRESS"].format(fly_app="prestage-a")
    assert httpx.get(address, trust_env=False).text == "no app has this name\n"
    stage.fly.plant_app("prestage-a", "stage")
    assert httpx.get(address, trust_env=False).text == "the app has no machine\n"


def test_where_nothing_waits_no_time_passes(stage: Stage) -> None:
    stage.settle_through(timedelta(hours=12))
    before = stage.time.offset
    assert not stage.settle_until(lambda: False, timedelta(hours=1))
    assert stage.settle_until(lambda: True, timedelta(hours=1))
    assert stage.time.offset == before
