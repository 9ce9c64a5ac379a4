"""Time, for everything on the stage: what takes hours in life takes none here."""

from datetime import datetime, timedelta

import time_machine

from choreography.clock import utc_now


class TimeTravel:
    """The time of this process, from construction until `close`. It passes as ever, and can be moved forward.

    moto's clock is this process's, and each function is told of `offset` as it is invoked. Clocks that only measure
    (`time.monotonic`) are left alone, and so are file systems and the machines on the Fly.io stand-in.
    """

    def __init__(self) -> None:
        self.offset = timedelta(0)
        self._travel = time_machine.travel(utc_now(), tick=True)
        self._here = self._travel.start()
        utc_now()  # the first look is when time begins to pass

    def now(self) -> datetime:
        """The present moment on the stage."""
        return utc_now()

    def advance(self, duration: timedelta) -> None:
        """Let that much time pass at once."""
        self.offset += duration
        self._here.shift(duration)

    def close(self) -> None:
        """Go back to the present."""
        self._travel.stop()
