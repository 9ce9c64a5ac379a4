"""template.yaml keeps to its policy, and each check of the policy sees a template that does not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prestage.stage.template import Template, load
from tests.fidelity.template_policy import (
    OPERATORS,
    PUBLISHERS,
    Check,
    capabilities_stay_out_of_access_logs,
    each_function_has_its_own_role,
    functions,
    functions_are_told_of_what_they_may_reach,
    functions_state_facts_under_their_own_source,
    listed,
    logs_are_kept_for_a_while,
    messages_are_dead_letters_before_they_expire,
    messages_outlive_failures,
    of,
    only_the_journal_takes_everything,
    owner,
    reactions,
    reactions_remember_under_their_own_name,
    rights_are_exact,
    rules_deliver_or_keep,
    rules_follow_the_contracts,
    scheduled,
    schedules_do_not_pile_up,
    secrets_have_few_readers,
    statements,
    statements_on_the_bus_are_the_stacks_own,
    steps_have_time_for_their_calls,
    steps_that_call_out_are_one_to_a_batch,
    the_bus_knows_who_owns_a_source,
    the_key_is_used_for_what_it_is_for,
)

TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")

type Mutation = Callable[[Template], object]


def setting(name: str, *path: str | int, to: Any) -> Mutation:
    """Sets what is at the path in the resource `name`."""

    def mutate(template: Template) -> None:
        inside: Any = template["Resources"][name]
        for step in path[:-1]:
            inside = inside[step]
        inside[path[-1]] = to

    return mutate


def property_of(name: str, *path: str | int, to: Any) -> Mutation:
    return setting(name, "Properties", *path, to=to)


def right(role: str, action: str, key: str, *path: str, to: Any) -> Mutation:
    """Sets something in the role's statement about `action`."""

    def mutate(template: Template) -> None:
        [statement] = [found for found in statements(template, {"Ref": role}) if action in listed(found["Action"])]
        inside: Any = statement
        for step in (key, *path)[:-1]:
            inside = inside[step]
        inside[(key, *path)[-1]] = to

    return mutate


def arn(name: str) -> Any:
    return {"Fn::GetAtt": [name, "Arn"]}


FIRST = ("PolicyDocument", "Statement", 0)
TARGET = ("Targets", 0)
QUEUE_EVENT = ("Events", "Queue", "Properties")
HOURLY = ("Events", "Hourly", "Properties")

BREAKS: list[tuple[Check, str, Mutation]] = [
    (
        each_function_has_its_own_role,
        "no role of its own",
        property_of("VaultFunction", "Role", to=arn("CommentsRole")),
    ),
    (each_function_has_its_own_role, "from somewhere else", property_of("VaultRole", "ManagedPolicyArns", to=["a"])),
    (rights_are_exact, "kms:*", right("RuntimesRole", "kms:Decrypt", "Action", to="kms:*")),
    (rights_are_exact, "on ['*']", right("CommentsRole", "events:PutEvents", "Resource", to="*")),
    (rights_are_exact, "route53", right("DnsRole", "route53:GetChange", "Resource", to="arn:aws:route53:::*")),
    (
        functions_are_told_of_what_they_may_reach,
        "IngressFunction is told of FlySecret",
        right(
            "IngressRole",
            "secretsmanager:GetSecretValue",
            "Resource",
            to=[{"Ref": "WebhookSecret"}, {"Ref": "FlySecret"}],
        ),
    ),
    (
        secrets_have_few_readers,
        "SecretsTable",
        right("SourceRole", "dynamodb:GetItem", "Resource", to=arn("SecretsTable")),
    ),
    (
        steps_that_call_out_are_one_to_a_batch,
        "wait for one another",
        property_of("EnvironmentsFunction", *QUEUE_EVENT, "BatchSize", to=10),
    ),
    (steps_have_time_for_their_calls, "while GitHub answers", property_of("EnvironmentsFunction", "Timeout", to=48)),
    (schedules_do_not_pile_up, "before its time", property_of("JanitorFunction", "EventInvokeConfig", to={})),
    (schedules_do_not_pile_up, "before its time", property_of("JanitorFunction", *HOURLY, "RetryPolicy", to={})),
    (
        schedules_do_not_pile_up,
        "at its next time",
        property_of("JanitorFunction", "EventInvokeConfig", "MaximumEventAgeInSeconds", to=1900),
    ),
    (schedules_do_not_pile_up, "in a way", property_of("JanitorFunction", "Events", "Hourly", "Type", to="ScheduleV2")),
    (logs_are_kept_for_a_while, "for ever", setting("SourceLogGroup", "Properties", to={})),
    (logs_are_kept_for_a_while, "no log group", property_of("SourceFunction", "LoggingConfig", to={})),
    (
        logs_are_kept_for_a_while,
        "other logs",
        right("SourceRole", "logs:PutLogEvents", "Resource", to=arn("VaultLogGroup")),
    ),
    (messages_outlive_failures, "no dead-letter queue", property_of("VaultQueue", "RedrivePolicy", to={})),
    (
        messages_outlive_failures,
        "no dead-letter queue",
        property_of("VaultQueue", "RedrivePolicy", "deadLetterTargetArn", to=arn("CommentsDeadLetterQueue")),
    ),
    (
        messages_outlive_failures,
        "kept no longer",
        property_of("VaultDeadLetterQueue", "MessageRetentionPeriod", to=345600),
    ),
    (messages_outlive_failures, "shows messages again", property_of("RuntimesFunction", "Timeout", to=121)),
    (
        messages_are_dead_letters_before_they_expire,
        "lose a message",
        property_of("RuntimesQueue", "RedrivePolicy", "maxReceiveCount", to=480),
    ),
    (
        messages_outlive_failures,
        "whole batches",
        property_of("VaultFunction", *QUEUE_EVENT, "FunctionResponseTypes", to=[]),
    ),
    (messages_outlive_failures, "no bound", property_of("VaultFunction", *QUEUE_EVENT, "ScalingConfig", to={})),
    (
        messages_outlive_failures,
        "other queues",
        right("VaultRole", "sqs:SendMessage", "Resource", to=arn("CommentsQueue")),
    ),
    (
        messages_outlive_failures,
        "not encrypted",
        property_of("CommentsDeliveryDeadLetterQueue", "SqsManagedSseEnabled", to=False),
    ),
    (
        rules_follow_the_contracts,
        "no contract",
        property_of("VaultRule", "EventPattern", "detail-type", to=["EnvironmentMade"]),
    ),
    (rules_follow_the_contracts, "no contract", property_of("VaultRule", "EventPattern", to={})),
    (
        rules_follow_the_contracts,
        "does not state",
        property_of("VaultRule", "EventPattern", "source", to=["prestage.vault"]),
    ),
    (rules_follow_the_contracts, "pin", property_of("VaultRule", "EventPattern", "detail", to={"metadata": {}})),
    (
        rules_follow_the_contracts,
        "does not state",
        property_of("RuntimesRule", "EventPattern", "source", to=["prestage.vault", "prestage.runtimes"]),
    ),
    (
        rules_follow_the_contracts,
        "no contract",
        property_of("JournalRule", "EventPattern", "source", to=[{"prefix": "pre"}]),
    ),
    (rules_follow_the_contracts, "pin", property_of("JournalRule", "EventPattern", "detail", to={})),
    (
        only_the_journal_takes_everything,
        "is not for",
        property_of("JournalRule", "EventPattern", "source", to=["prestage.vault"]),
    ),
    (
        only_the_journal_takes_everything,
        "VaultFunction takes every fact, and states",
        property_of("VaultRule", "EventPattern", to={"source": [{"prefix": "prestage."}]}),
    ),
    (
        rules_follow_the_contracts,
        "reports under a source of Prestage's",
        property_of("ChecksRule", "EventPattern", "source", to=[{"prefix": "prestage."}, "acme.quality"]),
    ),
    (
        rules_deliver_or_keep,
        "no fair queue",
        property_of("ChecksRule", *TARGET, "SqsParameters", "MessageGroupId", to="$.detail.metadata.group"),
    ),
    (rules_follow_the_contracts, "replays", property_of("VaultRule", "EventPattern", "replay-name", to=[])),
    (
        rules_deliver_or_keep,
        "no function reads",
        property_of("VaultRule", *TARGET, "Arn", to=arn("VaultDeadLetterQueue")),
    ),
    (rules_deliver_or_keep, "no fair queue", property_of("VaultRule", *TARGET, "SqsParameters", to={})),
    (rules_deliver_or_keep, "loses", property_of("VaultRule", *TARGET, "DeadLetterConfig", to={})),
    (rules_deliver_or_keep, "VaultQueue does not let", property_of("VaultQueuePolicy", "Queues", to=[])),
    (
        rules_deliver_or_keep,
        "VaultDeliveryDeadLetterQueue does not let",
        property_of("VaultDeliveryDeadLetterQueuePolicy", *FIRST, "Condition", to={}),
    ),
    (
        functions_state_facts_under_their_own_source,
        "VaultFunction may state facts",
        right("VaultRole", "events:PutEvents", "Condition", to={"StringLike": {"events:source": "prestage.*"}}),
    ),
    (
        the_bus_knows_who_owns_a_source,
        "more than deny",
        property_of("VaultOwnsItsSource", "Statement", "Effect", to="Allow"),
    ),
    (
        the_bus_knows_who_owns_a_source,
        "others than VaultFunction",
        property_of(
            "VaultOwnsItsSource", "Statement", "Condition", "ArnNotEquals", "aws:PrincipalArn", to=arn("SourceRole")
        ),
    ),
    (
        the_bus_knows_who_owns_a_source,
        "prestage.janitor is not one function's",
        property_of("JanitorFunction", "Handler", to="vault.sweep.handler"),
    ),
    (
        the_bus_knows_who_owns_a_source,
        "as an operator",
        property_of("OperatorsAreOfThisAccount", "Statement", "Condition", "StringNotEquals", to={}),
    ),
    (
        the_bus_knows_who_owns_a_source,
        "free to use",
        property_of(
            "NobodyElseIsPrestage", "Statement", "Condition", to={"StringEquals": {"events:source": "prestage."}}
        ),
    ),
    (
        statements_on_the_bus_are_the_stacks_own,
        "another stack's",
        property_of("VaultOwnsItsSource", "StatementId", to="VaultOwnsItsSource"),
    ),
    (
        statements_on_the_bus_are_the_stacks_own,
        "one after another",
        setting("VaultOwnsItsSource", "DependsOn", to=None),
    ),
    (
        reactions_remember_under_their_own_name,
        "what others remember",
        right("IngressRole", "dynamodb:PutItem", "Condition", to={}),
    ),
    (
        the_key_is_used_for_what_it_is_for,
        "any encryption context",
        right("VaultRole", "kms:GenerateDataKey", "Condition", to={}),
    ),
    (
        the_key_is_used_for_what_it_is_for,
        "any encryption context",
        right("RuntimesRole", "kms:Decrypt", "Condition", "Null", to={}),
    ),
    (
        the_key_is_used_for_what_it_is_for,
        "past IAM",
        property_of("Key", "KeyPolicy", "Statement", 0, "Principal", to={"AWS": arn("VaultRole")}),
    ),
    (the_key_is_used_for_what_it_is_for, "never rotated", property_of("Key", "EnableKeyRotation", to=False)),
    (
        capabilities_stay_out_of_access_logs,
        "more of a request",
        property_of("HttpApi", "AccessLogSettings", "Format", to="$context.routeKey $context.path"),
    ),
    (capabilities_stay_out_of_access_logs, "not throttled", property_of("HttpApi", "DefaultRouteSettings", to={})),
]

CHECKS = list(dict.fromkeys(check for check, _, _ in BREAKS))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_template_keeps_to_the_policy(check: Check) -> None:
    assert list(check(TEMPLATE)) == []


@pytest.mark.parametrize(
    ("check", "problem", "mutate"),
    BREAKS,
    ids=[f"{number}: {check.__name__}: {problem}" for number, (check, problem, _) in enumerate(BREAKS)],
)
def test_a_template_that_breaks_the_policy_is_seen(check: Check, problem: str, mutate: Mutation) -> None:
    template = copy.deepcopy(TEMPLATE)
    mutate(template)
    assert [found for found in check(template) if problem in found]


def test_the_policy_is_about_every_function_rule_and_queue() -> None:
    sources = {f"prestage.{owner(function)}" for function in functions(TEMPLATE).values()}
    assert sources >= PUBLISHERS - {OPERATORS}
    assert scheduled(TEMPLATE).keys() == {"JanitorFunction"}
    assert len(reactions(TEMPLATE)) == len(of(TEMPLATE, "Events::Rule")) == len(of(TEMPLATE, "SQS::Queue")) / 3
