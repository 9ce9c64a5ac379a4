"""Names that an application's owner chooses for values in its machine's environment."""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SHOWN = 128
_RESERVED_PREFIXES = ("PRESTAGE_", "FLY_")
_RESERVED = frozenset({"PORT"})

MAX_VALUE_BYTES = 32 * 1024
"""One value: Linux takes at most 128 KiB in one environment variable, and this leaves room."""


class InvalidVariableError(ValueError):
    """A name or value that a machine's environment can't carry; the text says what to do, and no value."""


def check_variable(name: str, value: str) -> None:
    """See that `name` and `value` can be an environment variable of the application.

    Raises:
        InvalidVariableError: they can't, or the name belongs to the platform.
    """
    if not _NAME.fullmatch(name):
        # What follows a = is a value, which somebody wrote in the wrong place.
        shown = name.partition("=")[0][:_SHOWN]
        raise InvalidVariableError(
            f"{shown!r} can't be an environment variable: use letters, digits and _, not a digit first, at most 128"
        )
    if name in _RESERVED or name.startswith(_RESERVED_PREFIXES):
        raise InvalidVariableError(f"{name} is the platform's: PORT, PRESTAGE_… and FLY_… are set for every machine")
    if "\0" in value:
        raise InvalidVariableError(f"the value of {name} has a NUL byte, which no environment variable can carry")
    if _SURROGATE.search(value):
        raise InvalidVariableError(f"the value of {name} is not Unicode text: encode it")
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise InvalidVariableError(f"the value of {name} is larger than {MAX_VALUE_BYTES} bytes")
