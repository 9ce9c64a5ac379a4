"""A function gets from moto what its role allows, as in AWS, and no more."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from prestage.stage.aws import ACCOUNT, REGION, LocalAws
from prestage.stage.deployment import Deployment
from prestage.stage.dns import LocalZone
from prestage.stage.roles import Role, Wish
from prestage.stage.template import TemplateError
from tests.unit.test_stage_aws import API_URL, TEMPLATE

type ClientOf = Callable[[str, str], Any]


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


# ---- What a policy allows

TABLE = arn("dynamodb", "table/records")


def role(action: Any = "dynamodb:GetItem", resource: Any = TABLE, **more: Any) -> Role:
    return Role("StepRole", [{"Effect": "Allow", "Action": action, "Resource": resource, **more}])


def leading(*keys: str) -> Mapping[str, tuple[str, ...]]:
    return {"dynamodb:LeadingKeys": keys}


def test_an_action_is_allowed_on_the_resources_that_it_is_named_for() -> None:
    found = role(["dynamodb:GetItem", "dynamodb:Query"], [TABLE, arn("dynamodb", "table/other")])
    assert found.allows(Wish("dynamodb:Query", TABLE))
    assert not found.allows(Wish("dynamodb:PutItem", TABLE))
    assert not found.allows(Wish("dynamodb:GetItem", arn("dynamodb", "table/third")))


def test_an_action_on_every_resource_is_allowed_on_each() -> None:
    assert role("xray:PutTraceSegments", "*").allows(Wish("xray:PutTraceSegments", arn("xray", "any")))


def test_a_statement_does_not_lend_another_its_conditions() -> None:
    only = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["APP#*"]}}
    found = Role(
        "StepRole",
        [
            {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE},
            {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": TABLE, "Condition": only},
        ],
    )
    assert found.allows(Wish("dynamodb:GetItem", TABLE, leading("USER#1")))
    assert not found.allows(Wish("dynamodb:PutItem", TABLE, leading("USER#1")))


def test_every_leading_key_has_to_be_like_one_of_the_patterns() -> None:
    found = role(Condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["APP#*", "USER#?"]}})
    assert found.allows(Wish("dynamodb:GetItem", TABLE, leading("APP#1", "USER#2")))
    assert not found.allows(Wish("dynamodb:GetItem", TABLE, leading("APP#1", "USER#22")))
    assert found.allows(Wish("dynamodb:GetItem", TABLE))  # as with AWS, where no key is named


@given(st.text())
def test_a_pattern_without_wildcards_is_like_itself_alone(key: str) -> None:
    found = role(Condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["a.[b]#1"]}})
    assert found.allows(Wish("dynamodb:GetItem", TABLE, leading(key))) == (key == "a.[b]#1")


@pytest.mark.parametrize(
    ("context", "allowed"),
    [({"one", "two"}, True), ({"one"}, False), ({"one", "two", "three"}, False), (set(), False)],
)
def test_an_encryption_context_is_exactly_the_named_keys(context: set[str], allowed: bool) -> None:
    exactly = {
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["one", "two"]},
        "Null": {"kms:EncryptionContext:one": "false", "kms:EncryptionContext:two": "false"},
    }
    found = role("kms:Decrypt", arn("kms", "key/1"), Condition=exactly)
    keys = {"kms:EncryptionContextKeys": sorted(context)} if context else {}
    given_context = {f"kms:EncryptionContext:{key}": ["x"] for key in context}
    assert found.allows(Wish("kms:Decrypt", arn("kms", "key/1"), {**keys, **given_context})) == allowed


def test_a_value_that_has_to_be_equal_has_to_be_there() -> None:
    found = role("events:PutEvents", arn("events", "event-bus/a"), Condition={"StringEquals": {"events:source": "b"}})
    assert found.allows(Wish("events:PutEvents", arn("events", "event-bus/a"), {"events:source": ["b"]}))
    assert not found.allows(Wish("events:PutEvents", arn("events", "event-bus/a"), {"events:source": ["c"]}))
    assert not found.allows(Wish("events:PutEvents", arn("events", "event-bus/a")))


@pytest.mark.parametrize(
    ("more", "unknown"),
    [
        ({"Effect": "Deny"}, "Deny"),
        ({"NotAction": "kms:Decrypt"}, "NotAction"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}, "IpAddress"),
    ],
)
def test_what_the_stage_would_read_wrongly_is_refused(more: dict[str, Any], unknown: str) -> None:
    with pytest.raises(TemplateError, match=rf"no {unknown} in a policy \(StepRole\): add it in prestage/stage/roles"):
        role(**more)


# ---- What a function gets


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture(scope="module")
def zone_id(aws: LocalAws) -> str:
    return LocalZone(aws.client("route53"), "example.com").id


@pytest.fixture(scope="module")
def deployment(aws: LocalAws, zone_id: str) -> Deployment:
    secrets = {"FlySecret": "planted"}
    return aws.deploy(TEMPLATE, {"HostedZoneId": zone_id}, stack_name="preview", api_url=API_URL, secrets=secrets)


@pytest.fixture
def client_of(aws: LocalAws, deployment: Deployment) -> ClientOf:
    """The client of a function, for a service."""

    def build(function: str, service: str) -> Any:
        key = deployment.function(function).access_key_id
        session = boto3.Session(aws_access_key_id=key, aws_secret_access_key="stage", region_name=REGION)
        config = Config(retries={"total_max_attempts": 1})
        return session.client(service, endpoint_url=aws.endpoint, config=config)  # type: ignore[call-overload]  # any service

    return build


def item(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "A"}}


def refusal(call: Callable[[], object]) -> str:
    """The words of a refusal for want of a right."""
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(refused.value.response["Error"]["Message"])


def test_a_function_reaches_the_items_that_its_role_names(client_of: ClientOf, deployment: Deployment) -> None:
    dynamodb, table = client_of("EnvironmentsFunction", "dynamodb"), deployment.outputs["RecordsTable"]
    dynamodb.put_item(TableName=table, Item=item("APP#1"))
    assert dynamodb.get_item(TableName=table, Key=item("APP#1"))["Item"] == item("APP#1")
    told = refusal(lambda: dynamodb.put_item(TableName=table, Item=item("USER#1")))
    assert told == (
        "stage-EnvironmentsFunction is not authorized to perform: "
        f"dynamodb:PutItem on {arn('dynamodb', f'table/{table}')} (USER)"
    )
    assert "Item" not in client_of("JanitorFunction", "dynamodb").get_item(TableName=table, Key=item("APP#2"))


def test_a_transaction_needs_the_right_to_each_of_its_writes(client_of: ClientOf, deployment: Deployment) -> None:
    dynamodb, table = client_of("EnvironmentsFunction", "dynamodb"), deployment.outputs["RecordsTable"]
    put = {"Put": {"TableName": table, "Item": item("APP#3")}}
    delete = {"Delete": {"TableName": table, "Key": item("ENVIRONMENT#3")}}
    told = refusal(lambda: dynamodb.transact_write_items(TransactItems=[put, delete]))
    assert "dynamodb:DeleteItem" in told
    assert "Item" not in dynamodb.get_item(TableName=table, Key=item("APP#3"))


def test_a_query_is_held_to_its_partition(client_of: ClientOf, deployment: Deployment) -> None:
    def query(pk: str) -> Any:
        return client_of("EnvironmentsFunction", "dynamodb").query(
            TableName=deployment.outputs["RecordsTable"],
            KeyConditionExpression="(#n0 = :v0 AND begins_with(#n1, :v1))",
            ExpressionAttributeNames={"#n0": "pk", "#n1": "sk"},
            ExpressionAttributeValues={":v0": {"S": pk}, ":v1": {"S": "APP#"}},
        )

    assert query("INSTALLATION#1")["Items"] == []
    assert "dynamodb:Query" in refusal(lambda: query("USER#1"))


def test_who_may_look_at_everything_is_said_in_the_role(client_of: ClientOf, deployment: Deployment) -> None:
    table = deployment.outputs["RecordsTable"]
    assert client_of("JanitorFunction", "dynamodb").scan(TableName=table)["Count"] >= 0
    assert "dynamodb:Scan" in refusal(lambda: client_of("VaultFunction", "dynamodb").scan(TableName=table))


def test_a_secret_is_read_by_who_may(client_of: ClientOf, deployment: Deployment) -> None:
    secret = deployment.outputs["FlySecretArn"]
    found = client_of("RuntimesFunction", "secretsmanager").get_secret_value(SecretId=secret)
    assert found["SecretString"] == "planted"
    asked = client_of("CommentsFunction", "secretsmanager")
    assert "secretsmanager:GetSecretValue" in refusal(lambda: asked.get_secret_value(SecretId=secret))


def test_the_key_opens_under_the_context_that_the_role_names(client_of: ClientOf, deployment: Deployment) -> None:
    kms, key = client_of("VaultFunction", "kms"), deployment.outputs["KeyArn"]
    context = {"environment_id": "e", "generation": "1"}
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    blob = made["CiphertextBlob"]
    opened = client_of("RuntimesFunction", "kms").decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext=context)
    assert opened["Plaintext"] == made["Plaintext"]
    assert "kms:Decrypt" in refusal(lambda: kms.decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext=context))


def test_a_queue_is_touched_by_its_own_function(client_of: ClientOf, deployment: Deployment) -> None:
    outputs = deployment.outputs
    client_of("VaultFunction", "sqs").send_message(QueueUrl=outputs["VaultDeadLetterQueueUrl"], MessageBody="{}")
    others = client_of("CommentsFunction", "sqs")
    send = {"QueueUrl": outputs["VaultDeadLetterQueueUrl"], "MessageBody": "{}"}
    assert "sqs:SendMessage" in refusal(lambda: others.send_message(**send))


def test_what_is_not_known_is_refused_with_the_place_to_add_it(client_of: ClientOf) -> None:
    told = refusal(lambda: client_of("VaultFunction", "dynamodb").list_tables())
    assert "dynamodb:ListTables, or it is not known in prestage/stage/roles.py" in told


def test_refusals_are_kept_for_who_looks_for_them(aws: LocalAws, client_of: ClientOf) -> None:
    before = len(aws.refused)
    told = refusal(lambda: client_of("SourceFunction", "dynamodb").list_tables())
    assert aws.refused[before:] == [told]


def test_whoever_is_no_function_may_do_anything(aws: LocalAws, deployment: Deployment) -> None:
    table = deployment.outputs["RecordsTable"]
    aws.client("dynamodb").put_item(TableName=table, Item=item("USER#1"))
    assert table in aws.client("dynamodb").list_tables()["TableNames"]


# ---- Route 53, whose requests are XML

ZONE = "arn:aws:route53:::hostedzone/Z1"


def test_a_resource_may_be_a_pattern() -> None:
    found = role("route53:GetChange", "arn:aws:route53:::change/*")
    assert found.allows(Wish("route53:GetChange", "arn:aws:route53:::change/C1"))
    assert not found.allows(Wish("route53:GetChange", ZONE))


def test_the_zone_is_changed_by_whom_it_is_for_and_in_the_ways_that_are_named(
    client_of: ClientOf, zone_id: str
) -> None:
    route53 = client_of("DnsFunction", "route53")

    def change(action: str = "UPSERT", kind: str = "CNAME", zone: str = zone_id) -> str:
        record = {"Name": "a.example.com", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": "b.example.org"}]}
        changes = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        answer = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
        return str(answer["ChangeInfo"]["Id"])

    assert route53.get_change(Id=change())["ChangeInfo"]["Status"] == "INSYNC"
    change("DELETE")
    for refused in (
        lambda: change("CREATE"),
        lambda: change(kind="TXT"),
        lambda: change(zone="ZANOTHER"),
        route53.list_hosted_zones,
        lambda: client_of("VaultFunction", "route53").get_change(Id="C1"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
