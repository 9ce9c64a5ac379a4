"""The edge of a pretended Fly.io: HTTP for an app's host name goes to its machine, which is woken if it sleeps."""

import http.client
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from prestage.stage.fly_apps import App, Apps
from prestage.stage.fly_config import Check, Service
from prestage.stage.fly_machines import DestroyedError, Machine, timestamp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_CHECK_SECONDS = 2.0
_APPLICATION_SECONDS = 60.0
_STEP_SECONDS = 0.05
_CHUNK = 64 * 1024
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
    checks are made when somebody asks, not all the time, and one that has passed holds until the next boot.

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
            machine, service = self._route(request.host)
            self._await_ready(machine, service)
            return _forward(request, machine, service, start_response)
        except NoRouteError as error:
            return Response(f"{error.words}\n", error.status, mimetype="text/plain")(environ, start_response)

    def describe_checks(self, machine: Machine) -> list[dict[str, str]]:
        """What the machine's checks say now, as Fly's API tells of them."""
        checks: list[tuple[str, Check, int]] = [
            (name, check, check.port) for name, check in machine.config.checks.items()
        ]
        for service in machine.config.services:
            for number, check in enumerate(service.checks):
                port = check.port or service.internal_port
                checks.append((f"servicecheck-{number:02}-{check.type}-{port}", check, port))
        return [_describe_check(name, _trouble(machine, check, port)) for name, check, port in checks]

    def _route(self, host: str) -> tuple[Machine, Service]:
        name, _, domain = host.partition(":")[0].lower().partition(".")
        app = self._apps.find(name) if domain == self._domain else None
        if app is None or app.deleted or not app.public:
            raise NoRouteError(HTTPStatus.NOT_FOUND, "no app with a public address has this host name")
        machine = _choose(app)
        return machine, machine.config.services[0]

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
        if any(_trouble(machine, check, check.port or service.internal_port) for check in checks):
            return False
        self._passed[machine.id] = boot
        return True


def _choose(app: App) -> Machine:
    served = [machine for machine in tuple(app.machines.values()) if machine.config.services]
    if not served:
        raise NoRouteError(HTTPStatus.SERVICE_UNAVAILABLE, "the app has no machine with a service")
    return min(served, key=lambda machine: machine.state != "started")


def _trouble(machine: Machine, check: Check, internal_port: int) -> str | None:
    """What is wrong, or None."""
    if machine.state != "started":
        return f"the machine is {machine.state}"
    port = machine.host_port(internal_port)
    try:
        if check.type == "tcp":
            socket.create_connection(("127.0.0.1", port), _CHECK_SECONDS).close()
            return None
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_CHECK_SECONDS)) as connection:
            connection.request(
                check.method.upper(),
                check.path,
                headers={header.name: ", ".join(header.values) for header in check.headers},
            )
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"
    good = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    return None if good else f"the check was answered with {status}"


def _describe_check(name: str, trouble: str | None) -> dict[str, str]:
    status = "critical" if trouble else "passing"
    return {"name": name, "status": status, "output": trouble or "ok", "updated_at": timestamp()}


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
