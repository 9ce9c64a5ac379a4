"""Commands, as the pages have them: the lines of their code blocks, put together where they go on."""

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
_BETWEEN = frozenset({"<", ">", "|", "&&", ";"})
_SHELLS = frozenset({"", "sh", "bash", "shell", "console"})
"""What a fence says that a shell's lines are in; an indented block says nothing."""

_PROMPT = "$ "
_FUNCTION = re.compile(r"\w+\(\) *\{")
_VARIABLE = re.compile(r"\w+=\$\(.*\)$")

SHOWN = {
    "README.md": ("A pull request is opened (GitHub's webhooks",),
    "docs/architecture.md": ("rule ─▶ queue",),
    "docs/audit.md": ("note: SecretChanged is kept",),
    "docs/deploying.md": ("least privilege",),
    "docs/performance.md": ("Linux on x86_64",),
    "docs/runbook.md": ("fields @timestamp",),
}
"""How blocks begin that nobody types into a shell, by page: what is printed, a diagram, a query of CloudWatch's."""


def pages() -> list[Path]:
    """Every page that has something to type; those under contracts/ are for programs."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [*found, *sorted((ROOT / "examples").rglob("README.md"))]


def name(page: Path) -> str:
    """A page's name, from the root."""
    return str(page.relative_to(ROOT))


@cache
def commands_of(page: Path) -> list[str]:
    """Each command of a page, once, in order."""
    return list(dict.fromkeys(commands(page.read_text(), SHOWN.get(name(page), ()))))


def commands(text: str, shown: tuple[str, ...] = ()) -> Iterator[str]:
    """Each command of the blocks, without a prompt before it and without what is said about it after it.

    Where there are prompts, only what follows one is a command. `shown` are beginnings of blocks that have none.
    """
    for block in blocks(text):
        if not (_is_json(block) or (shown and block.startswith(shown))):
            yield from _typed(block.splitlines())


def blocks(text: str) -> Iterator[str]:
    """What is in blocks that may be a shell's."""
    for token in MarkdownIt().parse(text):
        if token.type == "code_block" or (token.type == "fence" and token.info in _SHELLS):
            yield token.content


def defines(command: str) -> bool:
    """Whether it only makes a function or a variable, for the commands after it."""
    return bool(_FUNCTION.match(command) or _VARIABLE.match(command))


def section(text: str, heading: str) -> str:
    """What is under a heading of the second level."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def typed_words(command: str, program: str) -> list[str] | None:
    """What the program is given, without redirection, and what else is on the line; None where it is not called."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "", True
    calls: list[list[str]] = [[]]
    for word in lexer:
        if word in _BETWEEN:
            calls.append([])
        else:
            calls[-1].append(word)
    without_variables = [[word for word in call if not re.match(r"[A-Z_]+=", word)] for call in calls]
    called = next((call for call in without_variables if call and call[0].rpartition("/")[2] == program), None)
    return None if called is None else called[1:]


def _typed(lines: list[str]) -> Iterator[str]:
    is_prompted = any(line.startswith(_PROMPT) for line in lines)
    unfinished = ""
    for line in lines:
        if not line.strip() or (is_prompted and not unfinished and not line.startswith(_PROMPT)):
            continue
        said = re.sub(r"\s+# .*", "", line.removeprefix(_PROMPT)).strip()
        if said.endswith("\\"):
            unfinished += said.removesuffix("\\")
        elif _FUNCTION.match(unfinished + said) and not said.endswith("}"):
            unfinished += f"{said}\n"
        else:
            yield unfinished + said
            unfinished = ""


def _is_json(block: str) -> bool:
    try:
        json.loads(block)
    except ValueError:
        return False
    return True
