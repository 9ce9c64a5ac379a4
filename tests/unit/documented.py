"""Commands, as README.md and docs/ have them: the lines of code blocks, put together where they go on."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BETWEEN = frozenset({"<", ">", "|", "&&", ";"})
_BLOCK = re.compile(r"^ {4,8}(?=\S)")


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(text: str) -> Iterator[str]:
    """Each command of the indented blocks, without a prompt before it and without what is said about it after it."""
    unfinished = ""
    for line in text.splitlines():
        if not _BLOCK.match(line) and not unfinished:
            continue
        said = line.strip().removeprefix("$ ")
        if said.endswith("\\"):
            unfinished += said.removesuffix("\\")
            continue
        yield re.sub(r"\s+# .*", "", unfinished + said).strip()
        unfinished = ""


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
    called = next((call for call in calls if call and call[0].rpartition("/")[2] == program), None)
    return None if called is None else called[1:]
