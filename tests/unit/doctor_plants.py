"""Ways to have something wrong with a stack for a while."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from records.certificates import Certificate
from tests.unit.cli_stage import RENAMED
from tests.unit.doctor_patient import DOMAIN, FLY_TOKEN, Patient

type Planted = AbstractContextManager[object]
type Planting = Callable[[Patient], Planted]


@dataclass(frozen=True)
class Fault:
    """How to plant one, and what has to be told: something of what is wrong, and of what to do."""

    plant: Planting
    what: str
    do: str


def changed(target: Callable[[Patient], object], **values: object) -> Planting:
    @contextmanager
    def planted(patient: Patient) -> Iterator[None]:
        of = target(patient)
        before = {name: getattr(of, name) for name in values}
        for name, value in values.items():
            setattr(of, name, value)
        yield
        for name, value in before.items():
            setattr(of, name, value)

    return planted


def done(do: Callable[[Patient], object], undo: Callable[[Patient], object]) -> Planting:
    @contextmanager
    def planted(patient: Patient) -> Iterator[None]:
        do(patient)
        yield
        undo(patient)

    return planted


def status(value: str) -> Planting:
    return lambda one: one.answering(
        "cloudformation.DescribeStacks", lambda told: told["Stacks"][0].update(StackStatus=value)
    )


def without(logical_id: str) -> Planting:
    def drop(told: Any) -> None:
        kept = [one for one in told["StackResourceSummaries"] if one["LogicalResourceId"] != logical_id]
        told["StackResourceSummaries"] = kept

    return lambda one: one.answering("cloudformation.ListStackResources", drop)


def of_table(patient: Patient, told: Any) -> None:
    if told["Table"]["TableName"] == patient.at.outputs["JournalTable"]:
        told["Table"]["TableStatus"] = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"


def expiry(*, enabled: bool) -> Callable[[Patient], object]:
    specification = {"Enabled": enabled, "AttributeName": "expires_at"}
    return lambda one: one.client("dynamodb").update_time_to_live(
        TableName=one.at.outputs["BundlesTable"], TimeToLiveSpecification=specification
    )


def recovery(*, enabled: bool) -> Callable[[Patient], object]:
    return lambda one: one.client("dynamodb").update_continuous_backups(
        TableName=one.at.outputs["SecretsTable"],
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled},
    )


def protection(*, enabled: bool) -> Callable[[Patient], object]:
    return lambda one: one.client("dynamodb").update_table(
        TableName=one.at.outputs["RecordsTable"], DeletionProtectionEnabled=enabled
    )


@contextmanager
def statements(patient: Patient, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Iterator[None]:
    before = patient.at.bus.policy.text
    changed = (change(one) for one in json.loads(before)["Statement"])
    patient.at.bus.policy.have([one for one in changed if one])
    yield
    patient.at.bus.policy.replace(before)


@contextmanager
def rule(patient: Patient, change: Callable[[Any], Any | None]) -> Iterator[None]:
    rules = patient.at.bus.rules
    before = next(one for one in rules if one.name.endswith("JournalRule"))
    changed = change(before)
    patient.at.bus.remove_rule(before.name) if changed is None else patient.at.bus.put_rule(changed)
    yield
    patient.at.bus.put_rule(before)


def redrive(count: int) -> Callable[[Patient], object]:
    def put(patient: Patient) -> None:
        arn = patient.at.outputs["VaultDeadLetterQueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count})
        url = patient.at.outputs["VaultQueueUrl"]
        patient.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})

    return put


def letter(output: str) -> Planting:
    return done(
        lambda one: one.client("sqs").send_message(QueueUrl=one.at.outputs[output], MessageBody="{}"),
        lambda one: one.client("sqs").purge_queue(QueueUrl=one.at.outputs[output]),
    )


def failed_function(patient: Patient) -> Planted:
    name = patient.physical("VaultFunction")
    return patient.answering(
        "lambda.GetFunctionConfiguration",
        lambda told: told.update(State="Failed") if told["FunctionName"] == name else None,
    )


def mapping(*, enabled: bool) -> Callable[[Patient], object]:
    return lambda one: one.client("lambda").update_event_source_mapping(
        UUID=one.physical("RuntimesFunctionQueue"), Enabled=enabled
    )


def mapped(logical_id: str, **changes: object) -> Planting:
    def change(patient: Patient, told: Any) -> None:
        for one in told["EventSourceMappings"]:
            if one["FunctionArn"].endswith(patient.physical(logical_id)):
                one.update(changes)

    return lambda one: one.answering("lambda.ListEventSourceMappings", lambda told: change(one, told))


@contextmanager
def schema(patient: Patient, content: str | None) -> Iterator[None]:
    schemas, key = patient.at.aws.schemas.schemas, ("prestage", "prestage.environments@EnvironmentReady")
    before = schemas.pop(key)
    if content is not None:
        schemas[key] = content
    yield
    schemas[key] = before


def permissions(change: Callable[[dict[str, str]], dict[str, str]]) -> Planting:
    def plant(patient: Patient) -> Planted:
        of = patient.at.github.app
        return changed(lambda _: of, permissions=change(dict(of.permissions)))(patient)

    return plant


def delivery(status: int) -> Planting:
    @contextmanager
    def planted(patient: Patient) -> Iterator[None]:
        if status == 0:
            patient.at.github.lose_deliveries()
        patient.door.status = status or 202
        failed = patient.at.github.deliver({"zen": "Design for failure."}, event="ping")
        patient.door.status = 202
        yield
        patient.at.github.redeliver(failed)

    return planted


@contextmanager
def record(patient: Patient, **changes: object) -> Iterator[None]:
    apps = patient.at.stack.apps
    apps.update(patient.app.model_copy(update=changes))
    yield


def installation(patient: Patient) -> Any:
    return patient.at.github._repositories.installation_of("octo-org")


@contextmanager
def renamed(patient: Patient) -> Iterator[None]:
    patient.at.have("before", repository=RENAMED)
    patient.at.github.rename_repository(RENAMED, "octo-org/after")
    yield
    patient.at.github.rename_repository("octo-org/after", RENAMED)


@contextmanager
def token_of_others(patient: Patient) -> Iterator[None]:
    token = patient.fly.tokens.add("others")
    with patient.secret("FlySecretArn", token, FLY_TOKEN):
        yield


def expiring(left: timedelta) -> Planting:
    @contextmanager
    def planted(patient: Patient) -> Iterator[None]:
        patient.at.stack.certificates.keep(certificate(left))
        yield
        patient.at.stack.certificates.keep(certificate(timedelta(days=90)))

    return planted


def certificate(left: timedelta) -> Certificate:
    now = datetime.now(UTC)
    return Certificate(
        domain=DOMAIN, names=(f"*.{DOMAIN}",), chain="-", not_after=now + left, fingerprint="a" * 64, imported_at=now
    )


@contextmanager
def keys(patient: Patient) -> Iterator[None]:
    keys = patient.at.github.app.public_keys
    before, keys[:] = list(keys), []
    patient.at.github.app.add_key()
    yield
    keys[:] = before


def gone(operation: str, about: Callable[[Patient], str], code: str = "ResourceNotFoundException") -> Planting:
    return lambda one: one.refusing(operation, code, about(one))


@contextmanager
def elsewhere(patient: Patient) -> Iterator[None]:
    of = patient.at.github.app
    before, of.webhook_url = of.webhook_url, f"{of.webhook_url}/old"
    yield
    of.webhook_url = before
