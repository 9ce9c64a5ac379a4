"""What the comment on a pull request says, from the records as they are now."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, islice
from urllib.parse import quote

from comments.rows import NO_CHECKS, Row
from prestage_contracts.envelope import Reason
from prestage_contracts.reports import CheckState
from records.checks import EnvironmentChecks, KeptCheck
from records.environments import Environment
from records.skips import Skip

MARKER = "<!-- prestage:preview v1 -->"
"""The comment's first line, by which (and by its author) it is found again. It does not show."""

MAX_ROWS = 100
MAX_CHARACTERS = 60_000
"""Of all rows together: GitHub takes a comment of 65,536."""

_LONGEST_NAME = 80
_LONGEST_REASON = 300
_LONGEST_LINK = 500
"""Characters of a check's link as it is written; what is longer is left out, so that no team takes another's room."""
_SHORT_SHA = 7
_IN_A_URL = ":/?#@!$&'*+,=%-._~"
"""Characters that a link keeps. The others could end it, or the cell that it is in."""

_TOP = f"{MARKER}\n### Preview\n"
_HEAD = ("| App | Preview | Commit | Since |", "|---|---|---|---|")
_CHECKED: Mapping[CheckState, str] = {"pending": "Pending", "success": "Passed", "failure": "Failed"}
_NOTHING = "No app of this repository has a preview of this pull request."
_FOOT = "An address answers as soon as its commit is built. It stays the same for as long as this pull request lives."


def render(shown: Sequence[Row], checks: Mapping[str, EnvironmentChecks] = NO_CHECKS) -> str:
    """The comment's Markdown: a row for each app, and below it one for each check of its environment.

    It depends on what is given and on nothing else.
    """
    if not shown:
        return f"{_TOP}\n{_NOTHING}"
    lines = list(_fitting([_row(row) for row in shown]))
    hidden = len(shown) - len(lines)
    more = [f"\nAnd {hidden} more."] if hidden else []
    written, unshown = _with_checks(lines, shown, checks)
    more += [f"\nAnd {unshown} more checks."] if unshown else []
    foot = ["", _FOOT] if any(isinstance(row, Environment) and row.is_live for row in shown) else []
    return "\n".join([_TOP, *_HEAD, *written, *more, *foot])


def _fitting(lines: Sequence[str]) -> Iterator[str]:
    lengths = accumulate(len(line) + 1 for line in lines)
    fitting = (line for line, length in zip(lines, lengths, strict=True) if length <= MAX_CHARACTERS)
    return islice(fitting, MAX_ROWS)


def _with_checks(
    lines: Sequence[str], shown: Sequence[Row], checks: Mapping[str, EnvironmentChecks]
) -> tuple[list[str], int]:
    """The apps' lines, each with its checks' below it for which there is room, and how many checks have none.

    Other teams' words displace no app.
    """
    left = MAX_CHARACTERS - sum(len(line) + 1 for line in lines)
    written, hidden = list[str](), 0
    for line, row in zip(lines, shown, strict=False):
        written.append(line)
        found = checks.get(row.id) if isinstance(row, Environment) else None
        for told in [*map(_check, found.checks if found else ()), *_awaited(row, found)]:
            if len(told) < left:
                left -= len(told) + 1
                written.append(told)
            else:
                hidden += 1
    return written, hidden


def _awaited(row: Row, found: EnvironmentChecks | None) -> Iterator[str]:
    """A row for each check that the deployment waits for and nobody has reported."""
    if isinstance(row, Environment) and row.is_live:
        missing = (name for name in row.required_checks if found is None or found.get(name) is None)
        yield from (f"| ↳ {literal(name)} | Waiting for its report | - | - |" for name in missing)


def _check(kept: KeptCheck) -> str:
    check = kept.check
    link = _url(check.link) if check.link else ""
    state = f"[{_CHECKED[check.state]}]({link})" if 0 < len(link) <= _LONGEST_LINK else _CHECKED[check.state]
    summary = f": {literal(check.summary, _LONGEST_REASON)}" if check.summary.strip() else ""
    return f"| ↳ {literal(check.name)} | {state}{summary} | - | {_minute(kept.since)} |"


def _row(row: Row) -> str:
    cells = _skipped(row) if isinstance(row, Skip) else _deployed(row)
    return f"| {literal(row.app_name)} | {' | '.join(cells)} |"


def _skipped(skip: Skip) -> tuple[str, str, str]:
    return f"Skipped: {_why(skip.reason)}", "-", "-"


def _deployed(environment: Environment) -> tuple[str, str, str]:
    return _state(environment), f"`{environment.sha[:_SHORT_SHA]}`", _minute(environment.updated_at)


def _state(environment: Environment) -> str:
    match environment.status:
        case "deploying":
            return f"Deploying to {_address(environment)}"
        case "ready":
            return f"Ready at {_address(environment)}{_door(environment)}"
        case "failed":
            stage = f" ({environment.stage})" if environment.stage else ""
            log = f", see [its log]({_url(environment.log_url)})" if environment.log_url else ""
            return f"Failed{stage}: {_why(environment.reason)}{log}"
        case "closing":
            return f"Stopping: {_why(environment.reason)}"
        case "stopped":
            return f"Stopped: {_why(environment.reason)}"


def _door(environment: Environment) -> str:
    """How somebody of the team gets the password that the address asks for."""
    if not environment.with_password or environment.pull_request is None:
        return ""
    reference = f"{environment.app_name}#{environment.pull_request.number}"
    command = literal(f"prestage environments password {reference}", _LONGEST_REASON)
    return f", which asks for a password: {command} tells it"


def _why(reason: Reason | None) -> str:
    return literal(reason.message if reason else "", _LONGEST_REASON)


def _address(environment: Environment) -> str:
    return f"[{literal(environment.address.partition('://')[2])}]({_url(environment.address)})"


def _url(url: str) -> str:
    return quote(url, safe=_IN_A_URL)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def literal(text: str, longest: int = _LONGEST_NAME) -> str:
    """Text from outside as a code span in a table's cell: nothing in it is markup, a mention, a link or a new cell.

    A code span is the one place where GitHub reads nothing (GFM section 6.3), but a cell ends at a bar even there
    (section 4.10), so bars become look-alikes. Characters that don't print, or turn the direction of others, go. What
    is longer than `longest` characters is cut.
    """
    printable = "".join(character if _prints(character) else " " for character in text)
    short = " ".join(printable.replace("|", "\N{FULLWIDTH VERTICAL LINE}").split())
    short = short if len(short) <= longest else short[: longest - 1] + "…"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", short)), default=0))
    pad = " " if "`" in short else ""
    return f"{fence}{pad}{short or '-'}{pad}{fence}"


def _prints(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
