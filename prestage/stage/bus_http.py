"""The bus over HTTP, as EventBridge speaks: AWS JSON 1.1, so that boto3 and the AWS CLI work on it.

Signatures are not verified: whoever can reach 127.0.0.1 may say who they are.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import AwareDatetime, Field, ValidationError
from werkzeug.wrappers import Request, Response

from prestage.stage.bus import Bus
from prestage.stage.bus_entries import RefusedError
from prestage.stage.bus_rules import Asked, RuleOperations
from prestage.stage.event_pattern import PatternError, compile_pattern
from prestage.stage.schedules import Schedules

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_TARGET_PREFIX = "AWSEvents."
_CONTENT_TYPE = "application/x-amz-json-1.1"
_CREDENTIAL = re.compile(r"\bCredential=([^/,\s]+)/")
_STATUS = {"InternalFailure": HTTPStatus.INTERNAL_SERVER_ERROR, "MissingAuthenticationToken": HTTPStatus.FORBIDDEN}
"""Of errors; the others are 400."""

logger = logging.getLogger(__name__)


class _Entry(Asked):
    source: str | None = None
    detail_type: str | None = None
    detail: str | None = None
    event_bus_name: str | None = None
    resources: list[str] | None = None
    time: AwareDatetime | None = None


class _PutEvents(Asked):
    entries: list[_Entry]


class _NamedBus(Asked):
    name: str | None = None


class _PutPermission(Asked):
    event_bus_name: str | None = None
    policy: str


class _Replay(Asked):
    class Destination(Asked):
        arn: str
        filter_arns: list[str] = Field(default_factory=list)

    replay_name: str = Field(min_length=1, max_length=64, pattern=r"^[.\-_A-Za-z0-9]+$")
    event_source_arn: str
    event_start_time: AwareDatetime
    event_end_time: AwareDatetime
    destination: Destination


class _TestPattern(Asked):
    event_pattern: str
    event: str


def application(bus: Bus, schedules: Schedules | None = None) -> "WSGIApplication":
    """The bus's API, at every path: PutEvents, StartReplay, TestEventPattern, those of rules, and some more.

    `schedules` are on AWS's own bus, which is not there where they are left out.
    """
    operations = _Operations(bus, schedules or Schedules(()))

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return _respond(operations, Request(environ))(environ, start_response)

    return answer


class _Operations:
    """The operations: each is given the request's JSON object and who asks, and gives the answer's."""

    def __init__(self, bus: Bus, schedules: Schedules) -> None:
        self._bus = bus
        self.by_name: Mapping[str, Callable[[Any, str], Mapping[str, Any]]] = {
            "PutEvents": self._put_events,
            "StartReplay": self._start_replay,
            "TestEventPattern": self._test_event_pattern,
            "DescribeEventBus": self._describe_event_bus,
            "ListEventBuses": self._list_event_buses,
            "PutPermission": self._put_permission,
            "ListArchives": self._list_archives,
            **RuleOperations(bus, schedules).by_name,
        }

    def _put_events(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        entries = _PutEvents.model_validate(asked).entries
        results = self._bus.put_events([entry.model_dump(by_alias=True) for entry in entries], access_key_id)
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _start_replay(self, asked: Any, _access_key_id: str) -> Mapping[str, Any]:
        replay = _Replay.model_validate(asked)
        self._bus.check_name(replay.destination.arn)
        self._bus.replay(
            replay.event_source_arn,
            replay.event_start_time,
            replay.event_end_time,
            replay.destination.filter_arns or None,
            name=replay.replay_name,
        )
        return {
            "ReplayArn": f"arn:aws:events:{self._bus.region}:{self._bus.account}:replay/{replay.replay_name}",
            "State": "COMPLETED",
            "ReplayStartTime": datetime.now(UTC).timestamp(),
        }

    def _test_event_pattern(self, asked: Any, _access_key_id: str) -> Mapping[str, Any]:
        test = _TestPattern.model_validate(asked)
        try:
            pattern, event = json.loads(test.event_pattern), json.loads(test.event)
            return {"Result": compile_pattern(pattern).matches(event)}
        except (ValueError, PatternError) as error:
            raise RefusedError("InvalidEventPatternException", str(error)) from error

    def _describe_event_bus(self, asked: Any, _access_key_id: str) -> Mapping[str, Any]:
        self._bus.check_name(_NamedBus.model_validate(asked).name)
        return self._bus_itself()

    def _list_event_buses(self, _asked: Any, _access_key_id: str) -> Mapping[str, Any]:
        return {"EventBuses": [self._bus_itself()]}

    def _put_permission(self, asked: Any, _access_key_id: str) -> Mapping[str, Any]:
        wanted = _PutPermission.model_validate(asked)
        self._bus.check_name(wanted.event_bus_name)
        self._bus.policy.replace(wanted.policy)
        return {}

    def _list_archives(self, _asked: Any, _access_key_id: str) -> Mapping[str, Any]:
        archives = [
            {
                "ArchiveName": archive.name,
                "EventSourceArn": self._bus.arn,
                "State": "ENABLED",
                "RetentionDays": archive.retention_days,
                "EventCount": self._bus.archived(archive.name),
            }
            for archive in self._bus.archives
        ]
        return {"Archives": archives}

    def _bus_itself(self) -> Mapping[str, str]:
        return {"Name": self._bus.name, "Arn": self._bus.arn, "Policy": self._bus.policy.text}


# ---- The protocol


def _respond(operations: _Operations, request: Request) -> Response:
    try:
        return _answer(HTTPStatus.OK, _perform(operations, request))
    except RefusedError as error:
        return _error(error.code, str(error))
    except ValidationError as error:
        where = ", ".join(sorted({".".join(map(str, found["loc"])) for found in error.errors()}))
        return _error("ValidationException", f"not what the operation takes: {where or 'an object is needed'}")
    except Exception:
        logger.exception("the bus failed")
        return _error("InternalFailure", "the stage's bus failed: its log says why")


def _perform(operations: _Operations, request: Request) -> Mapping[str, Any]:
    body = request.get_data()
    name = request.headers.get("X-Amz-Target", "").removeprefix(_TARGET_PREFIX)
    operation = operations.by_name.get(name)
    if operation is None:
        raise RefusedError(
            "UnknownOperationException", f"no {name or 'operation'} here: {', '.join(operations.by_name)}"
        )
    credential = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    if credential is None:
        raise RefusedError("MissingAuthenticationToken", "the request is not signed")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("SerializationException", "the request is not JSON") from None
    return operation(asked, credential[1])


def _error(code: str, message: str) -> Response:
    return _answer(_STATUS.get(code, HTTPStatus.BAD_REQUEST), {"__type": code, "message": message})


def _answer(status: HTTPStatus, body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body), status, {"x-amzn-RequestId": str(uuid4())}, content_type=_CONTENT_TYPE)
