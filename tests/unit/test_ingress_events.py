"""Each of GitHub's events, through the webhook."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.payload.by_event import BY_EVENT
from prestage_contracts import EVENTS
from tests.unit.ingress_stage import World, ingress_world
from tests.unit.payloads import EVERY, comment, installation, pull_request, push, removed
from tests.unit.webhooks import GUID, request

ANOTHER_GUID = "00000000-cc78-11e3-81ab-4c9367dc0958"

type Path = tuple[str | int, ...]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def world() -> Iterator[World]:
    with ingress_world() as built:
        yield built


@pytest.fixture(scope="module")
def endless() -> Iterator[World]:
    """One that takes all examples of a generated test."""
    with ingress_world() as built:
        yield built


def delivery(event: str, said: Any, guid: str = GUID) -> dict[str, Any]:
    return request(json.dumps(said).encode(), event=event, guid=guid)


@pytest.mark.parametrize(
    ("event", "said", "name", "group"),
    [
        ("pull_request", pull_request("reopened"), "PullRequestOpened", "9"),
        ("pull_request", pull_request("synchronize"), "PullRequestUpdated", "9"),
        ("pull_request", pull_request("closed"), "PullRequestClosed", "9"),
        ("push", push(), "BranchPushed", "9"),
        ("issue_comment", comment("/preview"), "PreviewRequested", "9"),
        ("issue_comment", comment("/preview stop"), "PreviewStopRequested", "9"),
        ("installation", installation("suspend"), "InstallationRevoked", "42"),
        ("installation_repositories", removed(2), "InstallationRevoked", "42"),
    ],
)
def test_what_an_event_tells_is_stated(world: World, event: str, said: Any, name: str, group: str) -> None:
    assert world.post(delivery(event, said)) == (202, f"accepted: {name}")
    [fact] = world.bus.facts
    assert (fact["Source"], fact["DetailType"]) == ("prestage.ingress", name)
    metadata = EVENTS[name].model_validate(fact["Detail"]).metadata
    assert (metadata.correlation_id, metadata.causation_id) == (GUID, GUID)
    assert (metadata.group, metadata.hop) == (group, 0)


def test_everything_that_ingress_may_state_follows_from_an_event(world: World) -> None:
    for event, payloads in EVERY.items():
        for said in payloads:
            assert world.post(delivery(event, said))[0] == 202
    owned = {name for name, kind in EVENTS.items() if kind.SOURCE == "prestage.ingress"}
    assert {fact["DetailType"] for fact in world.bus.facts} == owned


@pytest.mark.parametrize("event", list(EVERY))
def test_a_redelivery_or_a_replay_under_another_id_states_nothing_again(world: World, event: str) -> None:
    said = EVERY[event][0]
    world.post(delivery(event, said))
    for guid in (GUID, ANOTHER_GUID):
        assert world.post(delivery(event, said, guid)) == (202, "accepted: it was stated already")
    assert len(world.bus.facts) == 1


def test_changes_within_one_second_are_facts_of_their_own(world: World) -> None:
    for action in ("synchronize", "labeled", "closed", "reopened"):
        world.post(delivery("pull_request", pull_request(action)))
    assert len({fact["Detail"]["metadata"]["event_id"] for fact in world.bus.facts}) == 4


def test_a_removal_of_many_repositories_is_stated_in_several_facts(world: World) -> None:
    assert world.post(delivery("installation_repositories", removed(6_001))) == (202, "accepted: InstallationRevoked")
    told = [[one["id"] for one in fact["Detail"]["data"]["repositories"]] for fact in world.bus.facts]
    assert len(told) == 13
    assert list(itertools.chain.from_iterable(told)) == list(range(100, 6_101))
    assert len({fact["Detail"]["metadata"]["event_id"] for fact in world.bus.facts}) == 13
    world.post(delivery("installation_repositories", removed(6_001)))
    assert len(world.bus.facts) == 13


def test_facts_that_were_stated_in_part_are_stated_again_as_the_same_when_redelivered(world: World) -> None:
    said = removed(6_001)
    world.bus.fails_from = 10
    assert world.post(delivery("installation_repositories", said))[0] == 503
    stated = [fact["Detail"]["metadata"]["event_id"] for fact in world.bus.facts]
    world.bus.fails_from = None
    assert world.post(delivery("installation_repositories", said))[0] == 202
    again = [fact["Detail"]["metadata"]["event_id"] for fact in world.bus.facts[len(stated) :]]
    assert (len(stated), len(again)) == (10, 13)
    assert again[:10] == stated


@pytest.mark.parametrize(
    ("event", "said", "where"),
    [
        (
            "pull_request",
            pull_request("labeled", head={"ref": "teal"}),
            "pull_request.head.repo, pull_request.head.sha",
        ),
        ("push", {"ref": "refs/heads/teal"}, "after, before, installation, repository"),
        ("issue_comment", {**comment("/preview"), "installation": None}, "installation"),
        ("installation", {"action": "deleted", "installation": {"id": 42}}, "installation.account"),
        ("installation_repositories", removed(0, repositories_removed=[7]), "repositories_removed.0"),
    ],
)
def test_another_shape_is_400_and_says_where_and_of_which_event(
    world: World, event: str, said: Any, where: str
) -> None:
    assert world.post(delivery(event, said)) == (400, f"not the shape of a GitHub App's {event} delivery: {where}")
    assert world.bus.facts == []


def test_a_refusal_stays_short_and_quotes_nothing(world: World) -> None:
    wrong = [{"id": f"planted-{n}", "full_name": "planted"} for n in range(1000)]
    status, message = world.post(delivery("installation_repositories", removed(0, repositories_removed=wrong)))
    assert (status, len(message) <= 500, "planted" in message) == (400, True, False)


@settings(max_examples=200)
@given(event=st.sampled_from(sorted(BY_EVENT)), said=JSON)
def test_any_json_is_answered(endless: World, event: str, said: Any) -> None:
    assert endless.post(delivery(event, said))[0] in {202, 400}


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from paths(inner, (*path, step))


def changed(said: Any, path: Path, value: Any) -> Any:
    copied = {"said": copy.deepcopy(said)}
    place: Any = copied
    for step in ("said", *path)[:-1]:
        place = place[step]
    place[("said", *path)[-1]] = value
    return copied["said"]


def wildly(event: str) -> st.SearchStrategy[Any]:
    """A payload of the event with one value replaced."""
    whole = [(said, path) for said in EVERY[event] for path in paths(said)]
    return st.builds(lambda at, value: changed(at[0], at[1], value), st.sampled_from(whole), JSON)


@pytest.mark.parametrize("event", list(EVERY))
def test_a_payload_with_anything_in_any_place_is_answered(endless: World, event: str) -> None:
    @settings(max_examples=150)
    @given(wildly(event))
    def every(said: Any) -> None:
        before = len(endless.bus.facts)
        status, _ = endless.post(delivery(event, said))
        assert status in {202, 400}
        for fact in endless.bus.facts[before:]:
            EVENTS[fact["DetailType"]].model_validate(fact["Detail"])

    every()
