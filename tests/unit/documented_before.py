"""What has to be there before a documented command can be typed, and what it then has to say."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from moto.sqs.models import Message, sqs_backends
from pydantic import SecretStr

from prestage.rotation import REREAD
from prestage.sample_events import SECRET
from prestage.stage.aws import ACCOUNT, REGION
from prestage.stage.sam_local import curl_options
from prestage_contracts.checks import Check
from records.checks import KeptCheck
from tests.unit.fly_certificate import issue
from tests.unit.typed import Typed

DELIVERY = "72d3162e-cc78-11ee-8f3a-0f0b1a1f8d10"
LETTER = "5f2c81d0-57c1-4f61-9d6b-6f0f6a1c2d3e"
UNREMARKABLE = json.dumps({"level": "INFO", "message": "as on every day"})
_LOGGED = (
    UNREMARKABLE,
    json.dumps({"level": "ERROR", "message": "not as on every day"}),
    json.dumps({"level": "WARNING", "message": "waiting"}),
    json.dumps({"level": "WARNING", "message": "Fly refused"}),
    json.dumps({"level": "INFO", "message": "stated"}),
    json.dumps({"requestId": "1", "status": "503"}),
    "2026-11-28T09:00:00Z 1 Task timed out after 14.00 seconds",
)
"""In every log group, as no function's log comes there on the stage."""


def _delivery(run: Typed) -> None:
    run.push()
    body = json.loads(next(one.body for one in run.stage.github.deliveries if one.event == "push"))
    run.stage.github.deliver({**body, "forced": True}, event="push", guid=DELIVERY)
    run.stage.settle()


def _letter(run: Typed) -> None:
    """A copy of a fact that was heard, given up by its reaction: doing it again changes nothing."""
    lying = _given_up(run)
    if not any(one.id == LETTER for one in lying):
        heard = next(one for one in run.stage.bus.events if one["detail-type"] == "SecretsResolved")
        why = {"Reaction": "runtimes", "ReasonCode": "provider_unauthorized", "ReasonMessage": "Fly.io takes no token"}
        told = {name: {"DataType": "String", "StringValue": value} for name, value in why.items()}
        url = run.stage.deployment.outputs["RuntimesDeadLetterQueueUrl"]
        run.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(heard), MessageAttributes=told)
        lying[-1].id = LETTER


def _given_up(run: Typed) -> list[Message]:
    name = run.stage.deployment.outputs["RuntimesDeadLetterQueueUrl"].rpartition("/")[2]
    return sqs_backends[ACCOUNT][REGION].queues[name]._messages


def _password(run: Typed) -> None:
    run.type("prestage apps set storefront --authentication basic")
    run.push()


def _queue(run: Typed, name: str) -> str:
    """A subscriber's; gives its ARN."""
    sqs = run.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


def _subscriber(name: str) -> Callable[[Typed], None]:
    def put(run: Typed) -> None:
        events, bus = run.client("events"), run.stage.deployment.outputs["BusName"]
        pattern = json.dumps({"source": ["prestage.environments"]})
        events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": _queue(run, name)}])

    return put


def _key(run: Typed) -> None:
    run.write("new-key.pem", run.stage.github.app.add_key())


def _fly_token(run: Typed) -> None:
    run.write("fly-token", run.stage.fly.tokens.add("my-org") + "\n")


def _auditors(run: Typed) -> None:
    outputs = run.stage.deployment.outputs
    run.environment |= {"QUEUE_ARN": _queue(run, "auditors"), "BUS_NAME": outputs["BusName"]}


def _check(run: Typed) -> None:
    run.have_preview()
    [preview] = [one for one in run.live() if one.pull_request]
    check = Check(name="browser tests", state="success", summary="", link=None, account="222222222222")
    now = run.stage.time.now()
    run.stage.stack.checks.take(preview, KeptCheck(check=check, reported_at=now, report="1", since=now), now)


def _certificate(
    domain: str, chain_file: str = "fullchain.pem", key_file: str = "privkey.pem"
) -> Callable[[Typed], None]:
    def put(run: Typed) -> None:
        chain, key = issue(f"*.{domain}")
        run.write(chain_file, chain)
        run.write(key_file, key)

    return put


def _imported(run: Typed) -> None:
    if not run.stage.stack.certificates.list_all():
        _certificate("previews.example.com")(run)
        run.type("prestage certificates import previews.example.com --chain fullchain.pem --key privkey.pem")


def _above_production(run: Typed) -> None:
    _certificate("example.com", "chain.pem", "key.pem")(run)
    run.type("prestage certificates import example.com --chain chain.pem --key key.pem")


def _by_hand(run: Typed) -> None:
    """Another set of credentials than there is, each known to GitHub or Fly.io."""
    app = run.stage.github.app
    app.webhook_secret = SECRET
    run.write("webhook-secret", SECRET + "\n")
    run.write("github-app.json", json.dumps({"app_id": app.app_id, "slug": app.slug, "private_key": app.add_key()}))
    _fly_token(run)


def _has_webhook_secret(run: Typed, _: str) -> bool:
    return run.stage.stack.credentials.webhook_secrets() == (SecretStr(SECRET),)


def _has_app(run: Typed, _: str) -> bool:
    kept = run.client("secretsmanager").get_secret_value(SecretId=run.stage.deployment.outputs["GitHubAppSecretArn"])
    text: str = kept["SecretString"]
    return run.stage.stack.credentials.app() is not None and text == (run.folder / "github-app.json").read_text()


def _has_fly_token(run: Typed, _: str) -> bool:
    return run.stage.stack.credentials.fly_token() == SecretStr((run.folder / "fly-token").read_text().strip())


def _nobody(run: Typed) -> None:
    """No app, and so no environments, and nobody who could have one; and every function has read its credentials."""
    run.stage.time.advance(REREAD)
    run.stop_all()
    run.type("prestage apps remove storefront")
    run.type("prestage users remove shop-team")


def _alarms(run: Typed) -> None:
    """Two that have gone off; the stage itself has none, as it measures nothing."""
    cloudwatch = run.client("cloudwatch")
    for alarm in run.stage.deployment.alarms:
        name = alarm.properties["AlarmName"]
        if name in {"prestage-ingress-errors", "prestage-function-errors"}:
            threshold = float(alarm.properties["Threshold"])  # which CloudFormation takes as text, too
            cloudwatch.put_metric_alarm(**{**alarm.properties, "Threshold": threshold})
            cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="more than one")


def _dashboard(run: Typed) -> None:
    run.client("cloudwatch").put_dashboard(DashboardName="prestage", DashboardBody='{"widgets": []}')


def _logs(run: Typed) -> None:
    logs, now = run.client("logs"), int(time.time() * 1000)  # not the stage's: moto takes none of the future
    resources = run.client("cloudformation").list_stack_resources(StackName="prestage")["StackResourceSummaries"]
    groups = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::Logs::LogGroup"]
    for group in groups:
        where = {"logGroupName": group, "logStreamName": "2026/11/28"}
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(**where)
        logs.put_log_events(**where, logEvents=[{"timestamp": now, "message": line} for line in _LOGGED])


def _signed_body(run: Typed) -> None:
    run.stage.github.app.webhook_secret = SECRET
    run.stage.stack.credentials.put_webhook_secrets(SecretStr(SECRET))
    run.stage.time.advance(REREAD)
    run.write("body.json", _opened(run).decode())


def _webhook(run: Typed) -> None:
    sent = run.stage.github.deliver(_opened(run))
    run.write(".aws-sam/local/webhook.json", sent.body.decode())
    run.write(".aws-sam/local/webhook.curl", curl_options(sent, Path(".aws-sam/local/webhook.json")))


def _opened(run: Typed) -> bytes:
    return next(one.body for one in run.stage.github.deliveries if one.event == "pull_request")


def _remarkable(_: Typed, said: str) -> bool:
    """Whether what was filtered shows something, and not everything."""
    return said.strip() != "" and UNREMARKABLE not in said


def _swept(run: Typed, _: str) -> bool:
    return any(name == "JanitorFunction" and '"swept"' in line for name, line in run.logged)


@dataclass(frozen=True)
class Typing:
    """What is done before a command is typed, words that it then says, and what holds afterwards."""

    before: Callable[[Typed], object] = lambda _: None
    says: tuple[str, ...] = ()
    holds: Callable[[Typed, str], bool] = lambda _run, _said: True


def _says(*words: str) -> Typing:
    return Typing(says=words)


_PUT = "aws secretsmanager put-secret-value"

BY_BEGINNING: Mapping[str, Typing] = {
    # prestage
    "prestage apps add website": Typing(lambda run: run.have_repository("my-org/site"), ("added",)),
    "prestage audit --app storefront": _says("added the app storefront"),
    "prestage certificates import": Typing(_certificate("previews.example.com"), ("imported *.previews.example.com",)),
    "prestage certificates list": Typing(_imported, ("previews.example.com",)),
    "prestage apps set storefront --production-domain": Typing(_above_production),
    "prestage checks list": Typing(_check, ("browser tests", "222222222222")),
    "prestage checks release": Typing(_check, ("222222222222's",)),
    "prestage dead-letters discard": Typing(_letter, (f"discarded {LETTER}",)),
    "prestage dead-letters list": Typing(_letter, (LETTER[:8], "SecretsResolved")),
    "prestage dead-letters redrive": Typing(_letter, (f"redriven to runtimes: {LETTER}",)),
    "prestage dead-letters show": Typing(_letter, ("Fly.io takes no token", "what to do")),
    "prestage doctor": Typing(lambda run: _given_up(run).clear()),
    "prestage doctor --stack": Typing(lambda run: _given_up(run).clear(), ("nothing found",)),
    "prestage environments deploy storefront --branch": Typing(
        lambda run: run.sample.branch("spring-sale", {"a": "b"})
    ),
    "prestage environments password": Typing(_password, ("password",)),
    "prestage environments retry": Typing(Typed.have_preview, ("asked for storefront#1",)),
    "prestage environments stop": Typing(Typed.have_preview, ("asked for storefront#1",)),
    "prestage environments trace": Typing(_delivery, ("BranchPushed",)),
    "prestage events replay --from 2026-11-24 --subscriber qa-team": Typing(_subscriber("qa-team")),
    "prestage events replay --from 2026-11-24 --subscriber smoke": Typing(_subscriber("smoke-ReadyRule")),
    "prestage events show storefront#1": _says("EnvironmentReady", "the longest hop"),
    "prestage rotate fly-token": Typing(_fly_token, ("the stack has it",)),
    "prestage rotate github-key": Typing(_key, ("the stack has it",)),
    "prestage secrets set website": Typing(lambda run: run.write("api-key", "planted")),
    "prestage subscribers list": _says("222222222222", "o-a1b2c3d4e5"),
    "prestage users add shop-team": Typing(_nobody),
    # aws
    "aws cloudformation deploy": Typing(says=("Successfully created/updated stack - deploys-prestage",)),
    "aws cloudformation describe-stack-resource-drifts": _says("VaultQueue", "MODIFIED"),
    'aws cloudformation describe-stacks --query "Stacks[].': _says('"prestage"'),
    "aws cloudformation describe-stacks --stack-name deploys-prestage": _says("DeployRoleArn", "BoundaryArn"),
    "aws cloudformation detect-stack-drift": _says("StackDriftDetectionId"),
    "aws cloudwatch describe-alarms --alarm-name-prefix": Typing(_alarms, ("prestage-ingress-errors", "more than one")),
    "aws cloudwatch describe-alarms --alarm-names prestage-function-errors": Typing(_alarms, ("more than one",)),
    "aws cloudwatch describe-alarms --alarm-names prestage-ingress-errors": Typing(_alarms, ("more than one",)),
    "aws cloudwatch get-dashboard": Typing(_dashboard, ("widgets",)),
    "aws events list-rules": _says("prestage-JanitorFunctionHourly", "ENABLED"),
    "aws events put-rule": Typing(_auditors, ("rule/prestage/audit",)),
    "aws events put-targets": _says('"FailedEntryCount": 0'),
    "aws lambda get-account-settings --query AccountLimit": _says("UnreservedConcurrentExecutions"),
    "aws lambda get-account-settings --query 'AccountLimit.Un": _says("1000"),
    "aws lambda invoke": Typing(lambda run: run.logged.clear(), ('"StatusCode": 202',), _swept),
    "aws lambda list-event-source-mappings": _says("prestage-VaultFunction", "Enabled"),
    f'{_PUT} --secret-id "$(output WebhookSecretArn)"': Typing(_by_hand, ("AWSCURRENT",), _has_webhook_secret),
    f'{_PUT} --secret-id "$(output GitHubAppSecretArn)"': Typing(says=("AWSCURRENT",), holds=_has_app),
    f'{_PUT} --secret-id "$(output FlySecretArn)"': Typing(says=("AWSCURRENT",), holds=_has_fly_token),
    # shell functions, and others' programs
    "curl -i -K": Typing(_webhook, ("HTTP/1.1 202",)),
    "curl -i http": _says("HTTP/1.1 202"),
    "log ": Typing(holds=_remarkable),
    "log() {": Typing(_logs),
    "signature=": Typing(_signed_body),
}
"""For commands that begin so; the longest beginning counts. All others need nothing, and only have to succeed."""

AGREED: Mapping[str, str] = {
    "aws cloudformation deploy": "the stage makes no roles that are not functions', and no identity providers",
    "aws cloudformation describe-stacks --stack-name deploys-prestage": "as the stack is not on the stage",
    "aws cloudformation detect-stack-drift": "nothing drifts on the stage",
    "aws cloudformation describe-stack-resource-drifts": "nothing drifts on the stage",
}
"""What goes to `tests/unit/agreeable.py`, and why, by beginnings of commands."""


def is_agreed(command: str) -> bool:
    """Whether it goes there."""
    return command.startswith(tuple(AGREED))


def beginning_of(command: str) -> str | None:
    """The longest beginning of it that there is."""
    return max((one for one in BY_BEGINNING if command.startswith(one)), key=len, default=None)


def typing_of(command: str) -> Typing:
    """What is said above of the command."""
    beginning = beginning_of(command)
    return Typing() if beginning is None else BY_BEGINNING[beginning]
