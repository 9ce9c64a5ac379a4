"""The files of the published contract are what the models say."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]

from prestage.contract_files import MAX_CONTENT, MAX_TEMPLATE, ROOT, differing, files, main, write
from prestage.stage.template import load
from prestage_contracts import CONTRACT, EVENTS, REPORTS

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


@pytest.mark.parametrize("name", list(CONTRACT))
def test_every_event_has_its_files(name: str) -> None:
    for file in ("v1.json", "example.json"):
        assert json.loads((ROOT / "events-schema" / name / file).read_text(encoding="utf-8"))
    assert str(CONTRACT[name].__doc__) in (ROOT / "events-schema" / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(CONTRACT))
def test_every_event_is_registered_with_its_published_schema(name: str) -> None:
    properties = RESOURCES[name]["Properties"]
    published = json.loads((ROOT / "events-schema" / name / "v1.json").read_text(encoding="utf-8"))
    assert properties["SchemaName"] == (name if name in REPORTS else f"{EVENTS[name].SOURCE}@{name}")
    assert properties["Type"] == "JSONSchemaDraft4"
    assert json.loads(properties["Content"]) == published
    assert len(properties["Content"]) <= MAX_CONTENT


def test_nothing_else_is_registered() -> None:
    assert set(RESOURCES) == {"Registry", "Readers", *CONTRACT}


def statements(readers: dict[str, str]) -> list[Any]:
    """What the registry's policy says where these are given."""
    values = {name: said["Default"] for name, said in REGISTRY["Parameters"].items()} | readers
    found = [choice["Fn::If"] for choice in RESOURCES["Readers"]["Properties"]["Policy"]["Statement"]]
    given = {"HasAccounts": values["ReaderAccounts"], "HasOrganization": values["ReaderOrganization"]}
    return [statement for condition, statement, _ in found if given[condition]]


def test_nobody_else_reads_the_registry_unless_told() -> None:
    assert RESOURCES["Readers"]["Condition"] == "HasReaders"
    assert statements({}) == []


@pytest.mark.parametrize(
    ("readers", "principal", "condition"),
    [
        ({"ReaderAccounts": "210987654321"}, {"AWS": {"Ref": "ReaderAccounts"}}, None),
        (
            {"ReaderOrganization": "o-a1b2c3d4e5"},
            "*",
            {"StringEquals": {"aws:PrincipalOrgID": {"Ref": "ReaderOrganization"}}},
        ),
    ],
)
def test_named_readers_may_read_the_registry_and_change_nothing(
    readers: dict[str, str], principal: Any, condition: Any
) -> None:
    [statement] = statements(readers)
    assert (statement["Principal"], statement.get("Condition")) == (principal, condition)
    assert all(re.fullmatch("schemas:(Describe|Get|List|Search)[A-Za-z]+", action) for action in statement["Action"])
    assert [resource["Fn::Sub"].rsplit(":", 1)[1] for resource in statement["Resource"]] == [
        "registry/${RegistryName}",
        "schema/${RegistryName}/*",
    ]


def test_the_stack_passes_its_readers_to_the_registry() -> None:
    stack = load(ROOT / "template.yaml")
    assert stack["Resources"]["Contracts"]["Properties"]["Parameters"].keys() == REGISTRY["Parameters"].keys()
    assert stack["Parameters"]["ContractReaderAccounts"]["Default"] == ""
    assert stack["Parameters"]["ContractReaderOrganization"]["Default"] == ""


def test_the_registry_is_named_by_who_deploys_it() -> None:
    assert REGISTRY["Parameters"]["RegistryName"]["Default"] == "prestage"
    assert RESOURCES["Registry"]["Properties"]["RegistryName"] == {"Ref": "RegistryName"}


def test_cloudformation_takes_the_registry() -> None:
    text = (ROOT / "events-schema" / "registry.yaml").read_text(encoding="utf-8")
    assert len(text.encode()) <= MAX_TEMPLATE
    assert lint(text, regions=["us-east-1"]) == []
    assert lint(text.replace("Type: JSONSchemaDraft4", "Typ: JSONSchemaDraft4"), regions=["us-east-1"])
