"""What another team installs: the wheel alone, in an environment of its own."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from prestage.contract_files import ROOT, wheel_version
from prestage.contract_releases import released_examples
from prestage.stage.consumer import build_wheel, make_environment
from prestage_contracts import CONTRACT

READ = """
import importlib.util, json, sys
from prestage_contracts import parse
assert all(importlib.util.find_spec(name) is None for name in ("prestage", "choreography", "records", "boto3"))
print(json.dumps([type(parse(event)).__name__ for event in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, with what it needs, and with nothing else."""
    return make_environment(tmp_path_factory.mktemp("consumer") / "venv", wheel, "consumer")


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
