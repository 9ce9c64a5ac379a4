"""Ending in order: a signal that asks a process to end is met as Ctrl-C is, so that what is temporary is removed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit status of what Ctrl-C ended, as shells have it."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Within it, SIGTERM, or a closed terminal, raises KeyboardInterrupt as Ctrl-C does. Only the first does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        disregard_signals()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def disregard_signals() -> None:
    """Let nothing disturb what is being removed."""
    for number in _ENDING:
        # Not SIG_IGN: Python complains of one that came and is not yet handled.
        signal.signal(number, lambda _number, _frame: None)
