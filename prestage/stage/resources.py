"""Each type of resource that templates here have: what makes one, and what refers to it then gets."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

from prestage.stage.template import TemplateError


@dataclass(frozen=True)
class Physical:
    """A resource that was made: what `Ref` gives, and its attributes."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class Stack(Protocol):
    """The deployment that a resource belongs to. `secrets` are first values, by logical id."""

    api_url: str
    secrets: Mapping[str, str]

    @property
    def client(self) -> Callable[[str], Any]:
        """Gives the boto3 client of a service."""

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """The resource's properties, resolved."""

    def named(self, logical_id: str) -> str:
        """The name that a resource is given which has none of its own."""

    def arn(self, service: str, rest: str, *, region: str | None = None) -> str:
        """An ARN in the stage's account, and in its region unless told another."""

    def nest(self, logical_id: str, template_url: str, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Deploy the template beside this one as a stack within it; gives its outputs."""


type Maker = Callable[[Stack, str], Physical]


def _only(logical_id: str, properties: Mapping[str, Any], known: set[str]) -> None:
    unknown = properties.keys() - known
    if unknown:
        raise TemplateError(
            f"the stage knows no {', '.join(sorted(unknown))} of {logical_id}: add it in prestage/stage/resources.py"
        )


_TABLE_SETTINGS = {"AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled", "KeySchema"}
_TABLE_LATER = {"PointInTimeRecoverySpecification", "TimeToLiveSpecification"}


def _table(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    _only(logical_id, properties, _TABLE_SETTINGS | _TABLE_LATER)
    client, name = stack.client("dynamodb"), stack.named(logical_id)
    settings = {setting: value for setting, value in properties.items() if setting in _TABLE_SETTINGS}
    table = client.create_table(TableName=name, **settings)["TableDescription"]
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    if expiry := properties.get("TimeToLiveSpecification"):
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
    return Physical(name, {"Arn": table["TableArn"]})


def _key(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    _only(logical_id, properties, {"Description", "EnableKeyRotation", "KeyPolicy"})
    client = stack.client("kms")
    policy = json.dumps(properties["KeyPolicy"])
    key = client.create_key(Description=properties.get("Description", ""), Policy=policy)["KeyMetadata"]
    if properties.get("EnableKeyRotation"):
        client.enable_key_rotation(KeyId=key["KeyId"])
    return Physical(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})


def _key_alias(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    stack.client("kms").create_alias(**properties)
    return Physical(properties["AliasName"])


def _queue(stack: Stack, logical_id: str) -> Physical:
    client, name = stack.client("sqs"), stack.named(logical_id)
    attributes = {setting: json.dumps(value) for setting, value in stack.properties(logical_id).items()}
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Physical(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


def _secret(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    _only(logical_id, properties, {"Description", "GenerateSecretString"})
    client = stack.client("secretsmanager")
    given = stack.secrets.get(logical_id)
    if given is None and "GenerateSecretString" in properties:
        given = client.get_random_password(**properties["GenerateSecretString"])["RandomPassword"]
    value = {} if given is None else {"SecretString": given}
    secret = client.create_secret(Name=stack.named(logical_id), Description=properties.get("Description", ""), **value)
    return Physical(secret["ARN"], {"Id": secret["ARN"]})


def _bus(stack: Stack, logical_id: str) -> Physical:
    name = stack.properties(logical_id)["Name"]
    return Physical(name, {"Name": name, "Arn": stack.arn("events", f"event-bus/{name}")})


def _rule(stack: Stack, logical_id: str) -> Physical:
    bus, name = stack.properties(logical_id).get("EventBusName"), stack.named(logical_id)
    if bus is None:  # AWS's own, where schedules are
        return Physical(name, {"Arn": stack.arn("events", f"rule/{name}")})
    return Physical(f"{bus}|{name}", {"Arn": stack.arn("events", f"rule/{bus}/{name}")})


def _api(stack: Stack, logical_id: str) -> Physical:
    return Physical(stack.named(logical_id), {"ApiEndpoint": stack.api_url})


def _described(service: str, resource: str) -> Maker:
    """Makes what has a name and an ARN, and is the stage's to do."""

    def make(stack: Stack, logical_id: str) -> Physical:
        name = stack.named(logical_id)
        return Physical(name, {"Arn": stack.arn(service, resource.format(name))})

    return make


def _topic(stack: Stack, logical_id: str) -> Physical:
    name = stack.named(logical_id)
    attributes = stack.properties(logical_id)
    _only(logical_id, attributes, {"KmsMasterKeyId"})
    topic = stack.client("sns").create_topic(Name=name, Attributes=attributes)
    return Physical(topic["TopicArn"], {"TopicName": name})


def _subscription(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    _only(logical_id, properties, {"TopicArn", "Protocol", "Endpoint"})
    return Physical(stack.client("sns").subscribe(**properties)["SubscriptionArn"])


def _mapping(stack: Stack, logical_id: str) -> Physical:
    return Physical(str(uuid5(NAMESPACE_URL, stack.arn("lambda", f"mapping/{stack.named(logical_id)}"))))


def _alarm(stack: Stack, logical_id: str) -> Physical:
    name = stack.properties(logical_id).get("AlarmName", stack.named(logical_id))
    return Physical(name, {"Arn": stack.arn("cloudwatch", f"alarm:{name}")})


def _dashboard(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    try:
        json.loads(properties["DashboardBody"])
    except ValueError as error:
        raise TemplateError(f"the body of {logical_id} is no JSON: {error}") from None
    return Physical(properties.get("DashboardName", stack.named(logical_id)))


def _nested(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    _only(logical_id, properties, {"TemplateURL", "Parameters"})
    outputs = stack.nest(logical_id, properties["TemplateURL"], properties.get("Parameters", {}))
    arn = stack.arn("cloudformation", f"stack/{stack.named(logical_id)}/stage")
    return Physical(arn, {f"Outputs.{name}": value for name, value in outputs.items()})


def _registry(stack: Stack, logical_id: str) -> Physical:
    name = stack.properties(logical_id)["RegistryName"]
    return Physical(name, {"RegistryName": name})


def _version(stack: Stack, logical_id: str) -> Physical:
    return Physical(stack.named(logical_id), {"Version": "1"})


def _alias(stack: Stack, logical_id: str) -> Physical:
    properties = stack.properties(logical_id)
    return Physical(stack.arn("lambda", f"function:{properties['FunctionName']}:{properties['Name']}"))


def _role(stack: Stack, logical_id: str) -> Physical:
    return Physical(stack.named(logical_id), {"Arn": stack.arn("iam", f"role/{stack.named(logical_id)}", region="")})


def _without_meaning(stack: Stack, logical_id: str) -> Physical:
    return Physical(stack.named(logical_id))


_IN_MOTO: Mapping[str, Maker] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::KMS::Alias": _key_alias,
    "AWS::KMS::Key": _key,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
}

_ON_THE_STAGE: Mapping[str, Maker] = {
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::CloudFormation::Stack": _nested,
    "AWS::Events::Archive": _described("events", "archive/{}"),
    "AWS::Events::EventBus": _bus,
    "AWS::Events::Rule": _rule,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::Function": _described("lambda", "function:{}"),
}

# Nothing is measured here, so no alarm goes off: what each looks at is in `Deployment.alarms`.
_WITHOUT_LOCAL_MEANING: Mapping[str, Maker] = {
    "AWS::ApiGatewayV2::Stage": _without_meaning,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::EventSchemas::Registry": _registry,
    "AWS::EventSchemas::RegistryPolicy": _without_meaning,
    "AWS::EventSchemas::Schema": _without_meaning,
    "AWS::Events::EventBusPolicy": _without_meaning,
    "AWS::IAM::Role": _role,
    "AWS::Lambda::EventInvokeConfig": _without_meaning,
    "AWS::Lambda::Permission": _without_meaning,
    "AWS::Lambda::Version": _version,
    "AWS::Logs::LogGroup": _described("logs", "log-group:{}:*"),
    "AWS::SNS::TopicPolicy": _without_meaning,
    "AWS::SQS::QueuePolicy": _without_meaning,
}

_MAKERS: Mapping[str, Maker] = {**_IN_MOTO, **_ON_THE_STAGE, **_WITHOUT_LOCAL_MEANING}


def maker(logical_id: str, kind: str) -> Maker:
    """What makes resources of that type.

    Raises:
        TemplateError: the stage does not know it.
    """
    if kind not in _MAKERS:
        raise TemplateError(
            f"{logical_id} is a {kind}, which the stage does not know: "
            "add it to _IN_MOTO, _ON_THE_STAGE or _WITHOUT_LOCAL_MEANING in prestage/stage/resources.py"
        )
    return _MAKERS[kind]
