"""Remember requests to a WSGI application, and let some of them go wrong."""

import re
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DROPPED = 0
"""The status on record for a request that got no answer."""


@dataclass(frozen=True)
class Request:
    """A request that came, and the status that it was answered with."""

    method: str
    path: str
    status: int


@dataclass
class _Fault:
    times: int
    status: int
    headers: Mapping[str, str]
    match: re.Pattern[str]
    after_effect: bool
    drop: bool


class Faulty:
    """A WSGI application that hands on to another, unless a fault is planted."""

    def __init__(self, application: "WSGIApplication") -> None:
        self.requests: list[Request] = []
        self._application = application
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def fail(
        self,
        times: int,
        *,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        match: str = "",
        after_effect: bool = False,
        drop: bool = False,
    ) -> None:
        """Let the next requests go wrong.

        Args:
            times: how many.
            status: what they are answered with.
            headers: what the answers have besides.
            match: searched in "METHOD /path": only such requests.
            after_effect: the request is carried out first.
            drop: the connection ends without an answer.
        """
        with self._lock:
            self._faults.append(_Fault(times, status, headers or {}, re.compile(match), after_effect, drop))

    def mend(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        fault = self._take(f"{method} {path}")
        # Read first: a server that closes on an unread body resets the connection, and the answer is lost.
        answer = self._answer(environ) if fault is None or fault.after_effect else _swallow(environ)
        if fault is not None and not fault.drop:
            answer = Response('{"error": "planted by the stage"}', fault.status, fault.headers.items())
            answer.content_type = "application/json"
        dropped = fault is not None and fault.drop
        self.requests.append(Request(method, path, DROPPED if dropped else answer.status_code))
        if dropped:
            _hang_up(environ)
        return answer(environ, start_response)

    def _answer(self, environ: "WSGIEnvironment") -> Response:
        return Response.from_app(self._application, environ, buffered=True)

    def _take(self, what: str) -> _Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.match.search(what):
                    fault.times -= 1
                    return fault
        return None


def _swallow(environ: "WSGIEnvironment") -> Response:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return Response()


def _hang_up(environ: "WSGIEnvironment") -> None:
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)


class StandIn:
    """A service stood in for by an API whose requests are remembered, and can be made to go wrong."""

    _api: Faulty

    def application(self) -> "WSGIApplication":
        """The API."""
        return self._api

    @property
    def requests(self) -> list[Request]:
        """What the API was asked, in the order in which it answered."""
        return self._api.requests

    def count(self, match: str = "") -> int:
        """How many requests there were whose "METHOD /path" has a match of the regular expression."""
        return sum(1 for request in self.requests if re.search(match, f"{request.method} {request.path}"))

    def fail(
        self,
        times: int = 1,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        match: str = "",
        *,
        after_effect: bool = False,
        drop: bool = False,
    ) -> None:
        """Let the API's next `times` requests whose "METHOD /path" has a match of `match` go wrong.

        They are answered with `status` and `headers`, or with `drop` not at all; with `after_effect`, what they ask
        for is done first.
        """
        self._api.fail(times, status=status, headers=headers, match=match, after_effect=after_effect, drop=drop)

    def mend(self) -> None:
        """Let nothing go wrong any more."""
        self._api.mend()
