"""The stack itself, and what is on record in it by its tables and its key."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from prestage.doctor.check import CannotLookError, Note, Seen
from prestage.doctor.deployed import Deployed
from prestage.doctor.findings import Finding, finding

_WHOLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE"})
_BACK = frozenset({"UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"})


def status(deployed: Deployed) -> Iterator[Seen]:
    """Whether the last deployment came about."""
    found = deployed.status
    if found in _BACK:
        yield finding("stack-rolled-back", status=found, stack=deployed.name)
    elif found.endswith("_IN_PROGRESS") and found not in _WHOLE:
        yield Note(f"the stack is {found}: what is found now may be gone once it is deployed")
    elif found not in _WHOLE:
        yield finding("stack-failed", status=found, stack=deployed.name)


def resources(deployed: Deployed) -> Iterator[Finding]:
    """Whether the stack has what this version's template has."""
    for logical_id in deployed.missing():
        yield finding("resource-missing", resource=logical_id)


def key(deployed: Deployed) -> Iterator[Finding]:
    """Whether apps' secrets can be read, and go on to be."""
    kms, key_id = deployed.client("kms"), deployed.outputs["KeyArn"].rpartition("/")[2]
    state = kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
    if state == "PendingDeletion":
        yield finding("key-deleted", key=key_id)
    elif state != "Enabled":
        yield finding("key-disabled", state=state, key=key_id)
    elif not kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]:
        yield finding("key-not-rotated", key=key_id)


def tables(deployed: Deployed) -> Iterator[Finding]:
    """Whether each table is there, and keeps what it has to keep and nothing longer."""
    for table in deployed.declared("DynamoDB::Table"):
        if table.physical is not None:
            yield from _table(deployed.client("dynamodb"), table.physical, table.properties)


def _table(dynamodb: Any, name: str, wanted: Any) -> Iterator[Finding]:
    try:
        found = dynamodb.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        yield finding("table-missing", table=name)
        return
    if found["TableStatus"] not in {"ACTIVE", "UPDATING"}:
        yield finding("table-inactive", table=name, status=found["TableStatus"])
    if wanted.get("DeletionProtectionEnabled") and not found.get("DeletionProtectionEnabled"):
        yield finding("table-unprotected", table=name)
    if wanted.get("PointInTimeRecoverySpecification"):
        backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
            yield finding("table-without-recovery", table=name)
    if expiry := wanted.get("TimeToLiveSpecification"):
        told = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        wrong = told.get("AttributeName") != expiry["AttributeName"]
        if told["TimeToLiveStatus"] not in {"ENABLED", "ENABLING"} or wrong:
            yield finding("table-without-expiry", table=name, attribute=expiry["AttributeName"])


def zone(deployed: Deployed) -> Iterator[Finding]:
    """Whether the zone is there that own host names are kept in, where there is to be one."""
    zone_id = deployed.outputs.get("HostedZoneId")
    if not zone_id:
        return
    try:
        deployed.client("route53").get_hosted_zone(Id=zone_id)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchHostedZone":
            raise
        yield finding("zone-missing", zone=zone_id)


def alarms(deployed: Deployed) -> Iterator[Seen]:
    """Whether anybody is told of alarms: a note where nobody is, as some look at the dashboard instead."""
    topic = deployed.outputs.get("AlarmTopicArn")
    if topic is None:
        raise CannotLookError("the stack has no output AlarmTopicArn: it is of a version without alarms")
    try:
        found = deployed.client("sns").list_subscriptions_by_topic(TopicArn=topic).get("Subscriptions", [])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFound":
            raise
        yield finding("topic-missing", topic=topic.rpartition(":")[2])
        return
    if not found:
        yield Note("nobody is told of alarms: deploy with AlarmEmail=… (docs/runbook.md)")
    elif all(one["SubscriptionArn"] == "PendingConfirmation" for one in found):
        yield Note("nobody is told of alarms yet: the message that AWS sent asks for the address to be confirmed")
