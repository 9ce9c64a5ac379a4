"""Fly machines that are processes on this machine."""

import base64
import os
import secrets as randomness
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prestage.stage.fly_config import MachineConfig, Service

SETTLED = frozenset({"started", "stopped", "suspended", "failed", "destroyed"})
"""States that last."""

MOST_RESTARTS = 10
"""Of a machine that keeps ending, whatever its policy: there is no waiting between them here."""

_STEP_SECONDS = 0.05
_REMOVALS = 50
_SIGNALLED = 128


class StaleVersionError(Exception):
    """The machine was updated by somebody else since its version was read."""


class DestroyedError(Exception):
    """The machine is no more."""


class Machine:
    """A machine: a folder for its disk, and a process group while it runs.

    Its `state` and `events` are as Fly tells them. What Fly does over minutes happens here at once: a machine is
    `started` when its process is, and is booted again, if its policy says so, as soon as that has ended.

    Args:
        app: the name of its app.
        name: unique in its app.
        region: where it pretends to be.
        config: what it runs.
        folder: for its disk and its log; created here, and removed with the machine.
        path: what it finds in `PATH`.
        secrets: gives its app's secrets; asked at each boot.
    """

    def __init__(
        self,
        *,
        app: str,
        name: str,
        region: str,
        config: MachineConfig,
        folder: Path,
        path: str,
        secrets: Callable[[], Mapping[str, str]],
    ) -> None:
        self.id = randomness.token_hex(7)
        self.app = app
        self.name = name or f"machine-{self.id[:6]}"
        self.region = region
        self.config = config
        self.instance_id = _new_version()
        self.state = "created"
        self.events: list[dict[str, Any]] = []
        self.environment: dict[str, str] = {}
        self.boots = 0
        self.created_at = self.updated_at = timestamp()
        self.disk = folder / self.id / "disk"
        self.log = folder / self.id / "log"
        self._path = path
        self._secrets = secrets
        self._ports: dict[int, int] = {}
        self._booted = time.monotonic()
        self._restarts = 0
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None
        # Of the two, the first is taken first: it is held while an operation waits for a process to end, and who
        # sees that end needs the second.
        self._operation = threading.RLock()
        self._changed = threading.Condition()
        self._record("launch", "created", "user")

    @property
    def process_id(self) -> int | None:
        """Its main process's, None if it does not run."""
        with self._changed:
            return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether its main process is there."""
        return self.process_id is not None

    @property
    def uptime(self) -> float:
        """Seconds since its latest boot."""
        return time.monotonic() - self._booted

    def read_log(self) -> str:
        """What it has said in all its boots, on both outputs."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self) -> None:
        """Boot it, unless it runs.

        Raises:
            DestroyedError: there is nothing to start.
        """
        with self._operation:
            if self.state == "destroyed":
                raise DestroyedError
            if self.running:
                return
            self._restarts = 0
            self._launch()

    def stop(self, signal_name: str | None = None, seconds: float | None = None, *, by: str = "user") -> None:
        """Ask the process to end, and see to it after `seconds` (both default to what the config says)."""
        with self._operation:
            if self.running:
                self._record("stop", "stopping", by)
                self._end(signal.Signals[signal_name or self.config.stop_config.signal], seconds or self._patience())

    def update(self, config: MachineConfig, *, expected: str | None, launch: bool) -> None:
        """Replace its whole config and boot it.

        Raises:
            StaleVersionError: its version is not `expected`.
            DestroyedError: there is nothing to update.
        """
        with self._operation:
            if self.state == "destroyed":
                raise DestroyedError
            if expected is not None and expected != self.instance_id:
                raise StaleVersionError
            self._set_state("replacing")
            if self.running:
                self._end(signal.SIGTERM, self._patience())
            # A disk is made from an image; nobody outside Fly knows whether a persistent one outlasts another image.
            if config.rootfs.persist != "always" or config.image != self.config.image:
                self.forget_disk()
            self.config, self.instance_id = config, _new_version()
            self._record("update", "replaced", "user")
            self._restarts = 0
            if launch:
                self._launch()
            else:
                self._set_state("stopped")

    def set_metadata(self, metadata: dict[str, str]) -> None:
        """Replace its metadata; it goes on running as it is."""
        with self._operation:
            self.config = self.config.model_copy(update={"metadata": metadata})

    def destroy(self) -> None:
        """End the process without asking, and remove the disk."""
        with self._operation:
            if self.running:
                self._end(signal.SIGKILL, None)
            if self._supervisor is not None:
                self._supervisor.join()
            self._set_state("destroyed")
            _remove(self.disk.parent)

    def forget_disk(self) -> None:
        """Make the disk as new."""
        _remove(self.disk)

    def host_port(self, internal_port: int) -> int:
        """Where on 127.0.0.1 the process serves what it takes for `internal_port`."""
        return self._ports.get(internal_port, internal_port)

    def wait_for(self, states: frozenset[str], seconds: float) -> bool:
        """Whether it comes into one of `states` within about `seconds`."""
        with self._changed:
            for _ in range(int(seconds / _STEP_SECONDS)):
                if self.state in states or self.state == "destroyed":
                    break
                self._changed.wait(_STEP_SECONDS)
            return self.state in states

    def describe(self) -> dict[str, Any]:
        """It, as Fly's API tells of it, without its checks."""
        with self._changed:
            return {
                "id": self.id,
                "name": self.name,
                "state": self.state,
                "region": self.region,
                "instance_id": self.instance_id,
                "private_ip": _private_ip(self.id),
                "image_ref": {"registry": "registry-1.docker.io", "repository": self.config.image},
                "config": self.config.as_read(),
                "events": self.events[::-1],
                "host_status": "ok",
                "created_at": self.created_at,
                "updated_at": self.updated_at,
            }

    def _launch(self) -> None:
        if self.config.rootfs.persist == "never":
            self.forget_disk()
        with self._changed:
            self._stopping = False
            self._process = self._boot()
            if self._process is not None:
                name = f"machine-{self.id}"
                self._supervisor = threading.Thread(
                    target=self._supervise, args=(self._process,), name=name, daemon=True
                )
                self._supervisor.start()

    def _boot(self) -> subprocess.Popen[bytes] | None:
        self.boots += 1
        self._booted = time.monotonic()
        self._set_state("starting")
        app_secrets = self._secrets()
        self._ports = {port: _free_port() for port in self._told_ports().values()}
        self.environment = self._environment(app_secrets)
        try:
            self._write_files(app_secrets)
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    self._command(),
                    cwd=self.disk,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            with self.log.open("a") as log:
                log.write(f"init: {error}\n")
            self._record("launch", "failed", "flyd")
            self._set_state("failed")
            return None
        self._record("start", "started", "flyd")
        self._set_state("started")
        return process

    def _supervise(self, process: subprocess.Popen[bytes] | None) -> None:
        while process is not None:
            # Not reaped yet, so that its number is still its own when the rest of its group is ended.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._changed:
                self._signal(signal.SIGKILL)
                _kill_strays(self.id)
                process = self._process = self._after_end(process.wait())

    def _after_end(self, returned: int) -> subprocess.Popen[bytes] | None:
        again = not self._stopping and self._restarts_after(returned)
        code = returned if returned >= 0 else _SIGNALLED - returned
        end = {"exit_code": code, "oom_killed": False, "requested_stop": self._stopping, "restarting": again}
        self._record("exit", "stopped", "flyd", {"exit_event": end, "restart_count": self._restarts})
        if not again:
            self._set_state("stopped")
            return None
        self._restarts += 1
        if self.config.rootfs.persist == "never":
            self.forget_disk()
        return self._boot()

    def _restarts_after(self, returned: int) -> bool:
        policy = self.config.restart
        if policy.policy == "no" or (policy.policy == "on-failure" and returned == 0):
            return False
        most = min(policy.max_retries, MOST_RESTARTS) if policy.policy == "on-failure" else MOST_RESTARTS
        return self._restarts < most

    def _end(self, how: signal.Signals, seconds: float | None) -> None:
        supervisor = self._supervisor
        if supervisor is None:
            return
        with self._changed:
            self._stopping = True
            self._signal(how)
        supervisor.join(seconds)
        if supervisor.is_alive():
            with self._changed:
                self._signal(signal.SIGKILL)
            supervisor.join()

    def _signal(self, how: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)

    def _patience(self) -> float:
        return duration_seconds(self.config.stop_config.timeout)

    def _told_ports(self) -> dict[str, int]:
        """Its services' ports, by the variables that say them."""
        ports = {str(port): port for service in self.config.services for port in _ports(service)}
        said = ((name, ports.get(value)) for name, value in self.config.env.items() if name.endswith("PORT"))
        return {name: port for name, port in said if port is not None}

    def _environment(self, app_secrets: Mapping[str, str]) -> dict[str, str]:
        home = self.disk / "root"
        home.mkdir(parents=True, exist_ok=True)
        environment = {"PATH": self._path, **self.config.env, **app_secrets, "HOME": str(home)}
        # Every machine of Fly has a network of its own, in which any port is free. Here they share one, so an
        # application that follows PORT is told a free port, and the edge knows which.
        environment.update({name: str(self._ports[port]) for name, port in self._told_ports().items()})
        return environment | {
            "FLY_APP_NAME": self.app,
            "FLY_MACHINE_ID": self.id,
            "FLY_REGION": self.region,
            "FLY_PRIVATE_IP": _private_ip(self.id),
            "FLY_IMAGE_REF": self.config.image,
            "FLY_MACHINE_VERSION": self.instance_id,
            "FLY_VM_MEMORY_MB": str(self.config.guest.memory_mb),
        }

    def _host_path(self, guest_path: str) -> Path:
        return self.disk / guest_path.lstrip("/")

    def _write_files(self, app_secrets: Mapping[str, str]) -> None:
        for file in self.config.files:
            target = self._host_path(file.guest_path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content(app_secrets))
            target.chmod(file.mode)

    def _command(self) -> list[str]:
        ours = {file.guest_path: str(self._host_path(file.guest_path)) for file in self.config.files}
        return [ours.get(word, word) for word in self.config.init.command]

    def _set_state(self, state: str) -> None:
        with self._changed:
            self.state = state
            self.updated_at = timestamp()
            self._changed.notify_all()

    def _record(self, kind: str, status: str, source: str, request: Mapping[str, Any] | None = None) -> None:
        event = {"id": _new_version(), "type": kind, "status": status, "source": source, "request": request}
        self.events.append(event | {"timestamp": time.time_ns() // 1_000_000})


def timestamp() -> str:
    """Now, as Fly writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def duration_seconds(duration: str) -> float:
    """How long `duration` is, which is one number and unit, such as 10s."""
    for unit, seconds in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        if duration.endswith(unit):
            return float(duration.removesuffix(unit)) * seconds
    raise ValueError("not a duration")


def _new_version() -> str:
    return base64.b32hexencode(randomness.token_bytes(16)).decode().rstrip("=")


def _private_ip(machine_id: str) -> str:
    return f"fdaa:0:1:a7b:{machine_id[:4]}:{machine_id[4:8]}:{machine_id[8:12]}:2"


def _ports(service: Service) -> Iterator[int]:
    yield service.internal_port
    yield from (check.port for check in service.checks if check.port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _remove(folder: Path) -> None:
    """Remove the folder, for as long as a process that is being killed still writes into it."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_STEP_SECONDS)


def _kill_strays(machine_id: str) -> None:
    """End what left the process group: with a real machine, everything in it goes."""
    mark = f"FLY_MACHINE_ID={machine_id}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
