"""The apps of a pretended Fly.io, whoever's they are."""

import itertools
import re
import secrets as randomness
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from prestage.stage.fly_config import MachineConfig
from prestage.stage.fly_machines import Machine, timestamp

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,60}[a-z0-9])?")
_SHARED_V4 = "203.0.113.1"
_addresses = itertools.count(1)


class NameTakenError(Exception):
    """An app of this name, or a machine of this name in its app, exists."""


class InvalidNameError(Exception):
    """No app can have this name."""


class ClosedError(Exception):
    """The app, or the whole stage, is being put away."""


@dataclass
class App:
    """An app, and what is in it. `secrets` is never changed, only replaced: machines read it as they boot."""

    name: str
    organization: str
    network: str
    ips: list[dict[str, Any]] = field(default_factory=list)
    secrets: Mapping[str, str] = field(default_factory=dict)
    secrets_version: int = 0
    machines: dict[str, Machine] = field(default_factory=dict)
    created_at: str = field(default_factory=timestamp)
    deleted: bool = False
    lingers: int = 0

    def describe(self) -> dict[str, Any]:
        """It, as Fly's API tells of it."""
        return {
            "id": self.name,
            "name": self.name,
            "status": "deployed" if self.machines else "pending",
            "network": self.network,
            "machine_count": len(self.machines),
            "volume_count": 0,
            "organization": {"name": self.organization, "slug": self.organization},
        }

    def assign_ip(self, ip_type: str) -> dict[str, Any]:
        """Give it an address: the shared one once, another of any other type each time."""
        shared = ip_type == "shared_v4"
        for ip in self.ips:
            if shared and ip["shared"]:
                return ip
        number = next(_addresses)
        form = {"shared_v4": _SHARED_V4, "v4": "198.51.100.{}", "v6": "2001:db8::{:x}", "private_v6": "fdaa:0:1::{:x}"}
        ip = {"ip": form[ip_type].format(number), "region": "global", "service_name": "", "shared": shared}
        self.ips.append(ip | {"created_at": timestamp()})
        return self.ips[-1]

    @property
    def public(self) -> bool:
        """Whether anyone can reach it."""
        return any(not ip["ip"].startswith("fdaa:") for ip in self.ips)

    def set_secrets(self, values: Mapping[str, str | None]) -> int:
        """Set and remove secrets; gives their new version."""
        merged = {**self.secrets, **values}
        self.secrets = {name: value for name, value in merged.items() if value is not None}
        self.secrets_version += 1
        return self.secrets_version

    def describe_secrets(self) -> list[dict[str, str]]:
        """What anyone with the token may know of the secrets."""
        return [
            {
                "name": name,
                "digest": sha256(value.encode()).hexdigest()[:16],
                "created_at": self.created_at,
                "updated_at": self.created_at,
            }
            for name, value in sorted(self.secrets.items())
        ]


class Apps:
    """All apps. Their names are unique in all of Fly.

    Args:
        organization: the one whose token there is.
        root: a folder for the machines' disks; made here, and removed by `close`.
        path: what machines find in `PATH`.
    """

    def __init__(self, *, organization: str, root: Path, path: str) -> None:
        self.organization = organization
        self.linger = 0
        self._root = root
        self._path = path
        self._apps: dict[str, App] = {}
        self._machines: dict[str, Machine] = {}
        self._lock = threading.RLock()
        self._closed = False

    def add(self, name: str, organization: str, network: str | None) -> App:
        """Make an app.

        Raises:
            InvalidNameError: see Fly's rules for names.
            NameTakenError: somebody has it.
        """
        if not _NAME.fullmatch(name):
            raise InvalidNameError
        with self._lock:
            if name in self._apps:
                raise NameTakenError
            self._apps[name] = App(name, organization, network or "default")
            return self._apps[name]

    def find(self, name: str) -> App | None:
        """The app, of whichever organisation; also a deleted one that lingers."""
        with self._lock:
            return self._apps.get(name)

    def fade(self, app: App) -> None:
        """Count a look at a deleted app: after `linger` of them it is gone."""
        with self._lock:
            app.lingers -= 1
            if app.lingers < 0:
                self._apps.pop(app.name, None)

    def live(self) -> tuple[App, ...]:
        """Those that nobody has deleted, in the order in which they were made."""
        with self._lock:
            return tuple(app for app in self._apps.values() if not app.deleted)

    def machines(self) -> tuple[Machine, ...]:
        """The machines of all apps, until they are destroyed."""
        with self._lock:
            return tuple(self._machines.values())

    def add_machine(self, app: App, name: str | None, region: str, config: MachineConfig) -> Machine:
        """Make a machine; it does not run yet.

        Raises:
            NameTakenError: the app has a machine of this name.
            ClosedError: there are to be no more machines.
        """
        with self._lock:
            if self._closed or app.deleted:
                raise ClosedError
            name = name or f"machine-{randomness.token_hex(3)}"
            if any(machine.name == name for machine in app.machines.values()):
                raise NameTakenError
            machine = Machine(
                app=app.name,
                name=name,
                region=region,
                config=config,
                folder=self._root,
                path=self._path,
                secrets=lambda: app.secrets,
            )
            app.machines[machine.id] = self._machines[machine.id] = machine
            return machine

    def remove_machine(self, app: App, machine: Machine) -> None:
        """End and forget a machine."""
        machine.destroy()
        app.machines.pop(machine.id, None)
        with self._lock:
            self._machines.pop(machine.id, None)

    def delete(self, app: App) -> None:
        """Delete the app with its machines."""
        with self._lock:
            app.lingers, app.deleted = self.linger, True
            if not self.linger:
                self._apps.pop(app.name, None)
        for machine in tuple(app.machines.values()):
            self.remove_machine(app, machine)

    def close(self) -> None:
        """End every machine and remove what they left."""
        with self._lock:
            self._closed = True
        for machine in self.machines():
            machine.destroy()
        shutil.rmtree(self._root, ignore_errors=True)
