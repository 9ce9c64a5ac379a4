"""Another team's stack beside Prestage's: it takes part, and what goes wrong with it is its own."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from prestage.contract_files import ROOT
from prestage.stage.subscriber import CHECK, EXAMPLE, deploy_subscriber
from prestage.tail import Wanted
from prestage_contracts import CheckReported, EnvironmentReady, parse
from tests.chain.world import MAIN_JOB, Place, World
from tests.privileges import observed_stage

VISIT = "    state, answered = _visit("
SUBSCRIBER = "Smoke"
"""How its functions' names begin."""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The subscriber's code, for a test to break."""
    copy = tmp_path_factory.mktemp("team") / "smoke"
    shutil.copytree(EXAMPLE / "smoke", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def outputs(code: Path) -> dict[str, str]:
    """Of the subscriber's stack, once it is deployed."""
    return {}


@pytest.fixture(scope="module")
def shared(code: Path, outputs: dict[str, str]) -> Iterator[World]:
    """A world of its own: a subscriber's reports would be found by the tests of the others."""
    logged: list[tuple[str, str]] = []
    with observed_stage(ROOT / "template.yaml", log=lambda function, line: logged.append((function, line))) as stage:
        outputs.update(deploy_subscriber(stage, code).outputs)
        yield World(stage, ROOT / "services", logged)


@pytest.fixture
def place(shared: World) -> Place:
    return shared.place("storefront")


def run(place: Place) -> None:
    """Open a pull request, and let all happen that follows from its preview's being ready, too."""
    place.run()
    place.stage.settle_through(timedelta(minutes=1))


def dead(shared: World, url: str) -> list[Any]:
    """What is in a queue; it stays there."""
    answer = shared.stage.aws.client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    return [json.loads(one["Body"]) for one in answer.get("Messages", [])]


def test_a_subscriber_checks_a_preview_that_is_ready_and_its_report_is_in_the_comment(place: Place) -> None:
    run(place)
    [report] = [parse(fact) for fact in place.facts("CheckReported")]
    [ready] = [parse(fact) for fact in place.facts("EnvironmentReady")]
    assert isinstance(report, CheckReported)
    assert isinstance(ready, EnvironmentReady)
    assert (report.data.name, report.data.state, report.data.summary) == (CHECK, "success", "answered 200")
    assert report.metadata.causation_id == str(ready.metadata.event_id)
    assert place.data("CheckRecorded")["check"]["name"] == CHECK
    assert f"| ↳ `{CHECK}` | Passed: `answered 200` |" in place.comment()


def test_a_subscriber_has_nothing_of_prestage_but_the_wheel(shared: World, place: Place, code: Path) -> None:
    right = (code / "app.py").read_text()
    looks = (
        "import importlib.util as u; print([n for n in ('prestage', 'records', 'choreography') if u.find_spec(n)])\n"
    )
    (code / "app.py").write_text(looks + right)
    shared.stage.redeploy()
    run(place)
    (code / "app.py").write_text(right)
    shared.stage.redeploy()
    assert (f"{SUBSCRIBER}Function", "[]") in shared.logged
    assert place.facts("CheckReported")


def test_a_preview_that_does_not_serve_fails_the_check(place: Place) -> None:
    run(place)
    place.world.remove_by_hand(place.environment().fly_app)
    [ready] = place.facts("EnvironmentReady")
    place.put_again(ready)
    place.stage.settle_through(timedelta(minutes=1))
    assert place.facts("CheckReported")[-1]["detail"]["data"]["state"] == "failure"
    assert "Failed: `answered 404`" in place.comment()


def test_a_fact_that_comes_twice_is_reported_twice_and_shown_once(place: Place) -> None:
    place.stage.bus.duplicate(match="EnvironmentReady")
    run(place)
    assert len(place.facts("CheckReported")) == 2
    assert place.comment().count(f"`{CHECK}`") == 1


def test_a_replay_changes_neither_comment_nor_deployment(place: Place) -> None:
    run(place)
    before = place.comment(), len(place.facts("CheckReported")), place.comment_writes()
    place.world.remove_by_hand(place.environment().fly_app)
    bus, outputs = place.stage.bus, place.stage.deployment.outputs
    [rule] = [rule for rule in bus.rules if rule.name == "smoke-ReadyRule"]
    now = place.stage.time.now()
    assert bus.replay(outputs["ArchiveArn"], now - timedelta(days=1), now, [rule.arn]) > 0
    place.stage.settle_through(timedelta(minutes=1))
    assert (place.comment(), len(place.facts("CheckReported")), place.comment_writes()) == before


def test_a_result_that_comes_back_counts(place: Place) -> None:
    """Failed, passed, and failed again as before: the last one is what is shown."""
    run(place)
    [ready] = place.facts("EnvironmentReady")
    app = place.environment().fly_app
    place.put_again(ready)
    place.world.remove_by_hand(app)
    for _ in range(2):
        place.stage.time.advance(timedelta(seconds=5))
        place.put_again(ready)
        place.stage.settle_through(timedelta(minutes=1))
    assert "Failed: `answered 404`" in place.comment()


def test_a_subscriber_that_fails_has_dead_letters_and_delays_nobody(
    shared: World, place: Place, code: Path, outputs: dict[str, str]
) -> None:
    right = (code / "app.py").read_text()
    (code / "app.py").write_text(right.replace(VISIT, "    raise KeyError\n" + VISIT))
    shared.stage.redeploy()
    run(place)
    assert set(MAIN_JOB) <= set(place.names())
    assert place.environment().status == "ready"
    shared.stage.settle_through(timedelta(minutes=30))
    (code / "app.py").write_text(right)
    shared.stage.redeploy()
    [letter] = dead(shared, outputs["DeadLetterQueueUrl"])
    assert letter == place.facts("EnvironmentReady")[0]
    assert place.facts("CheckReported") == []


def test_a_subscriber_whose_queue_is_gone_has_what_was_not_delivered_and_delays_nobody(
    shared: World, place: Place, outputs: dict[str, str]
) -> None:
    sqs, url = shared.stage.aws.client("sqs"), outputs["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    sqs.delete_queue(QueueUrl=url)
    try:
        run(place)
    finally:
        sqs.create_queue(QueueName=url.rpartition("/")[2], Attributes=attributes)
    assert place.environment().status == "ready"
    assert dead(shared, outputs["UndeliveredQueueUrl"]) == [place.facts("EnvironmentReady")[0]]


def test_facts_are_seen_as_they_are_stated(shared: World, place: Place) -> None:
    with shared.stage.stack.tail(Wanted(names=("EnvironmentReady", "CheckRecorded"), repository_id=place.id)) as tail:
        run(place)
        seen = [event["detail-type"] for event in tail.receive(0)]
    assert sorted(seen) == ["CheckRecorded", "EnvironmentReady"]
