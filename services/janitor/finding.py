"""What a look finds, and the fact that says so."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from janitor.watch import Watch
from prestage_contracts.envelope import Data, Event

NO_REPOSITORY = "0"
"""The group of facts about what no repository is known of."""


@dataclass(frozen=True)
class Finding:
    """Something that should not be.

    `cause` tells it from other findings of the same day about the same thing; `group` is the repository's id.
    """

    event: type[Event]
    data: Data
    cause: str
    group: str = NO_REPOSITORY

    def state(self, began: datetime, now: datetime) -> Event:
        """The fact, as the sweep that began then states it: the same all day, and another the next day.

        What followed from yesterday's may have been given up.
        """
        sweep = sweep_id(began)
        cause = f"janitor/{self.cause}@{began:%Y-%m-%d}"
        return self.event.begin(self.data, cause=cause, correlation_id=sweep, now=now, group=self.group)


type Look = Callable[[Watch], Iterable[Finding]]
"""Looks for one kind of thing that should not be. What it can't be sure of, it does not give; it may raise anything."""


def sweep_id(began: datetime) -> str:
    """What a sweep is called: the hour that it began in, UTC."""
    return f"janitor-{began:%Y-%m-%dT%HZ}"
