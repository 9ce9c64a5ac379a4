"""The real template, deployed into moto, and what is refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from prestage.stage.aws import ACCOUNT, LocalAws
from prestage.stage.deployment import Deployment, Route, Schedule
from prestage.stage.template import Template, TemplateError, load

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
API_URL = "http://127.0.0.1:8080"
REACTIONS = ("Environments", "Vault", "Comments", "Deployments", "Checks", "Runtimes", "Journal")
STATE_NOTHING = {"SourceFunction", "JournalFunction"}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture(scope="module")
def deployment(aws: LocalAws) -> Deployment:
    parameters = {"FlyApiUrl": "http://127.0.0.1:4280/v1", "ArchiveRetentionDays": "7"}
    secrets = {"WebhookSecret": "It's a Secret to Everybody"}
    return aws.deploy(TEMPLATE, parameters, stack_name="preview", api_url=API_URL, secrets=secrets)


@pytest.fixture
def stack_name(tmp_path: Path) -> str:
    return tmp_path.name.replace("_", "-")


@pytest.fixture
def deploy(aws: LocalAws, tmp_path: Path, stack_name: str) -> Callable[[Template], Deployment]:
    for nested in ("events-schema", "operations"):
        (tmp_path / nested).symlink_to(TEMPLATE.parent / nested)

    def deploy_template(template: Template) -> Deployment:
        path = tmp_path / "template.yaml"
        path.write_text(yaml.safe_dump(template))
        return aws.deploy(path, {}, stack_name=stack_name, api_url=API_URL)

    return deploy_template


# ---- What is there


@pytest.mark.parametrize("table", ["RecordsTable", "SecretsTable", "BundlesTable", "MemoryTable", "JournalTable"])
def test_every_table_is_keyed_by_pk_and_sk(aws: LocalAws, deployment: Deployment, table: str) -> None:
    found = aws.client("dynamodb").describe_table(TableName=deployment.outputs[table])["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in found["KeySchema"]] == [("pk", "HASH"), ("sk", "RANGE")]


def test_only_a_stack_with_a_zone_has_a_function_for_it(aws: LocalAws, deployment: Deployment) -> None:
    with_zone = aws.deploy(TEMPLATE, {"HostedZoneId": "Z1"}, stack_name="zoned", api_url=API_URL)
    found = {function.logical_id for function in with_zone.functions}
    assert found - {function.logical_id for function in deployment.functions} == {"DnsFunction"}
    assert with_zone.outputs["HostedZoneId"] == "Z1"
    assert not [name for name in deployment.outputs if name.startswith(("Dns", "HostedZone"))]


@pytest.mark.parametrize("table", ["RecordsTable", "SecretsTable"])
def test_lasting_tables_can_be_neither_deleted_nor_lost(aws: LocalAws, deployment: Deployment, table: str) -> None:
    client, name = aws.client("dynamodb"), deployment.outputs[table]
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert client.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


@pytest.mark.parametrize("table", ["BundlesTable", "MemoryTable", "JournalTable"])
def test_passing_tables_forget_by_expires_at(aws: LocalAws, deployment: Deployment, table: str) -> None:
    found = aws.client("dynamodb").describe_time_to_live(TableName=deployment.outputs[table])
    assert found["TimeToLiveDescription"] == {"AttributeName": "expires_at", "TimeToLiveStatus": "ENABLED"}


@pytest.mark.parametrize("reaction", REACTIONS)
def test_the_queue_of_a_reaction_gives_up_into_its_dead_letter_queue(
    aws: LocalAws, deployment: Deployment, reaction: str
) -> None:
    function = deployment.function(f"{reaction}Function")
    asked = {"QueueUrl": function.queue_url, "AttributeNames": ["All"]}
    attributes = aws.client("sqs").get_queue_attributes(**asked)["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith(f"-{reaction}DeadLetterQueue")
    assert attributes["QueueArn"] == function.queue_arn
    assert [int(attributes["VisibilityTimeout"]), function.visibility] == [6 * function.timeout] * 2
    assert function.environment["QUEUE_URL"] == function.queue_url


def test_queues_take_message_groups(aws: LocalAws, deployment: Deployment) -> None:
    sqs, url = aws.client("sqs"), deployment.outputs["VaultDeliveryDeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="42")
    [message] = sqs.receive_message(QueueUrl=url, AttributeNames=["MessageGroupId"])["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "42"


def test_the_key_rotates_and_has_an_alias(aws: LocalAws, deployment: Deployment) -> None:
    kms = aws.client("kms")
    assert kms.describe_key(KeyId="alias/preview")["KeyMetadata"]["Arn"] == deployment.outputs["KeyArn"]
    assert kms.get_key_rotation_status(KeyId=deployment.outputs["KeyArn"])["KeyRotationEnabled"]


def test_secrets_have_the_given_value_a_generated_one_or_none(aws: LocalAws, deployment: Deployment) -> None:
    client = aws.client("secretsmanager")

    def value(output: str) -> str:
        return str(client.get_secret_value(SecretId=deployment.outputs[output])["SecretString"])

    assert value("WebhookSecretArn") == "It's a Secret to Everybody"
    assert len(value("StackKeyArn")) == 64
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        value("FlySecretArn")


def test_the_stack_tells_its_outputs_as_cloudformation_does(aws: LocalAws, deployment: Deployment) -> None:
    [stack] = aws.client("cloudformation").describe_stacks(StackName="preview")["Stacks"]
    told = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert told == deployment.outputs
    assert stack["StackStatus"] == "CREATE_COMPLETE"


# ---- What is described


def test_functions_are_described_with_their_environment_resolved(deployment: Deployment) -> None:
    runtimes = deployment.function("RuntimesFunction")
    assert runtimes.handler == "runtimes.reactions.handler"
    assert (runtimes.timeout, runtimes.memory_mb, runtimes.role_logical_id) == (120, 512, "RuntimesRole")
    assert (runtimes.batch_size, runtimes.maximum_concurrency) == (1, 10)
    assert runtimes.environment["SOURCE_URL"] == f"{API_URL}/source"
    assert runtimes.environment["FLY_API_URL"] == "http://127.0.0.1:4280/v1"
    assert runtimes.environment["RECORDS_TABLE"] == deployment.outputs["RecordsTable"]
    values = [value for function in deployment.functions for value in function.environment.values()]
    assert {type(value) for value in values} == {str}
    assert not [value for value in values if "${" in value]


def test_a_function_that_no_queue_invokes_has_none(deployment: Deployment) -> None:
    for name in ("IngressFunction", "JanitorFunction"):
        found = deployment.function(name)
        assert (found.queue_arn, found.queue_url, found.batch_size, found.visibility) == (None, None, None, None)


def test_functions_publish_what_their_role_says(deployment: Deployment) -> None:
    published = {function.logical_id: function.publishes for function in deployment.functions}
    assert {name for name, sources in published.items() if not sources} == STATE_NOTHING
    own = {name: (f"prestage.{name.removesuffix('Function').lower()}",) for name in published.keys() - STATE_NOTHING}
    assert published == {**dict.fromkeys(STATE_NOTHING, ()), **own}


def test_routes_lead_to_functions(deployment: Deployment) -> None:
    assert {*deployment.routes} == {
        Route("POST", "/webhooks/github", "IngressFunction"),
        Route("GET", "/source/{capability}", "SourceFunction"),
    }


def test_rules_say_what_they_match_and_where_it_goes(deployment: Deployment) -> None:
    rules = {rule.name: rule for rule in deployment.rules}
    assert rules.keys() == {f"preview-{reaction}Rule" for reaction in REACTIONS}
    rule = rules["preview-RuntimesRule"]
    assert rule.pattern["detail"] == {"metadata": {"version": [{"prefix": "1."}]}}
    assert (rule.bus, rule.enabled) == ("preview", True)
    assert rule.arn == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/preview/preview-RuntimesRule"
    [target] = rule.targets
    assert target.arn == deployment.function("RuntimesFunction").queue_arn
    assert target.message_group == "$.detail.metadata.group"
    assert target.dead_letter_arn == f"arn:aws:sqs:us-east-1:{ACCOUNT}:preview-RuntimesDeliveryDeadLetterQueue"


def test_a_schedule_says_when_and_what_it_invokes(deployment: Deployment) -> None:
    name = "preview-JanitorFunctionHourly"
    arn = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{name}"
    assert deployment.schedules == (Schedule(name, arn, "rate(1 hour)", "JanitorFunction"),)


def test_the_archive_keeps_what_prestage_states(deployment: Deployment) -> None:
    [archive] = deployment.archives
    assert (archive.bus, archive.retention_days) == ("preview", 7)
    assert archive.pattern == {"source": [{"prefix": "prestage."}]}


def test_the_aws_configuration_of_this_machine_has_no_say(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile mine]\nregion = eu-west-3\nendpoint_url = http://192.0.2.1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1")
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1")
    client = aws.client("sts")
    assert (client.meta.endpoint_url, client.meta.region_name) == (aws.endpoint, "us-east-1")
    assert client.get_caller_identity()["Account"] == ACCOUNT


# ---- What is refused, or left out


def test_a_resource_of_an_unknown_type_is_refused_before_anything_is_made(
    aws: LocalAws, deploy: Callable[[Template], Deployment], stack_name: str
) -> None:
    template = load(TEMPLATE)
    template["Resources"]["Pipe"] = {"Type": "AWS::Pipes::Pipe", "Properties": {}}
    with pytest.raises(TemplateError, match=r"Pipe is a AWS::Pipes::Pipe.*add it to _IN_MOTO.*stage/resources.py"):
        deploy(template)
    tables = aws.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in tables if name.startswith(stack_name)]


def test_a_stack_within_the_stack_is_deployed_with_its_parameters(
    deploy: Callable[[Template], Deployment], tmp_path: Path, stack_name: str
) -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": {"Ref": "Most"}}}
    within = {
        "Parameters": {"Most": {"Type": "Number", "MinValue": 1}},
        "Resources": {"TooMany": alarm},
        "Outputs": {"Alarm": {"Value": {"Ref": "TooMany"}}},
    }
    (tmp_path / "within.yaml").write_text(yaml.safe_dump(within))
    nested: dict[str, Any] = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": "within.yaml", "Parameters": {"Most": "7"}},
    }
    outputs = {"Alarm": {"Value": {"Fn::GetAtt": ["Within", "Outputs.Alarm"]}}}
    deployed = deploy({"Resources": {"Within": nested}, "Outputs": outputs})
    assert [(one.logical_id, one.properties) for one in deployed.alarms] == [("TooMany", {"Threshold": "7"})]
    assert deployed.outputs == {"Alarm": f"{stack_name}-Within-TooMany"}
    nested["Properties"]["Parameters"] = {"Most": "0"}
    with pytest.raises(TemplateError, match="Most lies from 1"):
        deploy({"Resources": {"Within": nested}})
    nested["Properties"]["TemplateURL"] = "nowhere.yaml"
    with pytest.raises(TemplateError, match=r"Within: there is no file nowhere\.yaml"):
        deploy({"Resources": {"Within": nested}})


def test_a_dashboard_that_is_no_json_is_refused(deploy: Callable[[Template], Deployment]) -> None:
    dashboard = {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": "{,}"}}
    with pytest.raises(TemplateError, match="the body of Board is no JSON"):
        deploy({"Resources": {"Board": dashboard}})


def test_a_resource_whose_condition_does_not_hold_is_left_out(deploy: Callable[[Template], Deployment]) -> None:
    template: Template = {
        "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}, "Always": {"Fn::Not": [{"Condition": "Never"}]}},
        "Resources": {
            "Kept": {"Type": "AWS::SQS::Queue", "Condition": "Always"},
            "Left": {"Type": "AWS::Pipes::Pipe", "Condition": "Never"},
        },
        "Outputs": {"Queue": {"Value": {"Ref": "Kept"}}, "Pipe": {"Value": {"Ref": "Left"}, "Condition": "Never"}},
    }
    assert deploy(template).outputs.keys() == {"Queue"}


def test_a_circle_of_references_is_refused(deploy: Callable[[Template], Deployment]) -> None:
    def queue(other: str) -> dict[str, Any]:
        redrive = {"deadLetterTargetArn": {"Fn::GetAtt": [other, "Arn"]}, "maxReceiveCount": 3}
        return {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": redrive}}

    with pytest.raises(TemplateError, match="One refers to itself"):
        deploy({"Resources": {"One": queue("Other"), "Other": queue("One")}})


def test_a_schedule_that_invokes_no_function_is_refused(deploy: Callable[[Template], Deployment]) -> None:
    targets = [{"Id": "a", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}]
    rule = {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 day)", "Targets": targets}}
    with pytest.raises(TemplateError, match="Daily: on the stage, a schedule invokes functions"):
        deploy({"Resources": {"Daily": rule, "Queue": {"Type": "AWS::SQS::Queue"}}})


@pytest.mark.parametrize(
    ("resource", "change", "problem"),
    [
        ("VaultRule", {"Targets": [{"Id": "a", "Arn": "b", "InputPath": "$.detail"}]}, "knows no InputPath"),
        ("RecordsTable", {"GlobalSecondaryIndexes": []}, "knows no GlobalSecondaryIndexes of RecordsTable"),
        ("WebhookSecret", {"KmsKeyId": "a"}, "knows no KmsKeyId of WebhookSecret"),
        ("Key", {"MultiRegion": True}, "knows no MultiRegion of Key"),
        ("KeyAlias", {"TargetKeyId": {"Ref": "Nothing"}}, "no resource or parameter Nothing"),
        ("KeyAlias", {"TargetKeyId": {"Fn::GetAtt": ["Key", "Size"]}}, "Key has no attribute Size"),
    ],
)
def test_what_the_stage_could_only_do_wrong_is_refused(
    deploy: Callable[[Template], Deployment], resource: str, change: dict[str, Any], problem: str
) -> None:
    template = load(TEMPLATE)
    template["Resources"][resource]["Properties"].update(change)
    with pytest.raises(TemplateError, match=problem):
        deploy(template)


def test_a_queue_polled_without_partial_batches_is_refused(deploy: Callable[[Template], Deployment]) -> None:
    template = load(TEMPLATE)
    event = template["Resources"]["VaultFunction"]["Properties"]["Events"]["Queue"]["Properties"]
    del event["FunctionResponseTypes"]
    with pytest.raises(TemplateError, match="only with ReportBatchItemFailures"):
        deploy(template)
