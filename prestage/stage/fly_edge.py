"""The edge of a pretended Fly.io: HTTP for an app's host name goes to its machine, which is woken if it sleeps."""

import http.client
import re
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from prestage.stage.fly_apps import App, Apps
from prestage.stage.fly_checks import trouble
from prestage.stage.fly_config import Check, Service
from prestage.stage.fly_machines import DestroyedError, Machine

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_APPLICATION_SECONDS = 60.0
_STEP_SECONDS = 0.05
_CHUNK = 64 * 1024
_OWN_HOSTS = frozenset(["127.0.0.1", "localhost"])
_LOG_PATH = re.compile(r"/logs/([^/]+)")
_NO_APP = "no app with a public address has this host name"
_HOP_BY_HOP = frozenset(
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]
)


class NoRouteError(Exception):
    """Nothing answers for a request; the status and words are for who asked."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class Edge:
    """A WSGI application that stands where Fly's proxy does.

    It has no TLS, so `force_https` is left alone and applications are told `http`; and no WebSockets. A service's
    checks are made when somebody asks, not all the time, and one that has passed holds until the next boot. Besides,
    under this machine's own name, `/logs/<app>` is what an app's machines have said, for people.

    Args:
        apps: what there is to route to.
        domain: of the apps' host names, such as `fly.localhost`.
        patience: seconds that a request waits for its machine to be ready.
    """

    def __init__(self, apps: Apps, domain: str, patience: float) -> None:
        self._apps = apps
        self._domain = domain
        self._patience = patience
        self._passed: dict[str, int] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        request = Request(environ)
        try:
            if request.host.partition(":")[0] in _OWN_HOSTS and (log := _LOG_PATH.fullmatch(request.path)):
                return Response(self._tell_log(log[1]), mimetype="text/plain")(environ, start_response)
            return self._answer(request, start_response)
        except NoRouteError as error:
            return Response(f"{error.words}\n", error.status, mimetype="text/plain")(environ, start_response)

    def _answer(self, request: Request, start_response: "StartResponse") -> Iterable[bytes]:
        app = self._find(request.host.partition(":")[0].lower())
        machine = _choose(app)
        service = machine.config.services[0]
        self._await_ready(machine, service)
        _refuse_deleted(app)
        return _forward(request, machine, service, start_response)

    def _find(self, hostname: str) -> App:
        name, _, domain = hostname.partition(".")
        app = self._apps.find(name) if domain == self._domain else self._apps.by_host(hostname)
        if app is None or not app.public:
            raise NoRouteError(HTTPStatus.NOT_FOUND, _NO_APP)
        _refuse_deleted(app)
        return app

    def _tell_log(self, name: str) -> str:
        app = self._apps.find(name)
        if app is None or app.organization != self._apps.organization:
            raise NoRouteError(HTTPStatus.NOT_FOUND, "no app has this name")
        machines = tuple(app.machines.values())
        told = [f"machine {machine.id} is {machine.state}\n\n{machine.read_log()}" for machine in machines]
        return "\n".join(told) or "the app has no machine\n"

    def _await_ready(self, machine: Machine, service: Service) -> None:
        if machine.state == "stopped" and service.autostart:
            try:
                machine.start()
            except DestroyedError:
                raise NoRouteError(HTTPStatus.SERVICE_UNAVAILABLE, "the machine is being destroyed") from None
        for _ in range(int(self._patience / _STEP_SECONDS)):
            if self._passed.get(machine.id) == machine.boots and machine.state == "started":
                return
            if machine.state in {"created", "stopped", "failed", "destroyed"}:
                raise NoRouteError(HTTPStatus.SERVICE_UNAVAILABLE, f"the machine is {machine.state}")
            if self._passes(machine, service):
                return
            time.sleep(_STEP_SECONDS)
        raise NoRouteError(HTTPStatus.SERVICE_UNAVAILABLE, "the machine runs, but is not ready to answer")

    def _passes(self, machine: Machine, service: Service) -> bool:
        boot = machine.boots
        checks = service.checks or (Check(type="tcp"),)
        if any(trouble(machine, check, check.port or service.internal_port) for check in checks):
            return False
        self._passed[machine.id] = boot
        return True


def _refuse_deleted(app: App) -> None:
    if app.deleted:
        raise NoRouteError(HTTPStatus.NOT_FOUND, _NO_APP)


def _choose(app: App) -> Machine:
    served = [machine for machine in tuple(app.machines.values()) if machine.config.services]
    if not served:
        raise NoRouteError(HTTPStatus.SERVICE_UNAVAILABLE, "the app has no machine with a service")
    return min(served, key=lambda machine: machine.state != "started")


def _forward(request: Request, machine: Machine, service: Service, start_response: "StartResponse") -> Iterable[bytes]:
    connection = http.client.HTTPConnection(
        "127.0.0.1", machine.host_port(service.internal_port), timeout=_APPLICATION_SECONDS
    )
    try:
        answer = _ask(connection, request, machine)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise NoRouteError(
            HTTPStatus.BAD_GATEWAY, f"the application closed without an answer ({type(error).__name__})"
        ) from None
    headers = _own_headers(answer, service)
    start_response(f"{answer.status} {answer.reason}", headers.to_wsgi_list())
    return _Body(connection, answer)


def _ask(connection: http.client.HTTPConnection, request: Request, machine: Machine) -> http.client.HTTPResponse:
    body = request.get_data()
    # As it came: what the server makes of a path is decoded, and an application may tell %2F from a slash.
    target: str = request.environ["REQUEST_URI"]
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers:
        if name.lower() not in _HOP_BY_HOP | {"content-length"}:
            connection.putheader(name, value)
    if body or request.method in {"POST", "PUT", "PATCH"}:
        connection.putheader("Content-Length", str(len(body)))
    peer = request.remote_addr or ""
    for name, value in (("Fly-Client-IP", peer), ("X-Forwarded-For", peer), ("X-Forwarded-Proto", "http")):
        connection.putheader(name, value)
    connection.putheader("Fly-Region", machine.region)
    connection.endheaders(body or None)
    return connection.getresponse()


def _own_headers(answer: http.client.HTTPResponse, service: Service) -> Headers:
    dropped = _HOP_BY_HOP | {"server", "date"}
    headers = Headers([(name, value) for name, value in answer.getheaders() if name.lower() not in dropped])
    by_port = {port.port: port.http_options.response for port in service.ports if "http" in port.handlers}
    # People come by HTTPS; what only port 80 adds, they would not get.
    response = by_port.get(443) or next(iter(by_port.values()), None)
    if response is None or not response.pristine:
        headers["Fly-Request-Id"] = uuid4().hex
        headers["Via"] = "1.1 fly.io"
    for name, value in (response.headers if response else {}).items():
        headers.remove(name)
        for one in (value,) if isinstance(value, str) else value or ():
            headers.add(name, one)
    return headers


class _Body:
    """The answer's body as it comes, and the end of the connection."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._answer.read1(_CHUNK), b"")

    def close(self) -> None:
        self._connection.close()
