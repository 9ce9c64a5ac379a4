"""Commands, as README.md and docs/ have them: the lines of code blocks, put together where they go on."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
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
