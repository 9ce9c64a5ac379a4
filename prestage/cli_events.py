"""`prestage events`: what was stated, and what led to what."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import typer

from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.cli_output import show_rows
from prestage.cli_story import clock_time, elapsed, gist
from prestage.stack import Stack
from records.journal import Entry

app = typer.Typer(help="What was stated, and what led to what.", no_args_is_help=True)

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
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
    name = found.replay(subscriber, since, until)
    typer.echo(f"{clock_time(since)} to {clock_time(until)} is being replayed to {subscriber}; how far it is tells")
    typer.echo(f"aws events describe-replay --replay-name {name}")


def _tree(facts: Sequence[Entry]) -> Iterator[_Place]:
    known = {fact.event_id: fact for fact in facts}
    led_to: Mapping[str, list[Entry]] = defaultdict(list)
    for fact in facts:
        led_to[fact.causation_id if fact.causation_id in known else ""].append(fact)
    for first in led_to[""]:
        yield _Place(first, None, "")
        yield from _below(first, led_to, "")


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
