"""Whose turn it is to drive a runtime, to which generation, and with what."""

import io
from collections.abc import Iterator
from datetime import timedelta

import pytest

from choreography.reaction import RefusedError, RetryLaterError
from prestage_contracts.envelope import Reason
from prestage_contracts.runtimes import (
    RuntimeFailed,
    RuntimeFailedData,
)
from records.apps import Apps
from records.environments import Environment, environment_key
from runtimes.converge import failed, logger
from runtimes.lease import LASTING
from runtimes.machine import PASSWORD
from runtimes.provision import Wanted
from sealing.bundles import KEPT
from tests.unit.converge_stage import SECRETS, SHOP, World, password, source_url
from tests.unit.dynamodb import Local
from tests.unit.steps import KEYED, begin, close, forged, logged, register, resolved, stop


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


def test_visitors_of_a_preview_give_its_own_password_where_its_generation_has_one(world: World) -> None:
    environment = world.begin(with_password=True)
    world.converge(environment)
    [wanted] = world.fly.wanted
    assert wanted.secrets == {**SECRETS, PASSWORD: password(environment.id).get_secret_value()}


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


def test_a_machine_that_is_ahead_is_superseded_once_the_record_says_so(world: World) -> None:
    """As for who overslept its lease, and finds what its successor made."""
    environment = world.begin()
    world.fly.is_ahead = True
    world.fly.act = lambda: world.begin(2)
    assert world.step(resolved(environment)) == []
    assert world.is_free(environment)


def test_a_machine_that_is_ahead_of_the_record_is_a_refusal_and_no_silence(world: World) -> None:
    """As after the records were restored: nothing else would tell anybody."""
    environment = world.begin()
    world.fly.is_ahead = True
    with pytest.raises(RefusedError, match="begin it again") as raised:
        world.step(resolved(environment))
    assert raised.value.reason.code == "runtime_ahead"
    assert world.is_free(environment)


# ---- What is being removed


def removing(world: World, environment: Environment) -> bool:
    with world.leases.held(environment.id) as lease:
        return lease.removing


def test_a_removal_that_was_begun_is_finished_before_anything_is_made(world: World) -> None:
    closing = close(world.local.table, world.begin())
    with world.leases.held(closing.id) as lease:
        lease.mark_removing()
    again = world.begin(51)
    world.fly.lingers = 2
    for _ in range(2):
        with pytest.raises(RetryLaterError, match="is removing the app"):
            world.step(resolved(again))
        assert removing(world, again)
    assert world.fly.wanted == []
    world.converge(again)
    assert world.fly.deleted == [again.fly_app] * 3
    assert not removing(world, again)


def test_what_nobody_removes_is_not_deleted(world: World) -> None:
    world.converge(world.begin())
    world.converge(world.begin(2))
    assert world.fly.deleted == []


def test_who_is_superseded_leaves_the_mark_to_its_successor(world: World) -> None:
    older = world.begin()
    with world.leases.held(older.id) as lease:
        lease.mark_removing()
    world.begin(2)
    assert world.step(resolved(older)) == []
    assert world.fly.deleted == []
    assert removing(world, older)


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
    stop(world.local.table, close(world.local.table, environment))
    Apps(world.local.table).remove(SHOP.id)
    world.local.table.put({**environment.model_dump(mode="json"), **environment_key(environment.id)})
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


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        ("secrets_expired", "secrets"),
        ("secrets_unreadable", "secrets"),
        ("key_refused", "secrets"),
        ("provider_refused", "provision"),
        ("gave_up", "provision"),
    ],
)
def test_what_is_refused_or_given_up_names_the_environment_the_reason_and_the_stage(
    world: World, code: str, stage: str
) -> None:
    environment = world.begin()
    fact = failed(resolved(environment), Reason(code=code, message="Expired"))
    assert fact.event is RuntimeFailed
    assert isinstance(fact.data, RuntimeFailedData)
    assert (fact.data.subject, fact.data.stage) == (f"{environment.id}@1:{code}", stage)
