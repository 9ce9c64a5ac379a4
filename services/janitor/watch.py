"""How far one sweep goes: in time, in number, and against an API that is away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MARGIN = timedelta(seconds=90)
"""With less than this left, nothing more is looked at: one question to an API, and stating what it finds, take less."""

MOST_AWAY = 3
"""Questions in a row without an answer, after which an API is taken to be away."""

_HOUR = timedelta(hours=1)
_EPOCH = datetime.fromtimestamp(0, UTC)


class OutOfTimeError(Exception):
    """The function's time is nearly over; the rest is for the next sweep."""


@dataclass(frozen=True)
class Watch:
    """One sweep: when it began, and how much time the function has left."""

    began: datetime
    left: Callable[[], timedelta]

    def check(self) -> None:
        """Return if there is time for one more question.

        Raises:
            OutOfTimeError: there is not.
        """
        if self.left() < MARGIN:
            raise OutOfTimeError

    def in_turn[T](self, things: Sequence[T], most: int) -> Iterator[T]:
        """At most so many of the things, given in an order that stays, each while there is time.

        They are a ring, and an hour's sweep begins where the last one may have ended, so that all have their turn.

        Raises:
            OutOfTimeError: there is no time for the next one.
        """
        count = min(most, len(things))
        turn = (self.began - _EPOCH) // _HOUR
        first = turn * min(most, max(1, len(things) - 1))
        for offset in range(count):
            self.check()
            yield things[(first + offset) % len(things)]


class Patience:
    """Counts questions in a row that an API did not answer."""

    def __init__(self) -> None:
        self._lost = 0

    def answered(self) -> None:
        """It is there."""
        self._lost = 0

    def lost(self, error: Exception) -> None:
        """It did not answer this one, about which nothing is known.

        Raises:
            Exception: `error`, if it is away.
        """
        self._lost += 1
        if self._lost >= MOST_AWAY:
            raise error
