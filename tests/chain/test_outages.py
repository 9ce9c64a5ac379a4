"""GitHub, Fly.io or the bus is down for a while: the chain completes once they are back, and nothing is there twice."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from prestage.stage.fly import FlyStandIn
from prestage.stage.github import GitHubStandIn
from tests.chain.world import AS_OFTEN_AS_NEEDED, FOR_A_WHILE, MAIN_JOB, Place, assert_completed

type StandIn = FlyStandIn | GitHubStandIn

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "500": {"status": 500},
    "503 with Retry-After": {"status": 503, "headers": {"Retry-After": "40"}},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "90"}},
    "no answer": {"drop": True},
    "no answer after the side effect": {"drop": True, "after_effect": True},
    "500 after the side effect": {"status": 500, "after_effect": True},
}
GITHUB_CALLS = {
    "a token": r"^POST /app/installations/\d+/access_tokens",
    "the comments": r"^GET .*/comments",
    "the comment": r"^POST .*/comments",
    "another state of it": r"^PATCH .*/comments/",
    "a deployment": r"^POST .*/deployments$",
    "its state": r"^POST .*/statuses$",
}
FLY_CALLS = {
    "a look at the app": r"^GET /v1/apps/[^/]+$",
    "an app": r"^POST /v1/apps$",
    "an address": r"^POST /v1/apps/[^/]+/ip_assignments",
    "secrets": r"^POST /v1/apps/[^/]+/secrets",
    "a machine": r"^POST /v1/apps/[^/]+/machines",
    "a look at the machine": r"^GET /v1/apps/[^/]+/machines/",
}


def with_secret(place: Place) -> None:
    [app] = place.apps
    place.stage.stack.secrets.set(app.id, "preview", "API_KEY", "a value")


@pytest.mark.parametrize("fault", [*FAULTS, "408 after the side effect"])
def test_the_chain_completes_after_every_call_fails_twice(place: Place, fault: str) -> None:
    with_secret(place)
    planted = FAULTS.get(fault, {"status": 408, "after_effect": True})
    for call in FLY_CALLS.values():
        place.stage.fly.fail(2, match=call, **planted)
    for call in GITHUB_CALLS.values() if fault in FAULTS else ():
        place.stage.github.fail(2, match=call, **planted)
    place.open()
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)
    assert place.stage.fly.process_environment(place.machine_id())["API_KEY"] == "a value"


def test_a_fly_that_refuses_connections_is_waited_out(place: Place) -> None:
    with place.stage.fly_server.down():
        place.open()
        place.stage.settle_through(timedelta(minutes=10))
        assert place.names() == sorted([*MAIN_JOB[:3], "DeploymentReported", "PrCommented"])
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)


def test_a_github_that_refuses_connections_is_waited_out(place: Place) -> None:
    """Also by the machine, which fetches its commit from there, and lives in real time."""
    with place.stage.github_server.down():
        place.open()
        place.stage.settle_through(timedelta(minutes=2), boot_patience=0)
        assert place.names() == sorted(MAIN_JOB[:4])
    assert place.stage.settle_until(lambda: place.environment().status == "ready", FOR_A_WHILE, boot_patience=60)
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)


def test_a_rate_limit_is_waited_out_as_long_as_github_asks(place: Place) -> None:
    for_both = 2
    place.stage.github.fail(for_both, status=429, headers={"Retry-After": "600"}, match=GITHUB_CALLS["the comment"])
    place.run()
    assert place.environment().status == "ready"
    place.stage.settle_through(timedelta(seconds=570))
    assert place.comments() == ()
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)


def test_a_source_that_github_does_not_hand_out_now_is_asked_for_again(place: Place) -> None:
    place.stage.github.fail(2, status=502, match=r"/tarball/")
    place.run()
    assert place.shown()["commit"] == place.environment().sha


@pytest.mark.parametrize("after_effect", [False, True])
def test_the_chain_completes_after_the_bus_takes_no_fact_at_first(place: Place, after_effect: bool) -> None:
    for name in MAIN_JOB[1:]:
        place.stage.bus.fail(5, match=rf" {name} ", after_effect=after_effect)
    place.open()
    place.stage.settle_through(FOR_A_WHILE)
    stated = {fact["detail"]["metadata"]["event_id"]: fact["detail-type"] for fact in place.facts()}
    assert set(stated.values()) == set(MAIN_JOB)
    assert len(stated) <= len(MAIN_JOB) + len(AS_OFTEN_AS_NEEDED)
    assert (len(place.comments()), len(place.fly_apps()), len(place.machine_ids())) == (1, 1, 1)
    assert place.environment().status == "ready"


def test_a_webhook_whose_fact_the_bus_does_not_take_is_answered_5xx_and_redelivered_with_success(place: Place) -> None:
    place.commit()
    place.stage.bus.fail(2, match=" PullRequestOpened ")
    place.stage.github.open_pull_request(place.full_name, branch="teal", title="Make it teal")
    failed = place.stage.github.deliveries[-1]
    assert failed.status == 503
    assert place.facts() == []
    assert place.stage.github.redeliver(failed).status == 202
    place.settle()
    assert_completed(place)


def test_what_stays_down_is_given_up_and_said_so(place: Place) -> None:
    with place.stage.fly_server.down():
        place.run()
        place.stage.settle_through(timedelta(hours=16))
    [failed] = place.facts("RuntimeFailed")
    assert failed["detail"]["data"]["reason"]["code"] == "gave_up"
    assert place.world.redrive("Runtimes") == 1
    place.stage.settle_through(FOR_A_WHILE)
    assert len(place.facts("RuntimeRequested")) == 1
    assert place.shown()["commit"] == place.environment().sha
