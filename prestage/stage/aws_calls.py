"""What AWS was asked, and by whom: counted where the requests arrive."""

import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """One request: the service as signatures name it, the action (empty in query protocols), who signed it."""

    service: str
    action: str
    access_key_id: str


def signed(environ: "WSGIEnvironment") -> Call | None:
    """What a request asks for, and by whose credentials; None if it is not signed."""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    return Call(found.group(2), action, found.group(1)) if found else None


class Recorded:
    """An AWS endpoint whose calls are recorded, and let in one at a time where moto needs it.

    moto checks a condition and writes in separate moments: two requests at once would both find it to hold.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._one_at_a_time = threading.Lock()

    @property
    def calls(self) -> list[Call]:
        """All calls so far."""
        with self._lock:
            return list(self._calls)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Record, and pass on."""
        call = signed(environ)
        if call:
            with self._lock:
                self._calls.append(call)
        with self._turn(call.service if call else ""):
            return self._application(environ, start_response)

    def _turn(self, service: str) -> AbstractContextManager[object]:
        return self._one_at_a_time if service == "dynamodb" else nullcontext()


class ByService:
    """A WSGI application for each service that the stage answers for itself, and one for all others."""

    def __init__(self, others: "WSGIApplication", own: "Mapping[str, WSGIApplication]") -> None:
        self._others = others
        self._own = own

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Pass on."""
        call = signed(environ)
        return self._own.get(call.service if call else "", self._others)(environ, start_response)
