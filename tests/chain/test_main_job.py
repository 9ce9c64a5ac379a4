"""From a signed webhook to a live preview."""

import hashlib

import pytest

from prestage.stage.bench import BUDGET, GITHUB_API
from prestage.stage.demo import EXPECTED
from tests.chain.world import MAIN_JOB, Place, World, assert_completed


def test_a_pull_request_becomes_a_live_preview_of_its_commit(world: World) -> None:
    place = world.place("storefront")
    [app] = place.apps
    stack = place.stage.stack
    stack.apps.update(app.with_config("preview", "GREETING", "Good morning"))
    stack.secrets.set(app.id, "preview", "API_KEY", "the-value-of-the-key")
    stack.secrets.set(app.id, "production", "API_KEY", "not for previews")
    sha = place.commit()
    place.stage.github.open_pull_request(place.full_name, branch="teal", title="Make it teal")
    place.stage.settle()
    assert_completed(place)
    assert place.shown() == {
        "commit": sha,
        "greeting": "Good morning",
        "secret": hashlib.sha256(b"the-value-of-the-key").hexdigest(),
    }
    assert "A teal headline" in place.page().text


def test_the_facts_tell_one_story(place: Place) -> None:
    place.run()
    told = {fact["detail-type"]: fact["detail"]["metadata"] for fact in place.facts()}
    delivery = place.stage.github.deliveries[-1]
    assert {metadata["correlation_id"] for metadata in told.values()} == {delivery.guid}
    causes = {
        "EnvironmentCreated": "PullRequestOpened",
        "SecretsResolved": "EnvironmentCreated",
        "PrCommented": "EnvironmentCreated",
        "RuntimeRequested": "SecretsResolved",
    }
    for effect, cause in causes.items():
        assert told[effect]["causation_id"] == told[cause]["event_id"]
        assert told[effect]["hop"] == told[cause]["hop"] + 1


def test_the_runtime_is_told_with_all_that_finds_it(place: Place) -> None:
    place.run()
    environment = place.environment()
    runtime = place.data("RuntimeRequested")["runtime"]
    assert runtime == {
        "provider": "fly.io",
        "fly_app": environment.fly_app,
        "machine_id": place.machine_id(),
        "region": "iad",
        "address": environment.address,
    }


def test_secrets_are_resolved_also_when_there_are_none(place: Place) -> None:
    place.run()
    assert place.data("SecretsResolved")["names"] == []


def test_the_comment_shows_the_app_its_address_and_its_commit(place: Place) -> None:
    place.run()
    [comment] = place.comments()
    environment = place.environment()
    assert comment.author_login == "prestage-stage[bot]"
    for shown in ("storefront", environment.address, environment.sha[:7]):
        assert shown in comment.body


def test_a_reopened_pull_request_has_the_same_environment_in_its_next_generation(place: Place) -> None:
    number = place.run()
    before = place.environment()
    sha = place.commit(**{"headline.txt": "Reopened\n"})
    place.stage.github.close_pull_request(place.full_name, number)
    place.stage.github.reopen_pull_request(place.full_name, number)
    place.stage.settle()
    after = place.environment()
    assert (after.id, after.address, after.fly_app) == (before.id, before.address, before.fly_app)
    assert (after.generation, after.sha) == (before.generation + 1, sha)
    assert (len(place.comments()), len(place.machine_ids())) == (1, 1)
    assert place.shown()["commit"] == sha


def test_a_repository_without_an_app_states_nothing_more(world: World) -> None:
    place = world.place()
    place.run()
    assert place.names() == ["PullRequestOpened"]
    assert place.comments() == ()


def test_a_machine_keeps_away_search_engines_and_strangers_networks(place: Place) -> None:
    place.run()
    assert place.page().headers["X-Robots-Tag"] == "noindex"
    [app] = [app for app in place.stage.fly.apps() if app.name == place.environment().fly_app]
    assert app.network == app.name


def test_what_is_against_the_published_contract_is_not_stated(place: Place) -> None:
    place.run()
    [fact] = place.facts("RuntimeRequested")
    data = {**fact["detail"]["data"], "environment": {"id": "not an id"}}
    assert place.put(fact, data=data)["ErrorCode"] == "ContractViolation"
    assert place.facts("RuntimeRequested") == [fact]


@pytest.mark.parametrize("secrets", [1, 20])
def test_calls_stay_within_their_budget_however_many_secrets_there_are(world: World, secrets: int) -> None:
    place = world.place("storefront")
    for number in range(secrets):
        world.stage.stack.secrets.set(place.apps[0].id, "preview", f"SECRET_{number}", "a value")
    world.stage.lambdas.redeploy()
    marks = (len(world.stage.aws.calls), world.stage.github.count(GITHUB_API), world.stage.fly.count())
    place.run()
    assert place.shown()["commit"] == place.environment().sha
    calls = world.stage.aws.calls[marks[0] :]
    kms = [call.action for call in calls if call.service == "kms" and call.access_key_id.startswith("stage-")]
    assert sorted(kms) == ["Decrypt", "Decrypt", "GenerateDataKey"]
    assert world.stage.github.count(GITHUB_API) - marks[1] <= BUDGET["GitHub"]
    assert world.stage.fly.count() - marks[2] <= BUDGET["Fly.io"]
    assert len(kms) <= BUDGET["KMS"]


def test_the_demo_expects_the_main_job() -> None:
    assert sorted(EXPECTED) == sorted(MAIN_JOB)
