"""The example for other teams is built as its page says, with the wheel; sam and pip ask the package index."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prestage.stage.consumer import build_wheel
from tests.unit.documented import ROOT, commands_of, typed_words

pytestmark = pytest.mark.built

EXAMPLE = ROOT / "examples" / "subscriber"


def test_it_is_built_as_its_page_says(tmp_path: Path) -> None:
    command, *_ = [one for one in commands_of(EXAMPLE / "README.md") if typed_words(one, "sam") == ["build"]]
    build_wheel(tmp_path / "dist")
    folder = tmp_path / "examples" / "subscriber"
    shutil.copytree(EXAMPLE, folder)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(  # noqa: S602  # a command of the documentation, as a shell takes it
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (folder / ".aws-sam" / "build" / "SmokeFunction" / "prestage_contracts").is_dir()
