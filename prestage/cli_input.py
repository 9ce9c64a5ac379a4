"""What a command is given in a file, on standard input, or at a terminal, where it is not shown."""

import sys
from pathlib import Path

import typer


def is_typed(file: Path | None) -> bool:
    """Whether it is to be typed at a terminal, as there is one, and no file."""
    return file is None and sys.stdin is not None and sys.stdin.isatty()


def ask(what: str, file: Path | None) -> str | None:
    """What is typed at a terminal; None where it is to come from a file, or there is no terminal."""
    if not is_typed(file):
        return None
    asked: str = typer.prompt(what, hide_input=True, err=True)
    return asked


def read_up_to(size: int, file: Path | None) -> bytes:
    """What is in the file, or on standard input, or as much as shows that it is larger than `size` bytes.

    Raises:
        OSError: the file can't be read.
    """
    if file is None:
        return b"" if sys.stdin is None else sys.stdin.buffer.read(size + 1)
    with file.open("rb") as opened:
        return opened.read(size + 1)
