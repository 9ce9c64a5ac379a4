"""For each protection, the functions without it: a simulation that finds nothing wrong with them proves nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from choreography.claims import Claims
from choreography.memory import Claim, Key, Memory
from comments.write import _There
from deployments.tell import Teller
from records import pull_requests
from records.checks import Checks, KeptCheck, Owner, _owner_key
from records.environments import Environment, Environments
from records.pull_requests import PullRequest
from records.table import Check, Item, Put
from runtimes.deletion import Deletion
from runtimes.lease import Lease, Leases
from runtimes.provision import Provision
from tests.simulation.watched import WatchedTable

type Patch = tuple[object, str, Any]


def _forgetful() -> Sequence[Patch]:
    """The memory remembers nothing: each delivery is a first one."""

    def claim(self: Memory, key: Key, lasting: Any, **_: Any) -> Claim:
        now = self._clock()
        fresh = Claim(key=key, until=now + lasting, since=now)
        self._table.put(self._item(fresh))
        return fresh

    return [(Memory, "claim", claim), (Memory, "_put", lambda _self, given, _condition: given)]


def _unfenced() -> Sequence[Patch]:
    """Whatever generation a fact is about, it counts for the present one."""

    def live_at(self: Environments, environment_id: str, _generation: int) -> Environment | None:
        found = self.get(environment_id)
        return found if found and found.is_live else None

    def report(self: Environments, environment_id: str, _generation: int, *rest: Any, **told: Any) -> Any:
        found = self.get(environment_id)
        return original(self, environment_id, found.generation if found else 0, *rest, **told)

    original = Environments.report
    return [(Environments, "live_at", live_at), (Environments, "report", report)]


def _unleased() -> Sequence[Patch]:
    """Everybody acts on a runtime at once."""

    @contextmanager
    def held(self: Leases, environment_id: str) -> Iterator[Lease]:
        yield Lease(self._table, environment_id, "everybody", 0)

    return [(Leases, "held", held), (Lease, "mark_removing", lambda _: None), (Lease, "mark_removed", lambda _: None)]


def _unclaimed() -> Sequence[Patch]:
    """Everybody writes the comment at once."""

    def take(self: Claims, item: Item, _found: Item) -> None:
        self._table.put({**item, "until": 0})

    def release(self: Claims, item: Item) -> None:
        self._table.put({**item, "until": 0})

    return [(Claims, "take", take), (Claims, "release", release)]


def _unrevised() -> Sequence[Patch]:
    """Records are written whatever was written since they were read."""

    def transact(self: Any, writes: Any) -> None:
        original(self, [write if isinstance(write, Check) else replace(write, condition=None) for write in writes])

    original = WatchedTable.transact
    return [(WatchedTable, "transact", transact)]


def _without_tombstones() -> Sequence[Patch]:
    """A pull request's record holds no last word: each word counts as it comes."""
    return [(pull_requests, "_outcome", lambda _told, _found, _asked_at: "told")]


def _without_looking_at_fly() -> Sequence[Patch]:
    """Apps and machines are made without a look at what is there."""

    def _converge(self: Any, wanted: Any) -> Any:
        name = wanted.environment.fly_app
        self._create_app(name)
        self._give_addresses(name, frozenset())
        version = self._give_secrets(name, wanted.secrets, created=True)
        return self._create_machine(wanted, version)

    return [(Provision, "_converge", _converge)]


def _without_looking_at_github() -> Sequence[Patch]:
    """What a lost answer may have made is not looked for before it is made again."""
    return [(_There, "find", lambda *_: None), (Teller, "find", lambda *_: None)]


def _unmarked() -> Sequence[Patch]:
    """A removal that is under way is not marked."""
    return [(Lease, "mark_removing", lambda _: None)]


def _impatient() -> Sequence[Patch]:
    """A runtime counts as gone as soon as its deletion is accepted."""

    def delete(self: Any, fly_app: str, _lease: Lease) -> None:
        self._fly.delete_app(fly_app)

    return [(Deletion, "__call__", delete)]


def _unanswered() -> Sequence[Patch]:
    """Where two words tie, the one that comes last counts, and GitHub is not asked."""

    def outcome(told: PullRequest, found: PullRequest | None, asked_at: int | None) -> str:
        said = original(told, found, asked_at)
        return "told" if said == "tie" else said

    original = pull_requests._outcome
    return [(pull_requests, "_outcome", outcome)]


def _unowned() -> Sequence[Patch]:
    """A check's name belongs to nobody."""

    def owned(_self: Checks, app_id: str, kept: KeptCheck, now: Any) -> Put:
        owner = Owner(app_id=app_id, name=kept.check.name, account=kept.check.account, since=now)
        return Put({**owner.model_dump(mode="json"), **_owner_key(app_id, kept.check.name)})

    return [(Checks, "_owned", owned)]


MUTANTS: Mapping[str, Callable[[], Sequence[Patch]]] = {
    "memory": _forgetful,
    "fencing by generation": _unfenced,
    "lease": _unleased,
    "claim": _unclaimed,
    "revision": _unrevised,
    "tombstone": _without_tombstones,
    "ties ask GitHub": _unanswered,
    "get-or-create": _without_looking_at_fly,
    "look before retry": _without_looking_at_github,
    "removing mark": _unmarked,
    "a name is one account's": _unowned,
    "gone only when Fly says so": _impatient,
}


@contextmanager
def without(protection: str) -> Iterator[None]:
    """The functions without that protection."""
    patches = [patch.object(*each) for each in MUTANTS[protection]()]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in reversed(patches):
            each.stop()
