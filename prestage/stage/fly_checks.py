"""The health checks of a pretended Fly.io's machines: made when somebody asks, not all the time."""

import http.client
import socket
from contextlib import closing
from http import HTTPStatus

from prestage.stage.fly_config import Check
from prestage.stage.fly_machines import Machine, duration_seconds, timestamp

_SECONDS = 2.0


def describe_checks(machine: Machine) -> list[dict[str, str]]:
    """What the machine's checks say now, as Fly's API tells of them."""
    checks: list[tuple[str, Check, int]] = [(name, check, check.port) for name, check in machine.config.checks.items()]
    for service in machine.config.services:
        for number, check in enumerate(service.checks):
            port = check.port or service.internal_port
            checks.append((f"servicecheck-{number:02}-{check.type}-{port}", check, port))
    return [_describe(name, machine, check, port) for name, check, port in checks]


def trouble(machine: Machine, check: Check, internal_port: int) -> str | None:
    """What is wrong, or None."""
    if machine.state != "started":
        return "the machine hasn't started"
    port = machine.host_port(internal_port)
    try:
        if check.type == "tcp":
            socket.create_connection(("127.0.0.1", port), _SECONDS).close()
            return None
        status = _status(check, port)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"
    good = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    return None if good else f"the check was answered with {status}"


def _status(check: Check, port: int) -> int:
    headers = {header.name: ", ".join(header.values) for header in check.headers}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)) as connection:
        connection.request(check.method.upper(), check.path, headers=headers)
        return connection.getresponse().status


def _describe(name: str, machine: Machine, check: Check, port: int) -> dict[str, str]:
    status, output = _result(machine, check, port)
    return {"name": name, "status": status, "output": output, "updated_at": timestamp()}


def _result(machine: Machine, check: Check, port: int) -> tuple[str, str]:
    # Taken first: what was asked within the grace period does not count, however long the answer took.
    excused = machine.state != "started" or machine.uptime < duration_seconds(check.grace_period)
    found = trouble(machine, check, port)
    if found is None:
        return "passing", "ok"
    return "warning" if excused else "critical", found
