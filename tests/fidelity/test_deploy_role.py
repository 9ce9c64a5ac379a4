"""What may deploy the stack: what the templates need of CloudFormation, and nothing for what is not in them."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
import yaml

from prestage.contract_files import ROOT
from prestage.stage.aws import REGION
from prestage.stage.sam import translate
from prestage.stage.session import local_session
from prestage.stage.template import Template, load, parameter_values
from tests.fidelity.resource_permissions import NEEDED, WITHHELD
from tests.fidelity.sam_calls import NOT_DEPLOYED_WITH, asked
from tests.fidelity.template_policy import listed, of

STACK = load(ROOT / "template.yaml")
NESTED = [ROOT / "events-schema" / "registry.yaml", *sorted((ROOT / "operations").glob("*.yaml"))]
DEPLOYING = load(ROOT / "docs" / "deploy-role.yaml")
IAM = "arn:${AWS::Partition}:iam::${AWS::AccountId}"
CLOUDFORMATION = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}"
MOST_CHARACTERS = 10_240
"""Of a role's inline policies without white space: IAM's quota."""

TRUSTED = "token.actions.githubusercontent.com"


@cache
def deployed() -> Template:
    """The stack as CloudFormation gets it: SAM makes more of it."""
    return translate(STACK, parameter_values(STACK, {}), local_session(REGION))


def types() -> set[str]:
    """Every type of resource that a deployment makes."""
    templates = [deployed(), *map(load, NESTED)]
    return {resource["Type"] for template in templates for resource in template["Resources"].values()}


def statements(template: Template, name: str, *effects: str) -> list[Any]:
    """What a role or a policy allows, or says with those effects, with both sides of an !If."""
    properties = template["Resources"][name]["Properties"]
    policies = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    found = [said for document in policies or [properties["PolicyDocument"]] for said in document["Statement"]]
    found = [said["Fn::If"][1] if "Fn::If" in said else said for said in found]
    return [said for said in found if said["Effect"] in (effects or ("Allow",))]


def actions(found: list[Any]) -> set[str]:
    return {action for statement in found for action in listed(statement["Action"])}


def problems(template: Template) -> Iterator[str]:
    """Where the roles and the templates differ."""
    granted = actions(statements(template, "ExecutionRole"))
    made = types()
    needed: set[str] = set().union(*(NEEDED.get(kind, frozenset({f"what {kind} needs"})) for kind in made))
    yield from (f"not granted: {action}" for action in sorted(needed - granted))
    yield from (f"granted for nothing: {action}" for action in sorted(granted - needed))
    deploys, sam = actions(statements(template, "DeployRole")), asked() - NOT_DEPLOYED_WITH.keys() | {"iam:PassRole"}
    yield from (f"sam may not: {action}" for action in sorted(sam - deploys))
    yield from (f"sam need not: {action}" for action in sorted(deploys - sam))
    used = set().union(*(actions(statements(STACK, role)) for role in of(STACK, "IAM::Role")))
    yield from reached(template)
    bound = actions(statements(template, "Boundary"))
    yield from (f"functions may not: {action}" for action in sorted(used - bound))
    yield from (f"functions need not: {action}" for action in sorted(bound - used))
    yield from (f"{name} is not bound" for name, said in conditions(template) if said != {"Ref": "Boundary"})
    trust = template["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    if trust.get("Condition") != {
        "StringEquals": {
            f"{TRUSTED}:aud": "sts.amazonaws.com",
            f"{TRUSTED}:sub": {"Fn::Sub": "repo:${Repository}:environment:${DeployEnvironment}"},
        }
    }:
        yield "others than the repository's environment may deploy"
    for name in ("DeployRole", "ExecutionRole"):
        for statement in statements(template, name):
            if "iam:PassRole" in listed(statement["Action"]):
                passed = statement.get("Condition", {}).get("StringEquals", {}).get("iam:PassedToService")
                wanted = {"DeployRole": "cloudformation.amazonaws.com", "ExecutionRole": "lambda.amazonaws.com"}
                if passed != wanted[name]:
                    yield f"{name} gives a role to anybody"
            if any("*" in action for action in listed(statement["Action"])):
                yield f"{name} may do {statement['Action']}"


def reached(template: Template) -> Iterator[str]:
    """What is withheld from the execution role by its ARN, and differs from what the stack's own things are called."""
    roles, stacks = of(deployed(), "IAM::Role"), of(deployed(), "CloudFormation::Stack")
    own = {
        "iam:*": {f"{IAM}:role/${{StackName}}-{name}-*" for name in roles},
        "cloudformation:*": {f"{CLOUDFORMATION}:stack/${{StackName}}-{name}-*" for name in stacks},
    }
    denied = statements(template, "ExecutionRole", "Deny")
    for action, arns in own.items():
        left = [{one["Fn::Sub"] for one in said["NotResource"]} for said in denied if said["Action"] == action]
        if left != [arns]:
            yield f"{action} reaches others, or not all of the stack's own"
    deploying = {f"{IAM}:role/${{AWS::StackName}}-*", f"{CLOUDFORMATION}:stack/${{AWS::StackName}}/*"}
    for name, limit in (("ExecutionRole", {"Action": "*"}), ("DeployRole", {"NotAction": "iam:PassRole"})):
        said = [deny for deny in statements(template, name, "Deny") if deny.items() >= limit.items()]
        if deploying not in [{one["Fn::Sub"] for one in deny["Resource"]} for deny in said]:
            yield f"{name} reaches what deploys"
    tag = "aws:ResourceTag/aws:cloudformation:stack-name"
    others = {"Null": {tag: "false"}, "StringNotEquals": {tag: {"Ref": "StackName"}}}
    if others not in [said.get("Condition") for said in denied if said["Action"] == "kms:*"]:
        yield "keys of other stacks are reached"


def conditions(template: Template) -> Iterator[tuple[str, Any]]:
    """The boundary that each right to make a role is held to."""
    for statement in statements(template, "ExecutionRole"):
        for action in {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"} & {
            *listed(statement["Action"])
        }:
            yield action, statement.get("Condition", {}).get("StringEquals", {}).get("iam:PermissionsBoundary")


def in_statement(name: str, sid: str, change: Callable[[Any], object]) -> Callable[[Template], object]:
    """Changes the statement of that id."""

    def mutate(template: Template) -> None:
        [found] = [said for said in statements(template, name, "Allow", "Deny") if said.get("Sid") == sid]
        change(found)

    return mutate


BREAKS: list[tuple[str, Callable[[Template], object]]] = [
    (
        "not granted: sqs:TagQueue",
        in_statement("ExecutionRole", "Queues", lambda it: it["Action"].remove("sqs:TagQueue")),
    ),
    (
        "granted for nothing: ec2:RunInstances",
        in_statement("ExecutionRole", "Queues", lambda it: it["Action"].append("ec2:RunInstances")),
    ),
    (
        "iam:CreateRole is not bound",
        in_statement("ExecutionRole", "RolesWithTheBoundary", lambda it: it.pop("Condition")),
    ),
    ("ExecutionRole gives a role", in_statement("ExecutionRole", "RolesOfFunctions", lambda it: it.pop("Condition"))),
    ("DeployRole gives a role", in_statement("DeployRole", "UnderTheOtherRole", lambda it: it.pop("Condition"))),
    (
        "sam may not: cloudformation:GetTemplateSummary",
        in_statement("DeployRole", "TheStack", lambda it: it["Action"].remove("cloudformation:GetTemplateSummary")),
    ),
    (
        "sam need not: s3:DeleteObject",
        in_statement("DeployRole", "WhatSamUploads", lambda it: it["Action"].append("s3:DeleteObject")),
    ),
    (
        "iam:* reaches others, or not all",
        in_statement("ExecutionRole", "NoOtherRoles", lambda it: it["NotResource"].pop()),
    ),
    (
        "cloudformation:* reaches others",
        in_statement(
            "ExecutionRole",
            "NoOtherStacks",
            lambda it: it["NotResource"].append({"Fn::Sub": f"{CLOUDFORMATION}:stack/${{StackName}}-*"}),
        ),
    ),
    ("ExecutionRole reaches what", in_statement("ExecutionRole", "NotWhatDeploys", lambda it: it["Resource"].pop())),
    ("DeployRole reaches what", in_statement("DeployRole", "NotWhatDeploys", lambda it: it["Resource"].pop())),
    ("keys of other stacks", in_statement("ExecutionRole", "NoOtherStacksKeys", lambda it: it.pop("Condition"))),
    ("DeployRole may do", in_statement("DeployRole", "TheStack", lambda it: it.update(Action="cloudformation:*"))),
    ("functions may not: xray", lambda it: statements(it, "Boundary")[1]["Action"].remove("xray:PutTraceSegments")),
    ("functions need not: sts:Assume", lambda it: statements(it, "Boundary")[1]["Action"].append("sts:AssumeRole")),
    (
        "others than the repository's environment",
        lambda it: it["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].pop(
            "Condition"
        ),
    ),
]


def test_what_deploys_may_do_what_the_templates_need_and_nothing_else() -> None:
    assert list(problems(DEPLOYING)) == []


@pytest.mark.parametrize(("problem", "mutate"), BREAKS, ids=[problem for problem, _ in BREAKS])
def test_a_role_that_says_otherwise_is_seen(problem: str, mutate: Callable[[Template], object]) -> None:
    template = copy.deepcopy(DEPLOYING)
    mutate(template)
    assert any(found.startswith(problem) for found in problems(template))


def test_what_is_withheld_is_granted_nowhere_and_needed_by_nothing() -> None:
    withheld = WITHHELD.keys()
    assert not withheld & actions(statements(DEPLOYING, "ExecutionRole"))
    assert not withheld & set().union(*NEEDED.values())


@pytest.mark.parametrize(
    "other", ["deploys-prestage-ExecutionRole", "prestage-deploys-DeployRole", "prestage-dev-VaultRole"]
)
def test_a_role_of_another_stack_is_out_of_reach_however_its_name_begins(other: str) -> None:
    [denied] = [said for said in statements(DEPLOYING, "ExecutionRole", "Deny") if said["Action"] == "iam:*"]
    own = [one["Fn::Sub"].rpartition("/")[2].replace("${StackName}", "prestage") for one in denied["NotResource"]]
    assert any(fnmatchcase("prestage-VaultRole-1A2B3C4D5E6F", pattern) for pattern in own)
    assert not any(fnmatchcase(f"{other}-1A2B3C4D5E6F", pattern) for pattern in own)


def test_what_the_execution_role_says_fits_into_a_role() -> None:
    names = {"Partition": "aws-us-gov", "AccountId": "1" * 12, "Region": "ap-southeast-1", "StackName": "p" * 32}
    said = json.dumps(statements(DEPLOYING, "ExecutionRole", "Allow", "Deny"), separators=(",", ":"))
    said = re.sub(r'\{"(?:Fn::Sub|Ref)":("[^"]*")\}', r"\1", said)
    assert len(re.sub(r"\$\{(?:AWS::)?(\w+)\}", lambda name: names[name[1]], said)) < MOST_CHARACTERS


def test_the_stack_that_deploys_is_not_called_as_what_it_deploys() -> None:
    text = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    [name] = {*re.findall(r"--stack-name (\S+)", text)}
    assert not name.startswith(DEPLOYING["Parameters"]["StackName"]["Default"])


def test_what_sam_is_not_given_is_what_it_has_calls_for() -> None:
    assert NOT_DEPLOYED_WITH.keys() <= asked()


@pytest.mark.parametrize("role", of(STACK, "IAM::Role"))
def test_every_role_of_the_stack_takes_the_boundary(role: str) -> None:
    bound = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    assert STACK["Resources"][role]["Properties"]["PermissionsBoundary"] == bound


def test_the_workflow_in_the_docs_says_what_the_templates_know() -> None:
    text = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    asked = {*re.findall(r"vars\.(\w+)", str(workflow))} - {"AWS_REGION", "FLY_ORGANIZATION"}
    assert asked == {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", output).upper() for output in DEPLOYING["Outputs"]}
    assert {*re.findall(r'"(\w+)=', str(workflow))} <= STACK["Parameters"].keys()
    assert workflow["jobs"]["deploy"]["environment"] == DEPLOYING["Parameters"]["DeployEnvironment"]["Default"]
    assert {*re.findall(r"(\w+)=[\w/-]+", text.partition("--parameter-overrides ")[2].partition("\n")[0])} <= (
        DEPLOYING["Parameters"].keys()
    )
