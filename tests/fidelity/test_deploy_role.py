"""What may deploy the stack: what the templates need of CloudFormation, and nothing for what is not in them."""

import copy
import re
from collections.abc import Callable, Iterator
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
TRUSTED = "token.actions.githubusercontent.com"


def types() -> set[str]:
    """Every type of resource that a deployment makes."""
    stack = translate(STACK, parameter_values(STACK, {}), local_session(REGION))
    templates = [stack, *map(load, NESTED)]
    return {resource["Type"] for template in templates for resource in template["Resources"].values()}


def statements(template: Template, name: str) -> list[Any]:
    """What a role or a policy says, with both sides of an !If."""
    properties = template["Resources"][name]["Properties"]
    policies = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    found = [said for document in policies or [properties["PolicyDocument"]] for said in document["Statement"]]
    return [said["Fn::If"][1] if "Fn::If" in said else said for said in found]


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
        [found] = [said for said in statements(template, name) if said.get("Sid") == sid]
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
