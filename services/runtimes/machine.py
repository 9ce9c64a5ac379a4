"""The machine that an environment should have, as Fly's Machines API takes it."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fly_io.client import Machine
from records.apps import App
from records.environments import Environment

MACHINE_NAME = "app"
"""The only machine of its Fly app. Fly refuses a second one of the same name."""

PASSWORD = "PRESTAGE_PASSWORD"  # noqa: S105  # a variable's name
"""The secret that an environment has if its visitors have to give it."""

VISITOR = "preview"
"""The user that they say they are; boot.sh has it too."""

_GATE_PORTS = (8998, 8999)
"""Where they come in, in front of the application: the first that is not its own."""

_GENERATION = re.compile(r"[1-9][0-9]{0,14}")
_GONE = frozenset({"destroying", "destroyed"})
_BOOT = "/prestage/boot.sh"
_EXECUTABLE = 0o755
_NO_INDEX = {"response": {"headers": {"X-Robots-Tag": "noindex"}}}


@dataclass(frozen=True)
class Gate:
    """The program that asks visitors for the password: where a machine fetches it, and its SHA-512 in hexadecimal."""

    url: str
    sha512: str


def machine_config(
    environment: Environment, app: App, *, source_url: str, gate: Gate, secret_names: frozenset[str]
) -> dict[str, Any]:
    """The machine's config. Where a config value has a secret's name, the secret's value is the one that counts.

    With the password among the secrets, visitors are asked for it.

    Args:
        environment: what runs.
        app: how it runs.
        source_url: where the machine fetches its commit; it holds a capability.
        gate: what asks for the password.
        secret_names: of the secrets that the Fly app has.
    """
    gate_port = _gate_port(app) if PASSWORD in secret_names else None
    gated = _gated(gate, gate_port) if gate_port else {}
    return {
        "image": app.image,
        "guest": {"cpu_kind": "shared", "cpus": app.cpus, "memory_mb": app.memory_mb},
        "env": {**_variables(environment, app, source_url, secret_names), **gated},
        "init": {"exec": ["/bin/sh", _BOOT]},
        "files": [{"guest_path": _BOOT, "raw_value": _boot_script(), "mode": _EXECUTABLE}],
        "rootfs": {"persist": "always"},
        "restart": {"policy": "on-failure", "max_retries": 3},
        "stop_config": {"signal": "SIGTERM", "timeout": "10s"},
        "metadata": metadata(environment),
        "services": [_service(app, gate_port, indexed=environment.type == "production")],
    }


def metadata(environment: Environment) -> dict[str, str]:
    """What the machine says of itself, by which it is found again."""
    return {
        "app": environment.app_id,
        "environment": environment.id,
        "generation": str(environment.generation),
        "sha": environment.sha,
    }


def generation_of(machine: Machine) -> int:
    """The generation that the machine says it is of, 0 if it says none."""
    said = _GENERATION.fullmatch(str(machine.metadata.get("generation", "")))
    return int(said[0]) if said else 0


def find_ours(machines: Iterable[Machine]) -> Machine | None:
    """The one among an app's machines that is made here, unless it is going."""
    return next((machine for machine in machines if machine.name == MACHINE_NAME and not is_gone(machine)), None)


def is_gone(machine: Machine) -> bool:
    """Whether it is destroyed, or about to be."""
    return machine.state in _GONE


def _variables(environment: Environment, app: App, source_url: str, secret_names: frozenset[str]) -> dict[str, str]:
    config = app.config.get(environment.type, {})
    return {
        **{name: value for name, value in config.items() if name not in secret_names},
        "PORT": str(app.port),
        "PRESTAGE_SOURCE_URL": source_url,
        "PRESTAGE_DIRECTORY": app.directory,
        "PRESTAGE_BUILD": app.build or "",
        "PRESTAGE_START": app.start,
        **_about(environment),
    }


def _gate_port(app: App) -> int:
    return next(port for port in _GATE_PORTS if port != app.port)


def _gated(gate: Gate, port: int) -> Mapping[str, str]:
    return {"PRESTAGE_GATE_URL": gate.url, "PRESTAGE_GATE_SHA512": gate.sha512, "PRESTAGE_GATE_PORT": str(port)}


def _about(environment: Environment) -> Mapping[str, str]:
    number = {"PRESTAGE_PULL_REQUEST": str(environment.pull_request.number)} if environment.pull_request else {}
    return {
        "PRESTAGE_SHA": environment.sha,
        "PRESTAGE_ENVIRONMENT": environment.id,
        "PRESTAGE_ENVIRONMENT_TYPE": environment.type,
        "PRESTAGE_ADDRESS": environment.address,
        **number,
    }


def _service(app: App, gate_port: int | None, *, indexed: bool) -> dict[str, Any]:
    http: dict[str, Any] = {} if indexed else {"http_options": _NO_INDEX}
    healthy = {
        "type": "http",
        "port": app.port,
        "method": "GET",
        "path": app.health_path,
        "interval": "10s",
        "timeout": "5s",
        "grace_period": "30s",
    }
    asking = {"type": "tcp", "port": gate_port, "interval": "10s", "timeout": "5s", "grace_period": "30s"}
    return {
        "protocol": "tcp",
        "internal_port": gate_port or app.port,
        "autostart": True,
        "autostop": "stop",
        "min_machines_running": 0,
        "concurrency": {"type": "requests", "soft_limit": 20, "hard_limit": 50},
        "ports": [
            {"port": 80, "handlers": ["http"], "force_https": True, **http},
            {"port": 443, "handlers": ["tls", "http"], **http},
        ],
        "checks": [healthy, asking] if gate_port else [healthy],
    }


@cache
def _boot_script() -> str:
    return base64.b64encode((Path(__file__).parent / "boot.sh").read_bytes()).decode()
