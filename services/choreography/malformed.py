"""What is wrong with a message that is no fact, in words that quote nothing of it."""

import re

from pydantic import ValidationError

_MOST = 3
"""Fields that are named; of more, how many there are."""

_FIELD = re.compile(r"[a-z][a-z0-9_-]{0,40}")
"""A field's name. What else a place is made of may be the sender's own words."""


def told(error: ValidationError) -> str:
    """The fields that are not as promised, by their places, each with pydantic's name for what is wrong with it."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [f"{_place(each['loc'])} ({each['type']})" for each in wrong[:_MOST]]
    more = [f"{len(wrong) - _MOST} more"] if len(wrong) > _MOST else []
    return f"Not as promised: {', '.join(fields + more)}"


def _place(parts: tuple[int | str, ...]) -> str:
    names = (str(part) if isinstance(part, int) or _FIELD.fullmatch(part) else "…" for part in parts)
    return ".".join(names) or "the message"
