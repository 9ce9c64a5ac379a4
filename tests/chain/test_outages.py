"""GitHub, Fly.io or the bus is down for a while: the chain completes once they are back, and nothing is there twice."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from prestage.stage.fly import FlyStandIn
from prestage.stage.github import GitHubStandIn
from tests.chain.world import FOR_A_WHILE, Place, assert_completed

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
}
FLY_CALLS = {
    "a look at the app": r"^GET /v1/apps/[^/]+$",
    "an app": r"^POST /v1/apps$",
    "an address": r"^POST /v1/apps/[^/]+/ip_assignments",
    "secrets": r"^POST /v1/apps/[^/]+/secrets",
    "a machine": r"^POST /v1/apps/[^/]+/machines",
}


def with_secret(place: Place) -> None:
    [app] = place.apps
    place.stage.stack.secrets.set(app.id, "preview", "API_KEY", "a value")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_chain_completes_after_every_call_of_github_fails_twice(place: Place, fault: str) -> None:
    for call in GITHUB_CALLS.values():
        place.stage.github.fail(2, match=call, **FAULTS[fault])
    place.run()
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)


@pytest.mark.parametrize("fault", [*FAULTS, "408 after the side effect"])
def test_the_chain_completes_after_every_call_of_fly_fails_twice(place: Place, fault: str) -> None:
    with_secret(place)
    for call in FLY_CALLS.values():
        place.stage.fly.fail(2, match=call, **FAULTS.get(fault, {"status": 408, "after_effect": True}))
    place.run()
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)
    assert place.stage.fly.process_environment(place.machine_id())["API_KEY"] == "a value"


@pytest.mark.parametrize("fault", [*FAULTS, "408 after the side effect"])
def test_the_next_generation_completes_after_every_call_fails_twice(place: Place, fault: str) -> None:
    """It changes what is there: the comment, the secrets and the machine."""
    with_secret(place)
    number = place.run()
    machine_id = place.machine_id()
    sha = place.commit(**{"headline.txt": "Next\n"})
    place.stage.github.close_pull_request(place.full_name, number)
    place.stage.github.reopen_pull_request(place.full_name, number)
    planted = FAULTS.get(fault, {"status": 408, "after_effect": True})
    for call in (r"^GET /v1/apps/[^/]+/\w+$", r"^GET /v1/apps/[^/]+$", r"^POST /v1/"):
        place.stage.fly.fail(2, match=call, **planted)
    if fault in FAULTS:
        place.stage.github.fail(2, match=r"^PATCH ", **planted)
    place.stage.settle()
    place.stage.settle_through(FOR_A_WHILE)
    assert len(place.comments()) == 1
    assert sha[:7] in place.comments()[0].body
    assert (place.machine_id(), place.shown()["commit"]) == (machine_id, sha)


@pytest.mark.parametrize("which", ["github", "fly"])
def test_refused_connections_are_waited_out(place: Place, which: str) -> None:
    with getattr(place.stage, f"{which}_server").down():
        place.run()
        place.stage.settle_through(timedelta(minutes=10))
        assert not {"PrCommentFailed", "RuntimeFailed"} & set(place.names())
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)


def test_a_rate_limit_is_waited_out_as_long_as_github_asks(place: Place) -> None:
    place.stage.github.fail(1, status=429, headers={"Retry-After": "600"}, match=GITHUB_CALLS["the comment"])
    place.run()
    place.stage.settle_through(timedelta(seconds=595))
    assert place.comments() == ()
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)


def test_a_source_that_github_does_not_hand_out_now_is_asked_for_again(place: Place) -> None:
    place.stage.github.fail(2, status=502, match=r"/tarball/")
    place.run()
    assert place.shown()["commit"] == place.environment().sha


@pytest.mark.parametrize("name", ["EnvironmentCreated", "SecretsResolved", "PrCommented", "RuntimeRequested"])
@pytest.mark.parametrize("after_effect", [False, True])
def test_the_chain_completes_after_the_bus_takes_no(place: Place, name: str, after_effect: bool) -> None:
    place.stage.bus.fail(9, match=rf" {name} ", after_effect=after_effect)
    place.run()
    place.stage.settle_through(FOR_A_WHILE)
    ids = [fact["detail"]["metadata"]["event_id"] for fact in place.facts()]
    assert len(set(ids)) == 5
    assert (len(place.comments()), len(place.fly_apps()), len(place.machine_ids())) == (1, 1, 1)


def test_a_webhook_whose_fact_the_bus_does_not_take_is_answered_5xx_and_redelivered_with_success(place: Place) -> None:
    place.commit()
    place.stage.bus.fail(2, match=" PullRequestOpened ")
    place.stage.github.open_pull_request(place.full_name, branch="teal", title="Make it teal")
    failed = place.stage.github.deliveries[-1]
    assert failed.status == 503
    assert place.facts() == []
    assert place.stage.github.redeliver(failed).status == 202
    place.stage.settle()
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
