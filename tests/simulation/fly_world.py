"""A simulated Fly.io: apps and machines that take their time to boot and to go, and what each of them served."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import httpx

from tests.simulation.clock import SimulatedClock

ORGANIZATION = "sim"
BUILD_FAILED = 83

type Answer = tuple[int, Any]

_APP = r"/apps/(?P<app>[^/]+)"
_MACHINE = _APP + r"/machines/(?P<machine>[^/]+)"


@dataclass
class Machine:
    """A machine. It is up, or has ended, at `settles`; until then it boots."""

    id: str
    name: str
    config: dict[str, Any]
    version: int
    begun: datetime
    settles: datetime
    fails: bool
    stopped: bool = False

    @property
    def generation(self) -> int:
        """Which it runs."""
        return int(self.config["metadata"]["generation"])

    @property
    def sha(self) -> str:
        """The commit that it runs."""
        return str(self.config["metadata"]["sha"])


@dataclass
class App:
    """An app. `gone` is when its deletion is done, None while nobody asked for one."""

    name: str
    network: str
    ips: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    made: datetime | None = None
    gone: datetime | None = None


@dataclass(frozen=True)
class Served:
    """From that moment on, a Fly app served that commit."""

    app: str
    generation: int
    sha: str
    at: datetime


class FlyWorld:
    """Everything there is on Fly.io. A commit whose SHA ends with 0 fails to build.

    Args:
        clock: the time.
        random: how long things take.
    """

    def __init__(self, clock: SimulatedClock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._apps: dict[str, App] = {}
        self._ids = count(1)
        self.served: list[Served] = []
        self.removed_by_hand: set[str] = set()
        self.most_apps = 0
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(f"^/v1{path}$"), view)
            for method, path, view in (
                ("GET", "/apps", self._list),
                ("POST", "/apps", self._create),
                ("GET", _APP, self._get),
                ("DELETE", _APP, self._delete),
                ("GET", _APP + "/ip_assignments", self._ips),
                ("POST", _APP + "/ip_assignments", self._assign),
                ("GET", _APP + "/secrets", self._secrets),
                ("POST", _APP + "/secrets", self._set_secrets),
                ("GET", _APP + "/machines", self._machines),
                ("POST", _APP + "/machines", self._launch),
                ("GET", _MACHINE, self._machine),
                ("POST", _MACHINE, self._update),
                ("POST", _MACHINE + "/start", self._start),
            )
        ]

    @property
    def apps(self) -> dict[str, App]:
        """The apps that there are now, by name."""
        now = self._clock()
        self._apps = {name: app for name, app in self._apps.items() if app.gone is None or app.gone > now}
        return self._apps

    def running(self) -> list[tuple[App, Machine]]:
        """The machines that are not being deleted."""
        return [(app, machine) for app in self.apps.values() if app.gone is None for machine in app.machines.values()]

    def stop(self, machine: Machine) -> None:
        """As the proxy does, for want of visitors."""
        machine.stopped = True

    def remove(self, app: App) -> None:
        """Somebody deletes an app by hand."""
        del self._apps[app.name]
        self.removed_by_hand.add(app.name)

    def leave_behind(self, name: str) -> None:
        """An app that nobody knows of any more, on the private network of its name as ours are."""
        self._apps[name] = App(name, name, made=self._clock())

    def settle(self) -> None:
        """Write down what is served by now."""
        now = self._clock()
        for app, machine in self.running():
            if machine.settles <= now and not machine.fails and not machine.stopped:
                served = Served(app.name, machine.generation, machine.sha, machine.settles)
                if served not in self.served:
                    self.served.append(served)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request of the Machines API's."""
        self.settle()
        for method, pattern, view in self._routes:
            found = pattern.match(request.url.path) if method == request.method else None
            if found is not None:
                said = json.loads(request.content) if request.content else {}
                status, body = self._for_app(view, said, **found.groupdict())
                return httpx.Response(status, json=body)
        raise AssertionError(f"the simulated Fly knows no {request.method} {request.url.path}")

    def _for_app(self, view: Callable[..., Answer], said: dict[str, Any], **given: str) -> Answer:
        if "app" not in given:
            return view(said)
        app = self.apps.get(given["app"])
        if app is None:
            return 404, {"error": "app not found"}
        if "machine" not in given:
            return view(said, app)
        machine = app.machines.get(given["machine"])
        return (404, {"error": "machine not found"}) if machine is None else view(said, app, machine)

    def _list(self, _said: dict[str, Any]) -> Answer:
        apps = [_described(app) for app in self.apps.values()]
        return 200, {"total_apps": len(apps), "apps": apps}

    def _create(self, said: dict[str, Any]) -> Answer:
        if said["name"] in self.apps:
            return 422, {"error": "Validation failed: Name has already been taken", "status": "name_taken"}
        self._apps[said["name"]] = App(said["name"], said["network"], made=self._clock())
        self.most_apps = max(self.most_apps, len(self._apps))
        return 201, {}

    def _get(self, _said: dict[str, Any], app: App) -> Answer:
        return 200, _described(app)

    def _delete(self, _said: dict[str, Any], app: App) -> Answer:
        if app.gone is None:
            app.gone = self._clock() + timedelta(seconds=self._random.choice((0, 0, 3, 20, 90)))
        return 202, {}

    def _ips(self, _said: dict[str, Any], app: App) -> Answer:
        ips = {"shared_v4": {"ip": "66.241.124.1", "shared": True}, "v6": {"ip": "2a09:8280:1::1", "shared": False}}
        return 200, {"ips": [ips[kind] for kind in app.ips]}

    def _assign(self, said: dict[str, Any], app: App) -> Answer:
        app.ips.append(said["type"])
        return 200, {"ip": "2a09:8280:1::1"}

    def _secrets(self, _said: dict[str, Any], app: App) -> Answer:
        return 200, {"secrets": [{"name": name} for name in app.secrets]}

    def _set_secrets(self, said: dict[str, Any], app: App) -> Answer:
        merged = {**app.secrets, **said["values"]}
        app.secrets = {name: value for name, value in merged.items() if value is not None}
        return 200, {"version": next(self._ids), "secrets": []}

    def _machines(self, _said: dict[str, Any], app: App) -> Answer:
        return 200, [self._shown(machine) for machine in app.machines.values()]

    def _launch(self, said: dict[str, Any], app: App) -> Answer:
        if any(machine.name == said["name"] for machine in app.machines.values()):
            return 409, {"error": "already_exists: unique machine name violation"}
        machine = self._booted(f"{next(self._ids):014x}", said["name"], said["config"])
        app.machines[machine.id] = machine
        return 200, self._shown(machine)

    def _machine(self, _said: dict[str, Any], _app: App, machine: Machine) -> Answer:
        return 200, self._shown(machine)

    def _update(self, said: dict[str, Any], app: App, machine: Machine) -> Answer:
        if said["current_version"] != _version(machine):
            return 409, {"error": "aborted: stale current_version"}
        app.machines[machine.id] = changed = self._booted(machine.id, machine.name, said["config"])
        return 200, self._shown(changed)

    def _start(self, _said: dict[str, Any], _app: App, machine: Machine) -> Answer:
        if machine.stopped:
            machine.stopped, machine.begun = False, self._clock()
            machine.settles = self._later()
        return 200, {}

    def _booted(self, machine_id: str, name: str, config: dict[str, Any]) -> Machine:
        fails = str(config["metadata"]["sha"]).endswith("0")
        return Machine(machine_id, name, config, next(self._ids), self._clock(), self._later(), fails)

    def _later(self) -> datetime:
        return self._clock() + timedelta(seconds=self._random.choice((1, 2, 8, 40, 300)))

    def _shown(self, machine: Machine) -> dict[str, Any]:
        settled = machine.settles <= self._clock()
        began, ended = _milliseconds(machine.begun), _milliseconds(machine.settles)
        events: list[dict[str, Any]] = [{"type": "launch", "timestamp": began}]
        if settled and machine.fails:
            told: dict[str, Any] = {"exit_code": BUILD_FAILED}
            events.insert(0, {"type": "exit", "timestamp": ended, "request": {"exit_event": told}})
        elif machine.stopped:
            told = {"exit_code": 0, "requested_stop": True}
            events.insert(0, {"type": "exit", "timestamp": ended + 1, "request": {"exit_event": told}})
        ends = (settled and machine.fails) or machine.stopped
        passing = "passing" if settled and not machine.fails else "critical"
        return {
            "id": machine.id,
            "name": machine.name,
            "state": "stopped" if ends else "started",
            "region": "iad",
            "instance_id": _version(machine),
            "config": machine.config,
            "checks": [{"name": "servicecheck-00-http-8080", "status": passing}],
            "events": events,
        }


def _version(machine: Machine) -> str:
    return f"{machine.version:026d}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _described(app: App) -> dict[str, Any]:
    return {
        "id": app.name,
        "name": app.name,
        "status": "deployed",
        "network": app.network,
        "organization": {"slug": ORGANIZATION},
    }
