"""The steps of a runtime on Fly, stopped anywhere: what is closed goes, and what begins again is made anew."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from choreography.reaction import Fact, RetryLaterError
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.environments import EnvironmentClosed
from prestage_contracts.janitor import RuntimeOrphaned
from prestage_contracts.runtimes import RuntimeFailed, RuntimeRemoved, RuntimeRequested
from prestage_contracts.vault import SecretsResolved
from records.environments import Environment
from runtimes.lease import LASTING
from runtimes.reactions import Naming, steps
from sealing.bundles import Bundles
from sealing.seal import DataKeys
from tests.unit.dynamodb import Local
from tests.unit.github_stage import Now
from tests.unit.provision_stage import GATE, NAME, ORGANIZATION, SOURCE, CrashError, provisioning, stop_at
from tests.unit.provision_stage import World as Stage
from tests.unit.record_examples import app
from tests.unit.steps import begin, close, closed, register, resolved

SHOP = app("storefront")


class World:
    """The steps as the function has them. A crash leaves the lease as its holder had it."""

    def __init__(self, local: Local, fly: Stage) -> None:
        keys = DataKeys(local.kms, local.kms.create_key()["KeyMetadata"]["Arn"])
        self.local = local
        self.fly = fly
        self.now = Now()
        self.bundles = Bundles(local.table, keys, self.now)
        naming = Naming(
            ORGANIZATION,
            "prestage",
            "https://logs.example.com/{fly_app}",
            lambda *_: SOURCE,
            lambda _: SecretStr("planted"),
            GATE,
        )
        self.steps = steps(local.table, self.bundles, fly.fly, naming, self.now)

    def begin(self, intent: int) -> Environment:
        begun = begin(self.local.table, intent, of=SHOP)
        self.bundles.keep(begun.id, begun.generation, {"API_KEY": f"planted-{intent}"})
        return begun

    def close(self, environment: Environment, intent: int) -> Environment:
        return close(self.local.table, environment, intent)

    def do(self, event: Event, times: int = 20) -> Sequence[Fact]:
        """What the step states, once it need not wait."""
        for _ in range(times):
            with suppress(RetryLaterError):
                facts: Sequence[Fact] = self.steps[type(event)].do(event)
                return facts
        raise AssertionError("it waits for ever")

    def crash(self, event: EnvironmentClosed | SecretsResolved, call: int, *, after_effect: bool) -> bool:
        """Stop the function at that call of Fly's; False if it was done before that."""
        place = (f"ENVIRONMENT#{event.data.environment.id}", "RUNTIME")
        left: list[dict[str, Any]] = []
        self.fly.forget()
        self.fly.wire.stop = stop_at(call, after_effect=after_effect, act=lambda: left.append(self.local.item(*place)))
        with suppress(CrashError):
            self.do(event)
        self.fly.wire.stop = lambda *_: None
        for lease in left:
            self.local.table.put(lease)
        self.now.advance(seconds=LASTING.total_seconds())
        return bool(left)

    def is_leased_or_marked(self) -> bool:
        return any(item["sk"]["S"] == "RUNTIME" for item in self.local.items())


@pytest.fixture
def world(tmp_path: Path, local: Local) -> Iterator[World]:
    register(local.table, SHOP)
    with provisioning(tmp_path) as fly:
        yield World(local, fly)


def assert_served(world: World, environment: Environment, secret: str) -> None:
    [made] = world.fly.stand_in.apps()
    assert (made.name, made.network, made.secrets) == (NAME, NAME, {"API_KEY": secret})
    assert len(made.ips) == 2
    assert world.fly.machine().config.metadata["generation"] == str(environment.generation)
    assert not world.is_leased_or_marked()


def test_every_fact_that_leads_here_has_a_step(world: World) -> None:
    assert set(world.steps) == {SecretsResolved, RuntimeRequested, EnvironmentClosed, RuntimeOrphaned}


def test_only_who_waits_for_an_environment_is_told_that_a_step_was_given_up(world: World) -> None:
    environment = world.begin(1)
    reason = Reason(code="gave_up", message="Gave up")
    given_up = [
        world.steps[type(event)].failed(event, reason) for event in (resolved(environment), closed(environment))
    ]
    assert [fact and fact.event for fact in given_up] == [RuntimeFailed, None]


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("call", range(1, 6))
def test_a_removal_that_was_stopped_anywhere_is_finished_before_its_successor_is_made(
    world: World, call: int, after_effect: bool
) -> None:
    first = world.begin(1)
    world.do(resolved(first))
    before = world.fly.machine().id
    closing = world.close(first, 2)
    world.fly.stand_in.let_deletions_linger(1, machines_run=True)
    world.crash(closed(closing), call, after_effect=after_effect)
    was_to_go = "DELETE /it" in world.fly.calls()
    again = world.begin(3)
    assert world.do(closed(closing)) == []
    [fact] = world.do(resolved(again))
    assert fact.event is RuntimeRequested
    assert_served(world, again, "planted-3")
    assert (world.fly.machine().id != before) is was_to_go


@pytest.mark.parametrize("call", range(1, 7))
def test_a_runtime_whose_making_was_stopped_anywhere_is_made_once(world: World, call: int) -> None:
    environment = world.begin(1)
    world.crash(resolved(environment), call, after_effect=True)
    [fact] = world.do(resolved(environment))
    assert fact.event is RuntimeRequested
    assert_served(world, environment, "planted-1")


@pytest.mark.parametrize("call", range(1, 7))
def test_an_update_that_was_stopped_anywhere_ends_as_the_newest_generation(world: World, call: int) -> None:
    first = world.begin(1)
    world.do(resolved(first))
    before = world.fly.machine().id
    second = world.begin(2)
    world.crash(resolved(second), call, after_effect=True)
    third = world.begin(3)
    assert world.do(resolved(second)) == []
    world.do(resolved(third))
    assert_served(world, third, "planted-3")
    assert world.fly.machine().id == before


@pytest.mark.parametrize("call", range(1, 7))
def test_what_is_closed_while_it_is_made_goes_wherever_that_was_stopped(world: World, call: int) -> None:
    environment = world.begin(1)
    world.crash(resolved(environment), call, after_effect=True)
    closing = world.close(environment, 2)
    [fact] = world.do(closed(closing))
    assert fact.event is RuntimeRemoved
    assert world.do(resolved(environment)) == []
    assert world.fly.stand_in.apps() == ()
    assert not world.is_leased_or_marked()
