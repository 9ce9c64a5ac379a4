"""What comes between a function and all that is outside it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Call(NamedTuple):
    """One call of something outside: `whom` is asked to do `what`, and `about` says with what, for people."""

    whom: str
    what: str
    about: str


class Between(Protocol):
    """Comes between a call and its effect, in place of the network, the other side and everybody else.

    It may raise before `act` (refused, an outage, dead before the call) or after it (the answer was lost, dead after
    the call), let others run first, do `act` twice (sent again because the answer was lost), or just give its result.

    A function that died does nothing more, but in Python its `finally` blocks still run: whoever let an invocation die
    has to raise at each of its further calls.
    """

    def __call__[T](self, call: Call, act: Callable[[], T]) -> T:
        """The result of `act`, if there is one."""


def undisturbed[T](call: Call, act: Callable[[], T]) -> T:
    """Nothing comes between."""
    return act()
