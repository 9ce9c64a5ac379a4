"""What another team installs: the wheel alone, in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from prestage.contract_files import ROOT, wheel_version
from prestage.contract_releases import released_examples
from prestage_contracts import CONTRACT

UV = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv/bin/uv")

READ = """
import importlib.util, json, sys
from prestage_contracts import parse
assert all(importlib.util.find_spec(name) is None for name in ("prestage", "choreography", "records", "boto3"))
print(json.dumps([type(parse(event)).__name__ for event in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT / "contracts/python", capture_output=True, check=True)
    [found] = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, with what it needs, and with nothing else."""
    environment = tmp_path_factory.mktemp("consumer") / "venv"
    inside = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment), "VIRTUAL_ENV": str(environment)}
    for command in (
        [
            UV,
            "sync",
            "--frozen",
            "--offline",
            "--no-install-project",
            "--only-group",
            "consumer",
            "--python",
            sys.executable,
        ],
        [UV, "pip", "install", "--offline", "--no-deps", str(wheel)],
        [UV, "pip", "check"],
    ):
        subprocess.run(command, cwd=ROOT, env=inside, capture_output=True, check=True)
    return environment / "bin/python"


def test_the_wheel_parses_every_released_example_without_prestage(python: Path, tmp_path: Path) -> None:
    events = list(released_examples(ROOT).values())
    ran = subprocess.run(
        [python, "-I", "-c", READ], input=json.dumps(events), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [event["detail-type"] for event in events]
    assert set(json.loads(ran.stdout)) <= CONTRACT.keys()


def test_the_wheel_has_the_contract_and_its_types_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "prestage_contracts",
        f"prestage_contracts-{wheel_version()}.dist-info",
    }
    modules = {f"prestage_contracts/{path.name}" for path in (ROOT / "services/prestage_contracts").glob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == modules | {"prestage_contracts/py.typed"}


def test_the_wheel_needs_pydantic_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"prestage_contracts-{wheel_version()}.dist-info/METADATA").decode()
    [needed] = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert needed.startswith("Requires-Dist: pydantic")


def test_the_typescript_types_have_the_wheel_s_version() -> None:
    package = json.loads((ROOT / "contracts/typescript/package.json").read_text(encoding="utf-8"))
    assert package["version"] == wheel_version()
