"""API Gateway's HTTP API before functions: requests become events of payload format 2.0, and answers responses.

See the developer guide, "Create AWS Lambda proxy integrations for HTTP APIs".
"""

import base64
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import uuid4

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from choreography.clock import Clock, utc_now
from prestage.stage.deployment import Route
from prestage.stage.template import TemplateError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Of a request (API Gateway's limit)."""

_CHUNK = 64 * 1024
_TEXT_TYPES = frozenset(["application/json", "application/xml", "application/javascript"])
"""Besides `text/*`: bodies of every other type, and of none, are handed on in base64."""

_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
_PARAMETER = re.compile(r"\{([A-Za-z0-9._-]+)\}")
_OWN_HEADERS = frozenset(["content-length", "transfer-encoding", "connection"])
"""What a function says about these is API Gateway's to say."""

type Invoke = Callable[[str, Mapping[str, Any]], Any]
"""Invokes the function of that logical id with an event; gives its answer, or raises."""

logger = logging.getLogger(__name__)


def application(
    routes: Sequence[Route], invoke: Invoke, *, account: str = "123456789012", clock: Clock = utc_now
) -> "WSGIApplication":
    """The API.

    Differences: TLS and throttling are missing, and a function has to give a `statusCode` (AWS would take an answer
    without one for the body of a 200, which none of ours means).

    Args:
        routes: where requests go. A path's literal segments come before its parameters, as in AWS.
        invoke: runs a function.
        account: AWS account.
        clock: the time.

    Raises:
        TemplateError: a route is of a kind that is not known here: any method, a greedy path, `$default`.
    """
    gateway = _Gateway(routes, invoke, account, clock)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return gateway.respond(Request(environ))(environ, start_response)

    return answer


class _Gateway:
    def __init__(self, routes: Sequence[Route], invoke: Invoke, account: str, clock: Clock) -> None:
        for route in routes:
            _check(route)
        self._routes = sorted(
            routes, key=lambda route: [bool(_PARAMETER.fullmatch(it)) for it in route.path.split("/")]
        )
        self._invoke = invoke
        self._account = account
        self._clock = clock

    def respond(self, request: Request) -> Response:
        body = _read(request)
        if body is None:
            return _message(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large")
        path = _raw_path(request)
        for route in self._routes:
            parameters = _match(route, request.method, path)
            if parameters is not None:
                return self._hand_on(route, self._event(request, route, parameters, body))
        return _message(HTTPStatus.NOT_FOUND, "Not Found")

    def _hand_on(self, route: Route, event: Mapping[str, Any]) -> Response:
        try:
            return _response(self._invoke(route.function, event))
        except Exception as error:  # noqa: BLE001  # whatever ails a function, its caller hears no more than AWS tells
            logger.warning("%s gave no answer: %s", route.function, type(error).__name__)
            return _message(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error")

    def _event(self, request: Request, route: Route, parameters: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        headers, cookies = _headers(request)
        query = request.query_string.decode("latin-1")
        text, is_base64 = _encoded(body, request.mimetype)
        optional = {
            "cookies": cookies,
            "queryStringParameters": {name: ",".join(values) for name, values in request.args.lists()},
            "pathParameters": parameters,
            "body": text,
        }
        return {
            "version": "2.0",
            "routeKey": f"{route.method} {route.path}",
            "rawPath": _raw_path(request),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": self._context(request, route),
            "isBase64Encoded": is_base64,
        } | {name: value for name, value in optional.items() if value}

    def _context(self, request: Request, route: Route) -> Mapping[str, Any]:
        now: datetime = self._clock()
        return {
            "accountId": self._account,
            "apiId": "stage",
            "domainName": request.host,
            "domainPrefix": request.host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": _raw_path(request),
                "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": request.remote_addr or "",
                "userAgent": request.headers.get("User-Agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": f"{route.method} {route.path}",
            "stage": "$default",
            "time": f"{now:%d/%b/%Y:%H:%M:%S %z}",
            "timeEpoch": int(now.timestamp() * 1000),
        }


# ---- Routes


def _check(route: Route) -> None:
    segments = route.path.split("/")[1:]
    literal = "".join(segment for segment in segments if not _PARAMETER.fullmatch(segment))
    if route.method not in _METHODS or not route.path.startswith("/") or set(literal) & set("{}+$"):
        raise TemplateError(f"{route.method} {route.path}: the stage's gateway knows no route of this kind")


def _match(route: Route, method: str, path: str) -> dict[str, str] | None:
    expected, found = route.path.split("/"), path.split("/")
    if method != route.method or len(expected) != len(found):
        return None
    parameters: dict[str, str] = {}
    for pattern, segment in zip(expected, found, strict=True):
        name = _PARAMETER.fullmatch(pattern)
        if name and segment:
            parameters[name[1]] = unquote(segment)
        elif pattern != segment:
            return None
    return parameters


def _raw_path(request: Request) -> str:
    """The path as it was sent: an escaped slash is not one that parts segments."""
    sent: str = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.path
    path = re.sub(r"^https?://[^/?]*", "", sent).partition("?")[0]
    return path or "/"


# ---- Requests


def _read(request: Request) -> bytes | None:
    """The body; None if it is too large. Read to its end even then: whoever is still sending would hear no answer."""
    kept = bytearray()
    size = 0
    while chunk := request.stream.read(_CHUNK):
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            kept += chunk
    return bytes(kept) if size <= MAX_BODY_BYTES else None


def _headers(request: Request) -> tuple[dict[str, str], list[str]]:
    """The headers by their lower-case names, those that came twice joined, and the cookies."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known},{value}"
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";")]
    return headers, [cookie for cookie in cookies if cookie]


def _encoded(body: bytes, mimetype: str) -> tuple[str, bool]:
    if not body:
        return "", False
    if mimetype.startswith("text/") or mimetype in _TEXT_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


# ---- Responses


def _response(answer: Any) -> Response:
    """What the function's answer says. Raises an error of any type if it is not in the format."""
    status = HTTPStatus(int(answer["statusCode"]))
    text = answer.get("body") or ""
    body = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
    headers = Headers()
    for name, value in (answer.get("headers") or {}).items():
        if name.lower() not in _OWN_HEADERS:
            headers[name] = _text(value)
    for cookie in answer.get("cookies") or []:
        headers.add("Set-Cookie", cookie)
    headers.setdefault("Content-Type", "text/plain; charset=utf-8")
    return Response(body, status, headers)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _message(status: HTTPStatus, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, content_type="application/json")
