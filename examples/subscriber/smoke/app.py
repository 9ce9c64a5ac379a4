"""Visits each preview once it is ready, and reports what came of it as the check `smoke`.

The whole of another team's function: it knows the events by `prestage-contracts`, and nothing else of Prestage.
"""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
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
        event = json.loads(record["body"])
        if "replay-name" in event:  # what was ready once is not what is there now
            _log("passed over", fact="a replay")
            return True
        match parse(event):
            case EnvironmentReady() as ready:
                _check(ready)
            case other:  # what the rule did not ask for, or a version that this wheel does not know
                _log("passed over", fact=type(other).__name__)
    except (MalformedEventError, ReportError) as error:
        _log("failed", error=type(error).__name__)
        return False
    return True


def _check(ready: EnvironmentReady) -> None:
    """A fact may come twice: the visit is repeated, and the latest report counts."""
    environment = ready.data.environment
    state, answered = _visit(environment.address)
    said = CheckReportedData(
        environment_id=environment.id,
        generation=environment.generation,
        name=NAME,
        state=state,
        summary=answered,
        link=None,
    )
    _report(CheckReported.state(said, cause=ready.metadata, now=datetime.now(UTC)))
    _log("reported", state=state, event_id=str(ready.metadata.event_id))


def _visit(address: str) -> tuple[CheckState, str]:
    request = urllib.request.Request(address, headers={"User-Agent": "smoke"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return "success", f"answered {answer.status}"
    except urllib.error.HTTPError as refused:
        return "failure", f"answered {refused.code}"
    except (OSError, http.client.HTTPException) as error:
        return "failure", f"did not answer: {type(error).__name__}"


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
