"""Do a thing once, however many sweeps find it."""

from collections.abc import Callable
from datetime import timedelta

from choreography.memory import HeldError, Key, Memory

LASTING = timedelta(minutes=2)
"""Longer than one thing takes. A sweep that was ended in the middle of it leaves it to the next one after this."""


class Once:
    """What the janitor did in the last thirty days."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(self, account: str, kind: str, name: str, do: Callable[[], None]) -> bool:
        """Do it and say so; False if it was done before, or somebody is doing it. What fails is not done.

        Args:
            account: whose the name is.
            kind: what kind of thing it is.
            name: which one.
            do: does it.
        """
        try:
            claim = self._memory.claim(Key("janitor", account, kind, name), LASTING)
        except HeldError:
            return False
        if claim is None:
            return False
        try:
            do()
        except Exception:
            self._memory.release(claim)
            raise
        self._memory.published(claim)
        return True
