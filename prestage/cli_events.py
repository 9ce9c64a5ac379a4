"""`prestage events`: what was stated, and what led to what."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import typer

from prestage.changes import Change
from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.cli_output import printable, show_rows
from prestage.cli_story import about, clock_time, elapsed, gist, gist_of
from prestage.ending import disregard_signals, ending_on_signals
from prestage.replays import NoSuchSubscriberError
from prestage.stack import Stack
from prestage.tail import Wanted
from prestage_contracts import CONTRACT, MalformedEventError, Unknown, parse
from prestage_contracts.operators import EventsReplayed, EventsReplayedData
from records.journal import Entry

app = typer.Typer(help="What was stated, and what led to what.", no_args_is_help=True)

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_WAIT = 5
"""Seconds that a receive waits for a fact."""

_NOTHING = timedelta(0)


class _Place(NamedTuple):
    """A fact in the tree: below `cause`, which is None for what nothing here led to."""

    entry: Entry
    cause: Entry | None
    branch: str

    @property
    def hop(self) -> timedelta:
        """How long after its cause it was stated; no time at all without one."""
        return self.entry.occurred_at - self.cause.occurred_at if self.cause else _NOTHING


@app.command()
def show(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="What a fact has as correlation_id (such as a delivery of GitHub's), or an environment: APP#NUMBER, "
            "APP@BRANCH, APP, its id or its address.",
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as JSON.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show what led to what, how long each hop took, and which took longest. Times are UTC."""
    facts = Stack.named(stack).facts(reference)
    if as_json:
        typer.echo(json.dumps([fact.model_dump(mode="json") for fact in facts], indent=2))
        return
    places = list(_tree(facts))
    rows = ((place.branch + place.entry.name, _at(place), _after(place), gist(place.entry)) for place in places)
    show_rows(("fact", "time (UTC)", "after its cause", "what it says"), rows)
    longest = max(places, key=lambda place: place.hop, default=None)
    if longest and longest.cause:
        typer.echo(f"\nthe longest hop: {longest.cause.name} → {longest.entry.name}, {elapsed(longest.hop)}")


@app.command()
def replay(
    subscriber: Annotated[str, typer.Option(help="The name of the subscriber's rule on the bus.")],
    start: Annotated[
        datetime, typer.Option("--from", formats=_FORMATS, help="What was stated before is left out. UTC.")
    ],
    end: Annotated[
        datetime | None, typer.Option("--to", formats=_FORMATS, help="What was stated after is. UTC; now if left out.")
    ] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Deliver archived facts again, to one subscriber alone. What was stated just now may not be archived yet."""
    found = Stack.named(stack)
    since, until = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end else found.clock()
    if since >= until:
        raise typer.BadParameter("--from is not before --to")
    data = EventsReplayedData(changed_by=found.caller, subscriber=subscriber, since=since, until=until)
    with found.changes.intended(Change(EventsReplayed, data), refusals=(NoSuchSubscriberError,)):
        name = found.replay(subscriber, since, until)
    typer.echo(f"{clock_time(since)} to {clock_time(until)} is being replayed to {subscriber}; how far it is tells")
    typer.echo(f"aws events describe-replay --replay-name {name}")


@app.command()
def tail(
    names: Annotated[list[str] | None, typer.Option("--name", help="Only facts of this name; may be repeated.")] = None,
    *,
    app_name: Annotated[str | None, typer.Option("--app", help="Only facts about this app.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", help="Only facts about it: APP#NUMBER, APP@BRANCH, APP, id, address.")
    ] = None,
    pull_request: Annotated[
        str | None,
        typer.Option("--pull-request", help="Only facts about it: APP#NUMBER, of all its repository's apps."),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after that many facts.")] = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="End after that many seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Whole events, one a line.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show facts as they are stated, until Ctrl-C. A queue and a rule on the bus are made for it, and removed after."""
    found = Stack.named(stack)
    if unknown := sorted({*(names or ())} - {*CONTRACT}):
        raise typer.BadParameter(f"--name: there is no fact {', '.join(unknown)}, see docs/events.md")
    wanted = _wanted(found, names or (), app_name, environment, pull_request)
    ends = time.monotonic() + seconds if seconds is not None else None
    with ending_on_signals(), suppress(KeyboardInterrupt), found.tail(wanted) as tailing:
        typer.echo("listening; Ctrl-C ends it", err=True)
        seen: dict[str, None] = {}  # EventBridge and SQS deliver at least once
        while (ends is None or time.monotonic() < ends) and (count is None or len(seen) < count):
            wait = _WAIT if ends is None else min(_WAIT, max(0, int(ends - time.monotonic())))
            for event in tailing.receive(wait):
                if event["id"] not in seen and (count is None or len(seen) < count):
                    seen[event["id"]] = None
                    typer.echo(json.dumps(event) if as_json else _line(event))
        disregard_signals()


def _wanted(
    stack: Stack, names: Sequence[str], app_name: str | None, environment: str | None, pull_request: str | None
) -> Wanted:
    of_app = stack.app(app_name) if app_name else None
    of_environment = stack.environment(environment) if environment else None
    name, _, number = (pull_request or "").rpartition("#")
    if pull_request is not None and not (name and number.isascii() and number.isdecimal()):
        raise typer.BadParameter("--pull-request: APP#NUMBER")
    of_pull_request = stack.app(name) if name else None
    placed = of_app or of_pull_request or of_environment
    return Wanted(
        names=tuple(names),
        app_id=of_app.id if of_app else None,
        environment_id=of_environment.id if of_environment else None,
        repository_id=placed.repository.id if placed else None,
        pull_request=int(number) if number else None,
    )


def _line(event: Mapping[str, Any]) -> str:
    try:
        fact = parse(event)
    except MalformedEventError:
        fact = Unknown(name=event["detail-type"], source=event["source"], version=None, detail={})
    if isinstance(fact, Unknown):
        return printable(f"{event['time']}  {fact.name:<20}  {fact.source}")
    at = clock_time(fact.metadata.occurred_at)
    return printable(f"{at}  {fact.name():<20}  {about(fact)}  {gist_of(fact)}".rstrip())


def _tree(facts: Sequence[Entry]) -> Iterator[_Place]:
    known = {fact.event_id: fact for fact in facts}
    ready = {_of_generation(fact): fact.event_id for fact in facts if fact.name == "EnvironmentReady"}
    led_to: Mapping[str, list[Entry]] = defaultdict(list)
    for fact in facts:
        # Between the two is another team's report, which is not in the journal.
        cause = ready.get(_of_generation(fact), "") if fact.name == "CheckRecorded" else fact.causation_id
        led_to[cause if cause in known else ""].append(fact)
    for first in led_to[""]:
        yield _Place(first, None, "")
        yield from _below(first, led_to, "")


def _of_generation(fact: Entry) -> tuple[str, int]:
    """The environment that it is about, and which generation of it."""
    environment: Mapping[str, Any] = fact.data.get("environment") or {}
    return str(environment.get("id")), int(environment.get("generation", 0))


def _below(cause: Entry, led_to: Mapping[str, list[Entry]], stem: str) -> Iterator[_Place]:
    followed = led_to[cause.event_id]
    for fact in followed:
        is_last = fact is followed[-1]
        yield _Place(fact, cause, stem + ("└ " if is_last else "├ "))
        yield from _below(fact, led_to, stem + ("  " if is_last else "│ "))


def _at(place: _Place) -> str:
    return clock_time(place.entry.occurred_at)


def _after(place: _Place) -> str:
    return elapsed(place.hop) if place.cause else ""
