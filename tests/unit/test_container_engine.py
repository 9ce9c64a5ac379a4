"""The container engine that `sam local` runs functions in: found, understood, and left without containers of ours."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from prestage.stage.container_engine import LOOPBACK, Engine, NoEngineError, find

ELSEWHERE = "192.0.2.1"
"""Documentation's own: no machine's address."""


class Docker:
    """docker, by its subcommand."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.removed: list[str] = []
        self.containers: dict[str, list[str] | None] = {}

    def __call__(self, arguments: Sequence[str]) -> str:
        match list(arguments):
            case ["ps", *_]:
                return "\n".join([*self.containers, "gone"])
            case ["inspect", *_, "gone"]:
                raise NoEngineError("No such object: gone")
            case ["inspect", *_, container]:
                return json.dumps(self.containers[container])
            case ["rm", "--force", container]:
                self.removed.append(container)
                return container
            case [command, *_]:
                return self.answers[command]
        raise AssertionError(arguments)


def network(**settings: str) -> str:
    return json.dumps([{"IPAM": {"Config": [{"Subnet": "127.0.0.0/8", **settings}]}}])


@pytest.mark.parametrize(("told", "architecture"), [("linux/amd64", "x86_64"), ("linux/arm64", "arm64")])
def test_what_its_containers_are_for_is_told_in_lambda_s_words(told: str, architecture: str) -> None:
    assert find(Docker(version=told, network=network())).architecture == architecture


@pytest.mark.parametrize("told", ["windows/amd64", "linux/s390x"])
def test_one_whose_containers_run_no_lambda_is_none(told: str) -> None:
    with pytest.raises(NoEngineError, match=f"its containers are for {told}"):
        find(Docker(version=told, network=network()))


@pytest.mark.parametrize(
    ("settings", "address"),
    [({"Gateway": "127.0.0.9"}, "127.0.0.9"), ({}, "127.0.0.1"), ({"Gateway": ELSEWHERE}, LOOPBACK)],
    ids=["the gateway", "the network's first address", "in a virtual machine"],
)
def test_the_stage_listens_where_containers_look_for_this_machine(settings: dict[str, str], address: str) -> None:
    assert find(Docker(version="linux/amd64", network=network(**settings))).address == address


def test_a_machine_without_docker_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoEngineError, match="docker is not installed"):
        find()


def test_what_docker_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'a warning' >&2\necho 'no daemon' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(NoEngineError, match=r"^no daemon$"):
        find()


def test_containers_are_told_apart_by_what_they_are_pointed_at() -> None:
    docker = Docker()
    docker.containers = {"ours": ["A=1", "URL=http://here:1"], "theirs": ["URL=http://here:11"], "bare": None}
    engine = Engine("x86_64", LOOPBACK, docker)
    assert engine.containers_with("URL", "http://here:1") == ["ours"]
    engine.remove("ours")
    assert docker.removed == ["ours"]
