"""`prestage doctor`: what is wrong with a stack, and what to do about it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config

from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.cli_output import printable
from prestage.doctor.check import Result, examine
from prestage.doctor.checkup import checkup
from prestage.stack import Stack

_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})
_MARK = 13
"""Columns of what a line begins with."""


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="What was found as JSON.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Look at a stack from end to end, and say what to do about each finding. Nothing is changed.

    The exit status is 1 if anything is found, or could not be looked at.
    """
    client = cache(_client)
    found = Stack.named(stack, client)
    with checkup(stack, client, found.clock) as checks:
        results = []
        for result in examine(checks):
            results.append(result)
            if not as_json:
                typer.echo("\n".join(printable(line) for line in _lines(result)))
    typer.echo(
        json.dumps({"stack": stack, "checks": list(map(asdict, results))}, indent=2) if as_json else _sum(results)
    )
    if not all(result.is_fine for result in results):
        raise typer.Exit(1)


def _client(service: str) -> Any:
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # any service


def _lines(result: Result) -> Iterator[str]:
    """A line for a check that is fine; two for each finding."""
    if result.is_fine:
        yield f"{'ok':<{_MARK}}{result.name}"
    for found in result.findings:
        yield f"{'found':<{_MARK}}{result.name}: {found.what}"
        yield f"{'':<{_MARK}}→ {found.do}"
    if result.unmade is not None:
        yield f"{'not checked':<{_MARK}}{result.name}: {result.unmade}"
    for note in result.notes:
        yield f"{'note':<{_MARK}}{result.name}: {note}"


def _sum(results: Sequence[Result]) -> str:
    found = sum(len(result.findings) for result in results)
    unmade = sum(result.unmade is not None for result in results)
    told = f"{found} finding{'s' * (found != 1)}" if found else "nothing found"
    return f"\n{told} in {len(results)} checks" + (f", {unmade} of which could not be made" if unmade else "")
