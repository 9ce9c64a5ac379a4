"""`prestage audit`: who asked for what, who changed what, and when."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from prestage.change_words import in_words
from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.cli_output import show_rows
from prestage.cli_story import clock_time, data_of
from prestage.stack import Stack
from prestage_contracts import EVENTS
from records.journal import Entry

_AGE = re.compile(r"([0-9]{1,4})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True)
class _Act:
    """What somebody did, as its fact tells it; `waits` where that is not stated yet."""

    entry: Entry
    waits: bool = False

    @property
    def by(self) -> str:
        said = self.entry.data
        return str(said.get("changed_by") or said.get("requested_by") or "-")

    @property
    def app(self) -> Mapping[str, Any]:
        """What the fact says of the app that it is about: its id, name, and repository; and its owner, if it does."""
        said = self.entry.data
        if "app" in said:
            about: Mapping[str, Any] = said["app"]
            return about
        told = said.get("environment") or said
        if "app_id" not in told:
            return {}
        return {"id": told["app_id"], "name": told["app_name"], "repository": told["repository"]}

    @property
    def app_name(self) -> str:
        return f"{self.app['repository']['full_name']}:{self.app['name']}" if self.app else "-"

    @property
    def words(self) -> str:
        data = data_of(self.entry)
        told = self.entry.name if data is None else in_words(self.entry.name, data)
        return told + " (not stated yet)" * self.waits

    @property
    def is_confirmed(self) -> bool:
        return bool(self.entry.data.get("confirmed", True))

    @property
    def command(self) -> tuple[str, str]:
        """The same for what a command said before and after it knew whether its change was made."""
        return self.entry.correlation_id, self.entry.name

    def is_about(self, said: str) -> bool:
        """Whether the app went by that when it was done: its id, its name, or owner/repository:name."""
        names = {self.app_name, self.app["name"], self.app["id"]} if self.app else set()
        return said.casefold() in {name.casefold() for name in names}

    def is_by(self, said: str) -> bool:
        """Whether that is in the ARN of who did it, in upper or lower case."""
        return said.casefold() in self.by.casefold()


def audit(
    app: Annotated[
        str | None, typer.Option("--app", metavar="APP", help="About this app only; also one that was removed.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="ARN", help="By whose ARN has this in it, in either case.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="From a date on, such as 2026-11-01 (UTC), or so long ago: 7d, 12h.")
    ] = "90d",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as JSON.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show who asked for what and who changed what in ninety days, the newest last. Times are UTC."""
    found = Stack.named(stack)
    begin = _moment(since, found.clock())
    found.changes.catch_up()
    acts = [act for act in _acts(found, begin) if (app is None or act.is_about(app)) and act.is_by(by or "")]
    if as_json:
        told = [{**act.entry.model_dump(mode="json"), "stated": not act.waits} for act in acts]
        typer.echo(json.dumps(told, indent=2))
        return
    owners = {one.id: one.owner for one in found.apps.list_all()}
    rows = (
        (
            clock_time(act.entry.occurred_at),
            act.by,
            act.words,
            act.app_name,
            act.app.get("owner") or owners.get(act.app.get("id", ""), "-"),
        )
        for act in acts
    )
    show_rows(("time (UTC)", "who", "what", "app", "owner"), rows)


def _acts(stack: Stack, since: datetime) -> Sequence[_Act]:
    """The oldest first. The outbox is read first: what leaves it meanwhile is in the journal, or will be shortly."""
    waiting = [entry for entry in _waiting(stack) if entry.occurred_at >= since]
    stated = stack.journal.of_operators(since)
    known = {entry.event_id for entry in stated}
    kept = [_Act(entry, waits=True) for entry in waiting if entry.event_id not in known]
    acts = [*(_Act(entry) for entry in stated), *kept]
    confirmed = {act.command for act in acts if act.is_confirmed}
    told = (act for act in acts if act.is_confirmed or act.command not in confirmed)
    return sorted(told, key=lambda act: act.entry.occurred_at)


def _waiting(stack: Stack) -> Iterator[Entry]:
    """What is in the outbox: its command goes on, or nobody could state it since."""
    for kept in stack.changes.waiting():
        if kept.detail_type in EVENTS:  # of a later version otherwise
            yield Entry.of(EVENTS[kept.detail_type].model_validate_json(kept.detail))


def _moment(said: str, now: datetime) -> datetime:
    if age := _AGE.fullmatch(said):
        return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise typer.BadParameter("--since: a date such as 2026-11-01, or 90d, 12h, 30m") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
