"""A sweep: its looks one after another, and what they find stated once a day."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from choreography.reaction import BrokenError
from github_app.client import GitHubUnavailableError
from janitor.finding import Finding, Look
from janitor.sweep import logger
from janitor.watch import MARGIN, Watch
from prestage_contracts.envelope import identify
from prestage_contracts.janitor import RuntimeLost
from prestage_contracts.snapshot import AboutEnvironment
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import World, fly_app
from tests.unit.record_examples import NOW, REPOSITORY, preview
from tests.unit.steps import logged

UNKNOWN = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2aff"


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


def finding(number: int = 3) -> Finding:
    environment = preview(number=number)
    return Finding(
        RuntimeLost,
        AboutEnvironment(environment=environment.snapshot()),
        cause=f"{environment.id}@1",
        group=str(REPOSITORY.id),
    )


def finds(*numbers: int) -> list[Finding]:
    return [finding(number) for number in numbers]


def every_look(world: World) -> dict[str, Look]:
    return {
        "expired": world.expired(),
        "orphaned": world.orphaned(),
        "lost": world.lost(),
        "redelivered": world.redelivered(),
        "drifted": world.drifted(),
    }


def stated(world: World) -> list[str]:
    return [fact.name() for fact in world.bus.facts]


def test_a_finding_is_stated_with_an_id_of_the_day_and_the_name_of_its_sweep(world: World) -> None:
    assert world.sweep(lost=lambda _: finds(3)) == {"stated": {"lost": 1}, "unfinished": []}
    [fact] = world.bus.facts
    about = preview()
    assert isinstance(fact, RuntimeLost)
    assert fact.data.environment == about.snapshot()
    assert fact.metadata.event_id == identify(f"janitor/{about.id}@1@2026-11-01", RuntimeLost, f"{about.id}@1")
    assert fact.metadata.correlation_id == fact.metadata.causation_id == "janitor-2026-11-01T10Z"
    assert (fact.metadata.hop, fact.metadata.group) == (0, str(REPOSITORY.id))
    assert fact.metadata.occurred_at == NOW


def test_it_is_stated_once_a_day_while_it_stands(world: World) -> None:
    for _ in range(24):
        world.sweep(lost=lambda _: finds(3))
        world.now.advance(hours=1)
    assert len(world.bus.facts) == 2
    assert len({fact.metadata.event_id for fact in world.bus.facts}) == 2


def test_what_the_bus_did_not_take_is_stated_by_the_next_sweep(world: World) -> None:
    world.bus.away = 100
    assert world.sweep(lost=lambda _: finds(3))["unfinished"] == ["lost"]
    world.bus.away = 0
    world.now.advance(minutes=1)
    assert world.sweep(lost=lambda _: finds(3))["stated"] == {"lost": 1}


@pytest.mark.parametrize(
    "error",
    [GitHubUnavailableError("GitHub answered 503", timedelta(seconds=10)), BrokenError("x", "mend it"), KeyError("x")],
    ids=lambda error: type(error).__name__,
)
def test_a_look_that_fails_hinders_no_other_and_what_it_found_stands(
    world: World, log: io.StringIO, error: Exception
) -> None:
    def breaks(_: Watch) -> Iterator[Finding]:
        yield finding(4)
        raise error

    swept = world.sweep(first=lambda _: finds(3), second=breaks, third=lambda _: finds(5))
    assert swept == {"stated": {"first": 1, "second": 1, "third": 1}, "unfinished": ["second"]}
    assert type(error).__name__ in log.getvalue()


def test_an_unexpected_error_s_text_is_not_logged(world: World, log: io.StringIO) -> None:
    def breaks(_: Watch) -> Iterator[Finding]:
        raise ValueError("planted-secret")

    world.sweep(first=breaks)
    assert "ValueError" in log.getvalue()
    assert "breaks" in log.getvalue()
    assert "planted" not in log.getvalue()


def test_a_sweep_ends_when_its_time_is_nearly_over(world: World, log: io.StringIO) -> None:
    def slow(watch: Watch) -> Iterator[Finding]:
        for one in finds(3, 4, 5):
            watch.check()
            yield one
            world.left = MARGIN - timedelta(seconds=1)

    swept = world.sweep(first=lambda _: finds(6), second=slow, third=lambda _: finds(7))
    assert swept == {"stated": {"first": 1, "second": 1}, "unfinished": ["second", "third"]}
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [one["look"] for one in told if "out of time" in one["message"]] == ["second", "third"]


def test_all_that_should_not_be_is_found_in_one_sweep(world: World) -> None:
    expired, lost, drifted = world.ready(3), world.ready(4), world.ready(5)
    world.now.advance(days=400)
    for number in (4, 5):
        world.tell("event-2", number=number)
        world.github.has(number, state="closed" if number == 5 else "open", updated_at=world.now().isoformat())
    world.github.has(3)
    del world.fly.machines[lost.fly_app]
    world.fly.run(fly_app(UNKNOWN))
    world.github.failed(1, "guid", world.now() - timedelta(hours=1))
    found = {"expired": 1, "orphaned": 1, "lost": 1, "drifted": 1}
    assert world.sweep(**every_look(world)) == {"stated": found, "unfinished": []}
    assert stated(world) == ["EnvironmentExpired", "RuntimeOrphaned", "RuntimeLost", "PullRequestDrifted"]
    subjects = [fact.data.subject for fact in world.bus.facts]
    assert subjects == [f"{expired.id}@1", fly_app(UNKNOWN), f"{lost.id}@1", f"{REPOSITORY.id}#5"]
    assert drifted.is_live
    assert world.github.redelivered == [1]


def test_nothing_is_stated_where_all_is_as_it_should_be(world: World) -> None:
    world.ready()
    world.github.has()
    assert world.sweep(**every_look(world)) == {"stated": {}, "unfinished": []}
    assert world.bus.facts == []


def test_nothing_is_stated_where_nobody_answers(world: World) -> None:
    world.ready()
    world.github.has(state="closed")
    world.fly.machines.clear()
    world.fly.fail("", 503, 100)
    world.github.fail("", 503, 100)
    swept = world.sweep(**every_look(world))
    assert swept["stated"] == {}
    assert {"orphaned", "redelivered"} <= set(swept["unfinished"])
    assert world.bus.facts == []


def test_two_sweeps_at_once_state_a_finding_once(world: World) -> None:
    inner: list[dict[str, object]] = []

    def look(_: Watch) -> Iterator[Finding]:
        inner.append(world.sweep(lost=lambda _: finds(3)))
        yield finding(3)

    assert world.sweep(lost=look)["stated"] == {}
    assert inner == [{"stated": {"lost": 1}, "unfinished": []}]


# ---- What is measured


def test_each_finding_is_counted_by_its_kind_once_a_day(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        world.sweep(lost=lambda _watch: [finding(3), finding(4)])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "Findings" in line]
    assert [(line["detail_type"], line["Findings"]) for line in lines] == [("RuntimeLost", [1.0])] * 2
