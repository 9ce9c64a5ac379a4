"""What pages say to type is typed, by tests/unit/test_first_run.py, or seen to elsewhere; and links lead somewhere."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
import yaml
from markdown_it import MarkdownIt
from samcli.cli.main import cli as sam

from prestage.cli import app
from tests.unit.documented import ROOT, SHOWN, blocks, commands_of, name, pages, typed_words
from tests.unit.documented_before import AGREED, BY_BEGINNING, beginning_of
from tests.unit.documented_elsewhere import ELSEWHERE, TARGETS, elsewhere, is_made_in_ci

EVERY = list(dict.fromkeys(command for page in pages() for command in commands_of(page)))
IN_TEXT = re.compile(r"`(?:\.venv/bin/)?(make [^`\n]+)`")


def called(program: str) -> list[str]:
    """Every command that calls that program."""
    return [one for one in EVERY if typed_words(one, program) is not None]


# ---- What is not typed


def test_what_is_seen_to_elsewhere_is_still_on_a_page() -> None:
    assert [command for command in ELSEWHERE if command not in EVERY] == []


def test_what_ci_makes_needs_no_other_reason() -> None:
    assert [command for command in ELSEWHERE if is_made_in_ci(command)] == []


def test_each_reason_names_what_there_is() -> None:
    told = " ".join(ELSEWHERE.values())
    assert [path for path in re.findall(r"tests/[\w/.]+\w", told) if not (ROOT / path).exists()] == []
    assert {words.split()[1] for words in re.findall(r"`(make [a-z -]+)`", told)} <= TARGETS.keys()


def test_what_is_prepared_for_commands_is_for_ones_that_are_typed() -> None:
    typed = [one for one in EVERY if one not in elsewhere()]
    assert BY_BEGINNING.keys() - {beginning_of(one) for one in typed} == set()
    assert [one for one in AGREED if not any(command.startswith(one) for command in typed)] == []


def test_blocks_that_nobody_types_are_on_their_pages() -> None:
    for page, beginnings in SHOWN.items():
        found = list(blocks((ROOT / page).read_text()))
        assert [one for one in beginnings if not any(block.startswith(one) for block in found)] == []


@pytest.mark.parametrize("command", [one for one in called("prestage") if one in ELSEWHERE])
def test_a_command_that_is_not_typed_could_be(command: str) -> None:
    """It is parsed as the command line does, up to where it would be done."""
    group: Any = typer.main.get_group(app)
    words = typed_words(command, "prestage") or []
    while hasattr(group, "commands"):
        assert words, command
        group = group.commands[words.pop(0)]
    group.make_context("prestage", list(words), resilient_parsing=False)


def in_workflows() -> Iterator[str]:
    """What the workflows on pages run."""
    for page in pages():
        for token in MarkdownIt().parse(page.read_text()):
            if token.type == "fence" and token.info == "yaml":
                for job in yaml.safe_load(token.content)["jobs"].values():
                    yield from (step["run"] for step in job["steps"] if "run" in step)


SAM = [one for one in (*EVERY, *in_workflows()) if typed_words(one, "sam") is not None]


@pytest.mark.parametrize("command", SAM)
def test_sam_has_the_options_that_it_is_given(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reads all of them before it comes to --help."""
    monkeypatch.setenv("SAM_CLI_TELEMETRY", "0")
    words = typed_words(command, "sam") or []
    assert sam.main([*words, "--help"], prog_name="sam", standalone_mode=False) == 0
    assert "Usage" in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


# ---- What doctor.md says to type where something is found, with {this} in it

REMEDY = re.compile(r"aws [a-z]+ [a-z-]+(?: --[a-z-]+(?: (?!--)(?:'[^']*'|[^\s|']+))?)*")
ARN = "arn:aws:events:us-east-1:123456789012:event-bus/prestage"
FILLED = {
    "attributes": '{"VisibilityTimeout": "30"}',
    "batch": "1",
    "most": "10",
    "days": "30",
    "pattern": '{"source": ["prestage.vault"]}',
    "target": f'{{"Id": "queue", "Arn": "{ARN}"}}',
}
"""What the others, which are names and ARNs, could not be."""


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[Callable[[Sequence[str]], int], list[str]]]:
    """The AWS CLI, which asks nobody but has everything in order for that, and what it would have asked for."""
    asked: list[str] = []

    def answer(model: Any, **_: object) -> tuple[SimpleNamespace, dict[str, str]]:
        asked.append(model.name)
        return SimpleNamespace(status_code=200), {}

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_DATA_PATH", "")  # so that the CLI's own is not left behind
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patched.setenv(variable, "stage")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        from awscli import clidriver  # noqa: PLC0415  # it changes the environment

        driver = clidriver.create_clidriver()
        driver.session.register("before-call", answer)
        yield driver.main, asked


def test_the_aws_cli_takes_what_is_said_to_mend_a_finding(
    aws: tuple[Callable[[Sequence[str]], int], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    type_, asked = aws
    rows = [line for line in (ROOT / "docs" / "doctor.md").read_text().splitlines() if line.startswith("| `")]
    remedies = {one.rstrip(".,;)") for row in rows for one in REMEDY.findall(row)}
    assert len(remedies) > 20
    for remedy in sorted(remedies):
        filled = re.sub(r"\{(\w+)\}", lambda found: FILLED.get(found[1], ARN), remedy)
        for file in re.findall(r"file://(\S+)", filled):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text("{}")
        assert type_(shlex.split(filled)[1:]) == 0, remedy
    assert len(asked) == len(remedies)


# ---- make


def made() -> Iterator[str]:
    """Each `make …` of pages, in blocks and in text."""
    yield from called("make")
    for page in pages():
        yield from IN_TEXT.findall(page.read_text())


@pytest.mark.parametrize("command", list(dict.fromkeys(made())))
def test_what_is_made_is_a_target_and_what_it_is_given_is_there(command: str) -> None:
    words = typed_words(command, "make") or []
    targets = [word for word in words if "=" not in word]
    assert targets
    assert set(targets) <= TARGETS.keys()
    paths = re.findall(r"ARGS='?((?:tests|examples)/\S+?)'?$", command)
    assert [path for path in paths if not (ROOT / path).exists()] == []


# ---- And the pages themselves


def test_commands_in_text_are_ones_that_there_are() -> None:
    group: Any = typer.main.get_group(app)
    for page in pages():
        for first, second in re.findall(r"`prestage ([a-z-]+)(?: ([a-z-]+))?", page.read_text()):
            found = group.commands.get(first)
            assert found is not None, (page, first)
            assert not second or second in getattr(found, "commands", [second]), (page, first, second)


def test_the_runbook_looks_for_words_that_functions_log() -> None:
    """Not only for some that somebody remembers: a function that says it otherwise is not found."""
    looked_for = re.findall(r"""log (\w+) .*\$\.message = "([^"]+)\"""", (ROOT / "docs" / "runbook.md").read_text())
    assert looked_for
    for function, words in looked_for:
        code = [
            *(ROOT / "services" / function.lower()).glob("*.py"),
            *(ROOT / "services" / "choreography").glob("*.py"),
        ]
        assert any(f'"{words}",' in one.read_text() for one in code), (function, words)


def test_every_command_group_is_documented() -> None:
    """Nobody has to find it by chance."""
    told = " ".join(page.read_text() for page in pages())
    group: Any = typer.main.get_group(app)
    assert [one for one in group.commands if f"prestage {one}" not in told] == []


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []
