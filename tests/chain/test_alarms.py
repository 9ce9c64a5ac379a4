"""Which alarms would go off: worked out on what functions measured and what lies in queues, not by CloudWatch."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.alarms import Metric, embedded, goes_off, metrics_of
from tests.chain.world import Place, World

NOT_HERE = {"JanitorSilent"}
"""It waits for an invocation each hour, and on the stage the janitor runs when it is told to."""


class Operator:
    """Looks at the alarms now and then; what was measured before the last look is over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen = len(world.logged)

    def alarms(self) -> set[str]:
        lines = [line for _, line in self._world.logged[self._seen :]]
        self._seen = len(self._world.logged)
        data = {**embedded(lines), **dict(self._depths())}
        found = self._world.stage.deployment.alarms
        return {one.logical_id for one in found if goes_off(one.properties, data)} - NOT_HERE

    def _depths(self) -> Iterator[tuple[Metric, list[float]]]:
        sqs = self._world.stage.aws.client("sqs")
        looked_at = {one for alarm in self._world.stage.deployment.alarms for one in metrics_of(alarm.properties)}
        for metric in looked_at:
            if metric.name == "ApproximateNumberOfMessagesVisible":
                url = sqs.get_queue_url(QueueName=dict(metric.dimensions)["QueueName"])["QueueUrl"]
                asked: dict[str, Any] = {"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]}
                told = sqs.get_queue_attributes(**asked)["Attributes"]
                yield metric, [float(told["ApproximateNumberOfMessages"])]


@pytest.fixture
def operator(world: World) -> Operator:
    return Operator(world)


def test_environments_that_fly_refuses_set_off_the_alarms_for_failed_ones(world: World, operator: Operator) -> None:
    place = world.place("api", "web", "docs")
    place.stage.fly.fail(3, status=422, match=r"^POST .*/machines$")
    place.run()
    assert len(place.facts("EnvironmentFailed")) == 3
    assert operator.alarms() == {"FailedEnvironments", "FailedEnvironmentsDaily"}


def test_a_token_that_is_not_taken_sets_off_the_alarm_for_dead_letters_until_they_are_redriven(
    place: Place, operator: Operator
) -> None:
    place.stage.fly.fail(20, status=401, match=r"/v1/apps")
    place.open()
    place.stage.settle_through(timedelta(minutes=5))
    assert operator.alarms() == set()
    place.stage.settle_through(timedelta(minutes=30))
    assert operator.alarms() == {"RuntimesDeadLetters"}
    place.stage.fly.mend()
    assert place.world.redrive("Runtimes") == 1
    place.settle()
    assert operator.alarms() == set()
    assert place.shown()["commit"] == place.environment().sha
