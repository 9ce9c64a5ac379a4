"""Where an own host name leads, when, and that it never leads to what may be a stranger's."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest

from choreography.reaction import BrokenError, Fact, RefusedError, RetryLaterError
from dns import follow_runtime
from dns.zone import TTL
from prestage_contracts.dns import DomainFailed, DomainPointed, DomainPointedData, DomainReleased, DomainReleasedData
from prestage_contracts.envelope import Reason
from records.domain_names import LASTING
from records.environments import Environment
from tests.unit.dns_stage import HOST, SHOP, TARGET, CrashError, World, zone_in
from tests.unit.dynamodb import Local
from tests.unit.steps import closed, forged, register, requested

OTHER = "prestage-3.elsewhere.example.com"


@pytest.fixture
def world(local: Local) -> Iterator[World]:
    register(local.table, SHOP)
    with zone_in(local) as made:
        yield made


def crash() -> None:
    raise CrashError


def is_pointed(facts: Sequence[Fact], environment: Environment, host: str = HOST) -> bool:
    return facts == [
        Fact(DomainPointed, DomainPointedData(environment=environment.snapshot(), host=host, target=TARGET))
    ]


def is_released(facts: Sequence[Fact], environment: Environment, host: str = HOST) -> bool:
    return facts == [Fact(DomainReleased, DomainReleasedData(environment=environment.snapshot(), host=host))]


def waits(act: Callable[[], object]) -> timedelta:
    with pytest.raises(RetryLaterError) as raised:
        act()
    return raised.value.after


def release(world: World, environment: Environment) -> Sequence[Fact]:
    """Until it is done, as the kernel would."""
    for _ in range(10):
        try:
            return world.release(environment)
        except RetryLaterError as waiting:
            world.now.advance(seconds=waiting.after.total_seconds())
    raise AssertionError("it is never done")


# ---- RuntimeRequested


def test_a_name_leads_to_the_runtime_and_that_is_told(world: World) -> None:
    environment = world.begin()
    assert is_pointed(world.point(environment), environment)
    assert world.zone.names() == {HOST: TARGET}
    found = world.on_record(environment)
    assert found is not None
    assert (found.name, found.target, found.held_until) == (HOST, TARGET, None)


def test_pointing_again_tells_the_same_again(world: World) -> None:
    environment = world.begin()
    assert world.point(environment) == world.point(environment)
    assert world.zone.names() == {HOST: TARGET}


def test_the_next_generation_mends_what_somebody_changed_in_the_zone(world: World) -> None:
    world.point(world.begin())
    world.step.zone.point(HOST, "stranger.example.org")
    environment = world.begin(2)
    assert is_pointed(world.point(environment), environment)
    assert world.zone.names() == {HOST: TARGET}


def test_an_address_of_fly_s_has_no_name_in_the_zone(world: World) -> None:
    environment = world.begin(host=None)
    assert world.point(environment) == []
    assert (world.wire.calls, world.on_record(environment)) == ([], None)


@pytest.mark.parametrize("later", ["updated", "closed"])
def test_an_older_generation_points_nothing(world: World, later: str) -> None:
    environment = world.begin()
    world.begin(2) if later == "updated" else world.close(environment)
    assert world.point(environment) == []
    assert (world.wire.calls, world.on_record(environment)) == ([], None)


def test_an_event_is_believed_in_nothing_but_id_and_generation(world: World) -> None:
    environment = world.begin()
    event = requested(forged(environment), fly_app="evil", address="https://evil.example.com")
    assert is_pointed(world.step.requested(event), environment)
    assert world.zone.names() == {HOST: TARGET}


def test_the_record_is_there_before_the_zone_is_changed(world: World) -> None:
    environment = world.begin()
    seen: list[object] = []
    world.wire.before[1] = lambda: seen.append((world.on_record(environment) is not None, world.zone.names()))
    world.point(environment)
    assert seen == [(True, {})]


# ---- EnvironmentClosed


def test_a_name_is_on_record_until_no_resolver_remembers_it(world: World) -> None:
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    world.wire.pending = 1
    waits(lambda: world.release(environment))
    assert world.zone.names() == {}
    left = waits(lambda: world.release(environment))
    assert left == TTL
    world.now.advance(seconds=TTL.total_seconds() - 1)
    assert waits(lambda: world.release(environment)) == timedelta(seconds=1)
    assert world.on_record(environment) is not None
    world.now.advance(seconds=1)
    assert is_released(world.release(environment), environment)
    assert world.on_record(environment) is None


def test_a_redriven_release_tells_the_same_again(world: World) -> None:
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    assert is_released(release(world, environment), environment)
    assert is_released(world.release(environment), environment)


def test_what_never_was_in_the_zone_is_told_as_released(world: World) -> None:
    environment = world.close(world.begin())
    assert is_released(world.release(environment), environment)
    assert world.wire.calls == []


def test_an_address_of_fly_s_has_nothing_to_be_released(world: World) -> None:
    environment = world.close(world.begin(host=None))
    assert world.release(environment) == []


def test_closing_is_believed_in_nothing_but_id_and_generation(world: World) -> None:
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    with pytest.raises(RetryLaterError):
        world.step.closed(closed(forged(environment)))
    assert world.zone.names() == {}


def test_what_somebody_put_in_its_place_goes_too(world: World) -> None:
    begun = world.begin()
    world.point(begun)
    world.step.zone.point(HOST, "stranger.example.org")
    release(world, world.close(begun))
    assert world.zone.names() == {}


# ---- Races


def test_what_is_closed_before_the_record_is_written_is_not_pointed(world: World) -> None:
    """The step had seen it live; the runtime may go at once, as nothing is on record."""
    environment = world.begin()
    world.local.before("TransactWriteItems", lambda: world.close(environment))
    waits(lambda: world.point(environment))
    assert (world.wire.calls, world.on_record(environment)) == ([], None)
    assert world.point(environment) == []


def test_what_is_closed_while_it_is_pointed_is_on_record_and_released_after_that(world: World) -> None:
    begun = world.begin()
    ended: list[Environment] = []

    def close_meanwhile() -> None:
        ended.append(world.close(begun))
        waits(lambda: world.release(ended[0]))
        assert world.on_record(begun) is not None

    world.wire.before[1] = close_meanwhile
    world.point(begun)
    assert world.zone.names() == {HOST: TARGET}
    [environment] = ended
    assert is_released(release(world, environment), environment)
    assert world.zone.names() == {}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_between_the_record_and_the_zone_is_mended_by_the_next_attempt(world: World, moment: str) -> None:
    environment = world.begin()
    getattr(world.wire, moment)[1] = crash
    with pytest.raises(CrashError):
        world.point(environment)
    waits(lambda: world.point(environment))
    world.now.advance(seconds=LASTING.total_seconds())
    assert is_pointed(world.point(environment), environment)
    assert world.zone.names() == {HOST: TARGET}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_while_pointing_leaves_what_a_close_takes_out(world: World, moment: str) -> None:
    begun = world.begin()
    getattr(world.wire, moment)[1] = crash
    with pytest.raises(CrashError):
        world.point(begun)
    environment = world.close(begun)
    waits(lambda: world.release(environment))
    world.now.advance(seconds=LASTING.total_seconds())
    assert is_released(release(world, environment), environment)
    assert (world.zone.names(), world.on_record(environment)) == ({}, None)


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_while_releasing_is_mended_and_the_record_stays_till_then(world: World, call: int, moment: str) -> None:
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    world.wire.forget()
    getattr(world.wire, moment)[call] = crash
    with pytest.raises(CrashError):
        world.release(environment)
    assert world.on_record(environment) is not None
    world.now.advance(seconds=LASTING.total_seconds())
    assert is_released(release(world, environment), environment)
    assert (world.zone.names(), world.on_record(environment)) == ({}, None)


def test_what_is_reopened_while_it_is_released_is_pointed_in_the_end(world: World) -> None:
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    world.wire.forget()
    again: list[Environment] = []

    def reopen() -> None:
        again.append(world.begin(3))
        waits(lambda: world.point(again[0]))

    world.wire.before[2] = reopen
    waits(lambda: world.release(environment))
    assert world.zone.names() == {}
    assert is_pointed(world.point(again[0]), again[0])
    assert world.release(environment) == []
    assert world.zone.names() == {HOST: TARGET}


def test_what_was_pointed_again_is_taken_out_again(world: World) -> None:
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    waits(lambda: world.release(environment))
    again = world.begin(3)
    world.point(again)
    ended = world.close(again, 51)
    assert is_released(release(world, ended), ended)
    assert (world.zone.names(), world.on_record(ended)) == ({}, None)


def test_of_two_at_once_one_waits(world: World) -> None:
    environment = world.begin()

    def other() -> None:
        world.wire.before[1] = crash
        with pytest.raises(CrashError):
            world.point(environment)

    world.local.before("TransactWriteItems", other)
    waits(lambda: world.point(environment))
    assert len(world.wire.calls) == 1


@pytest.mark.parametrize("waited", [0, 1])
def test_an_old_release_does_not_take_out_what_was_pointed_since(world: World, waited: int) -> None:
    """It had seen the environment closed, and what is on record, before both changed."""
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    for _ in range(waited):
        waits(lambda: world.release(environment))
        world.now.advance(seconds=TTL.total_seconds())

    def reopen() -> None:
        again = world.begin(3)
        assert is_pointed(world.point(again), again)

    world.local.before("TransactWriteItems", reopen)
    waits(lambda: world.release(environment))
    assert world.zone.names() == {HOST: TARGET}
    assert world.on_record(environment) is not None
    assert world.release(environment) == []


@pytest.mark.parametrize("host", [OTHER, None])
def test_an_older_name_goes_before_another_comes(world: World, host: str | None) -> None:
    """The app's domain was changed between a close and a reopening that overtook its release."""
    begun = world.begin()
    world.point(begun)
    world.close(begun)
    environment = world.begin(3, host=host)
    waits(lambda: world.point(environment))
    assert world.zone.names() == {}
    assert world.on_record(environment) is not None
    world.now.advance(seconds=TTL.total_seconds())
    facts = world.point(environment)
    assert is_pointed(facts, environment, OTHER) if host else facts == []
    assert world.zone.names() == ({OTHER: TARGET} if host else {})


# ---- Route 53 says no


@pytest.mark.parametrize("code", ["InvalidChangeBatch", "InvalidInput"])
def test_a_name_that_route_53_does_not_take_is_refused_in_its_words(world: World, code: str) -> None:
    world.wire.refusal = code
    with pytest.raises(RefusedError, match=f"Route 53 refuses {HOST}: the zone has another one") as raised:
        world.point(world.begin())
    assert raised.value.reason.code == "dns_refused"


def test_a_name_that_is_not_taken_out_is_tried_again_and_stays_on_record(world: World) -> None:
    begun = world.begin()
    world.point(begun)
    environment = world.close(begun)
    world.wire.refusal = "InvalidChangeBatch"
    with pytest.raises(BrokenError):
        world.release(environment)
    assert world.on_record(environment) is not None


def test_a_zone_that_is_not_there_is_for_an_operator_to_mend(world: World) -> None:
    world.wire.refusal = "NoSuchHostedZone"
    with pytest.raises(BrokenError, match="HostedZoneId"):
        world.point(world.begin())


def test_a_busy_zone_is_waited_for(world: World) -> None:
    world.wire.refusal = "PriorRequestNotComplete"
    waits(lambda: world.point(world.begin()))


def test_a_failure_names_the_environment_and_the_reason(world: World) -> None:
    environment = world.begin()
    reason = Reason(code="dns_refused", message="Route 53 refuses it")
    for event in (requested(environment), closed(environment)):
        fact = follow_runtime.failed(event, reason)
        assert fact.event is DomainFailed
        assert fact.data.subject == f"{environment.id}@1:dns_refused"
