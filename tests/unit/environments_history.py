"""Events told to steps of the environments function side by side, and what must hold of what they stated."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from choreography.reaction import Fact, RefusedError, RetryLaterError
from prestage_contracts.envelope import Event
from prestage_contracts.environments import (
    EnvironmentClosed,
    EnvironmentCreated,
    EnvironmentFailed,
    EnvironmentReady,
    EnvironmentStopped,
    EnvironmentUpdated,
)
from prestage_contracts.snapshot import AboutEnvironment
from records.apps import App
from records.environments import Environment
from records.life import Move, Status, is_legal
from records.table import ConflictError
from tests.simulation.calls import Call
from tests.simulation.memory_table import MemoryTable
from tests.simulation.watched import WatchedTable
from tests.unit.environment_asks import runtime_failed, runtime_ready, runtime_removed
from tests.unit.environments_stage import PATIENCE, SHOP, LaggingGitHub, World
from tests.unit.interleaved import CrashError, Turns
from tests.unit.record_examples import NOW

MOVES: dict[type[Event], tuple[Move, Status]] = {
    EnvironmentCreated: ("begin", "deploying"),
    EnvironmentUpdated: ("update", "deploying"),
    EnvironmentClosed: ("close", "closing"),
    EnvironmentFailed: ("fail", "failed"),
    EnvironmentReady: ("ready", "ready"),
    EnvironmentStopped: ("remove", "stopped"),
}
"""What each fact tells, and what the environment is then. A failure is told before it is overcome."""


@dataclass
class History:
    """A world whose events are told to steps in threads of their own. `facts` has what they stated.

    GitHub's API is up to `lag` seconds behind. What the steps state leads to what `runtimes` would say.
    """

    turns: Turns
    lag: int = 0
    apps: tuple[App, ...] = (SHOP,)
    facts: list[tuple[Event, Fact]] = field(default_factory=list)
    _number: int = 0

    def __post_init__(self) -> None:
        self.world = World(MemoryTable(), apps=self.apps)
        self.github = LaggingGitHub(now=self.world.now, lag=lambda: self.turns.random.uniform(0, self.lag))
        self.github.before = lambda _call: self.turns.pause()
        self.world.github = self.github
        self._steps = self.world.wired(WatchedTable(self.world.table, "records", self._between))

    @property
    def seconds(self) -> int:
        """How many have gone by."""
        return int((self.world.now.moment - NOW).total_seconds())

    def number(self) -> int:
        """One that no event has yet."""
        self._number += 1
        return self._number

    def tell(self, event: Event) -> None:
        """Deliver it until it is finished; sooner or later."""
        self.turns.add(lambda: self._react(event))

    def told(self, kind: type[Event]) -> list[tuple[Event, dict[str, Any]]]:
        """The facts of that kind, with what led to them."""
        return [(event, fact.data.model_dump()) for event, fact in self.facts if fact.event is kind]

    def _between[T](self, call: Call, act: Callable[[], T]) -> T:
        del call
        self.turns.pause()
        return act()

    def _react(self, event: Event) -> None:
        for _ in range(PATIENCE):
            try:
                facts = self._done(event)
                break
            except RetryLaterError as waiting:
                self.world.now.moment += waiting.after
            except ConflictError:
                self.world.now.advance(seconds=1)
            except CrashError:
                continue
            except RefusedError as refused:
                facts = [fact for fact in [self.world.gives_up(event, refused.reason)] if fact]
                break
        else:
            raise AssertionError("it waits for ever")
        for fact in facts:
            self.facts.append((event, fact))
            for following in self._leads_to(fact):
                self.tell(following)

    def _done(self, event: Event) -> list[Fact]:
        self.turns.pause()
        facts = list(self._steps[type(event)].do(event))
        self.turns.pause()
        return facts

    def _leads_to(self, fact: Fact) -> Iterator[Event]:
        if fact.event in {EnvironmentCreated, EnvironmentUpdated} and isinstance(fact.data, AboutEnvironment):
            yield runtime_failed(self.number(), fact.data.environment)
            yield runtime_ready(self.number(), fact.data.environment)
        if fact.event is EnvironmentClosed and isinstance(fact.data, AboutEnvironment):
            yield runtime_removed(self.number(), fact.data.environment)


def assert_every_generation_was_told(history: History, environment: Environment) -> None:
    """Each was stated, and each report on it, once; and in the order of generations they are a legal life."""
    told: dict[int, list[type[Event]]] = {}
    for _, fact in history.facts:
        if isinstance(fact.data, AboutEnvironment) and fact.data.environment.id == environment.id:
            told.setdefault(fact.data.environment.generation, []).append(fact.event)
    assert sorted(told) == list(range(1, environment.generation + 1))
    assert all(len(told[mark.generation]) == 1 + len(mark.reports) for mark in environment.marks)
    status: Status | None = None
    for generation in sorted(told):
        assert len(set(told[generation])) == len(told[generation])
        for kind in sorted(told[generation], key=list(MOVES).index):
            move, following = MOVES[kind]
            assert is_legal(status, move)
            status = following
    assert status == environment.status
