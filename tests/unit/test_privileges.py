"""What a role grants and nobody used is found, action by action, resource by resource, limit by limit."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from prestage.contract_files import ROOT
from prestage.stage.roles import Grant, Role, Wish
from tests.privileges import NOT_ON_THE_STAGE, Observed, problems

TABLE, QUEUE = "arn:aws:dynamodb:us-east-1:1:table/records", "arn:aws:sqs:us-east-1:1:queue"
NAMES = {TABLE: "RecordsTable", QUEUE: "Queue"}
KEYS = "dynamodb:LeadingKeys"


def role(*statements: Mapping[str, Any]) -> Role:
    return Role("StepRole", [{"Effect": "Allow", **statement} for statement in statements], NAMES)


def by_key(*patterns: str) -> dict[str, Any]:
    return {"ForAllValues:StringLike": {KEYS: [*patterns]}}


def get(key: str, action: str = "dynamodb:GetItem") -> Wish:
    return Wish(action, TABLE, {KEYS: [key]})


def found(granted: Role, *wishes: Wish) -> list[str]:
    """What is wrong once these wishes came."""
    for wish in wishes:
        assert granted.allows(wish)
        granted.use(wish)
    return problems(Observed(granted.grants, granted.used), exempt=())


READS = {"Action": "dynamodb:GetItem", "Resource": TABLE}


def test_a_role_that_is_used_to_its_limits_has_nothing_to_be_told_of() -> None:
    granted = role({**READS, "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Condition": by_key("APP#*")})
    assert found(granted, get("APP#1"), get("APP#2", "dynamodb:PutItem")) == []


def test_an_action_that_nobody_takes_is_found() -> None:
    granted = role({**READS, "Action": ["dynamodb:GetItem", "dynamodb:PutItem"]})
    assert found(granted, get("APP#1")) == ["granted and never used: StepRole: dynamodb:PutItem on RecordsTable"]


def test_a_resource_that_nobody_reaches_is_found() -> None:
    granted = role({"Action": "sqs:SendMessage", "Resource": [QUEUE, QUEUE + "-other"]})
    told = found(granted, Wish("sqs:SendMessage", QUEUE))
    assert told == [f"granted and never used: StepRole: sqs:SendMessage on {QUEUE}-other"]


def test_a_leading_key_that_nobody_asks_for_is_found() -> None:
    told = found(role({**READS, "Condition": by_key("APP#*", "USER#*")}), get("APP#1"))
    assert told == [f"granted and never used: StepRole: dynamodb:GetItem on RecordsTable for {KEYS} USER#*"]


def test_a_key_that_one_action_needs_is_not_lent_to_another() -> None:
    both = {**READS, "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Condition": by_key("APP#*", "USER#*")}
    told = found(role(both), get("APP#1"), get("USER#1", "dynamodb:Query"))
    assert [line.partition("StepRole: ")[2] for line in told] == [
        f"dynamodb:GetItem on RecordsTable for {KEYS} USER#*",
        f"dynamodb:Query on RecordsTable for {KEYS} APP#*",
    ]


def test_a_source_that_nothing_is_stated_under_is_found() -> None:
    bus = "arn:aws:events:us-east-1:1:event-bus/prestage"
    condition = {"StringEquals": {"events:source": ["prestage.step", "prestage.other"]}}
    granted = role({"Action": "events:PutEvents", "Resource": bus, "Condition": condition})
    [told] = found(granted, Wish("events:PutEvents", bus, {"events:source": ["prestage.step"]}))
    assert told.endswith("for events:source prestage.other")


def test_that_a_key_has_to_be_there_grants_nothing_by_itself() -> None:
    context = "kms:EncryptionContext:app_id"
    granted = role({"Action": "kms:Decrypt", "Resource": "*", "Condition": {"Null": {context: "false"}}})
    assert found(granted, Wish("kms:Decrypt", "key", {context: ["1"]})) == []


def test_what_was_refused_is_found() -> None:
    assert problems(Observed(refused={"a call"}), exempt=()) == ["refused: a call"]


def test_a_role_that_no_stage_had_is_found() -> None:
    assert problems(Observed(), exempt=(), wanted=["StepRole"]) == ["never seen on a stage: StepRole"]


def test_what_aws_itself_does_with_a_role_is_exempt_while_it_is_granted_and_not_used() -> None:
    receive = Grant("StepRole", "sqs:ReceiveMessage", "Queue")
    assert problems(Observed({receive}), exempt=["sqs:ReceiveMessage"]) == []
    assert problems(Observed({receive}, {receive}), exempt=["sqs:ReceiveMessage"]) == [
        "exempt and used by functions themselves: sqs:ReceiveMessage"
    ]
    assert problems(Observed(), exempt=["sqs:ReceiveMessage"]) == ["exempt and granted nowhere: sqs:ReceiveMessage"]


@pytest.mark.parametrize("action", NOT_ON_THE_STAGE)
def test_what_is_exempt_says_why_and_where_that_is_said(action: str) -> None:
    assert "https://docs.aws.amazon.com/" in NOT_ON_THE_STAGE[action]


def test_what_a_process_saw_is_what_another_is_told() -> None:
    seen = Observed({Grant("R", "a", "b"), Grant("R", "a", "b", "c")}, {Grant("R", "a", "b")}, {"refused"})
    assert Observed.of_plain(json.loads(json.dumps(seen.as_plain()))) == seen


def test_an_arn_that_is_not_the_stacks_own_is_told_without_its_id() -> None:
    granted = role({"Action": "route53:GetChange", "Resource": "arn:aws:route53:::change/*"})
    assert granted.grants == {Grant("StepRole", "route53:GetChange", "arn:aws:route53:::change")}


def test_a_run_without_pytests_cache_ends_as_any_other() -> None:
    run = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", __file__]
    ran = subprocess.run([sys.executable, *run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, "Error" in ran.stdout + ran.stderr) == (0, False), ran.stderr
