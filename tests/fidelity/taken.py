"""What each reaction makes of messages, asked of the reactions as their handlers make them."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SERVICES = Path(__file__).parents[2] / "services"

_READING = """
import importlib, json, os, sys
from choreography.queue import Message
class Queue:
    def bury(self, message, attributes):
        told[-1] = attributes["ReasonCode"]
read = {}
for name, (handler, settings, bodies) in json.load(sys.stdin).items():
    os.environ.update(settings)
    reaction = importlib.import_module(handler.rpartition(".")[0])._reaction()
    reaction._queue = Queue()
    told = []
    for body in bodies:
        told.append("refused")
        received = reaction._received(Message(id="1", receipt_handle="1", body=body, group=None, sent_at=None))
        if received is not None:
            told[-1] = "taken"
    read[name] = told
print()
print(json.dumps(read))
"""
"""Run apart, as each function has settings of its own, and what is built of them is kept."""


def settings(function: Any) -> dict[str, str]:
    """Every setting that the template gives the function; those that are not resolved have a value that will do."""
    given = function["Environment"]["Variables"]
    return {
        name: value if isinstance(value, str) else "https://setting.test/{fly_app}" for name, value in given.items()
    }


def read(functions: Mapping[str, Any], bodies: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each message `taken`, `refused`, or the code of the reason for which it would be a dead letter.

    Args:
        functions: the template's, by name.
        bodies: of messages, by the name of the function whose queue they are in.
    """
    asked = {name: (functions[name]["Handler"], settings(functions[name]), [*found]) for name, found in bodies.items()}
    done = subprocess.run(
        [sys.executable, "-c", _READING],
        cwd=SERVICES,
        input=json.dumps(asked),
        env={"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found
