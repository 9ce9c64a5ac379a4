"""What boot.sh does where visitors have to give a password."""

import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from prestage.stage import caddy
from prestage.stage.serve import Server
from tests.unit.boot_machine import SHA, SHELLS, Machine, Source, archive, bring, brings_its_own, link, new_machine

PASSWORD = "planted-password"  # of no account
APPLICATION = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = json.dumps({"headers": dict(self.headers.items()), "environment": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@dataclass
class Gated:
    """A machine whose visitors come in by `port`."""

    machine: Machine
    settings: dict[str, str | None]
    port: int

    def boot(self) -> subprocess.Popen[bytes]:
        """Begin to boot."""
        given = {"PATH": str(self.machine.programs), **self.settings}
        return subprocess.Popen(
            [*self.machine.shell, str(self.machine.home / "boot.sh")],
            env={name: value for name, value in given.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def visit(self, password: str | None, user: str = "preview") -> httpx.Response:
        """What a visitor gets, once anything but a connection refused or an application that is not there yet."""
        last = time.monotonic() + 30
        while True:
            try:
                auth = None if password is None else (user, password)
                answer = httpx.get(f"http://127.0.0.1:{self.port}/", auth=auth, trust_env=False)
                if answer.status_code != httpx.codes.BAD_GATEWAY or time.monotonic() > last:
                    return answer
            except httpx.TransportError:
                if time.monotonic() > last:
                    raise


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(params=SHELLS)
def gated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gated]:
    with served(request.param, tmp_path, caddy.stand_in()) as found:
        yield found


@pytest.fixture
def gated_by_caddy(tmp_path: Path) -> Iterator[Gated]:
    """With Caddy itself, which is among the packages here."""
    program = Path(sysconfig.get_path("scripts")) / "caddy"
    with served("dash", tmp_path, caddy.release(program.read_bytes())) as found:
        yield found


@contextmanager
def served(shell: str, folder: Path, release: bytes) -> Iterator[Gated]:
    """A machine that can fetch its source and that release."""
    source = Source(archive({"server.py": APPLICATION}))
    with Server(source.application()) as server, Server(caddy.application(release)) as releases:
        machine = new_machine(shell, folder, f"{server.url}/source/capability")
        link(machine.programs, "sha512sum")
        bring(machine.programs, "python3")
        port = free_port()
        settings: dict[str, str | None] = {
            "PRESTAGE_SOURCE_URL": machine.url,
            "PRESTAGE_SHA": SHA,
            "PRESTAGE_FETCH_WAITS": "0",
            "PRESTAGE_START": "exec python3 server.py",
            "PRESTAGE_GATE_URL": f"{releases.url}/caddy.tar.gz",
            "PRESTAGE_GATE_SHA512": caddy.sha512(release),
            "PRESTAGE_GATE_PORT": str(port),
            "PRESTAGE_PASSWORD": PASSWORD,
            "PORT": str(free_port()),
            "API_KEY": "planted-key",
        }
        yield Gated(machine, settings, port)


def test_the_application_is_behind_a_gate_that_lets_in_who_has_the_password(gated: Gated) -> None:
    lets_in_who_has_the_password(gated)


def test_caddy_is_that_gate(gated_by_caddy: Gated) -> None:
    lets_in_who_has_the_password(gated_by_caddy)


def lets_in_who_has_the_password(gated: Gated) -> None:
    process = gated.boot()
    try:
        refused = gated.visit(None)
        assert (refused.status_code, refused.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        assert gated.visit("another").status_code == 401
        assert gated.visit(PASSWORD, user="admin").status_code == 401
        told = gated.visit(PASSWORD).json()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "authorization" not in {name.casefold() for name in told["headers"]}
    assert told["environment"]["API_KEY"] == "planted-key"
    assert not [name for name in told["environment"] if name.startswith("PRESTAGE_GATE") or PASSWORD in name]
    assert PASSWORD not in str(told["environment"])
    assert "planted-key" not in (gated.machine.home / "gate" / "Caddyfile").read_text()


def test_another_program_than_the_one_that_is_expected_is_not_run(gated: Gated) -> None:
    ended = gated.machine.boot(**{**gated.settings, "PRESTAGE_GATE_SHA512": "5a" * 64, "PRESTAGE_START": None})
    assert ended.returncode == 85
    assert "gate: what was fetched is not what it has to be" in ended.stderr


def test_without_a_password_nobody_is_let_in(gated: Gated) -> None:
    ended = gated.machine.boot(**{**gated.settings, "PRESTAGE_PASSWORD": None, "PRESTAGE_START": "exit 0"})
    assert ended.returncode == 85
    assert "gate: there is no password" in ended.stderr


def test_an_image_that_can_check_nothing_is_told_so(gated: Gated) -> None:
    (gated.machine.programs / "sha512sum").unlink()
    if brings_its_own(gated.machine.shell, gated.machine.programs, "sha512sum"):
        pytest.skip("this shell brings its own")
    ended = gated.machine.boot(**gated.settings)
    assert ended.returncode == 85
    assert "gate: this image has no sha512sum" in ended.stderr
