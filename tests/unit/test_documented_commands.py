"""The commands in README.md and docs/ are ones that there are, with the options that they have."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from prestage.cli import app
from tests.unit.documented import ROOT, commands, pages, typed_words

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = frozenset(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def documented(program: str) -> list[str]:
    """Every command of that program, in blocks; each once."""
    found = dict.fromkeys(one for page in pages() for one in commands(page.read_text()) if program in one)
    return [one for one in found if typed_words(one, program) is not None]


@pytest.mark.parametrize("command", documented("prestage"))
def test_a_documented_command_can_be_typed(command: str) -> None:
    """It is parsed as the command line does, up to where it would be done."""
    group: Any = typer.main.get_group(app)
    words = typed_words(command, "prestage") or []
    while hasattr(group, "commands"):
        assert words, command
        group = group.commands[words.pop(0)]
    group.make_context("prestage", list(words), resilient_parsing=False)


@pytest.mark.parametrize("command", documented("make"))
def test_a_documented_target_is_one_that_there_is(command: str) -> None:
    targets = {word for word in typed_words(command, "make") or () if "=" not in word}
    assert targets
    assert targets <= TARGETS


def test_every_command_group_is_documented() -> None:
    """Nobody has to find it by chance."""
    told = " ".join(page.read_text() for page in pages())
    group: Any = typer.main.get_group(app)
    assert [name for name in group.commands if f"prestage {name}" not in told] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []
