"""Lost answers, broken-off steps and refusals: one deployment for each generation, and what was told is stated."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from choreography.claims import LASTING
from choreography.reaction import BrokenError, RetryLaterError
from github_app.access import SETTLING
from prestage_contracts.deployments import DeploymentFailed
from prestage_contracts.snapshot import EnvironmentProblem
from tests.unit.deployments_stage import ANOTHER, THIRD, World, deployments
from tests.unit.dynamodb import Local
from tests.unit.environment_facts import ready
from tests.unit.github_stage import REPOSITORY
from tests.unit.steps import close, closed, created, updated

CREATE, STATUS = "^POST .*/deployments$", "^POST .*/statuses$"
LOST: list[dict[str, Any]] = [{"status": 502}, {"status": 500}, {"drop": True}]


@pytest.fixture
def world(local: Local, tmp_path: Path) -> Iterator[World]:
    with deployments(local, tmp_path) as world:
        yield world


def away() -> None:
    raise EndpointConnectionError(endpoint_url="https://dynamodb")


# ---- Answers that were lost


@pytest.mark.parametrize("fault", LOST)
def test_a_deployment_whose_answer_was_lost_is_found_and_not_made_again(world: World, fault: dict[str, Any]) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=CREATE, after_effect=True, **fault)
    with pytest.raises(RetryLaterError) as raised:
        world.react(created(begun))
    assert raised.value.after >= SETTLING
    world.wait(raised.value.after.total_seconds())
    assert world.tell(created(begun)) == [(1, "in_progress")]
    assert world.states() == [["in_progress"]]
    assert world.calls() == ["POST deployments", "GET deployments", "POST statuses"]


def test_what_github_may_not_list_yet_is_not_looked_for_by_anybody(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=CREATE, after_effect=True, drop=True)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    world.wait(SETTLING.total_seconds() - 1)
    with pytest.raises(RetryLaterError, match="may not list yet") as raised:
        world.react(ready(world.report(begun, "ready")))
    assert raised.value.after == SETTLING
    assert world.calls() == ["POST deployments"]
    world.wait(1)
    assert world.tell(ready(begun)) == [(1, "success")]
    assert world.states() == [["success"]]


def test_an_attempt_that_made_nothing_is_made_again(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=CREATE)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    world.wait(SETTLING.total_seconds())
    assert world.tell(created(begun)) == [(1, "in_progress")]
    assert len(world.deployments()) == 1


def test_what_is_made_again_may_be_lost_again(world: World) -> None:
    begun = world.begin()
    for after_effect in (False, True):
        world.stage.stand_in.fail(1, match=CREATE, after_effect=after_effect)
        with pytest.raises(RetryLaterError):
            world.react(created(begun))
        with pytest.raises(RetryLaterError, match="may not list yet"):
            world.react(created(begun))
        world.wait(SETTLING.total_seconds())
    assert world.tell(created(begun)) == [(1, "in_progress")]
    assert len(world.deployments()) == 1


def test_a_lost_deployment_of_an_older_generation_is_found_and_inactive(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=CREATE, after_effect=True, drop=True)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    world.begin(2)
    world.wait(SETTLING.total_seconds())
    assert world.tell(updated(begun)) == [(1, "inactive"), (2, "in_progress")]
    assert world.tell(created(begun)) == []
    assert world.states() == [["inactive"], ["in_progress"]]


def test_a_lost_deployment_of_what_has_closed_is_found_and_inactive(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=CREATE, after_effect=True, drop=True)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    close(world.local.table, begun)
    world.wait(SETTLING.total_seconds())
    assert world.tell(closed(begun)) == [(1, "inactive")]


def test_an_older_generations_attempt_that_made_nothing_is_forgotten(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=CREATE)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    close(world.local.table, begun)
    world.wait(SETTLING.total_seconds())
    assert world.tell(closed(begun)) == []
    assert world.deployments() == ()
    assert world.standing(begun).generations == []
    assert world.react(created(begun), pytest.fail) == []


@pytest.mark.parametrize("fault", [*LOST, {"status": 503}])
@pytest.mark.parametrize("after_effect", [True, False])
def test_a_state_whose_answer_was_lost_is_told_again_and_stated_once(
    world: World, fault: dict[str, Any], after_effect: bool
) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=STATUS, after_effect=after_effect, **fault)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    assert world.tell(created(begun)) == [(1, "in_progress")]
    [states] = world.states()
    assert set(states) == {"in_progress"}
    assert world.react(created(begun, ANOTHER), pytest.fail) == []


def test_what_was_told_before_an_outage_is_stated_after_it(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.begin(2)
    world.stage.stand_in.fail(1, match=CREATE)
    with pytest.raises(RetryLaterError):
        world.react(updated(begun))
    assert world.states() == [["in_progress", "inactive"]]
    world.wait(SETTLING.total_seconds())
    assert world.tell(updated(begun)) == [(1, "inactive"), (2, "in_progress")]


@pytest.mark.parametrize(
    ("headers", "after"),
    [({"Retry-After": "77"}, 77), ({"Retry-After": "1"}, 10), ({"x-ratelimit-remaining": "0"}, 60)],
)
def test_a_rate_limit_is_waited_out_and_no_refusal(world: World, headers: dict[str, str], after: int) -> None:
    world.stage.stand_in.fail(1, status=403, match=STATUS, headers=headers)
    with pytest.raises(RetryLaterError) as raised:
        world.react(created(world.begin()))
    assert raised.value.after == timedelta(seconds=after)


# ---- Steps that were broken off


def test_a_deployment_whose_record_could_not_be_kept_is_found(world: World) -> None:
    begun = world.begin()
    world.acts = [lambda: world.local.before("PutItem", away)]
    with pytest.raises(EndpointConnectionError):
        world.react(created(begun))
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    world.wait(LASTING.total_seconds())
    assert world.tell(created(begun)) == [(1, "in_progress")]
    assert len(world.deployments()) == 1


def test_where_it_can_not_be_put_on_record_that_one_is_begun_none_is_made(world: World) -> None:
    begun = world.begin()
    world.local.before("PutItem", lambda: world.local.before("PutItem", away))
    with pytest.raises(EndpointConnectionError):
        world.react(created(begun))
    assert world.calls() == []
    assert world.tell(created(begun)) == [(1, "in_progress")]


def test_what_a_step_told_is_stated_by_its_repetition_also_if_others_told_more_meanwhile(world: World) -> None:
    """It was stopped after it told GitHub, and before its outcome was kept."""
    begun = world.begin()
    world.react(created(begun))
    world.react(ready(world.report(begun, "ready")))
    world.react(updated(world.begin(2)))
    assert world.tell(created(begun), pytest.fail) == [(1, "in_progress")]
    assert world.tell(ready(begun), pytest.fail) == [(1, "success")]


@pytest.mark.parametrize("error", [ValueError("a bug"), RetryLaterError("GitHub", timedelta(1))])
def test_whatever_breaks_it_off_the_claim_is_given_back(world: World, error: Exception) -> None:
    def act() -> None:
        raise error

    begun = world.begin()
    world.acts = [act]
    with pytest.raises(type(error)):
        world.react(created(begun))
    assert world.tell(created(begun)) == [(1, "in_progress")]
    assert len(world.deployments()) == 1


# ---- What others do on GitHub


def test_a_deployment_that_somebody_deleted_is_made_anew_when_there_is_more_to_tell(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.delete(0)
    assert world.react(created(begun, THIRD), pytest.fail) == []
    assert world.tell(ready(world.report(begun, "ready"))) == [(1, "success")]
    assert world.states() == [["success"]]


def test_a_deployment_that_somebody_deleted_is_not_made_anew_to_be_inactive(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.delete(0)
    close(world.local.table, begun)
    assert world.tell(closed(begun)) == []
    assert world.deployments() == ()
    assert world.standing(begun).generations == []


def test_a_deployment_of_somebody_elses_with_the_same_payload_is_not_taken(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, match=CREATE, after_effect=True, drop=True)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    world.wait(SETTLING.total_seconds())
    world.slug = "another-app"
    assert world.tell(created(begun)) == [(1, "in_progress")]
    assert world.states() == [[], ["in_progress"]]


def test_a_renamed_repository_keeps_its_deployments(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.stage.stand_in.rename_repository(REPOSITORY, "octo-org/store")
    assert world.tell(ready(world.report(begun, "ready"))) == [(1, "success")]
    [made] = world.stage.stand_in.deployments("octo-org/store")
    assert made.state == "success"


# ---- Refusals


def problem(world: World, facts: Any) -> EnvironmentProblem:
    [fact] = facts
    assert fact.event is DeploymentFailed
    assert isinstance(fact.data, EnvironmentProblem)
    return fact.data


def test_a_permission_that_is_missing_is_named(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, status=422, match="access_tokens")
    told = problem(world, world.react(created(begun)))
    assert told.reason.code == "deployment_refused"
    assert "the permission deployments: write" in told.reason.message
    assert told.environment == begun.snapshot()


def test_a_commit_that_github_does_not_have_is_a_refusal_that_says_so(world: World) -> None:
    told = problem(world, world.react(created(world.begin(sha="b" * 40))))
    assert "is the commit there?" in told.reason.message
    assert "No ref found" in told.reason.message


@pytest.mark.parametrize("status", [403, 409, 422])
def test_what_was_told_before_a_refusal_is_stated_besides(world: World, status: int) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.begin(2)
    world.stage.stand_in.fail(1, status=status, match=CREATE)
    facts = world.react(updated(begun))
    assert [fact.data.subject.partition("@")[2] for fact in facts] == ["1:inactive", "1:deployment_refused"]
    assert world.states() == [["in_progress", "inactive"]]


def test_what_was_refused_is_tried_again_with_the_next_fact(world: World) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, status=422, match=CREATE)
    problem(world, world.react(created(begun)))
    world.wait(SETTLING.total_seconds())
    assert world.tell(ready(world.report(begun, "ready"))) == [(1, "success")]


@pytest.mark.parametrize("match", ["access_tokens", CREATE])
def test_what_github_does_not_find_is_an_operators_to_mend(world: World, match: str) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, status=404, match=match)
    with pytest.raises(BrokenError) as raised:
        world.react(created(begun))
    assert raised.value.reason.code == "github_not_found"


def test_the_token_is_good_for_deployments_and_nothing_else(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    [token] = world.stage.stand_in.tokens_issued
    assert world.stage.ask("GET", f"/repos/{REPOSITORY}/tarball/{begun.sha}", token).status_code == 403
    assert world.stage.ask("GET", f"/repos/{REPOSITORY}/pulls/1", token).status_code in {403, 404}


def test_a_refusal_has_no_token_in_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    begun = world.begin()
    world.stage.stand_in.fail(1, status=403, match=CREATE)
    told = problem(world, world.react(created(begun)))
    [token] = world.stage.stand_in.tokens_issued
    assert token not in told.model_dump_json() + capsys.readouterr().out
