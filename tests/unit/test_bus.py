"""The stage's event bus: what it takes, whom it delivers to, and who hears of it."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prestage.stage.bus import Bus, Delivery
from prestage.stage.bus_entries import MAX_BYTES, RefusedError
from prestage.stage.deployment import Archive, Target
from prestage.stage.event_pattern import PatternError
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


# ---- Publishing


def test_an_event_is_delivered_in_eventbridges_envelope(bus: Bus, queues: Queues) -> None:
    bus.put_rule(rule("all", ANY))
    [result] = bus.put_events([entry(detail={"a": [1, "ü"]}, Resources=["arn:x"])], KEY)
    [event] = queues.events("all")
    assert list(event) == [
        *("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"),
    ]
    assert event == {
        "version": "0",
        "id": result["EventId"],
        "detail-type": "Opened",
        "source": "prestage.ingress",
        "account": "123456789012",
        "time": "2026-11-24T12:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {"a": [1, "ü"]},
    }
    assert queues.of("all")[0].attributes == {}


def test_every_event_has_an_id_of_its_own(bus: Bus) -> None:
    results = bus.put_events([entry(), entry()], KEY)
    assert len({result["EventId"] for result in results}) == 2


def test_an_entry_may_say_when_it_was(bus: Bus) -> None:
    bus.put_events([entry(Time=datetime(2026, 1, 2, 5, 4, 5, tzinfo=UTC) + timedelta(hours=1))], KEY)
    assert bus.events[0]["time"] == "2026-01-02T06:04:05Z"


def test_a_bus_goes_by_its_arn_too(bus: Bus) -> None:
    assert "EventId" in bus.put_events([entry(EventBusName=bus.arn)], KEY)[0]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Source": ""}, "InvalidArgument"),
        ({"Source": None}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"DetailType": "x" * 129}, "InvalidArgument"),
        ({"Detail": ""}, "InvalidArgument"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"Detail": "[]"}, "MalformedDetail"),
        ({"Detail": '"text"'}, "MalformedDetail"),
        ({"Detail": "null"}, "MalformedDetail"),
        ({"Detail": '{"a": NaN}'}, "MalformedDetail"),
        ({"Detail": '{"a": 1e999}'}, "MalformedDetail"),
        ({"Detail": '{"a": [9223372036854775808]}'}, "MalformedDetail"),
        ({"Detail": '{"a": "\\ud800"}'}, "MalformedDetail"),
        ({"Detail": '{"a":' * 1000 + "{}" + "}" * 1000}, "MalformedDetail"),
        ({"Detail": "[" * 100_000}, "MalformedDetail"),
        ({"Source": "aws.ec2"}, "NotAuthorizedForSourceException"),
        ({"EventBusName": "other"}, "InvalidArgument"),
        ({"EventBusName": None}, "InvalidArgument"),
    ],
)
def test_an_entry_that_is_not_good_fails_alone(bus: Bus, queues: Queues, changes: dict[str, Any], code: str) -> None:
    bus.put_rule(rule("all", {"version": ["0"]}))
    good, bad = bus.put_events([entry(), entry() | changes], KEY)
    assert "EventId" in good
    assert bad.keys() == {"ErrorCode", "ErrorMessage"}
    assert bad["ErrorCode"] == code
    assert len(queues.sent) == len(bus.events) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"DetailType": "x" * 128},
        {"Detail": "{}"},
        {"Detail": '{"a": [9223372036854775807, -9223372036854775808, true, null]}'},
        {"Detail": '{"a":' * 999 + "{}" + "}" * 999},
        {"Source": "awsome"},
    ],
)
def test_what_is_just_good_is_taken(bus: Bus, queues: Queues, changes: dict[str, Any]) -> None:
    bus.put_rule(rule("all", {"version": ["0"]}))
    assert "EventId" in bus.put_events([entry() | changes], KEY)[0]
    assert len(queues.of("all")) == 1


def test_a_source_belongs_to_whom_it_is_given(bus: Bus) -> None:
    [ours] = bus.put_events([entry()], "stage-Vault")
    [theirs] = bus.put_events([entry(Source="my.test")], "stage-Vault")
    assert ours["ErrorCode"] == "NotAuthorizedForSourceException"
    assert "EventId" in theirs


@pytest.mark.parametrize("count", [0, 11])
def test_a_request_has_one_to_ten_entries(bus: Bus, count: int) -> None:
    bus.put_events([entry()] * 10, KEY)
    with pytest.raises(RefusedError, match="1 to 10") as refused:
        bus.put_events([entry()] * count, KEY)
    assert refused.value.code == "ValidationException"
    assert len(bus.events) == 10


def test_a_request_in_which_no_entry_is_whole_fails_as_a_whole(bus: Bus) -> None:
    with pytest.raises(RefusedError):
        bus.put_events([entry(Source=None), entry(Detail=None)], KEY)


@pytest.mark.parametrize("extra", [{}, {"Time": NOW}, {"Resources": ["é"]}])
def test_all_entries_together_have_less_than_a_megabyte(bus: Bus, extra: dict[str, Any]) -> None:
    more = (14 if "Time" in extra else 0) + (2 if "Resources" in extra else 0)
    frame = len("prestage.ingress") + len("Opened") + len('{"a":""}')
    room = MAX_BYTES - 2 * frame - more - 1

    def put(size: int) -> None:
        detail = '{"a":"' + "x" * size + '"}'
        bus.put_events([entry(Detail='{"a":""}'), entry(Detail=detail, **extra)], KEY)

    put(room)
    with pytest.raises(RefusedError, match="bytes"):
        put(room + 1)
    assert len(bus.events) == 2


# ---- Rules


def test_only_the_rules_that_match_and_are_enabled_deliver(bus: Bus, queues: Queues) -> None:
    bus.put_rule(rule("opened", {"detail-type": ["Opened"]}))
    bus.put_rule(rule("closed", {"detail-type": ["Closed"]}))
    bus.put_rule(rule("off", ANY, enabled=False))
    bus.put_events([entry("Opened"), entry("Closed"), entry("Opened")], KEY)
    found = [
        (delivery.queue_arn.removeprefix(ARN), json.loads(delivery.body)["detail-type"]) for delivery in queues.sent
    ]
    assert found == [("opened", "Opened"), ("closed", "Closed"), ("opened", "Opened")]


def test_a_rule_delivers_to_each_of_its_targets(bus: Bus, queues: Queues) -> None:
    bus.put_rule(rule("two", ANY, Target(ARN + "a", None, None), Target(ARN + "b", None, None)))
    bus.put_events([entry()], KEY)
    assert [delivery.queue_arn for delivery in queues.sent] == [ARN + "a", ARN + "b"]
    assert queues.sent[0].body == queues.sent[1].body


def test_a_rule_that_is_put_again_is_replaced(bus: Bus, queues: Queues) -> None:
    bus.put_rule(rule("r", ANY))
    bus.put_rule(rule("r", {"source": ["other"]}))
    bus.put_events([entry()], KEY)
    assert queues.sent == []
    assert [found.pattern for found in bus.rules] == [{"source": ["other"]}]


def test_a_pattern_that_the_bus_does_not_know_is_refused_with_the_rules_name(bus: Bus) -> None:
    with pytest.raises(RefusedError, match=r"mine: source: contains") as refused:
        bus.put_rule(rule("mine", {"source": [{"contains": "x"}]}))
    assert refused.value.code == "InvalidEventPatternException"
    assert isinstance(refused.value.__cause__, PatternError)
    assert bus.rules == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bus": "default"}, "ResourceNotFoundException"),
        ({"targets": (Target(ARN + "a", None, None),) * 6}, "LimitExceededException"),
        ({"targets": (Target(ARN + "a", "$.detail[0].x", None),)}, "ValidationException"),
        ({"targets": (Target(ARN + "a", "$", None),)}, "ValidationException"),
        ({"targets": (Target(ARN + "a", "g" * 101, None),)}, "ValidationException"),
        ({"targets": (Target(ARN + "a", "", None),)}, "ValidationException"),
    ],
)
def test_a_rule_that_could_not_work_is_refused(bus: Bus, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        bus.put_rule(rule("r", ANY, **changes))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("path", "detail", "group"),
    [
        (None, {}, None),
        ("always", {}, "always"),
        ("$.detail.metadata.group", {"metadata": {"group": "41"}}, "41"),
        ("$.detail.metadata.group", {"metadata": {"group": 41}}, "41"),
        ("$.detail-type", {}, "Opened"),
    ],
)
def test_a_message_group_is_a_literal_or_what_a_path_leads_to(
    bus: Bus, queues: Queues, path: str | None, detail: dict[str, Any], group: str | None
) -> None:
    bus.put_rule(rule("r", ANY, Target(ARN + "q", path, None)))
    bus.put_events([entry(detail=detail)], KEY)
    assert [delivery.message_group_id for delivery in queues.sent] == [group]


@pytest.mark.parametrize(
    "metadata", [None, {}, {"group": None}, {"group": ""}, {"group": {}}, {"group": "x" * 129}, []]
)
def test_an_event_without_its_message_group_is_a_dead_letter(bus: Bus, queues: Queues, metadata: Any) -> None:
    bus.put_rule(rule("r", ANY, Target(ARN + "q", "$.detail.metadata.group", ARN + "dead")))
    bus.put_events([entry(detail={"metadata": metadata})], KEY)
    [dead] = queues.sent
    assert dead.queue_arn == ARN + "dead"
    assert dead.attributes["ERROR_CODE"] == "INVALID_PARAMETER"
    assert "$.detail.metadata.group" in dead.attributes["ERROR_MESSAGE"]


def test_an_event_that_a_target_does_not_take_is_a_dead_letter_and_the_others_go_on(bus: Bus, queues: Queues) -> None:
    queues.broken = {"first"}
    bus.put_rule(rule("first", ANY))
    bus.put_rule(rule("second", ANY))
    [result] = bus.put_events([entry()], KEY)
    assert "EventId" in result
    [dead] = queues.of("first-dead")
    assert dead.attributes == {
        "RULE_ARN": "arn:aws:events:us-east-1:123456789012:rule/prestage/first",
        "TARGET_ARN": ARN + "first",
        "ERROR_CODE": "SDK_CLIENT_ERROR",
        "ERROR_MESSAGE": "BrokenError: no such queue",
    }
    assert dead.message_group_id is None
    assert dead.body == queues.of("second")[0].body


@pytest.mark.parametrize("broken", [{"r"}, {"r", "r-dead"}])
def test_an_event_that_nobody_takes_is_lost_and_nothing_else_fails(
    bus: Bus, queues: Queues, broken: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    queues.broken = broken
    bus.put_rule(rule("r", ANY, Target(ARN + "r", None, ARN + "r-dead" if len(broken) > 1 else None)))
    assert "EventId" in bus.put_events([entry()], KEY)[0]
    assert queues.sent == []
    assert "rule r" in caplog.text


# ---- Listening


def test_a_listener_hears_each_published_event_once(bus: Bus, queues: Queues) -> None:
    heard: list[Any] = []
    bus.put_rule(rule("a", ANY))
    bus.put_rule(rule("b", ANY))
    bus.put_events([entry("Before")], KEY)
    bus.subscribe(heard.append)
    bus.put_events([entry("One"), entry("Two"), entry(Detail="{")], KEY)
    assert [event["detail-type"] for event in heard] == ["One", "Two"]
    assert heard[0] == queues.events("a")[1]
    assert [event["detail-type"] for event in bus.events] == ["Before", "One", "Two"]


def test_threads_publish_side_by_side_and_all_agree_on_the_order(bus: Bus) -> None:
    heard: list[Any] = []
    bus.subscribe(heard.append)
    bus.put_archive(Archive("kept", ARN + "archive", "prestage", None, 0))
    start = threading.Barrier(8)

    def publish() -> None:
        start.wait()
        for _ in range(20):
            bus.put_events([entry(), entry()], KEY)

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bus.events) == bus.archived("kept") == 320
    assert list(bus.events) == heard


def test_an_event_is_heard_by_all_before_the_next_is_taken(bus: Bus) -> None:
    heard: list[str] = []
    second = threading.Thread(target=bus.put_events, args=([entry("Second")], KEY))

    def listen(event: Any) -> None:
        if event["detail-type"] == "First":
            second.start()
            second.join(0.1)
        heard.append(event["detail-type"])

    bus.subscribe(listen)
    bus.put_events([entry("First")], KEY)
    second.join()
    assert heard == ["First", "Second"]


def test_a_target_may_publish_while_it_is_delivered_to(clock: Clock) -> None:
    def deliver(delivery: Delivery) -> None:
        if json.loads(delivery.body)["detail-type"] == "First":
            thread = threading.Thread(target=open_bus.put_events, args=([entry("Second")], KEY))
            thread.start()
            thread.join(5)

    open_bus = Bus(
        name="prestage",
        account="1",
        region="r",
        deliver=deliver,
        may_publish=lambda _key, _source, _name: True,
        clock=clock,
    )
    open_bus.put_rule(rule("r", ANY))
    open_bus.put_events([entry("First")], KEY)
    assert [event["detail-type"] for event in open_bus.events] == ["First", "Second"]
