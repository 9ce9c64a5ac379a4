"""What a rule sends to a function is what the function has a step for: nothing is refused, nothing waits in vain."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prestage.stage.event_pattern import compile_pattern
from prestage.stage.template import load
from prestage_contracts import CONTRACT, Event, Report
from tests.fidelity.taken import settings
from tests.fidelity.template_policy import of, reactions, referred, targets

ROOT = Path(__file__).parents[2]
TEMPLATE = load(ROOT / "template.yaml")
REACTIONS = reactions(TEMPLATE)

TAKEN = """
import importlib, json, os, sys
taken = {}
for name, (handler, settings) in json.load(sys.stdin).items():
    os.environ.update(settings)
    reaction = importlib.import_module(handler.rpartition(".")[0])._reaction()
    taken[name] = sorted(event.name() for event in reaction._steps)
print(json.dumps(taken))
"""
"""Run apart, as each function has settings of its own, and what is built of them is kept."""


@pytest.fixture(scope="module")
def taken() -> dict[str, list[str]]:
    """The names of the facts that each reaction has a step for."""
    asked = {name: (function["Handler"], settings(function)) for name, (function, _) in REACTIONS.items()}
    environment = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, "-c", TAKEN],
        cwd=ROOT / "services",
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def sent(queue: str | None) -> list[str]:
    """The names of the facts that the rules send to the queue."""
    rules = [rule for rule in of(TEMPLATE, "Events::Rule").values() if targets(rule) == [queue]]
    patterns = [compile_pattern(rule["EventPattern"]) for rule in rules]
    return sorted(
        name
        for name, event in CONTRACT.items()
        if any(pattern.matches(envelope(source(event), name)) for pattern in patterns)
    )


def source(event: type[Event]) -> str:
    return "acme.quality" if issubclass(event, Report) else event.SOURCE


def envelope(source: str, name: str) -> dict[str, Any]:
    return {"source": source, "detail-type": name, "detail": {"metadata": {"version": CONTRACT[name].VERSION}}}


@pytest.mark.parametrize("name", REACTIONS)
def test_a_function_is_sent_what_it_takes(taken: dict[str, list[str]], name: str) -> None:
    _, event = REACTIONS[name]
    assert sent(referred(event["Queue"])) == taken[name]
