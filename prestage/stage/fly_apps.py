"""The apps of a pretended Fly.io, whoever's they are."""

import itertools
import re
import secrets as randomness
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

from prestage.stage.fly_certificates import Certificate, covers
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


@dataclass(frozen=True)
class Lingering:
    """How deletions go: an app that was deleted is seen by that many looks before it is gone.

    Until then its name is taken, and it is told to be in `status`, with its machines or, as a rule, without them.
    """

    looks: int = 0
    status: str = "deployed"
    machines_run: bool = False


@dataclass
class App:
    """An app, and what is in it. `secrets` is never changed, only replaced: machines read it as they boot."""

    name: str
    organization: str
    network: str
    id: str = field(default_factory=lambda: randomness.token_hex(8))
    ips: list[dict[str, Any]] = field(default_factory=list)
    secrets: Mapping[str, str] = field(default_factory=dict)
    secrets_version: int = 0
    machines: dict[str, Machine] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    created_at: str = field(default_factory=timestamp)
    deletion: Lingering | None = None
    looks: int = 0

    def describe(self) -> dict[str, Any]:
        """It, as Fly's API tells of it."""
        status = "deployed" if self.machines else "pending"
        return {
            "id": self.id,
            "name": self.name,
            "status": self.deletion.status if self.deletion else status,
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
    def deleted(self) -> bool:
        """Whether somebody has deleted it, though it may still be seen."""
        return self.deletion is not None

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
        leads_to: whether DNS leads a host name to the app of a name.
    """

    def __init__(self, *, organization: str, root: Path, path: str, leads_to: Callable[[str, str], bool]) -> None:
        self.organization = organization
        self.lingering = Lingering()
        self._root = root
        self._path = path
        self._leads_to = leads_to
        self._apps: dict[str, App] = {}
        self._machines: dict[str, Machine] = {}
        self._proven: dict[str, str] = {}
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

    def look(self, name: str) -> App | None:
        """The same, by somebody who wants to know whether it is still there: a deleted one fades with each look."""
        app = self.find(name)
        if app is None or app.deletion is None:
            return app
        with self._lock:
            app.looks += 1
            gone = app.looks > app.deletion.looks
        if not gone:
            return app
        self._remove(app)
        return self.find(name)

    def by_host(self, hostname: str) -> App | None:
        """The app that has an active certificate for the host name: one for just this name before a wildcard."""
        active = [
            (name == hostname, app)
            for app in self.live()
            for name in tuple(app.certificates)
            if covers(name, hostname) and self.is_proven(name, app)
        ]
        return max(active, key=itemgetter(0))[1] if active else None

    def prove(self, hostname: str, app: str) -> None:
        """Let DNS prove that the host name is that app's, and no other's."""
        self._proven[hostname] = app

    def is_proven(self, hostname: str, app: App) -> bool:
        """Whether DNS proves that the host name is the app's."""
        return self._proven.get(hostname) == app.name or self._leads_to(hostname, app.name)

    def listed(self, organization: str) -> tuple[App, ...]:
        """The organisation's, also those that were deleted and linger."""
        with self._lock:
            return tuple(app for app in self._apps.values() if app.organization == organization)

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
        """Delete the app with its machines, in the way that deletions go now. One that is deleted already goes on."""
        with self._lock:
            if app.deletion is not None:
                return
            app.deletion = self.lingering
        if not app.deletion.looks:
            self._remove(app)
        elif not app.deletion.machines_run:
            self._end_machines(app)

    def _remove(self, app: App) -> None:
        # The name last: once an app is not found, nothing of it runs.
        self._end_machines(app)
        with self._lock:
            if self._apps.get(app.name) is app:
                del self._apps[app.name]

    def _end_machines(self, app: App) -> None:
        for machine in tuple(app.machines.values()):
            self.remove_machine(app, machine)

    def close(self) -> None:
        """End every machine and remove what they left."""
        with self._lock:
            self._closed = True
        for machine in self.machines():
            machine.destroy()
        shutil.rmtree(self._root, ignore_errors=True)
