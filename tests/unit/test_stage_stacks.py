"""The stage's CloudFormation tells of the stacks that are there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from prestage.stage.aws import LocalAws


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


def create(aws: LocalAws, name: str, **outputs: str) -> str:
    template = {"Resources": {}, "Outputs": {output: {"Value": value} for output, value in outputs.items()}}
    created = aws.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))
    return str(created["StackId"])


def test_a_stack_tells_its_outputs_as_they_are(aws: LocalAws) -> None:
    stack_id = create(aws, "one", Url='http://a.test/?b="c"&d=<e>', Name="größer")
    [stack] = aws.client("cloudformation").describe_stacks(StackName="one")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {"Url": 'http://a.test/?b="c"&d=<e>', "Name": "größer"}
    assert (stack["StackId"], stack["StackStatus"]) == (stack_id, "CREATE_COMPLETE")


def test_all_stacks_are_told_of_where_none_is_named(aws: LocalAws) -> None:
    create(aws, "two")
    create(aws, "three")
    names = {stack["StackName"] for stack in aws.client("cloudformation").describe_stacks()["Stacks"]}
    assert names >= {"two", "three"}


def test_a_stack_that_is_not_there_is_refused_in_cloudformations_words(aws: LocalAws) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("cloudformation").describe_stacks(StackName="missing")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert refused.value.response["Error"]["Message"] == "Stack with id missing does not exist"


def test_what_the_stage_does_not_do_is_refused_by_name(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="does no DeleteStack: CreateStack, DescribeStacks"):
        aws.client("cloudformation").delete_stack(StackName="one")


def test_a_resource_is_told_of_by_its_logical_id(aws: LocalAws, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("Resources:\n  Letters:\n    Type: AWS::SQS::Queue\n")
    aws.deploy(template, {}, stack_name="deployed", api_url="http://127.0.0.1:9")
    client = aws.client("cloudformation")
    told = client.describe_stack_resource(StackName="deployed", LogicalResourceId="Letters")["StackResourceDetail"]
    assert told["ResourceType"] == "AWS::SQS::Queue"
    assert told["PhysicalResourceId"] == aws.client("sqs").get_queue_url(QueueName="deployed-Letters")["QueueUrl"]
    with pytest.raises(ClientError, match="Resource Others does not exist for stack deployed"):
        client.describe_stack_resource(StackName="deployed", LogicalResourceId="Others")
