"""Whatever comes twice changes nothing the second time."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from prestage.stage.deployment import Rule, Target
from tests.chain.world import FOR_A_WHILE, MAIN_JOB, Place, assert_completed


def everything(place: Place) -> tuple[object, ...]:
    """All that there is about a repository."""
    machines = [(machine.id, machine.describe()["instance_id"]) for machine in place.stage.fly.machines()]
    return (place.records(), place.comments(), place.fly_apps(), machines, place.names(), place.comment_writes())


def test_a_redelivered_webhook_changes_nothing(place: Place) -> None:
    place.run()
    before = everything(place)
    again = place.stage.github.redeliver(place.stage.github.deliveries[-1])
    place.stage.settle()
    assert again.status == 202
    assert everything(place) == before
    assert_completed(place)


def test_the_same_body_under_a_new_delivery_id_changes_nothing(place: Place) -> None:
    place.run()
    before = everything(place)
    replayed = place.stage.github.deliver(place.stage.github.deliveries[-1].body)
    place.stage.settle()
    assert replayed.status == 202
    assert everything(place) == before


def test_a_replay_that_the_memory_has_forgotten_changes_nothing(place: Place) -> None:
    place.run()
    before = (place.records(), place.comments(), place.machine_ids(), place.comment_writes(), place.event_ids())
    table = place.stage.deployment.outputs["MemoryTable"]
    client = place.stage.aws.client("dynamodb")
    for item in client.scan(TableName=table)["Items"]:
        client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
    place.stage.github.deliver(place.stage.github.deliveries[-1].body)
    place.stage.settle_through(FOR_A_WHILE)
    after = (place.records(), place.comments(), place.machine_ids(), place.comment_writes(), place.event_ids())
    assert after == before


def test_an_older_webhook_that_comes_after_a_newer_one_changes_nothing(place: Place) -> None:
    number = place.open()
    opened = place.stage.github.deliveries[-1]
    sha = place.commit(**{"headline.txt": "Newer\n"})
    place.close(number)
    place.reopen(number)
    place.settle()
    older = json.loads(opened.body)
    older["pull_request"]["title"] = "the same moment, other words"
    place.stage.github.deliver(older)
    place.settle()
    assert place.environment().sha == sha
    assert place.shown()["commit"] == sha


@pytest.mark.parametrize("parallel", [False, True])
def test_messages_that_come_twice_are_reacted_to_once(place: Place, parallel: bool) -> None:
    for name in MAIN_JOB:
        place.stage.bus.duplicate(match=rf" {name} ")
    place.open()
    place.stage.settle(parallel=parallel)
    place.stage.settle_through(FOR_A_WHILE)
    assert_completed(place)


def test_the_same_fact_stated_twice_is_reacted_to_once(place: Place) -> None:
    place.run()
    before, names = everything(place), place.names()
    for fact in place.facts():
        place.put_again(fact)
    place.stage.settle_through(FOR_A_WHILE)
    after = everything(place)
    assert place.names() == sorted(names * 2)
    assert (*after[:4], after[5]) == (*before[:4], before[5])


def test_a_replay_of_the_archive_changes_nothing_however_late(place: Place) -> None:
    place.run()
    before = everything(place)
    place.stage.time.advance(timedelta(days=40))
    [archive] = place.stage.bus.archives
    replayed = place.stage.bus.replay(archive.name, place.environment().created_at, place.stage.time.now())
    assert replayed >= len(MAIN_JOB) - 1
    place.stage.settle_through(FOR_A_WHILE)
    assert everything(place) == before


def test_a_replay_to_one_subscriber_reaches_nobody_else(place: Place) -> None:
    place.run()
    stage = place.stage
    queue = stage.aws.client("sqs").create_queue(QueueName=f"qa-{uuid4().hex}")["QueueUrl"]
    name = queue.rpartition("/")[2]
    arn = f"arn:aws:sqs:{stage.bus.region}:{stage.bus.account}:{name}"
    target, pattern = Target(arn, message_group=None, dead_letter_arn=None), {"source": [{"prefix": "prestage."}]}
    stage.bus.put_rule(Rule(name, f"{stage.bus.arn}/{name}", stage.bus.name, pattern, (target,), enabled=True))
    before, asked = everything(place), len(stage.github.requests) + len(stage.fly.requests)
    stage.stack.replay(name, place.environment().created_at - timedelta(days=1), stage.time.now())
    stage.settle_through(FOR_A_WHILE)
    assert everything(place) == before
    assert len(stage.github.requests) + len(stage.fly.requests) == asked
    told = stage.aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert int(told["ApproximateNumberOfMessages"]) >= len(MAIN_JOB)


def test_the_same_fact_under_another_id_makes_nothing_twice(place: Place) -> None:
    place.run()
    before = (place.records(), place.machine_ids(), len(place.comments()))
    for fact in place.facts("EnvironmentCreated") + place.facts("SecretsResolved"):
        place.put_again(fact, metadata={**fact["detail"]["metadata"], "event_id": str(uuid4())})
    place.stage.settle_through(FOR_A_WHILE)
    assert (place.records(), place.machine_ids(), len(place.comments())) == before
