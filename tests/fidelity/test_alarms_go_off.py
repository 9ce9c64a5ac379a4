"""What sets off each alarm, and what does not yet. Everything is as if CloudWatch had one period of such data."""

from collections.abc import Mapping

import pytest

from tests.alarms import Data, Metric, goes_off
from tests.fidelity.watched_stack import OWN, Watched

WATCHED = Watched(zone=True)
HOUR = 3600


def aws(service: str, name: str, **dimensions: str) -> Metric:
    return Metric(f"AWS/{service}", name, frozenset(dimensions.items()))


def own(name: str, service: str, **dimensions: str) -> Metric:
    return Metric(OWN, name, frozenset({"service": service, **dimensions}.items()))


DEAD = aws("SQS", "ApproximateNumberOfMessagesVisible", QueueName="VaultDeadLetterQueue")
UNDELIVERED = aws("SQS", "ApproximateNumberOfMessagesVisible", QueueName="VaultDeliveryDeadLetterQueue")
VAULT_AGE = aws("SQS", "ApproximateAgeOfOldestMessage", QueueName="VaultQueue")
COMMENTS_AGE = aws("SQS", "ApproximateAgeOfOldestMessage", QueueName="CommentsQueue")
BROKEN_API = aws("ApiGateway", "5xx", ApiId="HttpApi", Stage="$default")
INGRESS = {"FunctionName": "IngressFunction"}
JANITOR = {"FunctionName": "JanitorFunction"}
SWEPT = aws("Lambda", "Invocations", **JANITOR)
FAILED, READY = own("GenerationsFailed", "environments"), own("TimeToReady", "environments")
LOST, ORPHANED = (own("Findings", "janitor", detail_type=kind) for kind in ("RuntimeLost", "RuntimeOrphaned"))
DAYS = own("CertificateDays", "janitor")

CASES: list[tuple[str, Data, Data]] = [
    ("VaultDeadLetters", {DEAD: [0]}, {DEAD: [1]}),
    ("VaultUndelivered", {UNDELIVERED: [0]}, {UNDELIVERED: [1]}),
    ("VaultBacklog", {VAULT_AGE: [40 * 60]}, {VAULT_AGE: [45 * 60]}),
    ("CommentsBacklog", {COMMENTS_AGE: [2.5 * HOUR]}, {COMMENTS_AGE: [3 * HOUR]}),
    ("LongWaits", {own("WaitingTime", "runtimes"): [20, HOUR]}, {own("WaitingTime", "runtimes"): [20, 2 * HOUR]}),
    ("ApiErrors", {BROKEN_API: [0]}, {BROKEN_API: [1]}),
    ("WebhooksRefused", {}, {own("WebhooksRedelivered", "janitor"): [1]}),
    ("IngressErrors", {}, {aws("Lambda", "Errors", **INGRESS): [1]}),
    ("IngressErrors", {aws("Lambda", "Errors", **INGRESS): [0]}, {aws("Lambda", "Throttles", **INGRESS): [1]}),
    ("FunctionErrors", {}, {aws("Lambda", "Errors", FunctionName="SourceFunction"): [1]}),
    ("FailedEnvironments", {FAILED: [1], READY: [20, 30, 25, 80]}, {FAILED: [1], READY: [20, 30, 25]}),
    ("FailedEnvironmentsDaily", {FAILED: [1]}, {FAILED: [1, 1]}),
    ("JanitorFindings", {LOST: [1, 1], ORPHANED: [1, 1]}, {LOST: [1, 1], ORPHANED: [1, 1, 1]}),
    ("JanitorSilent", {SWEPT: [1]}, {}),
    ("JanitorFailing", {}, {own("LooksFailed", "janitor"): [1]}),
    ("JanitorFailing", {SWEPT: [1]}, {aws("Lambda", "Errors", **JANITOR): [1]}),
    ("CertificateExpiry", {DAYS: [14]}, {DAYS: [13.9]}),
    ("ChangesUntold", {}, {own("ChangesUnstated", "janitor"): [1]}),
]
"""An alarm, what it lets pass, and what sets it off."""


def off(data: Data) -> set[str]:
    return {name for name, alarm in WATCHED.alarms.items() if goes_off(alarm, data)}


@pytest.mark.parametrize(("alarm", "passes", "sets_off"), CASES)
def test_an_alarm_goes_off_at_its_threshold_and_no_other_does(alarm: str, passes: Data, sets_off: Data) -> None:
    run: Mapping[Metric, list[float]] = {} if alarm == "JanitorSilent" else {SWEPT: [1]}
    assert off({**run, **passes}) == set()
    assert off({**run, **sets_off}) == {alarm}


def test_an_hour_with_three_failures_is_a_day_with_two() -> None:
    assert off({SWEPT: [1], FAILED: [1, 1, 1]}) == {"FailedEnvironments", "FailedEnvironmentsDaily"}


def test_every_kind_of_alarm_is_set_off_here() -> None:
    kinds = {alarm["AlarmDescription"].rpartition(": ")[2] for alarm in WATCHED.alarms.values()}
    assert {WATCHED.alarms[name]["AlarmDescription"].rpartition(": ")[2] for name, _, _ in CASES} == kinds


def test_applications_that_fail_by_themselves_set_off_nothing() -> None:
    assert off({SWEPT: [1], own("ApplicationsFailed", "environments"): [1] * 50}) == set()


def test_previews_that_expire_are_no_findings() -> None:
    assert off({SWEPT: [1], own("Findings", "janitor", detail_type="EnvironmentExpired"): [1] * 50}) == set()
