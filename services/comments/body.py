"""What the comment on a pull request says, from the records as they are now."""

import re
import unicodedata
from collections.abc import Sequence

from records.environments import Environment

MARKER = "<!-- prestage:preview v1 -->"
"""The comment's first line, by which (and by its author) it is found again. It does not show."""

MAX_ROWS = 100
"""GitHub takes 65,536 characters; a hundred rows stay under a third of that."""

_LONGEST_TEXT = 80
_SHORT_SHA = 7


def render(environments: Sequence[Environment]) -> str:
    """The comment's Markdown: a row for each environment."""
    rows = [_row(environment) for environment in environments[:MAX_ROWS]]
    hidden = len(environments) - len(rows)
    more = [f"\nAnd {hidden} more."] if hidden else []
    return "\n".join([MARKER, "### Preview", "", *_HEAD, *rows, *more, "", _FOOT])


_HEAD = ("| App | Address | Commit | Branch |", "|---|---|---|---|")
_FOOT = "An address answers as soon as its commit is built. It stays the same for as long as this pull request lives."


def _row(environment: Environment) -> str:
    cells = (
        literal(environment.app_name),
        f"[{environment.address.partition('://')[2]}]({environment.address})",
        f"`{environment.sha[:_SHORT_SHA]}`",
        literal(environment.branch),
    )
    return f"| {' | '.join(cells)} |"


def literal(text: str) -> str:
    """Text from outside as a code span in a table's cell: nothing in it is markup, a mention, a link or a new cell.

    A code span is the one place where GitHub reads nothing (GFM section 6.3), but a cell ends at a bar even there
    (section 4.10), so bars become look-alikes. Characters that don't print, or turn the direction of others, go.
    """
    printable = "".join(character if _prints(character) else " " for character in text)
    short = " ".join(printable.replace("|", "\N{FULLWIDTH VERTICAL LINE}").split())
    short = short if len(short) <= _LONGEST_TEXT else short[: _LONGEST_TEXT - 1] + "…"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", short)), default=0))
    pad = " " if "`" in short else ""
    return f"{fence}{pad}{short or '-'}{pad}{fence}"


def _prints(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
