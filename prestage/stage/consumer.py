"""What another team has: the wheel of the contract, in an environment of its own, and nothing else of Prestage."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from prestage.contract_files import ROOT


class ConsumerError(Exception):
    """The wheel or the environment can't be made; the text says why."""


def build_wheel(folder: Path) -> Path:
    """Build `prestage-contracts` into the folder, from this clone.

    Raises:
        ConsumerError: it can't be built.
    """
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT / "contracts/python")
    [found] = folder.glob("*.whl")
    return found


def make_environment(folder: Path, wheel: Path, group: str) -> Path:
    """Make an environment with the wheel and a group of packages, as locked and from uv's cache: gives its interpreter.

    Raises:
        ConsumerError: it can't be made.
    """
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # uv leaves its locks in the folder for temporary files.
    beside = {"UV_PROJECT_ENVIRONMENT": str(folder), "VIRTUAL_ENV": str(folder), "TMPDIR": str(folder.parent)}
    inside = {**os.environ, **beside}
    locked = ["sync", "--frozen", "--offline", "--no-install-project", "--only-group", group]
    _run([uv, *locked, "--python", sys.executable], ROOT, inside)
    _run([uv, "pip", "install", "--offline", "--no-deps", str(wheel)], ROOT, inside)
    _run([uv, "pip", "check"], ROOT, inside)
    return folder / "bin/python"


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise ConsumerError(f"{' '.join(command[:4])} failed: {said}") from None
