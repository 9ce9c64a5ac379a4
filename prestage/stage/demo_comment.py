"""A comment's Markdown, as a person would see it in a terminal."""

import re
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def show_comment(console: Console, author: str, body: str) -> None:
    """Show a comment."""
    shown = re.sub(r"<!--.*?-->\n", "", body)
    title = Text(f"{author} commented")  # in text, [bot] is no markup
    console.print(Panel(_Comment(shown), title=title, title_align="left"))


def rows(body: str) -> list[list[str]]:
    """The cells of each row of a comment's table, as plain text."""
    lines = [line for line in body.splitlines() if line.startswith("| `")]
    return [[_LINK.sub(r"\1", cell).replace("`", "").strip() for cell in line.strip("|").split("|")] for line in lines]


class _FoldingTable(TableElement):
    """A table that cuts no address, however narrow the terminal."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            if isinstance(table, Table):
                for column in table.columns:
                    column.overflow = "fold"
            yield table


class _Comment(Markdown):
    elements: ClassVar = {**Markdown.elements, "table_open": _FoldingTable}
