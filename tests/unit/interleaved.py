"""Steps side by side, each in a thread of its own, of which one at a time goes on from call to call."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

type Act = Callable[[], None]


class CrashError(BaseException):
    """The function is no more; what it has done stays done."""


@dataclass
class _Actor:
    act: Act
    turns: "Turns"
    is_mortal: bool
    rank: float
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    is_done: bool = False
    dies: bool = False
    error: BaseException | None = None

    def run(self) -> None:
        _here.actor = self
        self.turn.acquire()
        try:
            self.act()
        except BaseException as error:  # noqa: BLE001  # it is raised where the test sees it
            self.error = error
        self.is_done = True
        self.turns.back.release()

    def pause(self) -> None:
        self.turns.back.release()
        self.turn.acquire()
        if self.dies:
            self.dies = False
            raise CrashError


_here = threading.local()


@dataclass
class Turns:
    """Whose turn it is: `random` decides, and whether somebody dies there, `deaths` times at most.

    Turns are as often fair as not. Where they are not, one goes on while others wait for long, which is what finds a
    mistake that takes three things to happen in the one wrong place.
    """

    random: Random
    deaths: int = 0
    back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _actors: list[_Actor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._is_fair = self.random.random() < 0.5  # as often as not

    def add(self, act: Act, *, is_mortal: bool = True) -> None:
        """Let it take part; a thread that takes part may call it too."""
        actor = _Actor(act, self, is_mortal, self.random.random())
        threading.Thread(target=actor.run, daemon=True).start()
        self._actors.append(actor)

    def pause(self) -> None:
        """Let others go on, if the caller takes part. Raises `CrashError` if the caller is to die here."""
        actor = getattr(_here, "actor", None)
        if isinstance(actor, _Actor) and actor.turns is self:
            actor.pause()

    def run(self) -> None:
        """Until everybody is done. Raises what anybody raised."""
        while self._actors:
            actor = self._next()
            if self.deaths and actor.is_mortal and self.random.random() < 0.1:  # about once in a step
                self.deaths -= 1
                actor.dies = True
            actor.turn.release()
            self.back.acquire()
            if actor.is_done:
                self._actors.remove(actor)
            if actor.error is not None:
                raise actor.error

    def _next(self) -> _Actor:
        if self._is_fair:
            return self.random.choice(self._actors)
        first = max(self._actors, key=lambda actor: actor.rank)
        if self.random.random() < 0.08:  # a step has about as many calls
            first.rank = self.random.random() - 1
        return max(self._actors, key=lambda actor: actor.rank)
