"""What a deployment, a replacement or the stack's end may not lose, and that no parameter has to be known to deploy."""

import copy
from collections.abc import Mapping

import pytest

from prestage.contract_files import ROOT
from prestage.stage.template import Template, load
from tests.fidelity.template_policy import Problems, of
from tests.fidelity.test_template_policy import Mutation, property_of, setting

TEMPLATE = load(ROOT / "template.yaml")

KEPT = {
    "DynamoDB::Table": ("Retain", "Retain"),
    "KMS::Key": ("RetainExceptOnCreate", "Retain"),
    "SecretsManager::Secret": ("RetainExceptOnCreate", "Retain"),
}
"""Types whose resources can't be made again, and what becomes of them when they are deleted, and when replaced.

A deployment that fails takes the keys and secrets along that it began with: they are empty, and cost. Tables are
protected from deletion, by a rollback too: it would stop there.
"""

GOES: Mapping[str, str] = {
    "BundlesTable": "sealed copies of secrets for one generation; the next one has its own",
    "MemoryTable": "what was done, for thirty days; without it steps run again, and get what they would create",
    "Events::Archive": "no bus can be deleted while an archive has its rule there; the journal has the facts",
    "SQS::Queue": "messages on their way: the stack that would finish them goes",
    "Logs::LogGroup": "kept for a while and not for good: LogRetentionDays",
}
"""What holds something and goes with the stack, by logical id or by type, and why it may."""

HOLDS_NOTHING = frozenset(
    {
        "CloudFormation::Stack",
        "Events::EventBus",
        "Events::EventBusPolicy",
        "Events::Rule",
        "IAM::Role",
        "KMS::Alias",
        "Serverless::Function",
        "Serverless::HttpApi",
        "SQS::QueuePolicy",
    }
)


def what_cannot_be_made_again_is_kept(template: Template) -> Problems:
    for name, resource in template["Resources"].items():
        kind = resource["Type"].removeprefix("AWS::")
        policies = (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        if kind not in {*KEPT, *GOES, *HOLDS_NOTHING}:
            yield f"whether {name} holds anything, {kind}, is not said"
        elif kind in KEPT and name not in GOES and policies != KEPT[kind]:
            yield f"{name} goes with the stack, or stays with one that never was"


def tables_come_back_as_they_were(template: Template) -> Problems:
    for name, table in of(template, "DynamoDB::Table").items():
        recovery = table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        if name not in GOES and not (recovery and table.get("DeletionProtectionEnabled")):
            yield f"{name} can be lost"


def parameters_are_safe_as_they_are(template: Template) -> Problems:
    for name, parameter in template["Parameters"].items():
        if not parameter.get("Description"):
            yield f"{name} is not described"
        if "Default" not in parameter:
            yield f"{name} has no default"
        if not (parameter.keys() & {"AllowedValues", "AllowedPattern"} or parameter.keys() >= {"MinValue", "MaxValue"}):
            yield f"{name} takes anything"


CHECKS = (what_cannot_be_made_again_is_kept, tables_come_back_as_they_were, parameters_are_safe_as_they_are)


def parameter(name: str, setting: str) -> Mutation:
    """Leaves a setting of a parameter out."""
    return lambda template: template["Parameters"][name].pop(setting)


BREAKS: list[tuple[str, Mutation]] = [
    ("RecordsTable goes with the stack", setting("RecordsTable", "DeletionPolicy", to="Delete")),
    ("SecretsTable goes with the stack", setting("SecretsTable", "DeletionPolicy", to="RetainExceptOnCreate")),
    ("Key goes with the stack", setting("Key", "DeletionPolicy", to="Retain")),
    ("JournalTable goes with the stack", setting("JournalTable", "UpdateReplacePolicy", to="Snapshot")),
    ("StackKey goes with the stack", setting("StackKey", "UpdateReplacePolicy", to=None)),
    ("whether Bus holds anything", setting("Bus", "Type", to="AWS::S3::Bucket")),
    ("SecretsTable can be lost", property_of("SecretsTable", "DeletionProtectionEnabled", to=False)),
    ("JournalTable can be lost", property_of("JournalTable", "PointInTimeRecoverySpecification", to={})),
    ("Architecture is not described", parameter("Architecture", "Description")),
    ("FlyOrganization has no default", parameter("FlyOrganization", "Default")),
    ("FlyOrganization takes anything", parameter("FlyOrganization", "AllowedPattern")),
    ("VaultConcurrency takes anything", parameter("VaultConcurrency", "MaxValue")),
]


def test_the_template_loses_nothing_and_needs_nothing_said() -> None:
    assert [problem for check in CHECKS for problem in check(TEMPLATE)] == []


@pytest.mark.parametrize(("problem", "mutate"), BREAKS, ids=[problem for problem, _ in BREAKS])
def test_a_template_that_does_is_seen(problem: str, mutate: Mutation) -> None:
    template = copy.deepcopy(TEMPLATE)
    mutate(template)
    assert any(found.startswith(problem) for check in CHECKS for found in check(template))
