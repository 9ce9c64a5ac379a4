"""The examples are one story, as the functions would tell it."""

from prestage.contract_examples import delivered, examples
from prestage_contracts import EVENTS, EnvironmentCreated, Event, PrCommented, PullRequestOpened, RuntimeRequested
from prestage_contracts.envelope import identify

STORY = examples()
OPENED = STORY["PullRequestOpened"]


def cause_of(event: Event) -> Event | None:
    return {str(other.metadata.event_id): other for other in STORY.values()}.get(event.metadata.causation_id)


def test_every_event_has_an_example_in_the_order_of_the_flow() -> None:
    assert [(name, type(event)) for name, event in STORY.items()] == list(EVENTS.items())


def test_examples_are_the_same_every_time() -> None:
    assert {name: delivered(event) for name, event in examples().items()} == {
        name: delivered(event) for name, event in STORY.items()
    }


def test_the_first_fact_is_caused_by_the_delivery() -> None:
    assert OPENED.metadata.causation_id == OPENED.metadata.correlation_id
    assert OPENED.metadata.hop == 0


def test_every_fact_carries_the_delivery_and_the_repository() -> None:
    told = {(event.metadata.correlation_id, event.metadata.group) for event in STORY.values()}
    assert told == {(OPENED.metadata.correlation_id, OPENED.metadata.group)}


def test_every_fact_is_identified_by_its_cause() -> None:
    for event in STORY.values():
        subject = event.data.subject
        assert event.metadata.event_id == identify(event.metadata.causation_id, type(event), subject)
    assert len({event.metadata.event_id for event in STORY.values()}) == len(STORY)


def test_every_later_fact_is_one_hop_after_its_cause() -> None:
    for event in STORY.values():
        cause = cause_of(event)
        if event is not OPENED:
            assert cause is not None
            assert event.metadata.hop == cause.metadata.hop + 1
            assert event.metadata.occurred_at > cause.metadata.occurred_at


def test_the_preview_leads_from_the_pull_request_to_its_runtime() -> None:
    assert story_of(STORY["RuntimeRequested"]) == [
        "PullRequestOpened",
        "EnvironmentCreated",
        "SecretsResolved",
        "RuntimeRequested",
    ]


def story_of(event: Event | None) -> list[str]:
    return [*story_of(cause_of(event)), event.name()] if event else []


def test_all_speak_of_the_same_pull_request_and_environment() -> None:
    opened, created, comment, runtime = (
        STORY[event.name()] for event in (PullRequestOpened, EnvironmentCreated, PrCommented, RuntimeRequested)
    )
    assert isinstance(opened, PullRequestOpened)
    assert isinstance(created, EnvironmentCreated)
    assert isinstance(comment, PrCommented)
    assert isinstance(runtime, RuntimeRequested)
    environment = created.data.environment
    assert environment.pull_request == opened.data.pull_request
    assert environment.sha == opened.data.head.sha
    assert comment.data.pull_request_number == opened.data.pull_request.number
    assert [shown.environment_id for shown in comment.data.shows] == [environment.id]
    assert runtime.data.environment == environment
    assert runtime.data.runtime.address == environment.address
