"""The life of an environment after its birth, through real webhooks, commits and boots."""

from collections.abc import Iterator

import httpx
import pytest

from prestage_contracts.operators import StopRequested
from tests.chain.world import FOR_A_WHILE, Place, World, assert_completed


def fly_ids(place: Place) -> list[str]:
    """The ids of the place's apps on Fly.io: two that were there one after the other differ, whatever their name."""
    names = place.fly_apps()
    return [app.id for app in place.stage.fly.apps() if app.name in names]


def assert_ready(place: Place, sha: str) -> None:
    """All that there is says that the pull request's commit is served."""
    environment = place.environment()
    assert (environment.status, environment.sha) == ("ready", sha)
    assert place.shown()["commit"] == sha
    assert f"Ready at [`{environment.address.partition('://')[2]}`]" in place.comment()
    assert f"`{sha[:7]}`" in place.comment()
    *before, now = place.deployments()
    assert (now.state, now.sha, now.statuses[-1].environment_url) == ("success", sha, environment.address)
    assert {one.state for one in before} <= {"inactive"}


def assert_gone(place: Place, told: str) -> None:
    """All that there is says that the pull request has no environment any more."""
    environment = place.environment()
    assert environment.status == "stopped"
    assert place.fly_apps() == place.machine_ids() == []
    assert f"Stopped: `{told}`" in place.comment()
    assert {one.state for one in place.deployments()} <= {"inactive"}
    assert place.page().status_code == 404
    assert place.stage.stack.environments.count_live(environment.app_id) == 0
    bundles = place.stage.aws.client("dynamodb").scan(TableName=place.stage.deployment.outputs["BundlesTable"])
    assert [item for item in bundles["Items"] if environment.id in item["pk"]["S"]] == []


# ---- Push


def test_a_push_is_served_at_the_same_address_by_the_same_machine(place: Place) -> None:
    place.run()
    before, machine, app = place.environment(), place.machine_id(), fly_ids(place)
    sha = place.push()
    place.settle()
    assert_ready(place, sha)
    after = place.environment()
    assert (after.id, after.address, after.fly_app) == (before.id, before.address, before.fly_app)
    assert (place.machine_id(), fly_ids(place), after.generation) == (machine, app, 2)
    assert len(place.facts("EnvironmentCreated")) == len(place.facts("EnvironmentUpdated")) == 1


def test_a_push_during_a_boot_is_what_becomes_ready(place: Place) -> None:
    place.open()
    place.stage.settle()
    assert place.facts("RuntimeRequested")
    sha = place.push()
    place.settle()
    assert_ready(place, sha)
    assert len(place.machine_ids()) == 1


# ---- Close and reopen


@pytest.mark.parametrize(("merged", "told"), [(True, "merged"), (False, "closed")])
def test_a_closed_pull_request_leaves_nothing_that_runs_or_costs(place: Place, merged: bool, told: str) -> None:
    place.stage.stack.secrets.set(place.apps[0].id, "preview", "API_KEY", "a value")
    place.run()
    place.close(merged=merged)
    place.settle()
    assert_gone(place, f"The pull request was {told}.")


def test_a_deleted_branch_closes_what_came_from_it(place: Place) -> None:
    place.run()
    place.stage.github.delete_branch(place.full_name, "teal")
    place.settle()
    assert_gone(place, "The pull request was closed.")


@pytest.fixture
def lingering(world: World) -> Iterator[World]:
    """Fly.io shows an app for a while after it was deleted, with its machines."""
    world.stage.fly.let_deletions_linger(3, machines_run=True)
    yield world
    world.stage.fly.let_deletions_linger(0)


@pytest.mark.usefixtures("lingering")
def test_what_is_reopened_while_fly_removes_it_begins_from_nothing(place: Place) -> None:
    place.run()
    before = place.environment()
    [dying] = fly_ids(place)
    place.close()
    place.stage.settle()
    assert place.environment().status == "closing"
    sha = place.push()
    place.reopen()
    place.stage.settle_through(FOR_A_WHILE)
    assert_ready(place, sha)
    after = place.environment()
    assert (after.id, after.address) == (before.id, before.address)
    assert fly_ids(place) != [dying]
    assert len(place.machine_ids()) == 1


@pytest.mark.usefixtures("lingering")
def test_the_environment_is_stopped_only_once_fly_says_that_the_app_is_gone(place: Place) -> None:
    place.run()
    place.close()
    place.stage.settle()
    assert place.stage.fly.count(rf"^DELETE /v1/apps/{place.environment().fly_app}$") == 1
    assert place.facts("RuntimeRemoved") == []
    assert "Stopping: " in place.comment()
    place.settle()
    assert_gone(place, "The pull request was closed.")


def test_what_is_reopened_later_has_the_address_that_it_had(place: Place) -> None:
    place.run()
    address = place.environment().address
    place.close()
    place.settle()
    place.reopen()
    place.settle()
    assert_ready(place, place.environment().sha)
    assert place.environment().address == address
    assert len(place.facts("EnvironmentCreated")) == 2


def test_a_close_that_overtakes_its_open_wins(place: Place) -> None:
    place.stage.github.lose_deliveries(1)
    place.commit()
    number = place.stage.github.open_pull_request(place.full_name, branch="teal", title="Make it teal")
    lost = place.stage.github.deliveries[-1]
    place.close(number)
    place.settle()
    assert place.stage.github.redeliver(lost).status == 202
    place.stage.settle_through(FOR_A_WHILE)
    assert place.names() == ["PullRequestClosed", "PullRequestOpened"]
    assert place.environments() == []
    assert place.comments() == ()


@pytest.mark.parametrize("parallel", [False, True])
def test_a_close_is_not_overtaken_by_the_deployment_before_it(place: Place, parallel: bool) -> None:
    place.open()
    place.push()
    place.close()
    place.stage.settle(parallel=parallel)
    place.stage.settle_through(FOR_A_WHILE)
    assert [one.status for one in place.environments()] in (["stopped"], [])
    assert place.fly_apps() == []
    assert {one.state for one in place.deployments()} <= {"inactive"}


# ---- What fails


@pytest.mark.parametrize(
    ("command", "stage", "exit_status", "words"),
    [
        ({"build": "echo no >&2; exit 7"}, "build", 83, "The build failed: 'echo no >&2; exit 7' did not succeed"),
        ({"start": "exit 3"}, "start", 3, "The app ended before it was ready: 'exit 3' ended with exit status 3"),
        ({"directory": "nowhere"}, "start", 84, "The app could not be started: the commit has no folder 'nowhere'"),
    ],
)
def test_a_boot_that_fails_is_told_with_its_stage_its_words_and_its_log(
    world: World, command: dict[str, str], stage: str, exit_status: int, words: str
) -> None:
    place = world.place("storefront", **command)
    place.run()
    failed = place.data("RuntimeFailed")
    assert (failed["stage"], failed["exit_status"]) == (stage, exit_status)
    assert place.environment().status == "failed"
    assert words in place.comment().replace("`", "'")
    assert f"Failed ({stage}): " in place.comment()
    [deployment] = place.deployments()
    assert (deployment.state, deployment.statuses[-1].log_url) == ("failure", failed["log_url"])
    assert f"{stage}: {words}"[:100] in deployment.statuses[-1].description.replace("`", "'")
    log = httpx.get(failed["log_url"], trust_env=False).text
    assert place.stage.fly.log(place.machine_id()) in log


# ---- Production, and branches


def test_production_follows_the_default_branch_and_no_pull_request(world: World) -> None:
    place = world.place("storefront", forks="without_secrets")
    [app] = place.apps
    place.stage.stack.secrets.set(app.id, "production", "API_KEY", "of production")
    before = place.deploy()
    assert (before.type, before.status, before.branch) == ("production", "ready", "main")
    assert place.stage.fly.process_environment(place.machine_id())["API_KEY"] == "of production"
    assert "X-Robots-Tag" not in place.stage.fetch(before.address).headers

    fork = place.stage.github.open_pull_request(place.full_name, branch="main", title="My main", fork=True)
    place.settle()
    place.close(fork)
    place.settle()
    assert place.of_branch() == before

    number = place.run("teal")
    place.stage.github.merge_pull_request(place.full_name, number)
    place.settle()
    after = place.of_branch()
    assert (after.status, after.sha) == ("ready", place.repository.git("rev-parse", "main"))
    assert (after.id, after.address, after.fly_app) == (before.id, before.address, before.fly_app)
    assert place.stage.fetch(after.address).text.count(after.sha) == 1
    assert place.environment(number).status == "stopped"
    assert [one.state for one in place.deployments() if one.environment == "storefront/production"] == [
        "inactive",
        "success",
    ]


def test_a_default_branch_of_another_name_keeps_the_one_environment(place: Place) -> None:
    before = place.deploy()
    place.stage.github.rename_default_branch(place.full_name, "trunk")
    place.stage.settle_through(FOR_A_WHILE)
    place.push("trunk")
    place.stage.settle_through(FOR_A_WHILE)
    after = place.of_branch()
    assert (after.id, after.branch, after.status) == (before.id, "trunk", "ready")
    assert after.sha == place.repository.git("rev-parse", "trunk")
    assert len(place.fly_apps()) == 1


def test_a_branch_has_an_environment_for_as_long_as_it_is_there(place: Place) -> None:
    place.commit("feature")
    place.stage.github.push(place.full_name, "feature")
    place.settle()
    assert place.names() == ["BranchPushed"]
    before = place.deploy("feature")
    assert (before.type, before.status, before.pull_request) == ("preview", "ready", None)
    sha = place.push("feature")
    place.settle()
    assert sha in place.stage.fetch(before.address).text
    place.stage.github.delete_branch(place.full_name, "feature")
    place.settle()
    after = place.of_branch("feature")
    assert (after.status, after.reason and after.reason.code) == ("stopped", "branch_deleted")
    assert place.fly_apps() == []
    assert place.stage.github.count(rf"/repos/{place.full_name}/issues/") == 0


def test_what_an_operator_stops_comes_back_with_the_next_push(place: Place) -> None:
    place.run()
    place.order(StopRequested, place.environment())
    assert_gone(place, "An operator stopped it.")
    sha = place.push()
    place.settle()
    assert_ready(place, sha)


# ---- The journal


def test_the_journal_tells_the_story_of_an_environment_in_order(place: Place) -> None:
    place.run()
    assert_completed(place)
    place.push()
    place.settle()
    place.close(merged=True)
    place.settle()
    journal = place.stage.stack.journal
    story = journal.story_of_environment(place.environment().id)
    [pushed] = place.facts("BranchPushed")  # it led to nothing: the pull request's own word did
    assert {entry.event_id for entry in story} == place.event_ids() - {pushed["detail"]["metadata"]["event_id"]}
    assert [entry.occurred_at for entry in story] == sorted(entry.occurred_at for entry in story)
    told = [entry.name for entry in story]
    assert (told[0], told[-2:]) == ("PullRequestOpened", ["EnvironmentStopped", "PrCommented"])
    ids = [entry.event_id for entry in story]
    for entry in story:
        assert entry.hop == 0 or ids.index(entry.causation_id) < ids.index(entry.event_id)
    delivery = place.stage.github.deliveries[-1]
    assert [entry.name for entry in journal.of_correlation(delivery.guid)][:2] == [
        "PullRequestClosed",
        "EnvironmentClosed",
    ]
