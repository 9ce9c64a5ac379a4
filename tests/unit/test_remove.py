"""Whose runtime goes, when, and what is said of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from choreography.reaction import Fact, RetryLaterError
from prestage_contracts.runtimes import RuntimeRemoved
from records.domain_names import DomainName, DomainNames
from records.environments import Environment, Environments
from runtimes.lease import Lease, Leases
from runtimes.remove import Remove
from tests.unit.dynamodb import Local
from tests.unit.github_stage import Now
from tests.unit.provision_stage import World as Stage
from tests.unit.provision_stage import provisioning, wanted
from tests.unit.record_examples import app
from tests.unit.steps import begin, close, closed, forged, orphaned, register, stop

SHOP = app("storefront")
NAME = "prestage-3"


@dataclass
class Fly:
    """Deletes; `act` is what happens meanwhile. What it deletes is gone after `lingers` more looks."""

    act: Callable[[], object] = lambda: None
    lingers: int = 0
    asked: list[str] = field(default_factory=list)

    def __call__(self, fly_app: str, lease: Lease) -> None:
        self.asked.append(fly_app)
        self.act()
        if self.lingers:
            self.lingers -= 1
            lease.mark_removing()
            raise RetryLaterError("Fly.io is removing the app", timedelta(seconds=5))
        lease.mark_removed()


@dataclass
class World:
    local: Local
    now: Now = field(default_factory=Now)
    fly: Fly = field(default_factory=Fly)

    @property
    def environments(self) -> Environments:
        return Environments(self.local.table)

    @property
    def names(self) -> DomainNames:
        return DomainNames(self.local.table, self.now)

    @property
    def leases(self) -> Leases:
        return Leases(self.local.table, self.now)

    @property
    def step(self) -> Remove:
        return Remove(self.environments, self.names, self.leases, self.fly, "prestage")

    def begin(self, intent: int = 1, *, number: int = 3) -> Environment:
        return begin(self.local.table, intent, of=SHOP, number=number)

    def close(self, environment: Environment, intent: int = 50) -> Environment:
        return close(self.local.table, environment, intent)

    def is_free(self, of: str) -> bool:
        try:
            with self.leases.held(of):
                return True
        except RetryLaterError:
            return False

    def is_marked(self, environment: Environment) -> bool:
        with self.leases.held(environment.id) as lease:
            return lease.removing


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP)
    return World(local)


def removed(facts: Sequence[Fact], environment: Environment) -> bool:
    [fact] = facts
    assert fact.event is RuntimeRemoved
    return fact.data.model_dump() == {"environment": environment.snapshot().model_dump()}


# ---- EnvironmentClosed


def test_the_runtime_of_a_closed_environment_goes_and_that_is_told(world: World) -> None:
    environment = world.close(world.begin())
    assert removed(world.step.closed(closed(environment)), environment)
    assert world.fly.asked == [NAME]
    assert world.is_free(environment.id)


def test_nothing_is_told_while_the_runtime_is_still_there(world: World) -> None:
    environment = world.close(world.begin())
    world.fly.lingers = 2
    for _ in range(2):
        with pytest.raises(RetryLaterError):
            world.step.closed(closed(environment))
        assert world.is_free(environment.id)
        assert world.is_marked(environment)
    assert removed(world.step.closed(closed(environment)), environment)
    assert not world.is_marked(environment)


def test_a_redriven_removal_tells_the_same_again(world: World) -> None:
    environment = world.close(world.begin())
    assert removed(world.step.closed(closed(environment)), environment)
    stop(world.local.table, environment)
    assert removed(world.step.closed(closed(environment)), environment)


def test_an_app_stays_while_a_name_in_dns_may_lead_to_it(world: World) -> None:
    begun = world.begin()
    name = DomainName(environment_id=begun.id, name="prestage-3.previews.example.com", target="prestage-3.fly.dev")
    pointed = world.names.give_back(world.names.take(name, begun.generation))
    environment = world.close(begun)
    with pytest.raises(RetryLaterError):
        world.step.closed(closed(environment))
    with pytest.raises(RetryLaterError):
        world.step.orphaned(orphaned(NAME, begun.id))
    assert world.fly.asked == []
    assert world.is_free(environment.id)
    assert not world.is_marked(environment)
    world.names.forget(pointed)
    assert removed(world.step.closed(closed(environment)), environment)


def test_an_event_is_believed_in_nothing_but_id_and_generation(world: World) -> None:
    environment = world.close(world.begin())
    assert removed(world.step.closed(closed(forged(environment))), environment)
    assert world.fly.asked == [NAME]


@pytest.mark.parametrize("trouble", ["live", "began again", "closed again", "not closed yet", "unknown"])
def test_nothing_is_touched_but_for_the_close_that_stands(world: World, trouble: str) -> None:
    environment = world.begin()
    match trouble:
        case "began again":
            environment = world.close(environment)
            world.begin(51)
        case "closed again":
            environment = world.close(environment)
            world.close(world.begin(51), 52)
        case "not closed yet":
            environment = world.close(environment).model_copy(update={"generation": 3})
        case "unknown":
            environment = world.close(environment).model_copy(update={"id": SHOP.id})
    assert world.step.closed(closed(environment)) == []
    assert world.fly.asked == []
    assert world.is_free(environment.id)


def test_what_began_again_while_its_runtime_was_going_is_left_to_its_own_step_with_the_mark(world: World) -> None:
    environment = world.close(world.begin())
    world.fly.lingers = 1
    with pytest.raises(RetryLaterError):
        world.step.closed(closed(environment))
    world.begin(51)
    assert world.step.closed(closed(environment)) == []
    assert world.fly.asked == [NAME]
    assert world.is_marked(environment)


def test_who_finds_the_lease_held_waits_and_touches_nothing(world: World) -> None:
    environment = world.close(world.begin())
    with world.leases.held(environment.id), pytest.raises(RetryLaterError, match="somebody else acts"):
        world.step.closed(closed(environment))
    assert world.fly.asked == []


def test_the_lease_is_held_while_fly_is_driven(world: World) -> None:
    environment = world.close(world.begin())
    free: list[bool] = []
    world.fly.act = lambda: free.append(world.is_free(environment.id))
    world.step.closed(closed(environment))
    assert free == [False]


def test_an_environment_that_begins_before_the_lease_is_held_is_seen(world: World) -> None:
    environment = world.close(world.begin())
    world.local.before("PutItem", lambda: world.begin(51))
    assert world.step.closed(closed(environment)) == []
    assert world.fly.asked == []


# ---- RuntimeOrphaned


def test_an_orphan_of_no_environment_goes_and_nothing_is_told(world: World) -> None:
    world.begin()
    world.fly.lingers = 1
    with pytest.raises(RetryLaterError):
        world.step.orphaned(orphaned("prestage-none"))
    assert world.step.orphaned(orphaned("prestage-none")) == []
    assert world.fly.asked == ["prestage-none"] * 2
    assert [item for item in world.local.items() if item["sk"]["S"] == "RUNTIME"] == []


@pytest.mark.parametrize("says_whose", [True, False])
def test_the_orphan_of_a_closing_environment_is_the_removal_that_it_waits_for(world: World, says_whose: bool) -> None:
    environment = world.close(world.begin())
    orphan = orphaned(NAME, environment.id if says_whose else None)
    assert removed(world.step.orphaned(orphan), environment)
    assert world.fly.asked == [NAME]


@pytest.mark.parametrize("says_whose", [True, False])
def test_the_orphan_of_a_stopped_environment_goes_and_nothing_is_told_again(world: World, says_whose: bool) -> None:
    """Such as one that an answer which came after hours made."""
    environment = world.close(world.begin())
    stop(world.local.table, environment)
    assert world.step.orphaned(orphaned(NAME, environment.id if says_whose else None)) == []
    assert world.fly.asked == [NAME]


@pytest.mark.parametrize("says_whose", ["its own", "nobody's", "another's", "an unknown one's"])
def test_the_app_of_a_live_environment_is_no_orphan_whatever_is_said(world: World, says_whose: str) -> None:
    """A fact may be old or untrue, and what runs on a machine can change what the machine says of itself."""
    environment = world.begin()
    other = world.close(begin(world.local.table, 2, of=SHOP, number=4))
    said = {"its own": environment.id, "nobody's": None, "another's": other.id, "an unknown one's": SHOP.id}
    assert world.step.orphaned(orphaned(NAME, said[says_whose])) == []
    assert world.fly.asked == []


def test_an_app_of_a_live_environment_that_has_another_app_on_record_goes(world: World) -> None:
    environment = world.begin()
    assert world.step.orphaned(orphaned("prestage-old", environment.id)) == []
    assert world.fly.asked == ["prestage-old"]


@pytest.mark.parametrize("says_whose", [True, False])
def test_an_orphan_whose_environment_begins_meanwhile_is_left_alone(world: World, says_whose: bool) -> None:
    environment = world.close(world.begin())
    world.local.before("PutItem", lambda: world.begin(51))
    assert world.step.orphaned(orphaned(NAME, environment.id if says_whose else None)) == []
    assert world.fly.asked == []


@pytest.mark.parametrize("name", ["other-abc", "prestage", "prestage-eu-abc", "prestagex-abc"])
def test_an_app_whose_name_is_not_this_stack_s_is_not_touched(world: World, name: str) -> None:
    assert world.step.orphaned(orphaned(name)) == []
    assert world.fly.asked == []


def test_an_orphan_on_whose_runtime_somebody_acts_is_waited_for(world: World) -> None:
    environment = world.close(world.begin())
    with world.leases.held(environment.id), pytest.raises(RetryLaterError, match="somebody else acts"):
        world.step.orphaned(orphaned(NAME))
    assert world.fly.asked == []


# ---- On Fly


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with provisioning(tmp_path) as staged:
        yield staged


def test_the_same_on_fly_from_the_close_to_its_end(world: World, stage: Stage) -> None:
    environment = world.close(world.begin())
    stage.provision(wanted())
    stage.stand_in.let_deletions_linger(1)
    step = Remove(world.environments, world.names, world.leases, stage.delete, "prestage")
    told: list[Fact] = []
    for _ in range(5):
        with suppress(RetryLaterError):
            told.extend(step.closed(closed(environment)))
    assert {fact.event for fact in told} == {RuntimeRemoved}
    assert len(told) < 5  # it was waited for
    assert stage.stand_in.apps() == ()
