import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from choreography.publisher import Publisher, PublishFailedError, Statement
from prestage.contract_examples import examples
from prestage.stage import bus as stage
from prestage.stage.deployment import Rule, Target
from prestage_contracts import Event, Report
from tests.simulation.calls import Call
from tests.simulation.events import Bus, Entry, Routes
from tests.simulation.queues import Queues
from tests.simulation.topology import ACCOUNT, REGION, topology

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

NOW = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)
EVENTS = {name: event for name, event in examples().items() if not isinstance(event, Report)}
ONE, OTHER = EVENTS["EnvironmentCreated"], EVENTS["SecretsResolved"]


@dataclass
class World:
    """The bus and the queues of the template. `refused` says how often entries of a name are not taken."""

    queues: Queues = field(default_factory=lambda: Queues(topology().queues, lambda: NOW))
    refused: dict[str, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = Bus(self.queues, lambda: NOW, self.between, refuse=self.refuse)
        self.publisher = Publisher(cast("EventBridgeClient", self.bus), "prestage", sleep=lambda _: None)

    def between(self, call: Call, act: Any) -> Any:
        self.calls.append(call)
        return act()

    def refuse(self, entry: Entry) -> str | None:
        left = self.refused.get(entry["DetailType"], 0)
        self.refused[entry["DetailType"]] = left - 1
        return "InternalFailure" if left > 0 else None

    def publish(self, *events: Event) -> None:
        self.publisher.publish([Statement.of(event) for event in events])

    def delivered(self) -> list[tuple[str, str | None, Any]]:
        """Each message's queue, group and event."""
        return [(message.queue, message.group, json.loads(message.body)) for message in self.queues.waiting()]


@pytest.fixture
def world() -> World:
    return World()


def on_the_stage(events: list[Event]) -> list[tuple[str, str | None, Any]]:
    """What the local stage's bus delivers, as `World.delivered` tells it."""
    came: list[stage.Delivery] = []
    bus = stage.Bus(
        name="prestage",
        account=ACCOUNT,
        region=REGION,
        deliver=came.append,
        may_publish=lambda _key, _source, _name: True,
        clock=lambda: NOW,
    )
    for rule in topology().rules:
        bus.put_rule(Rule(**{**vars(rule), "bus": "prestage"}))
    for event in events:
        entry = {"Source": event.SOURCE, "DetailType": event.name(), "Detail": event.model_dump_json()}
        bus.put_events([{**entry, "EventBusName": "prestage"}], "anybody")
    return [(one.queue_arn.rpartition(":")[2], one.message_group_id, json.loads(one.body)) for one in came]


def without_id(delivered: list[tuple[str, str | None, Any]]) -> list[tuple[str, str | None, Any]]:
    return [(queue, group, {**event, "id": None}) for queue, group, event in delivered]


def test_every_fact_goes_where_the_stages_bus_sends_it(world: World) -> None:
    events = list(EVENTS.values())
    for _ in range(2):
        world.publish(*events)
    assert without_id(world.delivered()) == without_id(on_the_stage(events * 2))
    assert world.bus.violations == []


def test_every_event_has_an_id_of_its_own(world: World) -> None:
    world.publish(ONE, ONE)
    assert len({event["id"] for _, _, event in world.delivered()}) == 2


def test_what_was_stated_is_known_with_its_messages(world: World) -> None:
    world.publish(ONE, OTHER)
    assert [stated.event for stated in world.bus.stated] == [ONE, OTHER]
    assert {stated.at for stated in world.bus.stated} == {NOW}
    messages = [message.id for message in world.queues.waiting()]
    assert [one for stated in world.bus.stated for one in stated.messages] == messages
    assert world.calls == [Call("events", "put", "EnvironmentCreated, SecretsResolved")]


def test_an_entry_can_be_refused_alone_and_is_put_again(world: World) -> None:
    world.refused = {"EnvironmentCreated": 1}
    world.publish(ONE, OTHER)
    assert [stated.event for stated in world.bus.stated] == [OTHER, ONE]
    assert [call.about for call in world.calls] == ["EnvironmentCreated, SecretsResolved", "EnvironmentCreated"]


def _entry(**changes: Any) -> Entry:
    entry = {"Source": ONE.SOURCE, "DetailType": ONE.name(), "Detail": ONE.model_dump_json()}
    return {**entry, **changes}


@pytest.mark.parametrize(
    "entry",
    [
        _entry(Source="prestage.vault"),
        _entry(DetailType="EnvironmentForgotten"),
        _entry(Detail=json.dumps({**json.loads(ONE.model_dump_json()), "data": {}})),
        _entry(Detail="{"),
    ],
    ids=["another's source", "no such fact", "not as promised", "no JSON"],
)
def test_what_is_against_the_contract_goes_nowhere_and_is_told(world: World, entry: Entry) -> None:
    answer = world.bus.put_events(Entries=[entry])
    assert [result["ErrorCode"] for result in answer["Entries"]] == ["ContractViolation"]
    assert world.queues.waiting() == []
    assert len(world.bus.violations) == 1
    assert world.bus.stated == []


def test_a_publisher_is_told_what_is_not_taken(world: World) -> None:
    with pytest.raises(PublishFailedError, match="ContractViolation"):
        world.publisher.publish([Statement("prestage.vault", ONE.name(), ONE.model_dump_json())])


# ---- Routes


def _rule(name: str, pattern: Mapping[str, Any], **changes: Any) -> Rule:
    return Rule(
        **{
            "name": name,
            "arn": name,
            "bus": "bus",
            "pattern": pattern,
            "targets": (_target(name),),
            "enabled": True,
            **changes,
        }
    )


def _target(name: str) -> Target:
    return Target(arn=name, message_group=None, dead_letter_arn=None)


def _ways(routes: Routes, event: Mapping[str, Any]) -> list[str]:
    return [target.arn for target in routes.of(event)]


def test_events_that_differ_in_what_a_rule_looks_at_are_told_apart() -> None:
    routes = Routes(
        [
            _rule("one", {"detail": {"n": [1]}}),
            _rule("yes", {"detail": {"n": [True]}}),
            _rule("null", {"detail": {"n": [None]}}),
            _rule("missing", {"detail": {"n": [{"exists": False}]}}),
            _rule("either", {"$or": [{"source": ["a"]}, {"detail": {"m": [{"prefix": "x"}]}}]}),
            _rule("inside", {"detail": {"list": {"n": [1]}}}),
            _rule("off", {"source": [{"exists": True}]}, enabled=False),
        ]
    )
    expected: list[tuple[Mapping[str, Any], list[str]]] = [
        ({"source": "b", "detail": {"n": 1}}, ["one"]),
        ({"source": "b", "detail": {"n": True}}, ["yes"]),
        ({"source": "b", "detail": {"n": None}}, ["null"]),
        ({"source": "b", "detail": {}}, ["missing"]),
        ({"source": "b"}, ["missing"]),
        ({"source": "a", "detail": {"n": 1}}, ["one", "either"]),
        ({"source": "b", "detail": {"n": 1, "m": "xy"}}, ["one", "either"]),
        ({"source": "b", "detail": {"list": [{"n": 1}]}}, ["missing", "inside"]),
        ({"source": "b", "detail": {"list": [{"n": 2}]}}, ["missing"]),
    ]
    for _ in range(2):
        assert [(event, _ways(routes, event)) for event, _ in expected] == expected
