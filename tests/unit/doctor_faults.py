"""Everything that can be wrong inside a stack, and how to come by it."""

import json
from collections.abc import Mapping
from dataclasses import replace

from tests.unit.cli_stage import CREDENTIALS_TEXT
from tests.unit.doctor_patient import OTHER_SECRET, WEBHOOK_SECRET
from tests.unit.doctor_plants import (
    Fault,
    done,
    expiry,
    failed_function,
    gone,
    letter,
    mapped,
    mapping,
    of_table,
    protection,
    recovery,
    redrive,
    rule,
    statements,
    status,
    without,
)

INSIDE: Mapping[str, Fault] = {
    "stack-rolled-back": Fault(status("UPDATE_ROLLBACK_COMPLETE"), "UPDATE_ROLLBACK_COMPLETE", "describe-stack-events"),
    "stack-failed": Fault(status("UPDATE_ROLLBACK_FAILED"), "UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    "resource-missing": Fault(without("JournalRule"), "no JournalRule", "deploy this version"),
    "secret-empty": Fault(
        lambda one: one.refusing(
            "secrets-manager.GetSecretValue", "ResourceNotFoundException", one.at.outputs["WebhookSecretArn"]
        ),
        "the webhook secret has no value",
        "prestage setup --stack prestage, or by hand: aws secretsmanager put-secret-value --secret-id arn:",
    ),
    "secret-malformed": Fault(
        lambda one: one.secret("GitHubAppSecretArn", json.dumps({"slug": OTHER_SECRET}), CREDENTIALS_TEXT),
        "private_key: missing",
        "put-secret-value --secret-id arn:",
    ),
    "secret-deleted": Fault(
        done(
            lambda one: one.client("secretsmanager").delete_secret(
                SecretId=one.at.outputs["FlySecretArn"], RecoveryWindowInDays=7
            ),
            lambda one: one.client("secretsmanager").restore_secret(SecretId=one.at.outputs["FlySecretArn"]),
        ),
        "the secret with the Fly.io token is deleted",
        "restore-secret --secret-id arn:",
    ),
    "rotation-unfinished": Fault(
        lambda one: one.secret("WebhookSecretArn", f"{OTHER_SECRET}\n{WEBHOOK_SECRET}", WEBHOOK_SECRET),
        "two values",
        "prestage rotate webhook-secret --stack prestage",
    ),
    "key-deleted": Fault(
        done(
            lambda one: one.client("kms").schedule_key_deletion(KeyId=one.physical("Key"), PendingWindowInDays=7),
            lambda one: (
                one.client("kms").cancel_key_deletion(KeyId=one.physical("Key")),
                one.client("kms").enable_key(KeyId=one.physical("Key")),
            ),
        ),
        "about to be deleted",
        "aws kms cancel-key-deletion --key-id ",
    ),
    "key-disabled": Fault(
        done(
            lambda one: one.client("kms").disable_key(KeyId=one.physical("Key")),
            lambda one: one.client("kms").enable_key(KeyId=one.physical("Key")),
        ),
        "Disabled",
        "aws kms enable-key --key-id ",
    ),
    "key-not-rotated": Fault(
        done(
            lambda one: one.client("kms").disable_key_rotation(KeyId=one.physical("Key")),
            lambda one: one.client("kms").enable_key_rotation(KeyId=one.physical("Key")),
        ),
        "not rotated",
        "aws kms enable-key-rotation",
    ),
    "table-missing": Fault(
        gone("dynamodb.DescribeTable", lambda one: one.at.outputs["JournalTable"]),
        "prestage-JournalTable is gone",
        "restore-table-from-backup",
    ),
    "table-inactive": Fault(
        lambda one: one.answering("dynamodb.DescribeTable", lambda told: of_table(one, told)),
        "prestage-JournalTable is INACCESSIBLE",
        "describe-table --table-name prestage-JournalTable",
    ),
    "table-unprotected": Fault(
        done(protection(enabled=False), protection(enabled=True)),
        "prestage-RecordsTable can be deleted",
        "update-table --table-name prestage-RecordsTable --deletion-protection-enabled",
    ),
    "table-without-recovery": Fault(
        done(recovery(enabled=False), recovery(enabled=True)),
        "prestage-SecretsTable has no point-in-time recovery",
        "update-continuous-backups --table-name prestage-SecretsTable",
    ),
    "table-without-expiry": Fault(
        done(expiry(enabled=False), expiry(enabled=True)),
        "prestage-BundlesTable keeps what has expired",
        "Enabled=true,AttributeName=expires_at",
    ),
    "bus-missing": Fault(
        gone("eventbridge.DescribeEventBus", lambda _: ""),
        "the bus prestage is gone",
        "create-event-bus --name prestage",
    ),
    "statement-missing": Fault(
        lambda one: statements(one, lambda had: None if had["Sid"].endswith("VaultOwnsItsSource") else had),
        "no statement prestage-VaultOwnsItsSource",
        '"events:source":"prestage.vault"',
    ),
    "statement-changed": Fault(
        lambda one: statements(
            one, lambda had: {**had, "Action": "events:PutRule"} if had["Sid"].endswith("NobodyElseIsPrestage") else had
        ),
        "another statement prestage-NobodyElseIsPrestage",
        "prestage.operators",
    ),
    "rule-missing": Fault(
        lambda one: rule(one, lambda _: None), "prestage-JournalRule is gone", "put-rule --event-bus-name prestage"
    ),
    "rule-disabled": Fault(
        lambda one: rule(one, lambda had: replace(had, enabled=False)),
        "prestage-JournalRule is disabled",
        "aws events enable-rule --event-bus-name prestage --name prestage-JournalRule",
    ),
    "rule-changed": Fault(
        lambda one: rule(one, lambda had: replace(had, pattern={"source": ["prestage.ingress"]})),
        "prestage-JournalRule has another event pattern",
        '--event-pattern \'{"source":[{"prefix":"prestage."}]',
    ),
    "target-missing": Fault(
        lambda one: rule(one, lambda had: replace(had, targets=())),
        "prestage-JournalRule does not lead",
        "put-targets --event-bus-name prestage --rule prestage-JournalRule",
    ),
    "target-changed": Fault(
        lambda one: rule(
            one,
            lambda had: replace(
                had, targets=tuple(replace(to, dead_letter_arn=None, id="by-hand") for to in had.targets)
            ),
        ),
        "its dead-letter queue",
        '"Id":"by-hand"',
    ),
    "archive-missing": Fault(
        lambda one: one.answering("eventbridge.ListArchives", lambda told: told["Archives"].clear()),
        "the archive of the bus is gone",
        "create-archive --archive-name prestage-Archive",
    ),
    "archive-not-enabled": Fault(
        lambda one: one.answering(
            "eventbridge.ListArchives", lambda told: told["Archives"][0].update(State="UPDATE_FAILED")
        ),
        "UPDATE_FAILED",
        "describe-archive --archive-name prestage-Archive",
    ),
    "queue-missing": Fault(
        gone("sqs.GetQueueAttributes", lambda one: one.at.outputs["VaultQueueUrl"], "QueueDoesNotExist"),
        "prestage-VaultQueue is gone",
        "create-queue --queue-name prestage-VaultQueue",
    ),
    "queue-without-redrive": Fault(
        done(redrive(3), redrive(400)),
        "prestage-VaultQueue does not give up",
        "set-queue-attributes --queue-url http",
    ),
    "dead-letters": Fault(
        letter("RuntimesDeadLetterQueueUrl"),
        "1 fact was given up by runtimes",
        "prestage dead-letters list --reaction runtimes",
    ),
    "undelivered": Fault(
        letter("CommentsDeliveryDeadLetterQueueUrl"),
        "1 fact was never delivered to comments",
        "docs/runbook.md#undelivered-facts",
    ),
    "function-missing": Fault(
        gone("lambda.GetFunctionConfiguration", lambda one: one.physical("VaultFunction")),
        "prestage-VaultFunction is gone",
        "deploy",
    ),
    "function-inactive": Fault(
        failed_function,
        "prestage-VaultFunction can't run",
        "get-function-configuration --function-name prestage-Vault",
    ),
    "function-throttled": Fault(
        done(
            lambda one: one.client("lambda").put_function_concurrency(
                FunctionName=one.physical("VaultFunction"), ReservedConcurrentExecutions=0
            ),
            lambda one: one.client("lambda").delete_function_concurrency(FunctionName=one.physical("VaultFunction")),
        ),
        "prestage-VaultFunction may not run",
        "aws lambda delete-function-concurrency --function-name prestage-VaultFunction",
    ),
    "mapping-missing": Fault(
        mapped("RuntimesFunction", State="Deleting"),
        "nothing feeds the function prestage-RuntimesFunction",
        "prestage-RuntimesQueue --batch-size 1 --scaling-config MaximumConcurrency=10 --function-response-types "
        "ReportBatchItemFailures",
    ),
    "mapping-disabled": Fault(
        done(mapping(enabled=False), mapping(enabled=True)),
        "prestage-RuntimesFunction is not fed",
        "aws lambda update-event-source-mapping --uuid ",
    ),
    "mapping-without-partial-responses": Fault(
        mapped("RuntimesFunction", FunctionResponseTypes=[]),
        "what the function prestage-RuntimesFunction hands back to its queue is deleted",
        " --function-response-types ReportBatchItemFailures",
    ),
    "mapping-unbounded": Fault(
        mapped("RuntimesFunction", ScalingConfig={}),
        "prestage-RuntimesFunction is fed more or less at once",
        "--batch-size 1 --scaling-config MaximumConcurrency=10",
    ),
    "schedule-missing": Fault(
        lambda one: one.refusing(
            "eventbridge.DescribeRule", "ResourceNotFoundException", "Janitor", unless="EventBusName"
        ),
        "JanitorFunction does not run",
        "--schedule-expression 'rate(1 hour)'",
    ),
    "schedule-disabled": Fault(
        done(
            lambda one: one.events.disable_rule(Name=one.physical("JanitorFunctionHourly")),
            lambda one: one.events.enable_rule(Name=one.physical("JanitorFunctionHourly")),
        ),
        "JanitorFunction does not run by itself",
        "aws events enable-rule --name prestage-JanitorFunctionHourly",
    ),
}
"""By their kinds, in the order in which they are told."""
