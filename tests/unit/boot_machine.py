"""Machines that boot.sh is run on: a folder, a PATH with the programs of an image, and a source to fetch."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import flask
import pytest
from werkzeug.wrappers import Response

BOOT = Path(__file__).parents[2] / "services" / "runtimes" / "boot.sh"
SHA = "4f3c2b1a" * 5
OTHER_SHA = "a1b2c3d4" * 5
CAPABILITY = "c-8d1f7a90b3"
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
FETCHERS = ("curl", "wget", "busybox wget", "python3", "python", "node")
NEEDED = ("tar", "gzip", "mkdir", "mv", "rm", "cat", "sleep", "env", "sh")


def archive(files: Mapping[str, str], top: str = "octo-shop-4f3c2b1") -> bytes:
    """As GitHub packs it: one top folder, and a global header that names the commit."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": SHA}) as packed:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{top}/{name}" if top else name)
            info.size, info.mode = len(text), 0o755
            packed.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass
class Source:
    """Serves an archive behind a redirect, as `source` and GitHub do."""

    body: bytes
    failures: int = 0
    asked: list[str] = field(default_factory=list)

    def application(self) -> flask.Flask:
        app = flask.Flask("source")
        app.add_url_rule("/source/<capability>", view_func=self.redirect)
        app.add_url_rule("/archive.tar.gz", view_func=self.serve)
        return app

    def redirect(self, capability: str) -> Response:
        self.asked.append(capability)
        if len(self.asked) <= self.failures:
            return Response("later", 503)
        return flask.redirect("/archive.tar.gz?x=[1]&y={2}", 302)

    def serve(self) -> Response:
        return Response(self.body, mimetype="application/x-gzip")


@dataclass
class Machine:
    """A folder to boot in, and a PATH with the programs of its image."""

    home: Path
    programs: Path
    shell: list[str]
    url: str

    def boot(
        self, *arguments: str, start: str | None = "exit 0", **settings: str | None
    ) -> subprocess.CompletedProcess[str]:
        """Run boot.sh to the end; a setting that is None is not set at all."""
        environment = {
            "PATH": str(self.programs),
            "PORT": "8080",
            "build": "the application's own",
            "PRESTAGE_SOURCE_URL": self.url,
            "PRESTAGE_SHA": SHA,
            "PRESTAGE_START": start,
            "PRESTAGE_FETCH_WAITS": "0 0",
        } | settings
        return subprocess.run(
            [*self.shell, str(self.home / "boot.sh"), *arguments],
            env={name: value for name, value in environment.items() if value is not None},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            start_new_session=True,
        )

    @property
    def left(self) -> set[str]:
        return {entry.name for entry in self.home.iterdir()} - {"boot.sh"}


def link(programs: Path, name: str, target: str | None = None) -> None:
    found = shutil.which(target or name)
    if found is None:
        pytest.skip(f"this machine has no {target or name}")
    (programs / name).symlink_to(Path(found).resolve() if target is None else found)


def bring(programs: Path, fetcher: str) -> None:
    """Put one of `FETCHERS` on the image."""
    if fetcher.startswith("python"):
        link(programs, fetcher, os.path.realpath(sys.executable))
    elif fetcher == "busybox wget":
        link(programs, "wget", "busybox")
    else:
        link(programs, fetcher)


def brings_its_own(shell: list[str], programs: Path, name: str = "wget") -> bool:
    """BusyBox may be built so that its shell finds its own programs before any of PATH."""
    answer = subprocess.run(
        [*shell, "-c", f"command -v {name}"], env={"PATH": str(programs)}, capture_output=True, check=False
    )
    return answer.returncode == 0


def new_machine(shell: str, folder: Path, url: str) -> Machine:
    """With what every image has, and the shell of that name; its source is at `url`."""
    name, *options = SHELLS[shell]
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"this machine has no {name}")
    home, programs = folder / "prestage", folder / "bin"
    home.mkdir()
    programs.mkdir()
    shutil.copy(BOOT, home)
    for needed in NEEDED:
        link(programs, needed)
    return Machine(home, programs, [program, *options], url)
