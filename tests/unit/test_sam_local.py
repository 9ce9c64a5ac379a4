"""What `make sam-local` gives to sam, and what it and its check say where they can't begin."""

import io
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import flask
import httpx
import pytest
from moto import mock_aws
from rich.console import Console

from prestage.ending import ending_on_signals
from prestage.stage import sam_local_check
from prestage.stage.built import BuiltFunction
from prestage.stage.container_engine import LOOPBACK, Engine, NoEngineError
from prestage.stage.deployment import DeployedFunction, Deployment, Route
from prestage.stage.own_engine import own_engine
from prestage.stage.sam_local import (
    NotBuiltError,
    package_for,
    sam_settings,
    seen_from_container,
    template,
    ways_in,
)
from prestage.stage.sam_local_check import CheckError, given_up
from prestage.stage.serve import Server

# ---- What a function in a container is told

ON_THE_STAGE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:5000",
    "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:5001",
    "GITHUB_API_URL": "http://127.0.0.1:5002",
    "FLY_API_URL": "http://127.0.0.1:5003/v1",
    "QUEUE_URL": "http://127.0.0.1:5000/123456789012/queue",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:5000/123456789012/dead",
    "SOURCE_URL": "http://127.0.0.1:5004/source",
    "LOG_ADDRESS": "http://127.0.0.1:5005/logs/{fly_app}",
    "AWS_ACCESS_KEY_ID": "the-function-s-own",
    "PATH": "/usr/bin",
    "TZ": "UTC",
}


def test_what_a_function_calls_is_found_under_the_name_that_this_machine_has_for_containers() -> None:
    seen = seen_from_container(ON_THE_STAGE)
    called = {name for name, value in seen.items() if "//host.docker.internal:" in value}
    assert called == {name for name in ON_THE_STAGE if name.endswith(("API_URL", "QUEUE_URL")) or "ENDPOINT" in name}
    assert seen["FLY_API_URL"] == "http://host.docker.internal:5003/v1"


def test_what_machines_and_people_on_this_machine_are_told_stays_this_machine_s() -> None:
    seen = seen_from_container(ON_THE_STAGE)
    assert {name: seen[name] for name in ("SOURCE_URL", "LOG_ADDRESS")} == {
        name: ON_THE_STAGE[name] for name in ("SOURCE_URL", "LOG_ADDRESS")
    }


def deployed(name: str) -> DeployedFunction:
    return DeployedFunction(name, "module.handler", {}, 14, 512, f"{name}Role", ())


def written(tmp_path: Path) -> Any:
    names = ("IngressFunction", "VaultFunction")
    deployment = Deployment(
        stack_name="prestage",
        account="123456789012",
        region="us-east-1",
        functions=tuple(deployed(name) for name in names),
        routes=(Route("POST", "/webhooks/github", "IngressFunction"),),
        rules=(),
        schedules=(),
        archives=(),
        alarms=(),
        statements=(),
        roles={},
        outputs={},
    )
    built = {name: BuiltFunction(name, "module.handler", "python3.13", tmp_path) for name in (*names, "DnsFunction")}
    return template(deployment, lambda name: {"AWS_ACCESS_KEY_ID": f"key-of-{name}"}, built, "x86_64")["Resources"]


def test_sam_gets_the_functions_of_this_deployment_from_their_packages(tmp_path: Path) -> None:
    functions = written(tmp_path)
    assert functions.keys() == {"IngressFunction", "VaultFunction"}
    assert {one["Properties"]["CodeUri"] for one in functions.values()} == {str(tmp_path)}
    assert {tuple(one["Properties"]["Architectures"]) for one in functions.values()} == {("x86_64",)}


def test_each_function_calls_aws_as_itself(tmp_path: Path) -> None:
    for name, function in written(tmp_path).items():
        assert function["Properties"]["Environment"]["Variables"] == {"AWS_ACCESS_KEY_ID": f"key-of-{name}"}


def test_only_what_has_a_route_is_in_the_api(tmp_path: Path) -> None:
    routes = {name: list(one["Properties"]["Events"].values()) for name, one in written(tmp_path).items()}
    properties = {"Method": "POST", "Path": "/webhooks/github"}
    assert routes == {"IngressFunction": [{"Type": "HttpApi", "Properties": properties}], "VaultFunction": []}


@pytest.mark.parametrize("pull", [True, False])
def test_an_image_that_is_there_is_not_pulled(pull: bool) -> None:
    settings = tomllib.loads(sam_settings(pull=pull))["default"]
    for command in ("local_invoke", "local_start_api"):
        parameters = settings[command]["parameters"]
        assert parameters["skip_pull_image"] is not pull
        assert parameters["add_host"] == ["host.docker.internal:host-gateway"]


def test_what_is_to_be_typed_names_events_that_are_there() -> None:
    named = [word for line in ways_in() for word in line.split() if word.startswith("events/") and "." in word]
    assert len(named) > 1
    assert [name for name in named if not (Path(__file__).parents[2] / name).is_file()] == []


# ---- What can be in the way


def build(folder: Path, *processors: str) -> Path:
    """A template as `sam build` writes it, with a package that has a compiled module for each processor."""
    (folder / "Shared").mkdir()
    for processor in processors:
        (folder / "Shared" / f"core.cpython-313-{processor}-linux-gnu.so").touch()
    built = folder / "template.yaml"
    built.write_text(
        "Globals: {Function: {Runtime: python3.13}}\n"
        "Resources: {StepFunction: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, CodeUri: Shared}}}\n"
    )
    return built


def test_the_package_for_the_engine_s_processor_is_taken(tmp_path: Path) -> None:
    assert package_for(Engine("arm64", LOOPBACK), build(tmp_path, "aarch64")).keys() == {"StepFunction"}


@pytest.mark.parametrize(("processors", "told"), [(("aarch64",), "arm64"), (("aarch64", "x86_64"), "arm64, x86_64")])
def test_a_package_for_another_processor_is_refused(tmp_path: Path, processors: tuple[str, ...], told: str) -> None:
    with pytest.raises(NotBuiltError, match=f"is for {told}, .* run: make package ARCHITECTURE=x86_64"):
        package_for(Engine("x86_64", LOOPBACK), build(tmp_path, *processors))


def test_a_missing_package_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotBuiltError, match="is missing; run: make package ARCHITECTURE=x86_64"):
        package_for(Engine("x86_64", LOOPBACK), tmp_path / "template.yaml")


def checked(*arguments: str) -> tuple[int, str]:
    said = io.StringIO()
    return sam_local_check.main(arguments, Console(file=said, width=200)), said.getvalue()


def test_the_check_is_skipped_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = "check-sam-local: skipped: no container engine (docker is not installed, or not in PATH); see"
    status, said = checked()
    assert (status, said) == (0, f"{told} docs/sam-local.md\n")


# ---- What the check sees


def test_what_is_in_a_dead_letter_queue_was_given_up() -> None:
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        with pytest.raises(CheckError, match="no dead-letter queue"):
            given_up(sqs)
        letters, queue = (
            sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("VaultDeadLetterQueue", "VaultQueue")
        )
        sqs.send_message(QueueUrl=queue, MessageBody="{}")
        assert given_up(sqs) == []
        sqs.send_message(QueueUrl=letters, MessageBody="{}")
        assert given_up(sqs) == [letters]


# ---- An engine that scripts make


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Scripts that note how they are called, and make nothing."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///before")
    log = tmp_path / "log"
    engine = f'echo "engine $1" >> {log}; [ $1 = stop ] || echo unix:///made\n'
    image = f'echo "image $1 $DOCKER_HOST" >> {log}; [ ! -e {tmp_path}/broken ] || {{ echo "no room" >&2; exit 1; }}\n'
    for name, text in (("engine.sh", engine), ("build-image.sh", image)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / name).chmod(0o755)
    with ending_on_signals():
        yield tmp_path


def calls(scripts: Path) -> list[str]:
    return (scripts / "log").read_text().splitlines()


def test_docker_finds_it_until_the_end(scripts: Path) -> None:
    with own_engine(scripts):
        assert os.environ["DOCKER_HOST"] == "unix:///made"
    assert os.environ["DOCKER_HOST"] == "unix:///before"
    assert calls(scripts) == ["engine start", "image 3.13 unix:///made", "engine stop"]


def test_one_without_an_image_is_ended_and_fails_the_check(scripts: Path) -> None:
    (scripts / "broken").touch()
    status, said = checked("--engine", str(scripts))
    assert (status, said) == (1, "check-sam-local: failed: no container engine (build-image.sh 3.13: no room)\n")
    assert calls(scripts)[-1] == "engine stop"


def test_one_whose_scripts_are_missing_is_told(tmp_path: Path) -> None:
    with ending_on_signals(), pytest.raises(NoEngineError, match="could not be run"), own_engine(tmp_path):
        pass


# ---- Where containers find the stage


def test_a_server_answers_at_another_address_as_at_its_own_until_the_end() -> None:
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: flask.request.host_url)
    with Server(app) as server:
        elsewhere = f"http://127.0.0.2:{server.port}/"
        with server.also_at("127.0.0.2"):
            assert httpx.get(elsewhere, trust_env=False).text == f"{server.url}/"
        with pytest.raises(httpx.ConnectError):
            httpx.get(elsewhere, trust_env=False)
        assert httpx.get(server.url, trust_env=False).is_success


def test_an_address_that_is_not_this_machine_s_is_an_error() -> None:
    with Server(flask.Flask(__name__)) as server, pytest.raises(OSError, match="assign"), server.also_at("192.0.2.1"):
        pass
