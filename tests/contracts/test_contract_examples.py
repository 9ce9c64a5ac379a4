"""The examples are from one story, as the functions would tell it."""

import itertools

import pytest

from prestage.contract_examples import delivered, examples
from prestage.contract_flow import may_follow
from prestage.contract_story import instead, story
from prestage.life_diagram import STATED
from prestage_contracts import CONTRACT, Event
from prestage_contracts.envelope import identify
from prestage_contracts.reports import Report
from prestage_contracts.runtimes import RuntimeReadyData, RuntimeRequestedData
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentSnapshot
from records.life import MOVES, Move, Status

EXAMPLES = examples()
FACTS = [*story(), *instead()]
BY_ID = {str(event.metadata.event_id): event for event in FACTS}
FIRST = [event for event in FACTS if event.metadata.causation_id not in BY_ID]
FOLLOWING = [event for event in FACTS if event.metadata.causation_id in BY_ID]
ABOUT = [(event, event.data) for event in FACTS if isinstance(event.data, AboutEnvironment)]
MOVE: dict[str, Move] = {event.name(): move for move, event in STATED.items()}


def cause_of(event: Event) -> Event | None:
    return BY_ID.get(event.metadata.causation_id)


def path_to(event: Event | None) -> list[str]:
    return [*path_to(cause_of(event)), event.name()] if event else []


def test_every_event_has_an_example_in_the_order_of_the_flow() -> None:
    assert [(name, type(event)) for name, event in EXAMPLES.items()] == list(CONTRACT.items())


def test_examples_are_the_same_every_time() -> None:
    assert {name: delivered(event) for name, event in examples().items()} == {
        name: delivered(event) for name, event in EXAMPLES.items()
    }


def test_every_fact_of_the_story_is_one_of_its_own() -> None:
    assert len({event.metadata.event_id for event in story()}) == len(story())


def test_a_fact_that_no_fact_led_to_comes_from_outside() -> None:
    for event in FIRST:
        assert event.SOURCE in {"prestage.ingress", "prestage.operators", "prestage.janitor"}
        assert event.metadata.causation_id == event.metadata.correlation_id
        assert event.metadata.hop == 0


def test_every_fact_from_outside_is_told() -> None:
    outside = {name for name in CONTRACT if not any(name in may_follow(cause) for cause in CONTRACT)}
    assert {event.name() for event in FIRST} == outside


@pytest.mark.parametrize("event", FOLLOWING, ids=lambda event: f"{event.name()}-{event.metadata.event_id}")
def test_a_fact_follows_from_its_cause(event: Event) -> None:
    cause = cause_of(event)
    assert cause is not None
    assert event.name() in may_follow(cause.name())
    assert event.metadata.hop == cause.metadata.hop + 1
    assert event.metadata.occurred_at > cause.metadata.occurred_at
    assert event.metadata.correlation_id == cause.metadata.correlation_id
    assert event.metadata.group == cause.metadata.group


def test_every_fact_is_identified_by_its_cause() -> None:
    for event in FACTS:
        moment = f" {event.metadata.occurred_at.isoformat()}" if isinstance(event, Report) else ""
        subject = f"{event.data.subject}{moment}"
        assert event.metadata.event_id == identify(event.metadata.causation_id, type(event), subject)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (
            "EnvironmentReady",
            ["PullRequestOpened", "EnvironmentCreated", "SecretsResolved", "RuntimeRequested", "RuntimeReady"],
        ),
        (
            "EnvironmentFailed",
            ["PullRequestUpdated", "EnvironmentUpdated", "SecretsResolved", "RuntimeRequested", "RuntimeFailed"],
        ),
        ("EnvironmentStopped", ["PullRequestClosed", "EnvironmentClosed", "RuntimeRemoved"]),
    ],
)
def test_an_example_is_what_a_pull_request_led_to(name: str, path: list[str]) -> None:
    assert path_to(EXAMPLES[name]) == [*path, name]


def environments() -> dict[str, list[tuple[Event, EnvironmentSnapshot]]]:
    """What the story says of each environment, in the order of time."""
    told = [(event, event.data.environment) for event in story() if isinstance(event.data, AboutEnvironment)]
    of = sorted(told, key=lambda fact: (fact[1].id, fact[0].metadata.occurred_at))
    return {key: list(facts) for key, facts in itertools.groupby(of, key=lambda fact: fact[1].id)}


@pytest.mark.parametrize("environment_id", list(environments()))
def test_an_environment_s_facts_tell_a_legal_life(environment_id: str) -> None:
    facts = environments()[environment_id]
    first, snapshot = facts[0]
    began = first.name() == "EnvironmentCreated"
    status: Status | None = None if began else "ready"
    generation = 0 if began else snapshot.generation
    for event, said in facts:
        move = MOVE.get(event.name())
        if move is not None:
            assert (status, move) in MOVES, event.name()
            status = MOVES[status, move]
        generation += move in {"begin", "update", "close"}
        assert said.generation == generation, event.name()


def test_a_generation_is_the_same_to_everybody() -> None:
    for _, snapshots in itertools.groupby(
        sorted((data.environment for _, data in ABOUT), key=lambda said: (said.id, said.generation)),
        key=lambda said: (said.id, said.generation),
    ):
        assert len(set(snapshots)) == 1


def test_an_environment_keeps_its_address() -> None:
    assert len({(data.environment.id, data.environment.address) for _, data in ABOUT}) == len(environments())


def test_a_runtime_serves_its_environment_s_address() -> None:
    runtimes = [event.data for event in FACTS if isinstance(event.data, RuntimeRequestedData | RuntimeReadyData)]
    assert runtimes
    assert all(data.runtime.address == data.environment.address for data in runtimes)
    assert all(data.runtime.fly_app in data.runtime.address for data in runtimes)


def test_the_examples_speak_of_the_pull_request_that_was_opened() -> None:
    said = {name: delivered(event)["detail"]["data"] for name, event in EXAMPLES.items()}
    pull_request = said["PullRequestOpened"]["pull_request"]
    for name in ("EnvironmentCreated", "EnvironmentUpdated", "EnvironmentReady", "EnvironmentStopped", "RuntimeFailed"):
        assert said[name]["environment"]["pull_request"] == pull_request
    assert said["EnvironmentCreated"]["environment"]["sha"] == said["PullRequestOpened"]["head"]["sha"]
    assert said["EnvironmentUpdated"]["environment"]["sha"] == said["PullRequestUpdated"]["head"]["sha"]
    assert said["PrCommented"]["pull_request_number"] == pull_request["number"]
    assert said["PrCommented"]["shows"][0]["environment_id"] == said["EnvironmentCreated"]["environment"]["id"]
