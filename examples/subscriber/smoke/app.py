"""Visits each preview once it is ready, and reports what came of it as the check `smoke`.

The whole of another team's function: it knows the events by `prestage-contracts`, and nothing else of Prestage.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any

import boto3

from prestage_contracts import CheckReported, EnvironmentReady, MalformedEventError, parse
from prestage_contracts.reports import CheckReportedData, CheckState

NAME = "smoke"
SECONDS = 10
"""How long a visit may take."""


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """React to each message of a batch from the queue; those that failed are delivered again."""
    return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in event["Records"] if not _done(one)]}


def _done(record: Mapping[str, Any]) -> bool:
    try:
        match parse(json.loads(record["body"])):
            case EnvironmentReady() as ready:
                _check(ready)
            case other:  # what the rule did not ask for, or a version that this wheel does not know
                _log("passed over", fact=type(other).__name__)
    except (MalformedEventError, OSError, ReportError) as error:
        _log("failed", error=type(error).__name__)
        return False
    return True


def _check(ready: EnvironmentReady) -> None:
    """A fact may come twice: its report is the same then, with the same id, and Prestage takes it once."""
    environment = ready.data.environment
    status = _visit(environment.address)
    state: CheckState = "success" if status < HTTPStatus.BAD_REQUEST else "failure"
    said = CheckReportedData(
        environment_id=environment.id,
        generation=environment.generation,
        name=NAME,
        state=state,
        summary=f"answered {status}",
        link=None,
    )
    _report(CheckReported.state(said, cause=ready.metadata, now=datetime.now(UTC)))
    _log("reported", state=state, event_id=str(ready.metadata.event_id))


def _visit(address: str) -> int:
    request = urllib.request.Request(address, headers={"User-Agent": "smoke"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


class ReportError(Exception):
    """The bus did not take the report: does its policy allow this account and source?"""


def _report(report: CheckReported) -> None:
    entry = {
        "EventBusName": os.environ["BUS"],
        "Source": os.environ["SOURCE"],
        "DetailType": report.name(),
        "Detail": report.model_dump_json(),
    }
    if _events().put_events(Entries=[entry])["FailedEntryCount"]:
        raise ReportError


@cache
def _events() -> Any:
    return boto3.client("events")


def _log(message: str, **fields: str) -> None:
    print(json.dumps({"message": message, **fields}))
