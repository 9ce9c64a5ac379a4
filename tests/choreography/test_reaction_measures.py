"""What is measured of a reaction, and that measuring changes nothing of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from choreography import measures
from choreography.measures import Measure
from choreography.reaction import BACK_OFF, BrokenError, Fact, RefusedError, RetryLaterError
from tests.choreography.world import World, fact

HALF_A_MINUTE = timedelta(seconds=30)
AWAY = RetryLaterError("Fly.io does not answer", timedelta(seconds=20))

type Measured = Callable[[str], list[Measure]]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Gives what was measured under a name."""
    kept: list[Measure] = []
    monkeypatch.setattr(measures, "_record", kept.append)
    return lambda name: [one for one in kept if one.name == name]


def reasons(found: list[Measure]) -> list[str | None]:
    return [one.reason for one in found]


def test_a_hop_is_measured_from_the_fact_to_the_end_of_its_reaction(world: World, measured: Measured) -> None:
    record = world.send()
    world.deliver(record)
    world.now += HALF_A_MINUTE
    world.deliver(record)
    assert [one.value for one in measured("HopTime")] == [2]  # `fact` was stated two seconds ago


def test_a_hop_that_waited_is_measured_with_its_waiting(world: World, measured: Measured) -> None:
    record = world.send()
    world.step.raises = [AWAY]
    world.deliver(record)
    world.now += HALF_A_MINUTE
    world.deliver(record)
    [waited] = measured("WaitingTime")
    [hop] = measured("HopTime")
    assert hop.value == waited.value + 30


@pytest.mark.parametrize(
    ("raised", "cause"),
    [(AWAY, "waiting"), (KeyError("a bug"), "failed"), (BrokenError("key_refused", "no"), "failed")],
)
def test_each_retry_says_why(world: World, measured: Measured, raised: Exception, cause: str) -> None:
    world.step.raises = [raised]
    world.deliver(world.send())
    assert [one.cause for one in measured("Retries")] == [cause]
    assert measured("HopTime") == []


def test_a_bus_that_takes_nothing_is_told_from_a_step_that_waits(world: World, measured: Measured) -> None:
    world.bus.failures = 100
    world.deliver(world.send())
    assert [one.cause for one in measured("Retries")] == ["bus_away"]


def test_a_refusal_is_a_failure_of_its_reason_once(world: World, measured: Measured) -> None:
    record = world.send()
    world.step.raises = [RefusedError("provider_refused", "no")]
    world.deliver(record)
    world.deliver(record)
    assert reasons(measured("Failures")) == ["provider_refused"]


def test_what_is_given_up_is_a_failure_of_its_reason_once(world: World, measured: Measured) -> None:
    record = world.send()
    world.step.always = BrokenError("provider_unauthorized", "no")
    for _ in range(len(BACK_OFF) + 1):
        world.deliver(record)
        world.now += timedelta(minutes=10)
    assert reasons(measured("Failures")) == ["provider_unauthorized"]
    assert len(measured("StepsGivenUp")) == 1
    assert len(measured("StepsFailed")) == len(BACK_OFF) + 1


def test_a_message_that_is_no_fact_is_a_failure(world: World, measured: Measured) -> None:
    world.deliver(world.send("not JSON"))
    assert reasons(measured("Failures")) == ["malformed"]


def measured_fact(world: World) -> list[Fact]:
    resolved = world.step.resolved()
    return [Fact(resolved.event, resolved.data, measures=(Measure("TimeToReady", 3),))]


def test_what_a_step_measures_is_recorded_once_its_fact_is_stated(world: World, measured: Measured) -> None:
    record = world.send()
    world.step.facts = [measured_fact(world)]
    world.bus.failures = 4
    world.deliver(record)
    assert measured("TimeToReady") == []
    world.now += HALF_A_MINUTE
    world.deliver(record)
    world.deliver(record)
    assert world.bus.names == ["SecretsResolved"]
    assert len(measured("TimeToReady")) <= 1


def test_a_copy_of_what_was_measured_is_not_measured_again(world: World, measured: Measured) -> None:
    body = fact()
    world.step.facts = [measured_fact(world)]
    world.deliver(world.send(body), world.send(body))
    assert len(measured("TimeToReady")) == 1


def test_a_function_that_dies_before_it_is_done_measures_nothing(world: World, measured: Measured) -> None:
    record = world.send()
    world.step.facts = [measured_fact(world)]
    world.plan.crash_at = "after bus.put_events"
    world.deliver(record)
    assert world.bus.names == ["SecretsResolved"]
    assert measured("TimeToReady") == []


@pytest.mark.parametrize("part", ["add_metric", "flush_metrics"])
def test_no_reaction_fails_for_what_can_not_be_measured(
    world: World, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def broken(*_args: Any, **_named: Any) -> None:
        raise ValueError

    monkeypatch.setattr(measures._metrics, part, broken)
    record = world.send()
    assert world.deliver(record) == []
    assert world.bus.names == ["SecretsResolved"]
