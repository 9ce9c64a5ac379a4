"""What the stage's bus keeps and delivers again, and how it can be made to go wrong."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from prestage.stage.bus import Bus
from prestage.stage.bus_entries import RefusedError
from prestage.stage.deployment import Archive
from tests.unit.bus_stage import ANY, ARN, KEY, NOW, Clock, Queues, build_bus, entry, rule


@pytest.fixture
def queues() -> Queues:
    return Queues()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bus(queues: Queues, clock: Clock) -> Bus:
    return build_bus(queues, clock)


# ---- Archives and replays

ARCHIVE = Archive("facts", "arn:aws:events:us-east-1:123456789012:archive/facts", "prestage", ANY, 0)


def test_a_replay_delivers_the_archived_events_again_and_says_so(bus: Bus, queues: Queues) -> None:
    heard: list[Any] = []
    bus.put_archive(ARCHIVE)
    bus.put_rule(rule("r", {"version": ["0"]}))
    bus.put_events([entry("One"), entry("Other", Source="other"), entry("Two")], KEY)
    bus.subscribe(heard.append)
    first = queues.events("r")
    queues.sent.clear()
    assert bus.replay("facts", NOW, NOW, name="again") == 2
    assert queues.events("r") == [event | {"replay-name": "again"} for event in first if event["source"] != "other"]
    assert heard == []
    assert len(bus.events) == 3


def test_what_is_replayed_is_not_archived_again(bus: Bus) -> None:
    bus.put_archive(ARCHIVE)
    bus.put_events([entry()], KEY)
    assert [bus.replay(ARCHIVE.arn, NOW, NOW) for _ in range(3)] == [1, 1, 1]


def test_a_replay_takes_the_events_of_its_time_only(bus: Bus, queues: Queues, clock: Clock) -> None:
    bus.put_archive(ARCHIVE)
    bus.put_rule(rule("r", ANY))
    for hour in range(4):
        clock.now = NOW + timedelta(hours=hour)
        bus.put_events([entry(str(hour))], KEY)
    queues.sent.clear()
    assert bus.replay("facts", NOW + timedelta(hours=1), NOW + timedelta(hours=2)) == 2
    assert [event["detail-type"] for event in queues.events("r")] == ["1", "2"]


def test_a_replay_goes_to_the_named_rules_only_if_they_match_and_are_enabled(bus: Bus, queues: Queues) -> None:
    bus.put_archive(ARCHIVE)
    bus.put_events([entry()], KEY)
    rules = [
        rule("named", ANY),
        rule("unnamed", ANY),
        rule("other", {"source": ["other"]}),
        rule("off", ANY, enabled=False),
        rule("fresh", ANY | {"replay-name": [{"exists": False}]}),
    ]
    for found in rules:
        bus.put_rule(found)
    bus.replay("facts", NOW, NOW, [found.arn for found in rules if found.name != "unnamed"])
    assert [delivery.queue_arn.removeprefix(ARN) for delivery in queues.sent] == ["named"]


def test_an_archive_forgets_what_is_older_than_its_retention(bus: Bus, clock: Clock) -> None:
    bus.put_archive(replace(ARCHIVE, retention_days=7))
    bus.put_archive(replace(ARCHIVE, name="always", arn="arn:always"))
    bus.put_events([entry()], KEY)
    clock.now = NOW + timedelta(days=7)
    assert bus.archived("facts") == 1
    clock.now += timedelta(seconds=1)
    assert (bus.archived("facts"), bus.archived("always")) == (0, 1)
    assert bus.replay("facts", NOW, NOW) == 0


def test_a_replay_of_what_is_not_there_is_refused(bus: Bus) -> None:
    bus.put_archive(ARCHIVE)
    with pytest.raises(RefusedError, match="no archive"):
        bus.replay("nothing", NOW, NOW)
    with pytest.raises(RefusedError, match="no rule arn:x"):
        bus.replay("facts", NOW, NOW, ["arn:x"])
    bus.replay("facts", NOW, NOW, name="once")
    with pytest.raises(RefusedError, match="once") as refused:
        bus.replay("facts", NOW, NOW, name="once")
    assert refused.value.code == "ResourceAlreadyExistsException"


def test_an_archive_of_another_bus_or_with_an_unknown_pattern_is_refused(bus: Bus) -> None:
    for archive in (replace(ARCHIVE, bus="other"), replace(ARCHIVE, pattern={"source": "x"})):
        with pytest.raises(RefusedError):
            bus.put_archive(archive)
    assert bus.archives == ()


# ---- Going wrong


@pytest.mark.parametrize("code", ["InternalFailure", "ThrottlingException"])
def test_an_outage_lasts_for_as_many_requests_as_are_planted(bus: Bus, code: str) -> None:
    bus.fail(2, code=code)
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            bus.put_events([entry()], KEY)
        assert refused.value.code == code
    assert bus.events == ()
    assert "EventId" in bus.put_events([entry()], KEY)[0]


def test_a_request_can_fail_in_part(bus: Bus, queues: Queues) -> None:
    bus.put_rule(rule("r", ANY))
    bus.fail(partly=True, code="ThrottlingException", match="Two|group-9")
    entries = [entry("One"), entry("Two"), entry("Three", {"x": "group-9"}), entry("Four")]
    results = bus.put_events(entries, KEY)
    assert [result.get("ErrorCode") for result in results] == [None, "ThrottlingException", "ThrottlingException", None]
    assert [event["detail-type"] for event in queues.events("r")] == ["One", "Four"]
    assert all("EventId" in result for result in bus.put_events(entries, KEY))


def test_a_failure_waits_for_the_request_that_it_is_for(bus: Bus) -> None:
    bus.fail(match="prestage.ingress Closed")
    bus.put_events([entry("Opened")], KEY)
    with pytest.raises(RefusedError):
        bus.put_events([entry("Opened"), entry("Closed")], KEY)


def test_an_answer_can_be_lost_after_the_events_were_published(bus: Bus, queues: Queues) -> None:
    bus.put_rule(rule("r", ANY))
    bus.fail(partly=True, after_effect=True)
    bus.fail(after_effect=True)
    assert bus.put_events([entry()], KEY)[0]["ErrorCode"] == "InternalFailure"
    assert len(queues.of("r")) == len(bus.events) == 1
    with pytest.raises(RefusedError, match="after the effect"):
        bus.put_events([entry()], KEY)
    assert len(queues.of("r")) == len(bus.events) == 2


def test_an_event_can_be_delivered_twice_to_each_target_and_is_the_same(bus: Bus, queues: Queues) -> None:
    heard: list[Any] = []
    bus.subscribe(heard.append)
    bus.put_rule(rule("a", ANY))
    bus.put_rule(rule("b", ANY))
    bus.put_archive(ARCHIVE)
    bus.duplicate(match="Two")
    bus.put_events([entry("One"), entry("Two"), entry("Two")], KEY)
    for queue in ("a", "b"):
        bodies = [delivery.body for delivery in queues.of(queue)]
        assert len(bodies) == 4
        assert bodies[1] == bodies[2]
        assert len(set(bodies)) == 3
    assert len(heard) == len(bus.events) == bus.archived("facts") == 3
