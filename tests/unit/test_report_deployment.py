"""GitHub's deployment of each generation stands as the environment does, and each state that was told is stated."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from choreography.claims import LASTING
from choreography.reaction import RetryLaterError
from deployments.report_deployment import MOST_LOOKS, ReportDeployment, steps
from deployments.standing import Standing, Standings
from prestage_contracts.deployments import DeploymentFailed, DeploymentReportedData
from prestage_contracts.envelope import Event, Reason
from records.environments import Environment
from tests.unit.deployments_stage import ANOTHER, THIRD, World, deployments
from tests.unit.dynamodb import Local
from tests.unit.environment_facts import NOT_READY, not_ready, ready, stopped
from tests.unit.github_stage import REPOSITORY
from tests.unit.record_examples import ad_hoc, preview, production
from tests.unit.steps import close, closed, created, event_id, forged, stop, updated


@pytest.fixture
def world(local: Local, tmp_path: Path) -> Iterator[World]:
    with deployments(local, tmp_path) as world:
        yield world


# ---- What is told


def test_a_deployment_is_made_of_the_commit_and_said_to_be_in_progress(world: World) -> None:
    begun = world.begin()
    [fact] = world.react(created(begun))
    [made] = world.deployments()
    assert (made.ref, made.sha, made.environment) == (begun.sha, begun.sha, "storefront/pr-3")
    assert (made.transient, made.production) == (True, False)
    assert made.payload == {"environment": begun.id, "generation": 1}
    assert isinstance(fact.data, DeploymentReportedData)
    assert fact.data == DeploymentReportedData(environment=begun.snapshot(), deployment_id=made.id, state="in_progress")
    assert fact.data.subject == f"{begun.id}@1:in_progress"
    assert world.calls() == ["POST deployments", "POST statuses"]


def test_every_state_is_told_in_turn_and_stated_once(world: World) -> None:
    table = world.local.table
    told = [world.tell(created(begun := world.begin()))]
    told.append(world.tell(ready(world.report(begun, "ready"), 111)))
    following = world.begin(2)
    told.append(world.tell(updated(following, 112)))
    failed = world.report(following, "fail", 62, reason=NOT_READY, stage="build", log_url="https://l.example/x")
    told.append(world.tell(not_ready(failed, 113)))
    told.append(world.tell(ready(world.report(failed, "ready", 63), 114)))
    closing = close(table, failed)
    told.append(world.tell(closed(closing, 115)))
    told.append(world.tell(stopped(stop(table, closing), 116)))
    told.append(world.tell(created(world.begin(51), 117)))
    assert told == [
        [(1, "in_progress")],
        [(1, "success")],
        [(1, "inactive"), (2, "in_progress")],
        [(2, "failure")],
        [(2, "success")],
        [(2, "inactive")],
        [],
        [(4, "in_progress")],
    ]
    assert world.states() == [
        ["in_progress", "success", "inactive"],
        ["in_progress", "failure", "success", "inactive"],
        ["in_progress"],
    ]


def test_each_state_leads_to_where_it_can_be_seen(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.report(begun, "fail", 62, reason=NOT_READY, stage="build", log_url="https://l.example/x")
    world.react(not_ready(begun, 112))
    world.report(begun, "ready", 63)
    world.react(ready(begun, 113))
    close(world.local.table, begun)
    world.react(closed(begun, 114))
    [made] = world.deployments()
    assert [(one.state, one.environment_url, one.log_url, one.description) for one in made.statuses] == [
        ("in_progress", "", "", "Being deployed."),
        ("failure", "", "https://l.example/x", "build: It exited with 83."),
        ("success", begun.address, "", "It answers at its address."),
        ("inactive", "", "", "The pull request was closed."),
    ]


@pytest.mark.parametrize(
    ("wanted", "name", "is_production"),
    [(production(), "storefront/production", True), (ad_hoc("a/b"), "storefront/a/b", False)],
)
def test_what_no_pull_request_asked_for_is_deployed_under_its_own_name(
    world: World, wanted: Environment, name: str, is_production: bool
) -> None:
    about = {"app_id": world.shop.id, "repository": world.shop.repository}
    begun = world.deploy(wanted.model_copy(update=about))
    assert world.tell(created(begun)) == [(1, "in_progress")]
    world.deploy(wanted.model_copy(update=about), 2)
    assert world.tell(updated(begun, ANOTHER)) == [(1, "inactive"), (2, "in_progress")]
    assert {(one.environment, one.transient, one.production) for one in world.deployments()} == {
        (name, not is_production, is_production)
    }


def test_two_environments_do_not_touch_each_others_deployments(world: World) -> None:
    for number in (3, 4):
        world.report(world.begin(number, number=number), "ready")
        world.tell(ready(world.environments.list_by_pull_request(world.shop.repository.id, number)[0], 100 + number))
    [third, _] = world.environments.list_by_app(world.shop.id)
    close(world.local.table, third)
    world.tell(closed(third))
    assert {one.environment: one.state for one in world.deployments()} == {
        "storefront/pr-3": "inactive",
        "storefront/pr-4": "success",
    }


# ---- What is not told


@pytest.mark.parametrize("lead", [created, updated, ready, not_ready, closed, stopped])
def test_whatever_fact_leads_here_what_is_now_is_told(world: World, lead: Callable[[Environment], Event]) -> None:
    begun = world.begin()
    world.report(begun, "ready")
    assert world.tell(lead(begun)) == [(1, "success")]
    assert world.states() == [["success"]]


def test_what_is_told_already_costs_no_call_and_states_nothing(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    before = world.local.items()
    assert world.react(updated(begun), pytest.fail) == []
    assert world.local.items() == before


def test_an_old_fact_after_a_newer_one_changes_nothing(world: World) -> None:
    old = world.begin()
    world.react(updated(world.begin(2)))
    before = world.local.items()
    for late in (created(old, 111), ready(old, 112), not_ready(old, 113), closed(old, 114)):
        assert world.react(late, pytest.fail) == []
    assert world.local.items() == before
    assert world.states() == [["in_progress"]]


def test_a_generation_that_was_superseded_before_it_was_told_has_no_deployment(world: World) -> None:
    old = world.begin()
    world.begin(2)
    assert world.tell(created(old)) == [(2, "in_progress")]
    [made] = world.deployments()
    assert made.payload == {"environment": old.id, "generation": 2}


def test_an_environment_that_closed_before_any_deployment_was_made_needs_none(world: World) -> None:
    begun = world.begin()
    closing = close(world.local.table, begun)
    for late in (created(begun, 111), closed(closing, 112), stopped(stop(world.local.table, closing), 113)):
        assert world.react(late, pytest.fail) == []
    assert world.standing(begun).holder == ""


def test_an_environment_that_is_not_on_record_is_not_told(world: World) -> None:
    assert world.react(created(preview()), pytest.fail) == []


def test_an_event_is_believed_in_nothing_but_the_id(world: World) -> None:
    begun = world.begin()
    [fact] = world.react(created(forged(begun)))
    assert isinstance(fact.data, DeploymentReportedData)
    assert fact.data.environment == begun.snapshot()
    [made] = world.deployments()
    assert (made.environment, made.sha) == ("storefront/pr-3", begun.sha)


@pytest.mark.parametrize("code", ["uninstalled", "suspended"])
def test_nothing_is_told_where_the_app_is_no_longer_there(world: World, code: str) -> None:
    begun = world.begin()
    assert world.tell(created(begun)) == [(1, "in_progress")]
    closing = world.end(begun, code)
    assert world.react(closed(closing), pytest.fail) == []
    assert world.react(stopped(stop(world.local.table, closing)), pytest.fail) == []
    assert world.tell(created(begun), pytest.fail) == [(1, "in_progress")]


def test_what_was_left_behind_is_inactive_once_the_app_is_back(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.end(begun, "uninstalled")
    assert world.tell(created(world.begin(41), ANOTHER)) == [(1, "inactive"), (3, "in_progress")]


# ---- What changes meanwhile, and who tells it


def test_what_changes_while_it_is_told_is_told_too(world: World) -> None:
    begun = world.begin()
    world.acts = [lambda: world.report(begun, "ready")]
    assert world.tell(created(begun)) == [(1, "in_progress"), (1, "success")]
    assert world.react(ready(begun), pytest.fail) == []


def test_what_closes_while_it_is_told_is_inactive(world: World) -> None:
    begun = world.begin()
    world.acts = [lambda: close(world.local.table, begun)]
    assert world.tell(created(begun)) == [(1, "in_progress"), (1, "inactive")]
    assert world.react(closed(begun), pytest.fail) == []


def test_what_never_stops_changing_is_told_so_often_and_no_more(world: World) -> None:
    begun = world.begin()
    world.acts = [(lambda: world.begin(2)), None, (lambda: world.begin(3)), None, (lambda: world.begin(4))]
    told = world.tell(created(begun))
    assert [state for _, state in told].count("in_progress") == MOST_LOOKS
    assert world.standing(begun).generations == [3]
    assert world.tell(updated(begun)) == [(3, "inactive"), (4, "in_progress")]


def test_another_step_waits_and_then_finds_its_state_told(world: World) -> None:
    begun = world.begin()

    def another() -> None:
        with pytest.raises(RetryLaterError, match="somebody else is telling"):
            world.react(ready(world.report(begun, "ready")))

    world.acts = [another]
    world.react(created(begun))
    assert world.react(ready(begun), pytest.fail) == []
    assert world.states() == [["in_progress", "success"]]


def test_what_was_told_between_the_look_and_the_claim_is_not_told_again(world: World) -> None:
    begun = world.begin()
    real = world.standings

    class Slow(Standings):
        def claim(self, environment_id: str) -> Standing:
            world.react(created(begun))
            return real.claim(environment_id)

    slow = Slow(world.local.table, world.stage.now)
    step = ReportDeployment(world.environments, slow, world.teller, world.stage.now)
    assert step(updated(begun)) == []
    assert world.states() == [["in_progress"]]


def test_a_claim_of_a_step_that_was_stopped_runs_out(world: World) -> None:
    begun = world.begin()
    world.standings.claim(begun.id)
    with pytest.raises(RetryLaterError):
        world.react(created(begun))
    world.wait(LASTING.total_seconds())
    assert world.tell(created(begun)) == [(1, "in_progress")]


def test_who_overslept_its_claim_leaves_the_record_to_its_successor(world: World) -> None:
    begun = world.begin()

    def overtaken() -> None:
        world.wait(LASTING.total_seconds())
        world.report(begun, "ready")
        assert world.tell(ready(begun, ANOTHER)) == [(1, "success")]

    world.acts = [overtaken]
    world.react(created(begun))
    [known] = world.standing(begun).deployments
    assert known.state == "success"
    assert len(world.deployments()) == 1


def test_who_overslept_its_claim_makes_no_deployment(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.begin(2)

    def overtaken() -> None:
        world.wait(LASTING.total_seconds())
        world.tell(updated(begun, ANOTHER))

    world.acts = [overtaken]
    with pytest.raises(RetryLaterError, match="somebody else"):
        world.react(updated(begun, THIRD))
    assert [one.payload for one in world.deployments()] == [
        {"environment": begun.id, "generation": number} for number in (1, 2)
    ]


# ---- What is stated


def test_the_same_event_again_states_the_same_without_a_call(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    world.begin(2)
    first = world.react(updated(begun))
    assert world.react(updated(begun), pytest.fail) == first
    world.report(world.begin(3), "ready", 63)
    world.react(ready(begun))
    again = world.react(updated(begun), pytest.fail)
    assert [fact.data.subject for fact in again] == [fact.data.subject for fact in first]


def test_a_fact_about_what_was_says_the_commit_that_it_was(world: World) -> None:
    begun = world.begin()
    world.react(created(begun))
    newer = world.stage.sample.commit_to("teal", {"colour.txt": "blue\n"})
    world.begin(2, sha=newer)
    facts = world.react(updated(begun))
    found = [fact.data.environment for fact in facts if isinstance(fact.data, DeploymentReportedData)]
    assert [(one.generation, one.sha) for one in found] == [(1, begun.sha), (2, newer)]


def test_what_is_refused_or_given_up_names_the_environment_and_the_reason(world: World) -> None:
    begun = world.begin()
    made = steps(world.local.table, pytest.fail, world.stage.now)
    assert len(made) == 7
    for step in made.values():
        fact = step.failed(created(begun), Reason(code="gave_up", message="Gave up"))
        assert fact is not None
        assert fact.event is DeploymentFailed
        assert fact.data.subject == f"{begun.id}@1:gave_up"
    assert begun.repository.full_name == REPOSITORY
    assert event_id(1) == begun.marks[0].cause
