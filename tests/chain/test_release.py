"""A release over a running stack: facts of the one before are in its queues, and functions change under way."""

import json
from dataclasses import replace

import pytest

from prestage.contract_files import ROOT
from prestage.contract_releases import released
from prestage.stage.bus import Delivery, Event
from tests.chain.world import FOR_A_WHILE, Place, assert_completed
from tests.fidelity.released_facts import narrowed

SCHEMAS = released(ROOT)


@pytest.fixture
def _as_stated_before(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is delivered says no more than what the last release would have stated."""
    deliver = place.stage.bus._deliver

    def narrow(delivery: Delivery) -> None:
        fact = json.loads(delivery.body)
        schema = SCHEMAS[fact["detail-type"], fact["detail"]["metadata"]["version"].partition(".")[0]]
        deliver(replace(delivery, body=json.dumps(narrowed(fact, schema))))

    monkeypatch.setattr(place.stage.bus, "_deliver", narrow)


@pytest.mark.usefixtures("_as_stated_before")
def test_facts_of_the_last_release_lead_to_a_preview_to_its_update_and_to_its_end(place: Place) -> None:
    place.stage.stack.secrets.set(place.apps[0].id, "preview", "API_KEY", "hunter2")
    number = place.run()
    assert_completed(place)
    sha = place.push()
    place.settle()
    assert (place.environment().sha, place.shown()["commit"]) == (sha, sha)
    place.close(number)
    place.stage.settle_through(FOR_A_WHILE)
    assert place.environment().status == "stopped"
    assert place.fly_apps() == []


def test_functions_that_are_deployed_while_facts_are_on_their_way_lose_none(place: Place) -> None:
    waiting = {"PullRequestOpened", "SecretsResolved", "RuntimeRequested"}

    def deploy(fact: Event) -> None:
        if fact["detail-type"] in waiting:
            waiting.remove(fact["detail-type"])
            place.stage.redeploy()

    place.stage.bus.subscribe(deploy)
    place.open()
    place.settle()
    assert waiting == set()
    assert_completed(place)
    for reaction in ("Environments", "Vault", "Comments", "Deployments", "Runtimes", "Journal"):
        assert place.world.messages(f"{reaction}DeadLetterQueueUrl") == []
