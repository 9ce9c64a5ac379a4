"""Other teams report checks over the stage's bus: good reports are shown, bad ones show nowhere."""

import json
from datetime import timedelta
from typing import Any

import pytest

from prestage.bus_policy import Subscriber
from prestage_contracts import parse
from prestage_contracts.envelope import Event
from prestage_contracts.reports import CheckReported, CheckReportedData
from tests.chain.world import FOR_A_WHILE, Place, World

QUALITY, OTHERS = "210987654321", "333322221111"


def ready(place: Place) -> Event:
    """As a subscriber reads it."""
    found = parse(place.facts("EnvironmentReady")[-1])
    assert isinstance(found, Event)
    return found


def entry(place: Place, changes: dict[str, Any], **said: Any) -> dict[str, Any]:
    """A report, made as a subscriber makes it; `changes` are of its detail's data, which no model has seen."""
    environment = place.environment()
    given = {"name": "smoke", "state": "success", "summary": "128 passed", "link": "https://quality.example/1"}
    about = {"environment_id": environment.id, "generation": environment.generation}
    data = CheckReportedData.model_validate({**given, **about, **said})
    stated = CheckReported.state(data, cause=ready(place).metadata, now=place.stage.time.now())
    detail = stated.model_dump(mode="json")
    detail["data"] |= changes
    told = {"EventBusName": place.stage.bus.name, "Source": "acme.quality", "DetailType": "CheckReported"}
    return {**told, "Detail": json.dumps(detail)}


def report(place: Place, account: str = QUALITY, changes: dict[str, Any] | None = None, **said: Any) -> None:
    """Have that account report a check; nothing follows yet."""
    [answer] = place.stage.bus.put_events([entry(place, changes or {}, **said)], account)
    assert "EventId" in answer


def allow(world: World) -> None:
    """Let both accounts report, as `prestage subscribers allow` does."""
    for account in (QUALITY, OTHERS):
        subscriber = Subscriber(principal=account, facts=("EnvironmentReady",), reports_as="acme.quality")
        world.stage.stack.bus_policy.allow(subscriber)


@pytest.fixture(autouse=True)
def _allowed(world: World) -> None:
    allow(world)


def settle(place: Place) -> None:
    place.stage.settle_through(FOR_A_WHILE)


def test_a_check_is_shown_in_the_one_comment_and_stated(place: Place) -> None:
    place.run()
    report(place)
    settle(place)
    assert "| ↳ `smoke` | [Passed](https://quality.example/1): `128 passed` |" in place.comment()
    [fact] = place.facts("CheckRecorded")
    assert fact["detail"]["data"]["check"]["account"] == QUALITY
    assert len(place.comments()) == 1


def test_a_burst_of_reports_costs_few_writes(place: Place) -> None:
    place.run()
    before = place.comment_writes()
    for number in range(20):
        report(place, name=f"check {number}")
    place.stage.settle_until(lambda: False, FOR_A_WHILE, parallel=True)
    assert all(f"`check {number}`" in place.comment() for number in range(20))
    assert len(place.facts("CheckRecorded")) == 20
    assert 1 <= place.comment_writes() - before <= 3


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("malformed", {"summary": "x\n\n# Approved by @octocat"}),
        ("malformed", {"name": "<script>"}),
        ("too_large", {"more": "x" * 9000}),
        ("another_generation", {"generation": 9}),
        ("unknown_environment", {"environment_id": "0d5be1a7-90f6-5c3c-8d2a-6f1b7c4e9a35"}),
    ],
)
def test_a_bad_report_shows_nowhere_but_in_the_log(
    world: World, place: Place, reason: str, changes: dict[str, Any]
) -> None:
    place.run()
    before = place.comment(), len(place.stage.bus.events), len(world.errors())
    report(place, changes=changes)
    settle(place)
    assert (place.comment(), len(place.stage.bus.events) - 1, len(world.errors())) == before
    assert world.messages("ChecksDeadLetterQueueUrl") == []
    refused = [json.loads(line) for _, line in world.logged if '"a report is refused"' in line]
    assert (refused[-1]["reason"], refused[-1]["account"]) == (reason, QUALITY)


@pytest.mark.parametrize("metadata", [{"version": "2.0"}, {"version": 1.0}, None])
def test_a_report_of_another_version_or_none_is_refused_and_told(
    world: World, place: Place, metadata: dict[str, Any] | None
) -> None:
    place.run()
    told = entry(place, {})
    detail = json.loads(told["Detail"])
    detail["metadata"] = None if metadata is None else {**detail["metadata"], **metadata}
    before = len([line for _, line in world.logged if '"a report is refused"' in line])
    place.stage.bus.put_events([{**told, "Detail": json.dumps(detail)}], QUALITY)
    settle(place)
    assert len([line for _, line in world.logged if '"a report is refused"' in line]) == before + 1
    assert place.facts("CheckRecorded") == []


def test_a_failure_that_comes_back_is_told_to_github(world: World) -> None:
    place = world.place("storefront", required_checks=("smoke",))
    place.run()
    for state, expected in (("failure", "failure"), ("success", "success"), ("failure", "failure")):
        place.stage.time.advance(timedelta(seconds=1))
        report(place, state=state, summary="as before")
        settle(place)
        assert place.deployments()[-1].state == expected


def test_a_name_is_of_whoever_reported_it_first(place: Place) -> None:
    place.run()
    report(place, QUALITY, state="failure", summary="2 failed")
    settle(place)
    report(place, OTHERS, state="success", summary="never mind")
    settle(place)
    assert "2 failed" in place.comment()
    assert "never mind" not in place.comment()
    owner = place.stage.stack.checks.owner(place.apps[0].id, "smoke")
    assert owner
    assert place.stage.stack.checks.release(owner)
    report(place, OTHERS, state="success", summary="ours now")
    settle(place)
    assert "ours now" in place.comment()


def test_whoever_publishes_the_same_event_first_takes_nothing_from_its_owner(place: Place) -> None:
    place.run()
    ours = entry(place, {})
    stolen = json.loads(ours["Detail"])
    stolen["data"]["name"] = "theirs"
    place.stage.bus.put_events([{**ours, "Detail": json.dumps(stolen)}], OTHERS)
    settle(place)
    place.stage.bus.put_events([ours], QUALITY)
    settle(place)
    assert "`smoke`" in place.comment()
    assert {one.name: one.account for one in place.stage.stack.checks.owners(place.apps[0].id)} == {
        "smoke": QUALITY,
        "theirs": OTHERS,
    }


def test_a_deployment_waits_for_the_checks_that_its_app_requires(world: World) -> None:
    place = world.place("storefront", required_checks=("smoke",))
    place.run()
    assert place.environment().status == "ready"
    assert place.deployments()[-1].state == "in_progress"
    report(place, state="failure")
    settle(place)
    assert place.deployments()[-1].state == "failure"
    report(place, state="success")
    settle(place)
    assert place.deployments()[-1].state == "success"
    assert "Ready at " in place.comment()
