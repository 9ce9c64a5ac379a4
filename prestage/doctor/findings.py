"""Everything that can be wrong with a stack as far as `prestage doctor` sees, and what to do about each.

docs/doctor.md has it as a table, which the tests hold equal to this.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Kind:
    """A kind of finding: what is wrong, and what to do; `{…}` stands for what it is about."""

    what: str
    do: str


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, of a kind in `KINDS`."""

    kind: str
    what: str
    do: str


def finding(kind: str, **about: object) -> Finding:
    """The finding of that kind about these things. No secret's value is ever among them."""
    told = KINDS[kind]
    values = {name: str(value) for name, value in about.items()}
    return Finding(kind, _filled(told.what, values), _filled(told.do, values))


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda match: values[match[1]], text)


_PUT = "aws secretsmanager put-secret-value --secret-id {arn} --secret-string file://{file}"
_ROTATE_FLY = "prestage rotate fly-token --stack {stack}, with what fly tokens create org -o {organization} prints"
_MAPPED = "--batch-size {batch} --scaling-config MaximumConcurrency={most}"
_DRIFTED = "somebody changed it past CloudFormation, which does not see that by itself: "

KINDS: Mapping[str, Kind] = {
    # ---- the stack
    "stack-rolled-back": Kind(
        "the stack is {status}: the last deployment failed, and what runs is the version before",
        "aws cloudformation describe-stack-events --stack-name {stack} says why: mend that, and deploy again",
    ),
    "stack-failed": Kind(
        "the stack is {status}: it is neither the old version nor the new one",
        "aws cloudformation describe-stack-events --stack-name {stack} says why: mend that, then aws cloudformation "
        "continue-update-rollback --stack-name {stack}, and deploy again",
    ),
    "resource-missing": Kind(
        "the stack has no {resource}, which this version's template has",
        "deploy this version of the template (README, Deploy)",
    ),
    # ---- the operator's secrets
    "secret-empty": Kind("{secret} has no value", "prestage setup --stack {stack}, or by hand: " + _PUT),
    "secret-malformed": Kind("{secret} is not as it has to be: {why}", _PUT),
    "secret-deleted": Kind(
        "{secret} is deleted, or about to be", "aws secretsmanager restore-secret --secret-id {arn}"
    ),
    "rotation-unfinished": Kind(
        "the webhook secret has two values: a rotation was begun and not finished",
        "prestage rotate webhook-secret --stack {stack}",
    ),
    # ---- the key
    "key-deleted": Kind(
        "the KMS key is about to be deleted: with it go all secrets of all apps",
        "aws kms cancel-key-deletion --key-id {key} && aws kms enable-key --key-id {key}",
    ),
    "key-disabled": Kind("the KMS key is {state}: no secret can be read", "aws kms enable-key --key-id {key}"),
    "key-not-rotated": Kind("the KMS key is not rotated", "aws kms enable-key-rotation --key-id {key}"),
    # ---- tables
    "table-missing": Kind(
        "the table {table} is gone",
        "restore it under its name: from its deletion's system backup (aws dynamodb list-backups --backup-type SYSTEM, "
        "then restore-table-from-backup)",
    ),
    "table-inactive": Kind(
        "the table {table} is {status}", "aws dynamodb describe-table --table-name {table} says why: wait, or ask AWS"
    ),
    "table-unprotected": Kind(
        "the table {table} can be deleted with one call",
        "aws dynamodb update-table --table-name {table} --deletion-protection-enabled",
    ),
    "table-without-recovery": Kind(
        "the table {table} has no point-in-time recovery",
        "aws dynamodb update-continuous-backups --table-name {table} "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
    ),
    "table-without-expiry": Kind(
        "the table {table} keeps what has expired",
        "aws dynamodb update-time-to-live --table-name {table} "
        "--time-to-live-specification Enabled=true,AttributeName={attribute}",
    ),
    # ---- the bus
    "bus-missing": Kind(
        "the bus {bus} is gone: no fact reaches anybody", "aws events create-event-bus --name {bus}, then look again"
    ),
    "statement-missing": Kind(
        "the bus's policy has no statement {statement}: a source is not held to its owner",
        "add it to what aws events describe-event-bus --name {bus} --query Policy shows, and replace the whole: aws "
        "events put-permission --event-bus-name {bus} --policy file://policy.json. It is {json}",
    ),
    "statement-changed": Kind(
        "the bus's policy has another statement {statement} than the template",
        "mend it in what aws events describe-event-bus --name {bus} --query Policy shows, and replace the whole: aws "
        "events put-permission --event-bus-name {bus} --policy file://policy.json. It has to be {json}",
    ),
    "rule-missing": Kind(
        "the rule {rule} is gone: its reaction hears nothing",
        "aws events put-rule --event-bus-name {bus} --name {rule} --event-pattern '{pattern}', then look again",
    ),
    "rule-disabled": Kind(
        "the rule {rule} is disabled: what is stated meanwhile never reaches its reaction",
        "aws events enable-rule --event-bus-name {bus} --name {rule}, then prestage environments retry for what has "
        "stood still since",
    ),
    "rule-changed": Kind(
        "the rule {rule} has another event pattern than the template",
        _DRIFTED + "aws events put-rule --event-bus-name {bus} --name {rule} --event-pattern '{pattern}'",
    ),
    "target-missing": Kind(
        "the rule {rule} does not lead to its reaction's queue",
        "aws events put-targets --event-bus-name {bus} --rule {rule} --targets '{target}'",
    ),
    "target-changed": Kind(
        "the target of the rule {rule} is not as in the template: {why}",
        "aws events put-targets --event-bus-name {bus} --rule {rule} --targets '{target}'",
    ),
    "archive-missing": Kind(
        "the archive of the bus is gone: nothing can be replayed",
        "aws events create-archive --archive-name {archive} --event-source-arn {bus_arn} --retention-days {days} "
        "--event-pattern '{pattern}'",
    ),
    "archive-not-enabled": Kind(
        "the archive of the bus is {state}: what is stated now can't be replayed later",
        "aws events describe-archive --archive-name {archive} --query StateReason says why",
    ),
    # ---- queues
    "queue-missing": Kind(
        "the queue {queue} is gone",
        "aws sqs create-queue --queue-name {queue} --attributes file://attributes.json, with the attributes that "
        "template.yaml has for {resource}",
    ),
    "queue-without-redrive": Kind(
        "the queue {queue} does not give up to its dead-letter queue as in the template",
        _DRIFTED + "aws sqs set-queue-attributes --queue-url {url} --attributes '{attributes}'",
    ),
    "dead-letters": Kind(
        "{count} given up by {reaction}",
        "prestage dead-letters list --reaction {reaction} --stack {stack} and docs/runbook.md#dead-letters",
    ),
    "undelivered": Kind(
        "{count} never delivered to {reaction}",
        "prestage dead-letters list --reaction {reaction} --stack {stack} and docs/runbook.md#undelivered-facts",
    ),
    # ---- functions
    "function-missing": Kind("the function {function} is gone", "deploy the template without it, and then with it"),
    "function-inactive": Kind(
        "the function {function} can't run: {state}",
        "aws lambda get-function-configuration --function-name {function} says why: mend that, and deploy again",
    ),
    "function-throttled": Kind(
        "the function {function} may not run: no execution is reserved for it",
        "aws lambda delete-function-concurrency --function-name {function}",
    ),
    "mapping-missing": Kind(
        "nothing feeds the function {function} from its queue",
        "aws lambda create-event-source-mapping --function-name {function} --event-source-arn {queue} " + _MAPPED + " "
        "--function-response-types ReportBatchItemFailures, and docs/doctor.md#a-mapping-that-was-made-by-hand before "
        "the next change of its …Concurrency",
    ),
    "mapping-disabled": Kind(
        "the function {function} is not fed from its queue: its mapping is {state}",
        "aws lambda update-event-source-mapping --uuid {mapping} --enabled",
    ),
    "mapping-without-partial-responses": Kind(
        "what the function {function} hands back to its queue is deleted: its mapping takes no partial batch responses",
        "aws lambda update-event-source-mapping --uuid {mapping} --function-response-types ReportBatchItemFailures",
    ),
    "mapping-unbounded": Kind(
        "the function {function} is fed more or less at once than the template says",
        "aws lambda update-event-source-mapping --uuid {mapping} " + _MAPPED,
    ),
    "schedule-missing": Kind(
        "the schedule {rule} is gone: {function} does not run by itself",
        "aws events put-rule --name {rule} --schedule-expression '{expression}', then aws events put-targets --rule "
        "{rule} --targets Id=function,Arn={arn}",
    ),
    "schedule-disabled": Kind(
        "the schedule {rule} is disabled: {function} does not run by itself", "aws events enable-rule --name {rule}"
    ),
    # ---- the contract
    "schema-missing": Kind(
        "the registry {registry} has no schema {schema}", "deploy this version: its registry is part of the stack"
    ),
    "schema-changed": Kind(
        "the registry {registry} has another schema {schema} than this version",
        "deploy this version. If it is deployed, somebody changed the schema since: aws schemas update-schema "
        "--registry-name {registry} --schema-name {schema} --type JSONSchemaDraft4 --content file://{file}",
    ),
    # ---- GitHub
    "github-key-refused": Kind(
        "GitHub does not take the App's id and private key",
        "see that app_id is the App's, and rotate the key: prestage rotate github-key --stack {stack}",
    ),
    "github-slug": Kind(
        "the App is {slug}, and its secret says {recorded}: Prestage does not know its own comments",
        'put "slug": "{slug}" into the JSON in {arn}',
    ),
    "github-permissions-lacking": Kind(
        "the App lacks permissions: {permissions}",
        "{settings} → Permissions & events: grant them; the owner of each installation then approves them",
    ),
    "github-permissions-needless": Kind(
        "the App has permissions that Prestage does not need: {permissions}",
        "{settings} → Permissions & events: take them away",
    ),
    "github-events-lacking": Kind(
        "the App is not told of: {events}", "{settings} → Permissions & events → Subscribe to events: tick them"
    ),
    "webhook-url": Kind("webhooks go to {url}, and not to this stack", "{settings} → Webhook URL: {wanted}"),
    "webhook-content-type": Kind(
        "webhooks come as {type}", "{settings} → General → Webhook: choose the content type application/json"
    ),
    "webhook-unverified": Kind(
        "webhooks are sent to whoever answers: certificates are not checked",
        "{settings} → General → Webhook → SSL verification: enable it",
    ),
    "webhook-unsigned": Kind(
        "webhooks are not signed, so all of them are refused", "prestage rotate webhook-secret --stack {stack}"
    ),
    "deliveries-unauthorized": Kind(
        "{count} refused with 401, the newest {newest}: GitHub signs with another secret than {arn} has",
        "prestage rotate webhook-secret --stack {stack}; the janitor then has them delivered again within the hour",
    ),
    "deliveries-unreached": Kind(
        "{count} did not reach the stack, the newest {newest}",
        "see that {wanted} can be reached from outside (curl -X POST gives 4xx); the janitor has them delivered again "
        "within the hour",
    ),
    "deliveries-unavailable": Kind(
        "{count} answered with {status}, the newest {newest}",
        "docs/runbook.md#api-errors; the janitor has them delivered again within the hour",
    ),
    "deliveries-throttled": Kind(
        "{count} refused with 429, the newest {newest}: more came at once than the stack takes",
        "deploy with a higher WebhookRateLimit (docs/limits.md); the janitor has them delivered again within the hour",
    ),
    "deliveries-refused": Kind(
        "{count} refused with {status}, the newest {newest}",
        "{settings} → Advanced → Recent Deliveries shows the stack's answer, and the log of the function ingress why",
    ),
    "app-not-installed": Kind(
        "the GitHub App is not installed in {repository}, where {apps} lives", "{install}: install it there"
    ),
    "app-reinstalled": Kind(
        "the GitHub App's installation in {repository} is another one than {app} has on record",
        "prestage apps reconnect {app} --stack {stack}",
    ),
    "app-suspended": Kind(
        "the GitHub App's installation of {account} is suspended: nothing of its repositories is heard or done",
        "an owner of {account} unsuspends it: {url}",
    ),
    "permissions-not-approved": Kind(
        "{account} has not approved what the GitHub App may do by now: {permissions}",
        "an owner of {account} approves it: {url}",
    ),
    "repository-renamed": Kind(
        "{old} is {new} by now, and {app} has the old name on record", "prestage apps reconnect {app} --stack {stack}"
    ),
    # ---- Fly.io
    "fly-token-refused": Kind("Fly.io does not take the token", _ROTATE_FLY),
    "fly-organization": Kind(
        "the Fly.io token is for {found}, and not for {organization}",
        _ROTATE_FLY + "; or deploy with FlyOrganization={found}",
    ),
    "fly-apps-unlisted": Kind("Fly.io does not let the token list the apps of {organization}: {why}", _ROTATE_FLY),
    # ---- alarms
    "topic-missing": Kind(
        "the topic {topic} is gone: alarms reach nobody",
        "deploy the template without Operations and the output AlarmTopicArn, and then with them: the alarms and the "
        "dashboard are made anew and lose nothing. AlarmEmail is asked to confirm again; other subscriptions are to be "
        "made again",
    ),
    # ---- domains
    "zone-missing": Kind(
        "there is no hosted zone {zone}: no own host name is pointed anywhere",
        "deploy with the id of one that there is as HostedZoneId (docs/domains.md)",
    ),
    "certificate-expired": Kind(
        "the certificate for *.{domain} expired on {date}: browsers refuse what is served with it",
        "prestage certificates import {domain} --chain … --key … --stack {stack} (docs/domains.md), then prestage "
        "environments retry for each environment below it",
    ),
    "certificate-expiring": Kind(
        "the certificate for *.{domain} expires on {date}, in {days}",
        "prestage certificates import {domain} --chain … --key … --stack {stack} (docs/domains.md)",
    ),
}
