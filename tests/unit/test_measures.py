"""Metrics: what their dimensions can be."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from choreography import measures
from choreography.measures import OTHER, REASONS, Measure, record, seconds
from environments.facts import OF_THE_APPLICATION
from prestage_contracts import EVENTS
from prestage_contracts.envelope import Reason
from prestage_contracts.snapshot import Stage

SERVICES = Path(measures.__file__).parents[1]
RAISES = re.compile(r"Reason|_reason|_?refused?|refusal|\w+Error")
CODE = re.compile(r"[a-z][a-z0-9_]*")
REFUSALS = {"_REFUSAL"}
"""Constants whose first part is the code of the reason where GitHub refuses."""
STAGES = {f"{stage}_failed" for stage in ("fetch", "unpack", "build", "start")}
"""What runtimes.boot makes of the exit statuses of boot.sh."""


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def codes_in(tree: ast.AST) -> Iterator[str]:
    """The codes of reasons that are written in a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=keywords):
                given = [*args[:1], *(one.value for one in keywords if one.arg == "code")]
                wanted = RAISES.fullmatch(name) or name == "__init__"
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple(elts=parts)):
                given, wanted = parts[:1], name in REFUSALS
            case _:
                continue
        texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        yield from (text for text in texts if wanted and CODE.fullmatch(text))


def test_every_reason_in_the_code_is_told_apart_and_no_other() -> None:
    written = {code for file in SERVICES.rglob("*.py") for code in codes_in(ast.parse(file.read_text()))}
    assert written | STAGES == REASONS


def test_a_failed_boot_has_the_name_of_its_stage() -> None:
    assert {code.removesuffix("_failed") for code in STAGES} < set(get_args(Stage.__value__))


def test_what_is_the_applications_own_is_among_the_reasons() -> None:
    assert OF_THE_APPLICATION < REASONS


@pytest.mark.parametrize("name", sorted(name for name in EVENTS if name.endswith("Failed")))
def test_every_failed_fact_has_a_reason_to_be_counted_by(name: str) -> None:
    data = EVENTS[name].model_fields["data"].annotation
    assert data is not None
    assert data.model_fields["reason"].annotation is Reason


def test_a_reason_that_nobody_knows_is_no_metric_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    record(Measure("Failures", reason="key_refused"), Measure("Failures", reason="made_up_by_somebody"))
    assert [one["reason"] for one in emitted(capsys)] == ["key_refused", OTHER]


def test_no_time_is_less_than_nothing() -> None:
    assert seconds("HopTime", -0.5).value == 0


def test_a_value_that_is_none_is_measured_by_nobody_and_fails_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    record(Measure("Failures", value="many", reason="cap"), Measure("Failures", reason="cap"))  # type: ignore[arg-type]  # on purpose
    assert [one["Failures"] for one in emitted(capsys) if one] == [[1.0]]
