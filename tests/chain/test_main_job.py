"""From a signed webhook to a live preview."""

import hashlib
from datetime import timedelta

from prestage.stage.bench import over_budget
from prestage.stage.counting import Counting
from prestage.stage.demo_life import CHECKED, OPENED
from tests.chain.world import FOR_A_WHILE, MAIN_JOB, Place, World, assert_completed


def test_a_pull_request_becomes_a_live_preview_of_its_commit(world: World) -> None:
    place = world.place("storefront")
    [app] = place.apps
    stack = place.stage.stack
    stack.apps.update(app.with_config("preview", "GREETING", "Good morning"))
    stack.secrets.set(app.id, "preview", "API_KEY", "the-value-of-the-key")
    stack.secrets.set(app.id, "production", "API_KEY", "not for previews")
    sha = place.commit()
    place.stage.github.open_pull_request(place.full_name, branch="teal", title="Make it teal")
    place.settle()
    assert_completed(place)
    assert place.shown() == {
        "commit": sha,
        "greeting": "Good morning",
        "secret": hashlib.sha256(b"the-value-of-the-key").hexdigest(),
    }
    assert "A teal headline" in place.page().text


def test_the_facts_tell_one_story(place: Place) -> None:
    place.run()
    told = {fact["detail"]["metadata"]["event_id"]: fact for fact in place.facts()}
    delivery = place.stage.github.deliveries[-1]
    assert {fact["detail"]["metadata"]["correlation_id"] for fact in told.values()} == {delivery.guid}
    led = set()
    for fact in told.values():
        metadata = fact["detail"]["metadata"]
        cause = told.get(metadata["causation_id"])
        led.add((cause["detail-type"] if cause else "GitHub", fact["detail-type"]))
        assert metadata["hop"] == (cause["detail"]["metadata"]["hop"] + 1 if cause else 0)
    assert led == {
        ("GitHub", "PullRequestOpened"),
        ("PullRequestOpened", "EnvironmentCreated"),
        ("EnvironmentCreated", "SecretsResolved"),
        ("EnvironmentCreated", "PrCommented"),
        ("EnvironmentCreated", "DeploymentReported"),
        ("SecretsResolved", "RuntimeRequested"),
        ("RuntimeRequested", "RuntimeReady"),
        ("RuntimeReady", "EnvironmentReady"),
        ("EnvironmentReady", "PrCommented"),
        ("EnvironmentReady", "DeploymentReported"),
    }


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


def test_calls_stay_within_their_budget(world: World) -> None:
    """With no token that lasts, and in each part of a life."""
    place = world.place("storefront")
    for name, happen in (("Opened", place.run), ("Pushed", place.push), ("Closed", place.close)):
        world.stage.time.advance(timedelta(hours=2))
        counting = Counting(world.stage)
        happen()
        world.stage.settle_through(FOR_A_WHILE)
        taken = counting.taken()
        assert over_budget(name, taken) == {}
        assert taken["GitHub"]["POST access_tokens"] == (2 if name == "Closed" else 3)


def test_more_secrets_cost_no_more_calls(world: World) -> None:
    place = world.place("storefront")
    taken = []
    for secrets in range(0, 21, 10):
        for number in range(secrets):
            world.stage.stack.secrets.set(place.apps[0].id, "preview", f"SECRET_{number}", "a value")
        counting = Counting(world.stage)
        place.run(branch=f"with-{secrets}")
        taken.append(counting.taken())
    assert over_budget("Opened", taken[0]) == over_budget("Opened", taken[2]) == {}
    assert taken[1]["KMS"] == taken[2]["KMS"] == {"Decrypt": 2, "GenerateDataKey": 1}
    assert [one["Fly.io"]["POST secrets"] for one in taken] == [0, 1, 1]


def test_the_demo_expects_the_main_job_and_another_team_s_check() -> None:
    assert sorted(name.partition("/")[0] for name in OPENED if name not in CHECKED) == sorted(MAIN_JOB)
