"""What is refused, and what is broken: said so once, kept, and mended by a redrive."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.chain.bugs import PLANTED, planted
from tests.chain.world import FOR_A_WHILE, MAIN_JOB, Place, World, assert_completed

BUGS = {
    "Environments": ("environments/policy.py", "def is_trusted_with_secrets(", {"PreviewFailed": 1}),
    "Vault": ("sealing/bundles.py", "def _pack(", {"SecretsFailed": 1, "EnvironmentFailed": 1}),
    "Comments": ("comments/body.py", "def render(", {"PrCommentFailed": 2}),
    "Deployments": ("deployments/tell.py", "def name(", {"DeploymentFailed": 2}),
    "Runtimes": ("runtimes/machine.py", "def machine_config(", {"RuntimeFailed": 1, "EnvironmentFailed": 1}),
}
"""Where it is, and what is stated once it was tried five times."""


def test_a_refusal_of_fly_is_stated_with_its_reason_and_logged_with_its_request_id(place: Place) -> None:
    place.stage.fly.fail(1, status=422, headers={"fly-request-id": "01REFUSED-iad"}, match=r"^POST .*/machines$")
    place.run()
    assert place.data("RuntimeFailed")["reason"]["code"] == "provider_refused"
    assert (place.environment().status, place.environment().stage) == ("failed", "provision")
    assert place.facts("RuntimeRequested") == []
    [logged] = [line for line in place.world.errors() if line.get("fly_request_id") == "01REFUSED-iad"]
    assert (logged["status"], logged["level"]) == (422, "ERROR")
    [comment] = place.comments()
    assert "Failed (provision): `Fly.io refused: planted" in comment.body
    place.stage.settle_through(timedelta(hours=16))
    assert len(place.facts("RuntimeFailed")) == 1


def test_a_name_that_is_somebody_elses_is_not_touched(place: Place) -> None:
    number = place.open()
    place.stage.poller.settle()
    before = place.environment(number)
    sha = place.commit(**{"headline.txt": "Again\n"})
    [app] = [app for app in place.stage.fly.apps() if app.name == before.fly_app]
    app.organization = "somebody-else"
    place.stage.github.close_pull_request(place.full_name, number)
    place.stage.github.reopen_pull_request(place.full_name, number)
    place.stage.settle()
    reason = place.data("RuntimeFailed")["reason"]
    assert reason["code"] == "name_taken"
    assert sha not in str(app.machines)
    app.organization = "stage"


def test_an_app_of_ours_on_a_shared_network_is_not_adopted(place: Place) -> None:
    place.open()
    place.stage.fly.fail(1, status=422, match=r"^POST .*/machines$")
    place.stage.settle()
    name = place.environment().fly_app
    [app] = [app for app in place.stage.fly.apps() if app.name == name]
    app.network = "default"
    place.stage.github.close_pull_request(place.full_name, 1)
    place.stage.github.reopen_pull_request(place.full_name, 1)
    place.stage.settle()
    codes = [fact["detail"]["data"]["reason"]["code"] for fact in place.facts("RuntimeFailed")]
    assert codes == ["provider_refused", "name_taken"]
    assert place.machine_ids() == []


def test_a_comment_that_github_refuses_is_said_so_and_the_preview_lives(place: Place) -> None:
    place.stage.github.fail(1, status=403, match=r"^POST .*/comments")
    place.run()
    assert place.data("PrCommentFailed")["reason"]["code"] == "comment_refused"
    assert place.shown()["commit"] == place.environment().sha


@pytest.fixture
def bug(world: World, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A bug in a step's code, deployed, until it is mended."""
    path, line, _ = BUGS[request.param]
    with planted(world, request.param, path, line) as file:
        yield file


@pytest.mark.parametrize(("bug", "reaction"), [(name, name) for name in BUGS], indirect=["bug"])
def test_a_bug_is_said_so_once_and_a_redrive_completes_the_chain(place: Place, bug: Path, reaction: str) -> None:
    wrong, failed = bug.read_text(), BUGS[reaction][2]
    place.open()
    place.stage.settle_through(timedelta(minutes=5))
    assert not failed.keys() & set(place.names())
    place.stage.settle_through(timedelta(hours=1))
    facts = [fact for name in failed for fact in place.facts(name)]
    assert Counter(fact["detail-type"] for fact in facts) == failed
    assert {fact["detail"]["data"]["reason"]["code"] for fact in facts} == {"internal_error"}
    dead = place.world.messages(f"{reaction}DeadLetterQueueUrl")
    assert {one["MessageAttributes"]["ReasonCode"]["StringValue"] for one in dead} == {"internal_error"}
    assert "hunter2" not in str(dead) + str(facts) + str(place.world.logged)

    bug.write_text(wrong.replace(PLANTED, ""))
    place.stage.lambdas.redeploy(f"{reaction}Function")
    assert place.world.redrive(reaction) == len(dead) == next(iter(failed.values()))
    place.stage.settle_through(FOR_A_WHILE)
    assert {name: times for name, times in Counter(place.names()).items() if name in failed} == failed
    assert set(place.names()) - failed.keys() == set(MAIN_JOB)
    assert place.shown()["commit"] == place.environment().sha
    [comment] = place.comments()
    assert "Ready at " in comment.body
    assert place.deployments()[-1].state == "success"


def test_dead_letters_are_gone_once_they_are_redriven(world: World) -> None:
    for reaction in BUGS:
        assert world.messages(f"{reaction}DeadLetterQueueUrl") == []
        assert world.messages(f"{reaction}DeliveryDeadLetterQueueUrl") == []


def test_a_chain_without_trouble_still_completes(place: Place) -> None:
    place.run()
    assert_completed(place)
