"""`prestage subscribers`: another account may do what it was allowed, and nothing else."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from prestage.bus_policy import BusPolicy, PolicyOverwrittenError
from prestage.contract_examples import examples
from prestage.stack import Stack
from prestage.stage.aws import ACCOUNT, REGION
from prestage.stage.roles import Wish
from prestage_contracts import CheckReported, EnvironmentReady
from tests.unit.cli_stage import STACK, Shell

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

TEAM, OTHER = "222222222222", "333333333333"
ORGANIZATION = "o-exampleorg1"
READY = {"source": ["prestage.environments"], "detail-type": ["EnvironmentReady"]}
TARGET = {"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{TEAM}:qa"}
ALLOW = ("subscribers", "allow", TEAM, "--facts", "EnvironmentReady,EnvironmentStopped", "--reports-as", "qa.smoke")


@pytest.fixture(autouse=True)
def policy(shell: Shell) -> Iterator[None]:
    """The bus's policy and rules are as they were, after each test."""
    before, rules = shell.at.bus.policy.text, {rule.name for rule in shell.at.bus.rules}
    yield
    shell.at.bus.policy.replace(before)
    for rule in shell.at.bus.rules:
        if rule.name not in rules:
            shell.at.bus.remove_rule(rule.name)


def team(shell: Shell, account: str = TEAM) -> "EventBridgeClient":
    """EventBridge, as an account sees it that is not the stack's."""
    return boto3.client(
        "events",
        endpoint_url=shell.at.bus_url,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def put_rule(shell: Shell, pattern: Any, *, account: str = TEAM, name: str = "qa") -> None:
    team(shell, account).put_rule(Name=name, EventBusName=shell.at.bus.arn, EventPattern=json.dumps(pattern))


def report(shell: Shell, source: str, name: str = "CheckReported", account: str = TEAM) -> dict[str, Any]:
    detail = examples()[CheckReported.name()].model_dump_json()
    entry = {"EventBusName": shell.at.bus.arn, "Source": source, "DetailType": name, "Detail": detail}
    answer = team(shell, account).put_events(Entries=[entry])  # type: ignore[list-item]  # a plain dictionary
    return dict(answer["Entries"][0])


def test_a_subscriber_makes_a_rule_for_what_it_was_allowed_and_keeps_it(shell: Shell) -> None:
    shell.do(*ALLOW)
    client, bus = team(shell), shell.at.bus.arn
    put_rule(shell, READY)
    client.put_targets(Rule="qa", EventBusName=bus, Targets=[TARGET])  # type: ignore[list-item]  # a plain dictionary
    assert client.describe_rule(Name="qa", EventBusName=bus)["CreatedBy"] == TEAM
    assert [target["Arn"] for target in client.list_targets_by_rule(Rule="qa", EventBusName=bus)["Targets"]] == [
        TARGET["Arn"]
    ]
    put_rule(shell, {**READY, "detail-type": ["EnvironmentStopped"]})
    client.remove_targets(Rule="qa", EventBusName=bus, Ids=["queue"])
    client.delete_rule(Name="qa", EventBusName=bus)
    assert shell.at.bus.rule("qa") is None


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["prestage.vault"], "detail-type": ["SecretsResolved"]},
        {"source": ["prestage.environments"], "detail-type": ["EnvironmentReady", "EnvironmentCreated"]},
        {"source": ["prestage.environments"]},
        {"detail-type": ["EnvironmentReady"]},
        {"source": [{"prefix": ""}], "detail-type": ["EnvironmentReady"]},
        {"source": ["prestage.environments"], "detail-type": [{"anything-but": "x"}]},
        {"account": [ACCOUNT]},
    ],
    ids=str,
)
def test_a_subscriber_makes_no_rule_for_anything_else(shell: Shell, pattern: Any) -> None:
    shell.do(*ALLOW)
    with pytest.raises(ClientError, match="AccessDenied"):
        put_rule(shell, pattern)


def test_nobody_makes_a_rule_who_was_not_allowed(shell: Shell) -> None:
    shell.do(*ALLOW)
    with pytest.raises(ClientError, match="AccessDenied"):
        put_rule(shell, READY, account=OTHER)


def test_a_subscriber_sees_and_changes_no_rule_of_another(shell: Shell) -> None:
    shell.do(*ALLOW)
    shell.do("subscribers", "allow", OTHER, "--facts", "EnvironmentReady")
    put_rule(shell, READY, account=OTHER, name="theirs")
    client, bus = team(shell), shell.at.bus.arn
    ours = shell.at.bus.rules[0].name
    for rule in ("theirs", ours):
        for call in (
            lambda rule=rule: client.describe_rule(Name=rule, EventBusName=bus),
            lambda rule=rule: client.list_targets_by_rule(Rule=rule, EventBusName=bus),
            lambda rule=rule: client.put_targets(Rule=rule, EventBusName=bus, Targets=[TARGET]),  # type: ignore[list-item]  # a plain dictionary
            lambda rule=rule: client.remove_targets(Rule=rule, EventBusName=bus, Ids=["0"]),
            lambda rule=rule: client.delete_rule(Name=rule, EventBusName=bus),
            lambda rule=rule: put_rule(shell, READY, name=rule),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                call()
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_rules(EventBusName=bus)


def test_a_subscriber_reports_checks_as_its_own_source_and_states_nothing_else(shell: Shell) -> None:
    shell.do(*ALLOW)
    assert "EventId" in report(shell, "qa.smoke")
    assert shell.at.bus.events[-1]["account"] == TEAM
    for source, name in (
        ("qa.other", "CheckReported"),
        ("qa.smoke", "EnvironmentReady"),
        ("prestage.checks", "CheckReported"),
    ):
        assert report(shell, source, name)["ErrorCode"] == "NotAuthorizedForSourceException"
    assert report(shell, "qa.smoke", account=OTHER)["ErrorCode"] == "NotAuthorizedForSourceException"


def test_a_subscriber_that_may_not_report_does_not(shell: Shell) -> None:
    shell.do("subscribers", "allow", TEAM, "--facts", "EnvironmentReady")
    assert "ErrorCode" in report(shell, "qa.smoke")


def test_an_organisation_subscribes_as_its_accounts_do(shell: Shell) -> None:
    shell.do("subscribers", "allow", ORGANIZATION, "--facts", "EnvironmentReady")
    policy, rule = shell.at.bus.policy, shell.at.bus.arn.replace(":event-bus/", ":rule/") + "/qa"
    asked = {"events:source": ["prestage.environments"], "events:detail-type": [EnvironmentReady.name()]}
    wish = Wish("events:PutRule", rule, asked)
    assert policy.allows(OTHER, wish, ORGANIZATION)
    assert not policy.allows(OTHER, wish, "o-anotherorg1")
    assert not policy.allows(OTHER, wish)
    assert not policy.allows(OTHER, Wish("events:PutRule", rule, {}), ORGANIZATION)


def test_subscribers_are_listed_with_what_they_may(shell: Shell) -> None:
    assert shell.do("subscribers", "list") == ""
    shell.do(*ALLOW)
    shell.do("subscribers", "allow", ORGANIZATION, "--facts", "EnvironmentReady")
    assert shell.run("subscribers", "list").rows == [
        [TEAM, "EnvironmentReady, EnvironmentStopped", "qa.smoke"],
        [ORGANIZATION, "EnvironmentReady", "-"],
    ]


def test_who_is_allowed_again_may_what_was_said_last(shell: Shell) -> None:
    shell.do(*ALLOW)
    told = shell.do("subscribers", "allow", TEAM, "--facts", "EnvironmentFailed")
    assert told == f"{TEAM} may make rules for EnvironmentFailed on {shell.at.bus.arn}\n"
    assert shell.run("subscribers", "list").rows == [[TEAM, "EnvironmentFailed", "-"]]
    with pytest.raises(ClientError, match="AccessDenied"):
        put_rule(shell, READY)


def test_who_is_revoked_may_nothing_more_and_its_rules_are_told(shell: Shell) -> None:
    shell.do(*ALLOW)
    put_rule(shell, READY)
    told = shell.do("subscribers", "revoke", TEAM)
    assert f"aws events disable-rule --event-bus-name {shell.at.bus.name} --name qa" in told
    assert shell.do("subscribers", "list") == ""
    with pytest.raises(ClientError, match="AccessDenied"):
        put_rule(shell, READY, name="another")
    shell.run("subscribers", "revoke", TEAM).refused("is no subscriber", "subscribers list")


def test_who_is_overwritten_at_the_same_moment_is_told(shell: Shell) -> None:
    shell.do(*ALLOW)
    policy, bus = Stack.named(STACK).bus_policy, shell.at.bus

    class Meanwhile:
        """EventBridge, where another operator writes right after this one."""

        def __getattr__(self, name: str) -> Any:
            return getattr(boto3.client("events"), name)

        def put_permission(self, **asked: Any) -> None:
            boto3.client("events").put_permission(**asked)
            bus.policy.replace(json.dumps({"Statement": []}))

    overwritten = BusPolicy(Meanwhile(), shell.at.outputs)  # type: ignore[arg-type]  # as far as it is asked
    with pytest.raises(PolicyOverwrittenError, match="try again"):
        overwritten.allow(policy.subscribers()[0])


def test_what_was_taken_out_by_hand_is_not_told(shell: Shell) -> None:
    shell.do(*ALLOW)
    policy = json.loads(shell.at.bus.policy.text)
    kept = [one for one in policy["Statement"] if "Makes" not in one["Sid"]]
    shell.at.bus.policy.replace(json.dumps({"Statement": kept}))
    assert shell.run("subscribers", "list").rows == [[TEAM, "", "qa.smoke"]]


def test_statements_that_are_not_a_subscriber_s_stay(shell: Shell) -> None:
    theirs = {
        "Sid": "prestage-IngressOwnsItsSource",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "events:PutEvents",
        "Resource": shell.at.bus.arn,
        "Condition": {"ForAnyValue:StringEquals": {"events:source": "prestage.ingress"}},
    }
    shell.at.bus.policy.replace(json.dumps({"Statement": [theirs]}))
    shell.do(*ALLOW)
    shell.do("subscribers", "revoke", TEAM)
    assert json.loads(shell.at.bus.policy.text)["Statement"] == [theirs]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("12345", "--facts", "EnvironmentReady"), ("neither an account", "nor an organisation")),
        (("o-x", "--facts", "EnvironmentReady"), ("neither an account",)),
        ((ACCOUNT, "--facts", "EnvironmentReady"), ("own account",)),
        ((TEAM, "--facts", "EnvironmentRead"), ("no fact EnvironmentRead", "docs/events.md")),
        ((TEAM, "--facts", "CheckReported"), ("no fact CheckReported",)),
        ((TEAM, "--facts", " , "), ("--facts names none",)),
        ((TEAM, "--facts", "EnvironmentReady", "--reports-as", "prestage.checks"), ("no source of a subscriber's",)),
        ((TEAM, "--facts", "EnvironmentReady", "--reports-as", "qa smoke"), ("no source of a subscriber's",)),
    ],
)
def test_what_can_t_be_allowed_is_refused_with_what_to_do(
    shell: Shell, command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    shell.run("subscribers", "allow", *command).refused(*words)
    assert shell.do("subscribers", "list") == ""


def test_more_than_the_policy_can_hold_is_refused_and_changes_nothing(shell: Shell) -> None:
    accounts = [f"{number:012}" for number in range(1, 20)]
    ran = [shell.run("subscribers", "allow", account, "--facts", "EnvironmentReady") for account in accounts]
    full = next(one for one in ran if one.status)
    full.refused("that EventBridge takes", "allow an organisation")
    assert len(shell.run("subscribers", "list").rows) == sum(one.status == 0 for one in ran)
