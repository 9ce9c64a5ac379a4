"""What commands print."""

from collections.abc import Iterable, Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text


def show_rows(headings: Sequence[str], rows: Iterable[Sequence[str]], console: Console | None = None) -> None:
    """Print rows: a table that fits the terminal; to anything else a line for each row, tabs between its cells.

    No cell is cut. Characters that don't print are shown escaped.
    """
    console = console or Console()
    lines = [[printable(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        console.file.writelines("\t".join(line) + "\n" for line in lines)
        return
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table if lines else "none")


def tell_error(message: str) -> None:
    """Print an error, in one line on standard error. Characters that don't print are shown escaped."""
    typer.echo(f"error: {printable(' '.join(message.split()))}", err=True)


def tell_note(message: str) -> None:
    """Print what is to be known beside what a command says, in one line on standard error."""
    typer.echo(f"note: {printable(' '.join(message.split()))}", err=True)


def printable(text: str) -> str:
    """So that no value moves the cursor or ends a line."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
