"""Whose turn it is to drive a runtime, to which generation, and with what."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from choreography.reaction import RefusedError, RetryLaterError
from prestage_contracts.envelope import Reason
from prestage_contracts.runtimes import Runtime, RuntimeFailed, RuntimeRequested, RuntimeRequestedData
from records.apps import Apps
from records.environments import Environment, Environments
from runtimes.converge import Converge, _failed, logger
from runtimes.lease import LASTING, Leases
from runtimes.provision import Wanted
from sealing.bundles import KEPT, Bundles
from sealing.seal import DataKeys
from tests.unit.dynamodb import Local
from tests.unit.github_stage import Now
from tests.unit.record_examples import app
from tests.unit.steps import KEYED, begin, close, forged, logged, register, resolved

SHOP = app("storefront")
SECRETS = {"API_KEY": "planted-key"}


def source_url(environment_id: str, generation: int) -> str:
    return f"https://hooks.example.com/source/{KEYED.capability(environment_id, generation)}"


@dataclass
class Fly:
    """Provisions. `act` is what happens meanwhile."""

    act: Callable[[], object] = lambda: None
    wanted: list[Wanted] = field(default_factory=list)

    def __call__(self, wanted: Wanted) -> Runtime:
        self.wanted.append(wanted)
        self.act()
        return Runtime(
            provider="fly.io",
            fly_app=wanted.environment.fly_app,
            machine_id="3d8d9014b32d89",
            region="iad",
            address=wanted.environment.address,
        )


@dataclass
class World:
    local: Local
    now: Now = field(default_factory=Now)
    fly: Fly = field(default_factory=Fly)
    bundles: Bundles = field(init=False)

    def __post_init__(self) -> None:
        keys = DataKeys(self.local.kms, self.local.kms.create_key()["KeyMetadata"]["Arn"])
        self.bundles = Bundles(self.local.table, keys, self.now)

    @property
    def leases(self) -> Leases:
        return Leases(self.local.table, self.now)

    @property
    def step(self) -> Converge:
        table = self.local.table
        return Converge(Environments(table), Apps(table), self.bundles, self.leases, self.fly, source_url)

    def begin(self, intent: int = 1) -> Environment:
        """A generation, and its bundle."""
        begun = begin(self.local.table, intent, of=SHOP)
        self.bundles.keep(begun.id, begun.generation, SECRETS)
        return begun

    def converge(self, environment: Environment) -> RuntimeRequestedData:
        [fact] = self.step(resolved(environment))
        assert fact.event is RuntimeRequested
        assert isinstance(fact.data, RuntimeRequestedData)
        return fact.data

    def refuse(self, environment: Environment) -> str:
        """Why it is refused; nothing is provisioned, and the lease is free."""
        with pytest.raises(RefusedError) as raised:
            self.step(resolved(environment))
        assert self.fly.wanted == []
        assert self.is_free(environment)
        return raised.value.reason.code

    def is_free(self, environment: Environment) -> bool:
        try:
            with self.leases.held(environment.id):
                return True
        except RetryLaterError:
            return False


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP)
    return World(local)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


def test_the_runtime_of_the_generation_is_requested_and_told(world: World) -> None:
    environment = world.begin()
    told = world.converge(environment)
    assert told.environment == environment.snapshot()
    assert (told.runtime.fly_app, told.runtime.address) == (environment.fly_app, environment.address)
    [wanted] = world.fly.wanted
    assert wanted == Wanted(environment, SHOP, source_url(environment.id, 1), SECRETS)


def test_an_event_is_believed_in_nothing_but_id_and_generation(world: World) -> None:
    environment = world.begin()
    [fact] = world.step(resolved(forged(environment)))
    [wanted] = world.fly.wanted
    assert (wanted.environment, wanted.app, wanted.secrets) == (environment, SHOP, SECRETS)
    assert fact.data.model_dump()["environment"] == environment.snapshot().model_dump()


def test_the_runtime_is_how_the_app_is_now(world: World) -> None:
    environment = world.begin()
    changed = Apps(world.local.table).update(SHOP.model_copy(update={"image": "node:22"}))
    world.converge(environment)
    assert world.fly.wanted[0].app == changed


# ---- Whose turn it is


def test_who_finds_the_lease_held_waits_and_touches_nothing(world: World) -> None:
    environment = world.begin()
    with world.leases.held(environment.id), pytest.raises(RetryLaterError, match="somebody else acts"):
        world.step(resolved(environment))
    assert world.fly.wanted == []
    world.converge(environment)


def test_the_lease_is_held_while_fly_is_driven_and_not_longer(world: World) -> None:
    environment = world.begin()
    seen: list[bool] = []
    world.fly.act = lambda: seen.append(world.is_free(environment))
    world.converge(environment)
    assert seen == [False]
    assert world.is_free(environment)


@pytest.mark.parametrize(
    "error", [RetryLaterError("Fly", timedelta(1)), RefusedError("provider_refused", "no"), ValueError("a bug")]
)
def test_the_lease_is_given_back_whatever_fly_says(world: World, error: Exception) -> None:
    def fail() -> None:
        raise error

    environment = world.begin()
    world.fly.act = fail
    with pytest.raises(type(error)):
        world.step(resolved(environment))
    assert world.is_free(environment)


def test_who_oversleeps_its_lease_does_not_take_it_from_its_successor(world: World) -> None:
    """It can't happen while the lease outlasts the function; if it does, the machine's version is the last guard."""
    environment = world.begin()
    successor = world.leases.held(environment.id)

    def oversleep() -> None:
        world.now.advance(seconds=LASTING.total_seconds())
        successor.__enter__()

    world.fly.act = oversleep
    world.converge(environment)
    assert not world.is_free(environment)
    successor.__exit__(None, None, None)
    assert world.is_free(environment)


# ---- Which generation


def test_an_older_generation_does_nothing_and_undoes_nothing(world: World) -> None:
    older = world.begin()
    newer = world.begin(2)
    assert world.step(resolved(older)) == []
    assert world.fly.wanted == []
    assert world.is_free(older)
    world.converge(newer)
    assert world.step(resolved(older)) == []
    assert [wanted.environment.generation for wanted in world.fly.wanted] == [2]


def test_a_generation_that_begins_before_the_lease_is_held_is_seen(world: World) -> None:
    """The record is read by whoever holds the lease: read before, it could be older than what the last holder made."""
    older = world.begin()

    def overtake() -> None:
        with world.leases.held(older.id):
            world.begin(2)

    world.local.before("PutItem", overtake)
    assert world.step(resolved(older)) == []
    assert world.fly.wanted == []


def test_a_generation_that_is_not_on_record_does_nothing(world: World) -> None:
    environment = world.begin()
    assert world.step(resolved(environment.model_copy(update={"generation": 2}))) == []
    assert world.fly.wanted == []


def test_a_closed_environment_gets_no_runtime(world: World) -> None:
    environment = world.begin()
    close(world.local.table, environment)
    assert world.step(resolved(environment)) == []
    assert world.fly.wanted == []


def test_an_environment_that_is_not_on_record_gets_no_runtime_and_leaves_no_lease(world: World) -> None:
    unknown = world.begin().model_copy(update={"id": SHOP.id})
    assert world.step(resolved(unknown)) == []
    assert world.local.table.get(f"ENVIRONMENT#{SHOP.id}", "RUNTIME") is None


# ---- With what


def test_a_bundle_that_is_missing_is_a_refusal(world: World) -> None:
    environment = begin(world.local.table, of=SHOP)
    assert world.refuse(environment) == "secrets_expired"


def test_a_bundle_that_expired_is_a_refusal_though_it_is_still_there(world: World) -> None:
    environment = world.begin()
    world.now.advance(seconds=KEPT.total_seconds() + 1)
    assert world.refuse(environment) == "secrets_expired"


def test_the_bundle_of_another_generation_is_not_taken(world: World) -> None:
    world.begin()
    newer = begin(world.local.table, 2, of=SHOP)
    assert world.refuse(newer) == "secrets_expired"


def test_the_bundle_of_another_environment_in_its_place_is_a_refusal(world: World) -> None:
    environment = world.begin()
    world.bundles.keep(SHOP.id, 1, {"API_KEY": "planted-other"})
    theirs = world.local.item(f"ENVIRONMENT#{SHOP.id}", "BUNDLE#1")
    world.local.table.put({**theirs, "pk": f"ENVIRONMENT#{environment.id}"})
    assert world.refuse(environment) == "secrets_unreadable"


def test_an_environment_whose_app_is_gone_is_a_refusal(world: World) -> None:
    environment = world.begin()
    close(world.local.table, environment)
    Apps(world.local.table).remove(SHOP.id)
    reopened = environment.model_copy(update={"status": "deploying"}).model_dump(mode="json")
    world.local.table.put({**reopened, "pk": f"ENVIRONMENT#{environment.id}", "sk": "ENVIRONMENT"})
    assert world.refuse(environment) == "app_removed"


def test_no_secrets_are_a_runtime_without_secrets(world: World) -> None:
    environment = begin(world.local.table, of=SHOP)
    world.bundles.keep(environment.id, 1, {})
    world.converge(environment)
    assert world.fly.wanted[0].secrets == {}


def test_neither_the_fact_nor_the_log_has_a_secret_or_the_capability(world: World, log: io.StringIO) -> None:
    environment = world.begin()
    told = world.converge(environment)
    capability = KEYED.capability(environment.id, 1)
    text = told.model_dump_json() + log.getvalue() + repr(world.fly.wanted)
    assert "runtime requested" in log.getvalue()
    assert "planted" not in text
    assert capability not in text


def test_what_is_refused_or_given_up_names_the_environment_and_the_reason(world: World) -> None:
    environment = world.begin()
    fact = _failed(resolved(environment), Reason(code="secrets_expired", message="Expired"))
    assert fact.event is RuntimeFailed
    assert fact.data.subject == f"{environment.id}@1:secrets_expired"
