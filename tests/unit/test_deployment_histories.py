"""Whatever happens to an environment, whatever order it is told in, wherever a step dies: GitHub knows the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from choreography.claims import LASTING
from choreography.reaction import Fact, RetryLaterError
from deployments.report_deployment import ReportDeployment
from deployments.standing import Standings
from deployments.tell import Teller
from github_app.access import SETTLING
from prestage_contracts.deployments import DeploymentReportedData, DeploymentState
from records.environments import Environment, Environments
from records.life import MOVES, Move, is_legal
from records.table import Item
from tests.simulation.memory_table import MemoryTable
from tests.unit.github_stage import Now
from tests.unit.record_examples import NOW, preview
from tests.unit.steps import created

RANKS: list[DeploymentState] = ["in_progress", "failure", "success", "inactive"]
"""In this order a generation's states follow each other; one may be left out."""

MOVING: list[Move] = ["begin", "update", "close", "ready", "fail", "remove"]
FAULTS = ["none", "none", "down", "lost", "crash before", "crash after", "crash at put", "crash after put"]

moves = st.lists(st.sampled_from(MOVING), min_size=1, max_size=8)
faults = st.lists(st.sampled_from(FAULTS), max_size=25)


class CrashError(BaseException):
    """The function is no more: what it has not written by now, it never will."""


@dataclass
class Fate:
    """What goes wrong, one word for each call; nothing more after the last."""

    faults: list[str]
    is_dead: bool = False

    def meet(self, act: Callable[[], Any], *kinds: str) -> Any:
        if self.is_dead:
            raise CrashError
        fault = self.faults.pop(0) if self.faults else "none"
        if fault not in kinds:
            return act()
        if fault in {"down", "crash before", "crash at put"}:
            self._end(fault)
        act()
        return self._end(fault)

    def _end(self, fault: str) -> None:
        if fault in {"down", "lost"}:
            raise RetryLaterError("GitHub", SETTLING)
        self.is_dead = True
        raise CrashError


class MortalTable(MemoryTable):
    """Its function may die with each put."""

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self.fate = fate

    def put(self, item: Item, condition: Any = None) -> None:
        write = super().put
        self.fate.meet(lambda: write(item, condition), "crash at put", "crash after put")


@dataclass
class GitHub:
    """The deployments of one environment: the states of each, with its generation."""

    fate: Fate
    made: list[tuple[int, list[DeploymentState]]] = field(default_factory=list)

    def find(self, _environment: Environment, generation: int) -> int | None:
        found = [number for number, (of, _) in enumerate(self.made, start=1) if of == generation]
        return cast("int | None", self.fate.meet(lambda: found[0] if found else None, "down", "crash before"))

    def create(self, environment: Environment) -> int:
        def act() -> int:
            self.made.append((environment.generation, []))
            return len(self.made)

        return cast("int", self.fate.meet(act, "down", "lost", "crash before", "crash after"))

    def tell(self, _environment: Environment, deployment_id: int, state: DeploymentState, _because: str) -> bool:
        def act() -> bool:
            self.made[deployment_id - 1][1].append(state)
            return True

        return cast("bool", self.fate.meet(act, "down", "lost", "crash before", "crash after"))


@dataclass
class Record:
    """The environment, of which every generation has its moves."""

    now: Environment

    def get(self, _environment_id: str) -> Environment:
        return self.now

    def move(self, move: Move) -> bool:
        if not is_legal(self.now.status, move):
            return False
        if move in {"begin", "update", "close"}:
            self.now = self.now.raised(move, "x", NOW)
        else:
            self.now = self.now.model_copy(update={"status": MOVES[self.now.status, move]})
        return True


@dataclass
class World:
    fate: Fate
    now: Now = field(default_factory=Now)

    def __post_init__(self) -> None:
        self.table = MortalTable(self.fate)
        self.github = GitHub(self.fate)
        self.record = Record(preview())
        self.stated: dict[int, list[tuple[int, DeploymentState]]] = {}

    def react(self, number: int) -> bool:
        """To the event of that number, once; whether that finished it."""
        records, teller = cast("Environments", self.record), cast("Teller", self.github)
        step = ReportDeployment(records, Standings(self.table, self.now), lambda: teller, self.now)
        try:
            facts = step(created(self.record.now, number))
        except RetryLaterError as waiting:
            self.now.advance(seconds=waiting.after.total_seconds())
        except CrashError:
            self.fate.is_dead = False
            self.now.advance(seconds=LASTING.total_seconds())
        else:
            self.stated[number] = [self._said(fact) for fact in facts]
            return True
        return False

    def settle(self, numbers: Sequence[int]) -> None:
        waiting = list(numbers)
        for _ in range(200):
            waiting = [number for number in waiting if not self.react(number)]
            if not waiting:
                return
        pytest.fail("it never ends")

    @staticmethod
    def _said(fact: Fact) -> tuple[int, DeploymentState]:
        assert isinstance(fact.data, DeploymentReportedData)
        return fact.data.environment.generation, fact.data.state


@settings(max_examples=150)
@given(moves=moves, faults=faults, data=st.data())
def test_github_knows_the_end_of_every_history(moves: list[Move], faults: list[str], data: st.DataObject) -> None:
    world = World(Fate(list(faults)))
    events = [101]
    for number, move in enumerate(moves, start=102):
        for one in data.draw(st.lists(st.sampled_from(events), max_size=2)):
            if one not in world.stated:
                world.react(one)
        if world.record.move(move):
            events.append(number)
    world.settle([one for one in data.draw(st.permutations(events)) if one not in world.stated])

    now, made = world.record.now, world.github.made
    expected = {"deploying": "in_progress", "ready": "success", "failed": "failure"}.get(now.status)
    live = {generation: states[-1] for generation, states in made if states[-1] != "inactive"}
    assert live == ({now.generation: expected} if expected else {})
    assert len({generation for generation, _ in made}) == len(made)
    for _, states in made:
        ranks = [RANKS.index(state) for state in states]
        assert ranks == sorted(ranks)
    told = {(generation, state) for generation, states in made for state in states}
    stated = [one for facts in world.stated.values() for one in facts]
    assert set(stated) <= told
    assert len(set(stated)) == len(stated)
    if not faults:
        assert set(stated) == told
