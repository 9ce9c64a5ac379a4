"""Functions run as Lambda runs them: in processes, with nothing of this one's, one event at a time."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prestage.stage.deployment import DeployedFunction
from prestage.stage.execution import InvocationError
from prestage.stage.lambdas import Lambdas
from prestage.stage.time_travel import TimeTravel

CODE = """
import datetime, os, sys, time

calls = 0

def handler(event, context):
    global calls
    calls += 1
    match event.get("do"):
        case "raise":
            raise ValueError("the value that no caller may see")
        case "exit":
            os._exit(7)
        case "import":
            import awscrt
        case "outlast":
            time.sleep(30)
        case "print":
            print("a line")
            print("another", file=sys.stderr)
    return {
        "event": event,
        "calls": calls,
        "process": os.getpid(),
        "environment": dict(os.environ),
        "now": datetime.datetime.now(datetime.UTC).isoformat(),
        "left": context.get_remaining_time_in_millis(),
        "name": context.function_name,
    }
"""


def function(logical_id: str = "StepFunction", *, handler: str = "step.handler", timeout: int = 20) -> DeployedFunction:
    return DeployedFunction(
        logical_id=logical_id,
        handler=handler,
        environment={"BUS_NAME": "preview"},
        timeout=timeout,
        memory_mb=512,
        role_logical_id="StepRole",
        publishes=("prestage.step",),
    )


@pytest.fixture(scope="module")
def travel() -> Iterator[TimeTravel]:
    made = TimeTravel()
    yield made
    made.close()


@pytest.fixture
def logged() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def lambdas(tmp_path: Path, travel: TimeTravel, logged: list[tuple[str, str]]) -> Iterator[Lambdas]:
    (tmp_path / "step.py").write_text(CODE)
    functions = [
        function(),
        function("HastyFunction", timeout=1),
        function("BrokenFunction", handler="missing.handler"),
    ]
    with Lambdas(
        functions,
        services=tmp_path,
        endpoints={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        region="us-east-1",
        time=travel,
        log=lambda name, line: logged.append((name, line)),
    ) as made:
        yield made


@pytest.fixture
def invoke(lambdas: Lambdas) -> Callable[..., dict[str, Any]]:
    def invoke_step(**event: Any) -> dict[str, Any]:
        answer: dict[str, Any] = lambdas.invoke("StepFunction", event)
        return answer

    return invoke_step


def test_a_function_gets_its_event_its_context_and_its_settings(invoke: Callable[..., dict[str, Any]]) -> None:
    answer = invoke(greeting="grüß")
    assert answer["event"] == {"greeting": "grüß"}
    assert answer["name"] == "StepFunction"
    assert 0 < answer["left"] <= 20_000
    assert answer["environment"]["BUS_NAME"] == "preview"
    assert answer["environment"]["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_a_function_sees_nothing_of_the_environment_here(
    invoke: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN_OF_THE_DEVELOPER", "x")
    assert "A_TOKEN_OF_THE_DEVELOPER" not in invoke()["environment"]


def test_a_warm_process_is_used_again(invoke: Callable[..., dict[str, Any]]) -> None:
    first, second = invoke(), invoke()
    assert (first["process"], first["calls"] + 1) == (second["process"], second["calls"])
    assert first["process"] != os.getpid()


def test_events_at_the_same_moment_have_processes_of_their_own(lambdas: Lambdas) -> None:
    lambdas.warm(["StepFunction"])
    with ThreadPoolExecutor(max_workers=3) as pool:
        asked = [pool.submit(lambdas.invoke, "StepFunction", {"number": number}) for number in range(3)]
    answers = [future.result() for future in asked]
    assert sorted(answer["event"]["number"] for answer in answers) == [0, 1, 2]
    assert all(answer["calls"] <= 3 for answer in answers)


def test_an_exception_is_told_by_its_type_alone(invoke: Callable[..., dict[str, Any]]) -> None:
    before = invoke()["process"]
    with pytest.raises(InvocationError, match=r"^StepFunction raised ValueError$"):
        invoke(do="raise")
    assert invoke()["process"] == before


def test_a_function_finds_no_package_that_only_the_tools_here_bring(invoke: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(InvocationError, match="raised ModuleNotFoundError"):
        invoke(do="import")


def test_a_process_that_ends_is_told_of_and_replaced(invoke: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(InvocationError, match="ended"):
        invoke(do="exit")
    assert invoke()["calls"] == 1


def test_a_function_that_outlasts_its_time_out_is_ended(lambdas: Lambdas) -> None:
    lambdas.warm(["HastyFunction"])
    with pytest.raises(InvocationError, match="took more than 1 s"):
        lambdas.invoke("HastyFunction", {"do": "outlast"})


def test_a_handler_that_cannot_be_loaded_says_which(lambdas: Lambdas, logged: list[tuple[str, str]]) -> None:
    with pytest.raises(InvocationError, match=r"missing\.handler could not be loaded"):
        lambdas.invoke("BrokenFunction", {})
    assert any("No module named" in line for name, line in logged if name == "BrokenFunction")


def test_what_a_function_prints_is_passed_on(
    lambdas: Lambdas, invoke: Callable[..., dict[str, Any]], logged: list[tuple[str, str]]
) -> None:
    invoke(do="print")
    lambdas.close()
    assert {("StepFunction", "a line"), ("StepFunction", "another")} <= set(logged)


def test_a_redeployed_function_runs_the_code_as_it_is_then(
    lambdas: Lambdas, invoke: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    invoke()
    (tmp_path / "step.py").write_text(CODE + "\n\ndef handler(event, context):\n    return {'mended': True}\n")
    lambdas.redeploy()
    assert invoke() == {"mended": True}


def test_functions_live_in_the_time_of_the_stage(invoke: Callable[..., dict[str, Any]], travel: TimeTravel) -> None:
    def difference() -> timedelta:
        return datetime.fromisoformat(invoke()["now"]) - datetime.now(UTC)

    assert abs(difference()) < timedelta(seconds=5)
    before = travel.now()
    travel.advance(timedelta(hours=5))
    assert timedelta(hours=5) <= travel.now() - before < timedelta(hours=5, seconds=5)
    assert abs(difference()) < timedelta(seconds=5)


def test_nothing_runs_once_all_is_closed(lambdas: Lambdas, invoke: Callable[..., dict[str, Any]]) -> None:
    process = invoke()["process"]
    lambdas.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(InvocationError, match="taken down"):
        invoke()
