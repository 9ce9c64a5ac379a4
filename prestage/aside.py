"""Files for what is told once, while nothing else keeps it: for their owner alone, never in another file's place."""

import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path


class NoFolderError(Exception):
    """Nothing can be written into a folder; the text says what to do."""


def check_folder(folder: Path) -> None:
    """See that files can be made there.

    Raises:
        NoFolderError: they can't.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".prestage-"):
            pass
    except OSError as error:
        raise NoFolderError(
            f"{folder.absolute()} can't be written ({error.strerror}), and GitHub tells an App's key only once: run "
            "this in a folder that can be, where the key is put should AWS not keep it"
        ) from None


def write_aside(folder: Path, name: str, text: str) -> Path:
    """Write a file of that name, or of the first free one after it: `key.json`, `key-2.json`, ….

    Raises:
        OSError: it could not be written; nothing is left of it.
    """
    path, opened = _free(folder, Path(name))
    try:
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _free(folder: Path, name: Path) -> tuple[Path, int]:
    for number in count(1):
        path = folder / (name.name if number == 1 else f"{name.stem}-{number}{name.suffix}")
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
    raise AssertionError


def remove(files: Sequence[Path]) -> list[Path]:
    """Remove them; gives those that could not be."""
    return [path for path in files if not _removed(path)]


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
