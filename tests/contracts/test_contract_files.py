"""The files of the published contract are what the models say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]

from prestage.contract_files import MAX_CONTENT, MAX_TEMPLATE, ROOT, differing, files, main, write
from prestage.stage.template import load
from prestage_contracts import EVENTS

REGISTRY = load(ROOT / "events-schema" / "registry.yaml")
RESOURCES = REGISTRY["Resources"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose generated files are up to date."""
    write(tmp_path, files())
    return tmp_path


def test_the_files_are_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "prestage.contract_files", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_what_was_just_written_is_up_to_date(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], root=root) == 0
    assert capsys.readouterr().err == ""


def test_a_check_lists_what_differs_and_says_what_to_do(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "events-schema/PrCommented/v1.json").unlink()
    (root / "docs/events.md").write_text("mine", encoding="utf-8")
    (root / "events-schema/PrForgotten").mkdir()
    (root / "events-schema/PrForgotten/v1.json").write_text("{}", encoding="utf-8")
    assert main(["--check"], root=root) == 1
    assert capsys.readouterr().err.splitlines() == [
        "docs/events.md",
        "events-schema/PrCommented/v1.json",
        "events-schema/PrForgotten/v1.json",
        "run: make schemas",
    ]


def test_a_check_changes_nothing(root: Path) -> None:
    (root / "docs/events.md").write_text("mine", encoding="utf-8")
    main(["--check"], root=root)
    assert (root / "docs/events.md").read_text(encoding="utf-8") == "mine"


def test_writing_mends_what_a_check_complains_about(root: Path) -> None:
    (root / "events-schema/PrForgotten.json").write_text("{}", encoding="utf-8")
    (root / "events-schema/registry.yaml").write_text("mine", encoding="utf-8")
    (root / "docs/mine.md").write_text("mine", encoding="utf-8")
    assert main([], root=root) == 0
    assert differing(root, files()) == []
    assert (root / "docs/mine.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", list(EVENTS))
def test_every_event_has_its_files(name: str) -> None:
    for file in ("v1.json", "example.json"):
        assert json.loads((ROOT / "events-schema" / name / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", list(EVENTS))
def test_every_event_is_registered_with_its_published_schema(name: str) -> None:
    properties = RESOURCES[name]["Properties"]
    published = json.loads((ROOT / "events-schema" / name / "v1.json").read_text(encoding="utf-8"))
    assert properties["SchemaName"] == f"{EVENTS[name].SOURCE}@{name}"
    assert properties["Type"] == "JSONSchemaDraft4"
    assert json.loads(properties["Content"]) == published
    assert len(properties["Content"]) <= MAX_CONTENT


def test_nothing_else_is_registered() -> None:
    assert set(RESOURCES) == {"Registry", *EVENTS}


def test_the_registry_is_named_by_who_deploys_it() -> None:
    assert REGISTRY["Parameters"]["RegistryName"]["Default"] == "prestage"
    assert RESOURCES["Registry"]["Properties"]["RegistryName"] == {"Ref": "RegistryName"}


def test_cloudformation_takes_the_registry() -> None:
    text = (ROOT / "events-schema" / "registry.yaml").read_text(encoding="utf-8")
    assert len(text.encode()) <= MAX_TEMPLATE
    assert lint(text, regions=["us-east-1"]) == []
    assert lint(text.replace("Type: JSONSchemaDraft4", "Typ: JSONSchemaDraft4"), regions=["us-east-1"])
