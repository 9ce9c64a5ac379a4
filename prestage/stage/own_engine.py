"""A container engine of its own for `make check-sam-local`, where a machine has none and reaches no registry."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prestage.ending import disregard_signals
from prestage.stage.container_engine import NoEngineError

_SECONDS = 300
_REMOVE_TRIES = 100


@contextmanager
def own_engine(scripts: Path) -> Iterator[None]:
    """Have docker find an engine that two scripts make, until the end.

    Args:
        scripts: a folder with `engine.sh start DIR`, which prints the engine's DOCKER_HOST, `engine.sh stop DIR`, and
            `build-image.sh VERSION PREFIX`, which gives it the image that Lambda's Python of that version has, out of
            the CPython at PREFIX. `python` there is the one of this process.

    Raises:
        NoEngineError: a script failed; the text has its last words.
    """
    folder = Path(tempfile.mkdtemp(prefix="prestage-engine-"))
    before = os.environ.get("DOCKER_HOST")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"}
    try:
        host = _run(scripts / "engine.sh", "start", str(folder), environment=environment)
        os.environ["DOCKER_HOST"] = environment["DOCKER_HOST"] = host
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _run(scripts / "build-image.sh", version, sys.base_prefix, environment=environment)
        yield
    finally:
        disregard_signals()
        _restore(before)
        _end(scripts, folder, environment)


def _run(script: Path, *arguments: str, environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [str(script), *arguments],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            start_new_session=True,  # Ctrl-C is this process's to meet
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEngineError(f"{script} could not be run: {type(error).__name__}") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise NoEngineError(f"{script.name} {arguments[0]}: {lines[-1]}")
    return done.stdout.strip()


def _restore(host: str | None) -> None:
    if host is None:
        os.environ.pop("DOCKER_HOST", None)
    else:
        os.environ["DOCKER_HOST"] = host


def _end(scripts: Path, folder: Path, environment: Mapping[str, str]) -> None:
    try:
        _run(scripts / "engine.sh", "stop", str(folder), environment=environment)
    except NoEngineError as error:
        sys.stderr.write(f"the engine in {folder} may not have ended: {error}\n")
        return
    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove what the engine wrote; what it had started may write a moment longer."""
    for _ in range(_REMOVE_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    sys.stderr.write(f"{folder} could not be removed\n")
