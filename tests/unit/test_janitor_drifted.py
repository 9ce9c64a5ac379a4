"""Pull requests of which GitHub says something else than what it told last."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from choreography.reaction import BrokenError, RetryLaterError
from janitor.watch import MARGIN, MOST_AWAY, OutOfTimeError
from prestage_contracts.janitor import PullRequestDrifted, PullRequestDriftedData
from records.environments import Environment
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import World, about
from tests.unit.record_examples import NOW, REPOSITORY, ad_hoc, production

LATER = (NOW + timedelta(minutes=1)).isoformat()
EARLIER = (NOW - timedelta(seconds=1)).isoformat()
OTHER = "b" * 40
THREE = f"{REPOSITORY.id}#3"


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


def drifted(world: World) -> list[str]:
    return about(world.look(world.drifted()))


@pytest.mark.parametrize(
    "changes",
    [{"state": "closed"}, {"state": "closed", "merged": True}, {"sha": OTHER}],
    ids=["closed", "merged", "sha"],
)
def test_a_pull_request_that_is_closed_or_at_another_commit_has_drifted(world: World, changes: dict[str, Any]) -> None:
    begun = world.begin()
    world.github.has(updated_at=LATER, **changes)
    [finding] = world.look(world.drifted())
    assert finding.event is PullRequestDrifted
    assert finding.data == PullRequestDriftedData(
        repository=begun.repository, installation_id=begun.installation_id, pull_request_number=3
    )
    assert finding.group == str(REPOSITORY.id)


def test_a_pull_request_that_is_as_on_record_has_not_drifted(world: World) -> None:
    world.begin()
    world.github.has()
    assert drifted(world) == []
    world.github.has(updated_at=LATER, title="Somebody commented")
    assert drifted(world) == []


def test_what_github_said_in_the_second_of_its_last_word_counts(world: World) -> None:
    world.begin()
    world.github.has(state="closed")
    assert drifted(world) == [THREE]


def test_an_answer_that_is_behind_what_github_told_says_nothing(world: World) -> None:
    world.begin()
    world.github.has(state="closed", updated_at=EARLIER)
    assert drifted(world) == []


def test_a_live_environment_of_what_is_closed_on_record_and_on_github_has_drifted(world: World) -> None:
    world.begin()
    world.tell("event-2", state="closed", updated_at=NOW + timedelta(minutes=1))
    world.github.has(state="closed", updated_at=LATER)
    assert drifted(world) == [THREE]


def test_a_live_environment_of_what_is_closed_on_record_alone_has_drifted(world: World) -> None:
    world.begin()
    world.tell("event-2", state="closed", updated_at=NOW + timedelta(minutes=1))
    world.github.has(updated_at=LATER)
    assert drifted(world) == [THREE]


def test_github_is_not_asked_about_what_has_no_live_environment(world: World) -> None:
    world.close(world.begin(3))
    world.stop(world.begin(4))
    world.environments.deploy(production(), "event-1")
    world.environments.deploy(ad_hoc(), "event-1")
    world.tell("event-5", number=5)
    assert drifted(world) == []
    assert world.github.asked == []


def test_a_pull_request_of_two_apps_is_asked_about_once(world: World) -> None:
    world.begin()
    second = world.begin(4).model_dump()
    twin = {**second, "id": "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2aff", "app_name": "admin"}
    record = Environment.model_validate(twin).model_dump(mode="json")
    world.local.table.put({**record, "pk": f"ENVIRONMENT#{twin['id']}", "sk": "ENVIRONMENT"})
    world.github.has(3)
    world.github.has(4)
    assert drifted(world) == []
    assert sorted(world.github.numbers) == [3, 4]


@pytest.mark.parametrize("status", [404, 410, 422, 451])
def test_nothing_is_said_of_a_pull_request_that_github_does_not_show(world: World, status: int) -> None:
    for number in (3, 4):
        world.begin(number)
        world.github.has(number, state="closed")
    world.github.fail("pulls/3$", status)
    assert drifted(world) == [f"{REPOSITORY.id}#4"]


@pytest.mark.parametrize("status", [404, 422])
def test_nothing_is_said_of_a_repository_that_the_app_lost(world: World, status: int) -> None:
    world.begin()
    world.github.has(state="closed")
    world.github.fail("access_tokens", status)
    assert drifted(world) == []


def test_nothing_is_said_of_a_repository_that_took_over_the_name(world: World) -> None:
    world.begin()
    world.github.has(state="closed", repository_id=666)
    assert drifted(world) == []


@pytest.mark.parametrize("how", [500, 502, httpx.ReadTimeout, httpx.ConnectError], ids=str)
def test_an_outage_is_waited_out_once(world: World, how: int | type[Exception]) -> None:
    world.begin()
    world.github.has(state="closed")
    world.github.fail("pulls", how)
    assert drifted(world) == [THREE]
    assert world.pauses == [10]


def test_a_new_token_that_is_not_known_everywhere_yet_is_waited_for(world: World) -> None:
    world.begin()
    world.github.has(state="closed")
    world.github.fail("pulls", 401)
    assert drifted(world) == [THREE]
    assert world.pauses == [10]


def test_an_installation_that_is_limited_is_left_alone_until_the_next_sweep(world: World) -> None:
    for number in (3, 4):
        world.begin(number)
        world.github.has(number, state="closed")
    other = world.begin(5, installation_id=8)
    world.github.has(5, state="closed")
    world.github.fail("pulls/[34]$", 429, retry_after=600)
    assert drifted(world) == [f"{REPOSITORY.id}#5"]
    assert other.installation_id == 8
    assert len(world.github.numbers) == 2
    assert world.pauses == []


def test_the_look_ends_where_github_is_away(world: World) -> None:
    for number in range(1, MOST_AWAY + 2):
        world.begin(number, installation_id=number)
    world.github.fail("access_tokens", 503, 2 * MOST_AWAY)
    with pytest.raises(RetryLaterError):
        drifted(world)
    assert len(world.github.asked) == 2 * MOST_AWAY


def test_credentials_that_github_does_not_take_end_the_look(world: World) -> None:
    world.begin()
    world.github.fail("access_tokens", 401)
    with pytest.raises(BrokenError):
        drifted(world)


def test_what_is_told_while_github_is_asked_is_no_drift(world: World) -> None:
    world.begin()
    world.github.has(sha=OTHER, updated_at=LATER)
    told = {"sha": OTHER, "updated_at": NOW + timedelta(minutes=1)}
    world.github.before("pulls", lambda: world.tell("event-2", **told))
    assert drifted(world) == []


def test_what_is_closed_while_github_is_asked_is_no_drift(world: World) -> None:
    begun = world.begin()
    world.github.has(state="closed", updated_at=LATER)
    world.github.before("pulls", lambda: world.close(begun))
    assert drifted(world) == []


def test_an_environment_that_begins_while_the_sweep_runs_is_for_the_next_one(world: World) -> None:
    world.begin(3)
    world.github.has(3)
    world.github.before("pulls", lambda: world.begin(4))
    assert drifted(world) == []
    assert world.github.numbers == [3]


def test_another_change_of_the_same_day_is_another_finding(world: World) -> None:
    world.begin()
    causes = set()
    for changes in ({"state": "closed"}, {"sha": OTHER}, {"sha": OTHER, "updated_at": LATER}):
        world.github.has(**changes)  # type: ignore[arg-type]  # as told
        causes |= {finding.cause for finding in world.look(world.drifted())}
    assert len(causes) == 3


def test_a_sweep_asks_about_no_more_than_it_may(world: World) -> None:
    look = world.drifted(most=2)
    for number in range(1, 6):
        world.begin(number)
        world.github.has(number)
    for _ in range(3):
        world.look(look)
        world.now.advance(hours=1)
    assert len(world.github.numbers) == 6
    assert set(world.github.numbers) == {1, 2, 3, 4, 5}


def test_github_is_not_waited_for_when_the_time_is_nearly_over(world: World) -> None:
    def late() -> None:
        world.left = MARGIN - timedelta(seconds=1)

    world.begin()
    world.github.fail("pulls", 503)
    world.github.before("pulls", late)
    with pytest.raises(OutOfTimeError):
        drifted(world)
    assert world.pauses == []
