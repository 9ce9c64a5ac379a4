"""What template.yaml keeps to: each check gives what is wrong with a template."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from github_app.client import TIMEOUT_SECONDS
from prestage.stage.template import Template
from prestage_contracts import CONTRACT, EVENTS, Report
from prestage_contracts.envelope import Event
from prestage_contracts.operators import DeployRequested

WITHOUT_ARN = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
OF_ROUTE_53 = [
    {"Fn::Sub": "arn:${AWS::Partition}:route53:::hostedzone/${HostedZoneId}"},
    {"Fn::Sub": "arn:${AWS::Partition}:route53:::change/*"},
]
"""What is no resource of the template: the operator's zone, and changes, which have ids of their own."""
ROUTE_ONLY = re.compile(
    r"\$context\.(path|customDomain|http|requestOverride|error\.message|authorizer)|querystring|body"
)
PUBLISHERS = {event.SOURCE for event in EVENTS.values()}
OPERATORS = DeployRequested.SOURCE
EVERYTHING = [{"prefix": "prestage."}]
OTHERS = [{"anything-but": {"prefix": "prestage."}}]
PERIODS = {"rate(1 hour)": 3600}
"""Seconds from one time of a schedule to the next."""
MOST_CALLS = 4

type Problems = Iterator[str]
type Check = Callable[[Template], Problems]


# ---- Reading the template


def of(template: Template, kind: str) -> dict[str, Any]:
    found = template["Resources"].items()
    return {name: resource["Properties"] for name, resource in found if resource["Type"] == f"AWS::{kind}"}


def functions(template: Template) -> dict[str, Any]:
    shared = template["Globals"]["Function"]
    return {name: {**shared, **own} for name, own in of(template, "Serverless::Function").items()}


def reactions(template: Template) -> dict[str, Any]:
    polled = [(name, function, list(function["Events"].values())) for name, function in functions(template).items()]
    return {
        name: (function, events[0]["Properties"]) for name, function, events in polled if events[0]["Type"] == "SQS"
    }


def scheduled(template: Template) -> dict[str, Any]:
    """The functions that a schedule invokes and nothing else, each with its schedule."""
    events = {name: (function, list(function["Events"].values())) for name, function in functions(template).items()}
    return {
        name: (function, found[0]["Properties"])
        for name, (function, found) in events.items()
        if [event["Type"] for event in found] == ["Schedule"]
    }


def owner(function: Any) -> str:
    return str(function["Handler"].split(".")[0])


def referred(value: Any) -> str | None:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return name
    return None


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def where_it_holds(value: Any) -> str:
    """What is there where the condition of an !If holds."""
    return str(value["Fn::If"][1] if isinstance(value, dict) else value)


def statements(template: Template, role: Any) -> list[Any]:
    policies = of(template, "IAM::Role").get(str(referred(role)), {}).get("Policies", [])
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def allowed(template: Template, function: Any, action: str) -> list[Any]:
    """The function's statements with an action that begins so."""
    found = statements(template, function["Role"])
    return [statement for statement in found if any(kept.startswith(action) for kept in listed(statement["Action"]))]


def resources(found: list[Any]) -> list[str | None]:
    return [referred(resource) for statement in found for resource in listed(statement["Resource"])]


# ---- The policy


def each_function_has_its_own_role(template: Template) -> Problems:
    roles = [referred(function.get("Role")) for function in functions(template).values()]
    for name, function in functions(template).items():
        role = referred(function.get("Role"))
        if role not in of(template, "IAM::Role") or roles.count(role) > 1:
            yield f"{name} has no role of its own"
        if "Policies" in function or "ManagedPolicyArns" in of(template, "IAM::Role").get(str(role), {}):
            yield f"{name} has rights from somewhere else than its role's own policy"


def rights_are_exact(template: Template) -> Problems:
    for name, function in functions(template).items():
        for statement in statements(template, function["Role"]):
            actions, targets = listed(statement["Action"]), listed(statement["Resource"])
            if any("*" in action for action in actions):
                yield f"{name} may do {actions}"
            exact = all(referred(target) or target in OF_ROUTE_53 for target in targets)
            if not exact and not WITHOUT_ARN.issuperset(actions):
                yield f"{name} may do {actions} on {targets}"


def functions_are_told_of_what_they_may_reach(template: Template) -> Problems:
    reachable = {
        **of(template, "DynamoDB::Table"),
        **of(template, "SecretsManager::Secret"),
        **of(template, "KMS::Key"),
    }
    for name, function in functions(template).items():
        told = {referred(value) for value in function["Environment"]["Variables"].values()}
        reached = {*resources(statements(template, function["Role"]))}
        for resource in reachable.keys() & (told ^ reached):
            yield f"{name} is told of {resource} or may reach it, not both"


def secrets_have_few_readers(template: Template) -> Problems:
    readers = {
        "WebhookSecret": {"ingress"},
        "GitHubAppSecret": {"environments", "comments", "deployments", "source", "janitor"},
        "FlySecret": {"runtimes", "janitor"},
        "StackKey": {"environments", "runtimes", "source"},
        "SecretsTable": {"vault"},
        "BundlesTable": {"vault", "runtimes"},
        "JournalTable": {"journal"},
    }
    for name, function in functions(template).items():
        for resource in resources(statements(template, function["Role"])):
            if owner(function) not in readers.get(str(resource), {owner(function)}):
                yield f"{name} reads {resource}"


def logs_are_kept_for_a_while(template: Template) -> Problems:
    for name, group in of(template, "Logs::LogGroup").items():
        if "RetentionInDays" not in group:
            yield f"{name} keeps logs for ever"
    groups = [referred(function["LoggingConfig"].get("LogGroup")) for function in functions(template).values()]
    for name, function in functions(template).items():
        group = referred(function["LoggingConfig"].get("LogGroup"))
        if group not in of(template, "Logs::LogGroup") or groups.count(group) > 1:
            yield f"{name} has no log group of its own"
        if resources(allowed(template, function, "logs:")) != [group]:
            yield f"{name} writes to other logs than its own"


def messages_outlive_failures(template: Template) -> Problems:
    queues = of(template, "SQS::Queue")
    dead_letters = [referred(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn")) for queue in queues.values()]
    for name, (function, event) in reactions(template).items():
        queue = queues[str(referred(event["Queue"]))]
        dead_letter = referred(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        if dead_letter not in queues or dead_letters.count(dead_letter) > 1:
            yield f"{name} has no dead-letter queue of its own"
        elif queues[dead_letter].get("MessageRetentionPeriod", 0) <= queue["MessageRetentionPeriod"]:
            yield f"{name}'s dead letters are kept no longer than its messages"
        if queue.get("VisibilityTimeout", 30) < 6 * function["Timeout"]:
            yield f"{name}'s queue shows messages again before its retries are over"
        if event.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name} fails whole batches"
        if "MaximumConcurrency" not in event.get("ScalingConfig", {}):
            yield f"{name} has no bound on its concurrency"
        if resources(allowed(template, function, "sqs:")) != [referred(event["Queue"]), dead_letter]:
            yield f"{name} may touch other queues than its own"
    for name, queue in queues.items():
        if not queue.get("SqsManagedSseEnabled"):
            yield f"{name} is not encrypted"


def steps_that_call_out_are_one_to_a_batch(template: Template) -> Problems:
    """One that waits for GitHub or Fly.io would hold up the others."""
    for name, (function, event) in reactions(template).items():
        told = {referred(value) for value in function["Environment"]["Variables"].values()}
        if told & {"GitHubAppSecret", "FlySecret"} and event["BatchSize"] != 1:
            yield f"{name} lets facts wait for one another's calls"


def steps_have_time_for_their_calls(template: Template) -> Problems:
    """GitHub is asked for two tokens and two things at most, and each time may take as long as its client waits."""
    for name, (function, _) in reactions(template).items():
        told = {referred(value) for value in function["Environment"]["Variables"].values()}
        if "GitHubAppSecret" in told and function["Timeout"] <= MOST_CALLS * TIMEOUT_SECONDS:
            yield f"{name} may be ended while GitHub answers"


def schedules_do_not_pile_up(template: Template) -> Problems:
    for name, (function, schedule) in scheduled(template).items():
        invocation = function.get("EventInvokeConfig", {})
        if (
            invocation.get("MaximumRetryAttempts") != 0
            or schedule.get("RetryPolicy", {}).get("MaximumRetryAttempts") is None
        ):
            yield f"{name} is tried again before its time"
        ages = [found.get("MaximumEventAgeInSeconds") for found in (invocation, schedule.get("RetryPolicy", {}))]
        if None in ages or sum(ages) + function["Timeout"] > PERIODS[schedule["Schedule"]]:
            yield f"{name} may still run at its next time"
    kinds = {event["Type"] for function in functions(template).values() for event in function["Events"].values()}
    if kinds != {"HttpApi", "Schedule", "SQS"}:
        yield "a function is invoked in a way that no check is about"


def messages_are_dead_letters_before_they_expire(template: Template) -> Problems:
    for name, (_, event) in reactions(template).items():
        queue = of(template, "SQS::Queue")[str(referred(event["Queue"]))]
        longest = queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
        if longest >= queue["MessageRetentionPeriod"]:
            yield f"{name} may lose a message that its function never finishes"


def awaited(pattern: Any) -> dict[str, type[Event]]:
    """The events that a rule names, or all where it names none and takes every source of Prestage's."""
    if "detail-type" not in pattern and pattern.get("source") == EVERYTHING:
        return EVENTS
    return {name: event for name, event in CONTRACT.items() if name in pattern.get("detail-type", [])}


def takes_reports(rule: Any) -> bool:
    """Whether it is for what other teams state."""
    kinds = awaited(rule.get("EventPattern", {})).values()
    return bool(kinds) and all(issubclass(kind, Report) for kind in kinds)


def rules_follow_the_contracts(template: Template) -> Problems:
    for name, rule in of(template, "Events::Rule").items():
        pattern = rule.get("EventPattern", {})
        kinds = awaited(pattern)
        if kinds is not EVENTS:
            if kinds.keys() != {*pattern.get("detail-type", ["nothing"])}:
                yield f"{name} waits for an event that no contract has"
            if takes_reports(rule):
                if pattern.get("source") != OTHERS:
                    yield f"{name} waits for reports under a source of Prestage's"
            elif sorted({event.SOURCE for event in kinds.values()}) != sorted(map(str, pattern.get("source", []))):
                yield f"{name} waits for a source that does not state its events"
        majors = [{"prefix": f"{major}."} for major in {event.VERSION.split(".")[0] for event in kinds.values()}]
        pinned = pattern.get("detail", {}).get("metadata", {}).get("version")
        if takes_reports(rule) and "detail" in pattern:
            yield f"{name} leaves out reports that are to be refused, and told"
        elif not takes_reports(rule) and pinned != majors:
            yield f"{name} does not pin the major version"
        if pattern.get("replay-name") != [{"exists": False}]:
            yield f"{name} reacts to replays, which are for subscribers"


def only_the_journal_takes_everything(template: Template) -> Problems:
    """Whoever states facts and takes every fact would react to its own."""
    for name, (function, event) in reactions(template).items():
        into = [rule for rule in of(template, "Events::Rule").values() if targets(rule) == [referred(event["Queue"])]]
        takes_everything = any(awaited(rule["EventPattern"]) is EVENTS for rule in into)
        if takes_everything != (owner(function) == "journal"):
            yield f"{name} takes what it is not for"
        if takes_everything and allowed(template, function, "events:"):
            yield f"{name} takes every fact, and states some"


def targets(rule: Any) -> list[str | None]:
    return [referred(target["Arn"]) for target in rule["Targets"]]


def rules_deliver_or_keep(template: Template) -> Problems:
    queues = {referred(event["Queue"]) for _, event in reactions(template).values()}
    for name, rule in of(template, "Events::Rule").items():
        for target in rule["Targets"]:
            undelivered = referred(target.get("DeadLetterConfig", {}).get("Arn"))
            if referred(target["Arn"]) not in queues:
                yield f"{name} sends to what no function reads"
            group = "$.account" if takes_reports(rule) else "$.detail.metadata.group"
            if target.get("SqsParameters", {}).get("MessageGroupId") != group:
                yield f"{name} sends to no fair queue"
            if undelivered not in of(template, "SQS::Queue"):
                yield f"{name} loses what it can't deliver"
            for queue in (referred(target["Arn"]), undelivered):
                if not lets_in(template, queue, name):
                    yield f"{queue} does not let {name} in, and only it"


def lets_in(template: Template, queue: str | None, rule: str) -> bool:
    expected = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        "Condition": {
            "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}},
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        },
    }
    policies = of(template, "SQS::QueuePolicy").values()
    found = [policy["PolicyDocument"]["Statement"] for policy in policies if {"Ref": queue} in policy["Queues"]]
    return found == [[expected]]


def functions_state_facts_under_their_own_source(template: Template) -> Problems:
    for name, function in functions(template).items():
        source = f"prestage.{owner(function)}"
        own = [{"StringEquals": {"events:source": source}}] if source in PUBLISHERS else []
        if [statement.get("Condition") for statement in allowed(template, function, "events:")] != own:
            yield f"{name} may state facts as somebody else, or not as itself"


def the_bus_knows_who_owns_a_source(template: Template) -> Problems:
    denials = [policy["Statement"] for policy in of(template, "Events::EventBusPolicy").values()]
    if any(
        (denial["Effect"], denial["Principal"], denial["Action"]) != ("Deny", "*", "events:PutEvents")
        for denial in denials
    ):
        yield "the bus's policy does more than deny"
    conditions = [denial["Condition"] for denial in denials]
    for name, function in functions(template).items():
        source = f"prestage.{owner(function)}"
        only_itself = {
            "ForAnyValue:StringEquals": {"events:source": source},
            "ArnNotEquals": {"aws:PrincipalArn": function["Role"]},
        }
        if source in PUBLISHERS and only_itself not in conditions:
            yield f"others than {name} may state facts as {source}"
    owned = [f"prestage.{owner(function)}" for function in functions(template).values()]
    for source in PUBLISHERS - {OPERATORS}:
        if owned.count(source) != 1:
            yield f"{source} is not one function's"
    of_this_account = {
        "ForAnyValue:StringEquals": {"events:source": OPERATORS},
        "StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}},
    }
    if OPERATORS in owned or of_this_account not in conditions:
        yield "others than this account's people may state facts as an operator"
    rest = [found.get("ForAnyValue:StringNotEquals", {}).get("events:source", []) for found in conditions]
    if not any({*map(where_it_holds, sources)} == PUBLISHERS for sources in rest):
        yield "a source of Prestage's that nobody owns is free to use"


def statements_on_the_bus_are_the_stacks_own(template: Template) -> Problems:
    """An id is unique in the account and region: with a fixed one there could be no second stack."""
    policies = of(template, "Events::EventBusPolicy")
    ids = {name: policy["StatementId"] for name, policy in policies.items()}
    for name, identity in ids.items():
        if "${AWS::StackName}" not in str(identity):
            yield f"{name} would be in the way of another stack's"
    waiting = [template["Resources"][name].get("DependsOn") for name in policies]
    if waiting != [None, *list(policies)[:-1]]:
        yield "the statements on the bus are not made one after another"


def reactions_remember_under_their_own_name(template: Template) -> Problems:
    for name, function in functions(template).items():
        for statement in statements(template, function["Role"]):
            keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
            if referred(statement["Resource"]) == "MemoryTable" and keys != [f"{owner(function).upper()}#*"]:
                yield f"{name} may change what others remember"


def the_key_is_used_for_what_it_is_for(template: Template) -> Problems:
    for name, function in functions(template).items():
        for statement in allowed(template, function, "kms:"):
            condition = statement.get("Condition", {})
            keys = condition.get("ForAllValues:StringEquals", {}).get("kms:EncryptionContextKeys", [])
            if not keys or condition.get("Null") != {f"kms:EncryptionContext:{key}": "false" for key in keys}:
                yield f"{name} may use the key under any encryption context"
    root = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    for name, key in of(template, "KMS::Key").items():
        if [statement["Principal"] for statement in key["KeyPolicy"]["Statement"]] != [{"AWS": root}]:
            yield f"{name} is given away past IAM"
        if key.get("EnableKeyRotation") is not True:
            yield f"{name} is never rotated"


def capabilities_stay_out_of_access_logs(template: Template) -> Problems:
    for name, api in of(template, "Serverless::HttpApi").items():
        logged = api.get("AccessLogSettings", {}).get("Format", "")
        if "$context.routeKey" not in logged or ROUTE_ONLY.search(logged):
            yield f"{name} logs more of a request than its route"
        if not api.get("DefaultRouteSettings", {}).keys() >= {"ThrottlingRateLimit", "ThrottlingBurstLimit"}:
            yield f"{name} is not throttled"
