"""The simulation's time: it stands still until somebody moves it."""

from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)


class SimulatedClock:
    """Gives the time; `advance` moves it."""

    def __init__(self) -> None:
        self._now = BEGINNING

    def __call__(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        """Let that much time pass."""
        self._now += by

    @property
    def second(self) -> datetime:
        """The time as GitHub tells it."""
        return self._now.replace(microsecond=0)
