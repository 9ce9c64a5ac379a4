"""Every queue and function is watched, by metrics that there are; each alarm has a section in the runbook."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from prestage.cli import app
from prestage_contracts import EVENTS
from tests.alarms import metrics_of
from tests.fidelity.template_policy import functions, owner, reactions, referred
from tests.fidelity.watched_stack import ALARMS, OWN, ROOT, TEMPLATE, Watched, emitted

OF_AWS = {
    "AWS/ApiGateway": ({"4xx", "5xx", "Count"}, {"ApiId", "Stage"}),
    "AWS/Lambda": ({"Errors", "Invocations", "Throttles"}, {"FunctionName"}),
    "AWS/SQS": ({"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}, {"QueueName"}),
}
"""The metrics and dimensions of AWS's own that are used here, from its documents (an HTTP API's, not a REST API's)."""

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
TOLD = re.compile(r"(.+\.) docs/runbook\.md: ([A-Z].+)")
WAITS_FOR_GITHUB = {"environments", "comments", "deployments"}
A_DAY = 86_400
WEEK = 7 * A_DAY
OF_ALL = {"FunctionErrors", "IngressErrors", "JanitorFailing"}


@pytest.fixture(params=[True, False], ids=["with a zone", "without one"], scope="module")
def watched(request: pytest.FixtureRequest) -> Watched:
    return Watched(zone=request.param)


def looks(watched: Watched, metric: str) -> set[str]:
    """The queues that an alarm looks at for that metric."""
    found = [one for alarm in watched.alarms.values() for one in metrics_of(alarm) if one.name == metric]
    return {dict(one.dimensions)["QueueName"] for one in found if one.namespace == "AWS/SQS"}


def test_the_age_of_every_queue_that_a_function_reads_is_watched(watched: Watched) -> None:
    read = {name for name, queue in watched.queues.items() if "RedrivePolicy" in queue}
    assert looks(watched, "ApproximateAgeOfOldestMessage") == read


def test_every_queue_of_dead_letters_is_watched_for_one(watched: Watched) -> None:
    kept = {name for name, queue in watched.queues.items() if "RedrivePolicy" not in queue}
    assert len(kept) == 2 * len(watched.queues) / 3
    assert looks(watched, "ApproximateNumberOfMessagesVisible") == kept


def test_the_dashboard_shows_every_queue(watched: Watched) -> None:
    assert {dict(one.dimensions).get("QueueName") for one in watched.drawn()} - {None} == watched.queues.keys()


def test_every_function_is_watched_for_errors(watched: Watched) -> None:
    alarms = [alarm for name, alarm in watched.alarms.items() if name in OF_ALL]
    found = [one for alarm in alarms for one in metrics_of(alarm) if one.name == "Errors"]
    there = {name for name in functions(TEMPLATE) if name != "DnsFunction" or watched.given["DnsFunction"]}
    assert {dict(one.dimensions)["FunctionName"] for one in found} == there


def services_of(package: str) -> set[str]:
    """The functions whose metrics the package records, by their service."""
    if package == "choreography":
        return {owner(function) for function, _ in reactions(TEMPLATE).values()} | {"janitor"}
    return {package}


def known() -> Iterator[tuple[str, str, frozenset[str]]]:
    """The service, name and further dimensions of each metric of Prestage's own."""
    for package, name, dimensions in emitted():
        yield from ((service, name, dimensions) for service in services_of(package))


def test_every_metric_that_is_looked_at_is_one_that_there_is(watched: Watched) -> None:
    recorded = set(known())
    for metric in watched.looked_at():
        dimensions = dict(metric.dimensions)
        assert all(dimensions.values()), metric
        if metric.namespace in OF_AWS:
            names, needed = OF_AWS[metric.namespace]
            assert metric.name in names, metric
            assert dimensions.keys() == needed, metric
        else:
            assert metric.namespace == OWN
            service = dimensions.pop("service")
            assert (service, metric.name, frozenset(dimensions)) in recorded, metric
            assert dimensions.get("detail_type", "RuntimeLost") in EVENTS, metric


def test_every_metric_that_is_searched_for_is_one_that_there_is(watched: Watched) -> None:
    recorded = {(name, dimensions) for _, name, dimensions in emitted()}
    searched = watched.searched()
    assert len(searched) >= 10
    for namespace, name, dimensions in searched:
        assert namespace == OWN
        assert "service" in dimensions
        assert (name, dimensions - {"service"}) in recorded


def test_functions_write_metrics_to_the_namespace_that_is_looked_at() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == {"Fn::Sub": "Prestage/${AWS::StackName}"}
    for function in functions(TEMPLATE).values():
        assert function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == owner(function)


def test_what_is_measured_is_shown_or_watched(watched: Watched) -> None:
    seen = {metric.name for metric in watched.looked_at()} | {name for _, name, _ in watched.searched()}
    unseen = {"CertificateDays"} if not watched.given["DnsFunction"] else set()
    assert {name for _, name, _ in emitted()} - seen - unseen == {"FactsFinished", "FactsWaiting"}


def test_cloudwatch_takes_each_alarm(watched: Watched) -> None:
    for name, alarm in watched.alarms.items():
        counted = [one for one in alarm.get("Metrics", []) if "MetricStat" in one]
        assert len(counted) <= 10, name
        periods = {one["MetricStat"]["Period"] for one in counted} or {alarm["Period"]}
        [period] = periods
        assert int(period) * alarm["EvaluationPeriods"] <= (WEEK if int(period) >= 3600 else A_DAY), name
        assert 1 <= alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"], name
        assert [one.get("ReturnData", True) for one in alarm.get("Metrics", [])].count(True) <= 1, name
        assert alarm["AlarmName"].startswith("watched-"), name
    names = [alarm["AlarmName"] for alarm in watched.alarms.values()]
    assert len(set(names)) == len(names)


def test_what_an_expression_counts_with_is_there(watched: Watched) -> None:
    for alarm in watched.alarms.values():
        ids = {one["Id"] for one in alarm.get("Metrics", [])}
        for one in alarm.get("Metrics", []):
            used = set(re.findall(r"\b[a-z]+\b", one.get("Expression", "")))
            assert used <= ids - {"total"}


def test_each_alarm_tells_the_topic_and_the_topic_takes_it(watched: Watched) -> None:
    assert {str(alarm["AlarmActions"]) for alarm in watched.alarms.values()} == {"['Topic']"}
    [key], [topic] = watched.of("KMS::Key").values(), watched.of("SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == "TopicKey"
    [let_in] = [one for one in key["KeyPolicy"]["Statement"] if "Service" in one["Principal"]]
    assert (let_in["Principal"]["Service"], set(let_in["Action"])) == (
        "cloudwatch.amazonaws.com",
        {"kms:Decrypt", "kms:GenerateDataKey*"},
    )
    [policy] = watched.of("SNS::TopicPolicy").values()
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"]["Service"] == "cloudwatch.amazonaws.com"
    pattern = statement["Condition"]["ArnLike"]["aws:SourceArn"].rpartition(":")[2]
    assert all(alarm["AlarmName"].startswith(pattern.removesuffix("*")) for alarm in watched.alarms.values())


def test_nobody_is_told_by_mail_unless_the_operator_says_whom(watched: Watched) -> None:
    assert watched.of("SNS::Subscription") == {}
    told = Watched(zone=True, AlarmEmail="oncall@example.com").of("SNS::Subscription")
    assert told == {"Email": {"TopicArn": "Topic", "Protocol": "email", "Endpoint": "oncall@example.com"}}


@pytest.mark.parametrize("email", ["oncall", "a@b", "a@example.com,b@example.com", "a b@example.com"])
def test_an_address_that_is_none_is_refused(email: str) -> None:
    for template in (TEMPLATE, ALARMS):
        pattern = template["Parameters"]["AlarmEmail"]["AllowedPattern"]
        assert not re.fullmatch(pattern, email)


def test_a_backlog_is_more_than_three_tries_that_are_stopped(watched: Watched) -> None:
    """SQS leaves what was received three times out of a queue's age."""
    for name, (function, event) in reactions(TEMPLATE).items():
        alarm = watched.alarms.get(f"{name.removesuffix('Function')}Backlog")
        queue = watched.queues.get(str(referred(event["Queue"])))
        if alarm and queue:
            assert alarm["Threshold"] > 3 * queue["VisibilityTimeout"]
            assert (alarm["Threshold"] > 2 * 1.25 * 3600) == (owner(function) in WAITS_FOR_GITHUB)


def test_everything_that_the_watching_stack_is_asked_for_is_said(watched: Watched) -> None:
    assert watched.given.keys() == ALARMS["Parameters"].keys()


def test_the_dashboards_widgets_do_not_overlap(watched: Watched) -> None:
    taken = [
        (x, y)
        for one in watched.widgets
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


# ---- The runbook


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_alarm_has_its_section_in_the_runbook_and_each_section_an_alarm() -> None:
    told = {name: TOLD.fullmatch(alarm["AlarmDescription"]) for name, alarm in Watched(zone=True).alarms.items()}
    assert [name for name, match in told.items() if match is None] == []
    assert {match[2] for match in told.values() if match} == sections().keys()


@pytest.mark.parametrize("heading", sections())
def test_each_section_says_what_to_look_at_and_what_to_do(heading: str) -> None:
    for part in ("**Means.**", "**Look.**", "**Do.**", "**Ignore it**"):
        assert part in sections()[heading], part
    assert re.search(r"^    (prestage|aws|log) ", sections()[heading], re.MULTILINE)


def test_the_runbook_names_each_alarm_by_its_name() -> None:
    for alarm in Watched(zone=True).alarms.values():
        heading = alarm["AlarmDescription"].rpartition(": ")[2]
        name = alarm["AlarmName"].removeprefix("watched-")
        kind = re.sub(r"^[a-z]+(?=-(dead-letters|undelivered|backlog)$)", "<reaction>", name)
        assert f"`{kind}`" in sections()[heading], alarm["AlarmName"]


def test_every_command_of_the_runbook_is_one_that_there_is() -> None:
    told = set(re.findall(r"(?:^    |`)prestage ([a-z-]+)(?: ([a-z-]+))?", RUNBOOK, re.MULTILINE))
    groups = typer.main.get_group(app).commands
    for group, command in told:
        found: Any = groups[group]
        assert not hasattr(found, "commands") or command in found.commands, (group, command)
    assert len(told) > 5


def test_the_readme_leads_to_the_runbook() -> None:
    assert "(docs/runbook.md)" in Path(ROOT / "README.md").read_text()
