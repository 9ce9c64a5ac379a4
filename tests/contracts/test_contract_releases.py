"""Releases of the contract: what was said to consumers is kept, and the working tree is held against it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from prestage.contract_changes import Change
from prestage.contract_files import ROOT, wheel_version
from prestage.contract_releases import (
    RELEASED,
    compared,
    main,
    record,
    released,
    released_examples,
    stated,
    unreadable,
    verdict,
    versions,
)
from prestage_contracts import CONTRACT

KEY = ("EnvironmentReady", "1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one release, of the contract as it is."""
    record(tmp_path, "0.9.0")
    return tmp_path


def rewritten(root: Path, name: str, old: str, new: str) -> None:
    path = root / RELEASED / "0.9.0" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_no_consumer_of_the_last_release_breaks() -> None:
    found = verdict(ROOT)
    assert (found.unreadable, [change for event in found.changed.values() for change in event if change.breaks]) == (
        [],
        [],
    )


def test_every_event_that_is_stated_was_released_or_will_be_with_the_wheel_s_version() -> None:
    last = versions(ROOT)[-1]
    assert released(ROOT).keys() >= stated().keys() or wheel_version() != last


def test_what_was_just_released_has_not_changed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], root=root) == 0
    assert capsys.readouterr().out == "The contract is as in release 0.9.0.\n"


def test_a_release_keeps_every_schema_and_example(root: Path) -> None:
    assert released(root) == stated()
    assert len(released_examples(root)) == len(CONTRACT)


def test_a_breaking_change_is_told_and_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(root, "RuntimeReady/v1.json", '"region"', '"zone"')
    assert main([], root=root) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "RuntimeReady v1"
    assert "  BREAKS  detail.data.runtime.zone: is gone: consumers read it" in lines
    assert lines[-1].startswith("A consumer of release 0.9.0 could break. Raise the event's major version")


def test_a_released_example_that_is_gone_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = next(root.glob("events-schema/released/*/EnvironmentReady/example.json"))
    example.unlink()
    assert main([], root=root) == 1
    assert "EnvironmentReady/example.json: is gone" in capsys.readouterr().out


def test_a_breaking_change_is_not_recorded(root: Path) -> None:
    rewritten(root, "RuntimeReady/v1.json", '"region"', '"zone"')
    assert main(["--record"], root=root) == 1
    assert versions(root) == ["0.9.0"]


def test_a_released_example_that_does_not_parse_any_more_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(root, "RuntimeReady/example.json", '"region": "fra"', '"region": ""')
    assert main([], root=root) == 1
    assert f"{RELEASED}/0.9.0/RuntimeReady/example.json: detail.data.runtime.region: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"version": "1.0"', '"version": "7.0"', "version 7.0 of RuntimeReady is not known"),
        ('"RuntimeReady"', '"RuntimeHad"', "version 1.0 of RuntimeHad is not known"),
    ],
)
def test_a_released_example_that_is_not_known_any_more_fails(root: Path, old: str, new: str, reason: str) -> None:
    rewritten(root, "RuntimeReady/example.json", old, new)
    assert unreadable(released_examples(root)) == [f"{RELEASED}/0.9.0/RuntimeReady/example.json: {reason}"]


def test_a_release_keeps_only_what_differs_and_leaves_those_before_as_they_are(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewritten(root, "RuntimeReady/v1.json", "its health check passes", "it answers")
    before = (root / RELEASED / "0.9.0/RuntimeReady/v1.json").read_text(encoding="utf-8")
    assert main(["--record"], root=root) == 0
    assert "  fine    event: is described in other words" in capsys.readouterr().out
    kept = root / RELEASED / wheel_version()
    assert sorted(path.relative_to(kept).as_posix() for path in kept.glob("*/*")) == [
        "RuntimeReady/example.json",
        "RuntimeReady/v1.json",
    ]
    assert (root / RELEASED / "0.9.0/RuntimeReady/v1.json").read_text(encoding="utf-8") == before
    assert released(root) == stated()


def test_a_release_is_recorded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--record"], root=tmp_path) == 0
    capsys.readouterr()
    assert main(["--record"], root=tmp_path) == 1
    assert "raise the version in contracts/python/pyproject.toml" in capsys.readouterr().out


def test_releases_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for version in ("1.10.0", "1.9.0", "2.0.0"):
        (tmp_path / RELEASED / version).mkdir(parents=True)
    assert versions(tmp_path) == ["1.9.0", "1.10.0", "2.0.0"]


def test_a_new_event_breaks_nobody() -> None:
    before = {key: schema for key, schema in stated().items() if key != KEY}
    assert compared(before, stated()) == {"EnvironmentReady v1": [Change("event", "is new", breaks=False)]}


def test_an_event_must_not_go() -> None:
    after = {key: schema for key, schema in stated().items() if key != KEY}
    [change] = compared(stated(), after)["EnvironmentReady v1"]
    assert change.breaks
    assert "keep its model in prestage_contracts.FORMER" in change.words


def test_a_breaking_change_under_a_new_major_version_breaks_nobody_while_the_former_can_be_read() -> None:
    second: Any = copy.deepcopy(stated()[KEY])
    del second["definitions"]["EnvironmentSnapshot"]["properties"]["address"]
    beside = {**stated(), ("EnvironmentReady", "2"): second}
    assert compared(stated(), beside) == {"EnvironmentReady v2": [Change("event", "is new", breaks=False)]}
    assert any(change.breaks for change in compared(stated(), {**stated(), KEY: second})["EnvironmentReady v1"])


def test_released_examples_are_written_for_the_compiler(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "examples.ts"
    assert main(["--examples", str(file)], root=root) == 0
    lines = [
        line.strip().removesuffix(",")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("  ")
    ]
    assert [json.loads(line) for line in lines] == list(released_examples(root).values())
