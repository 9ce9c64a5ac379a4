"""Everything that can be wrong with what a stack has to do with outside, and how to come by it."""

from collections.abc import Mapping
from datetime import timedelta

from tests.unit.cli_stage import SHOP
from tests.unit.doctor_patient import DOMAIN, FLY_TOKEN, ORGANIZATION, OTHER_TOKEN
from tests.unit.doctor_plants import (
    Fault,
    changed,
    delivery,
    done,
    elsewhere,
    expiring,
    gone,
    installation,
    keys,
    permissions,
    record,
    renamed,
    schema,
    token_of_others,
)
from tests.unit.github_stage import SLUG

OUTSIDE: Mapping[str, Fault] = {
    "schema-missing": Fault(
        lambda one: schema(one, None), "no schema prestage.environments@EnvironmentReady", "deploy this version"
    ),
    "schema-changed": Fault(
        lambda one: schema(one, "{}"),
        "another schema prestage.environments@EnvironmentReady",
        "file://events-schema/EnvironmentReady/v1.json",
    ),
    "github-key-refused": Fault(keys, "does not take the App's id and private key", "prestage rotate github-key"),
    "github-slug": Fault(
        changed(lambda one: one.at.github.app, slug="prestage-renamed"),
        f"its secret says {SLUG}",
        '"prestage-renamed"',
    ),
    "github-permissions-lacking": Fault(
        permissions(lambda had: {**had, "pull_requests": "read"}), "pull_requests: write", "Permissions & events"
    ),
    "github-permissions-needless": Fault(
        permissions(lambda had: {**had, "administration": "write"}), "administration: write", "take them away"
    ),
    "github-events-lacking": Fault(
        changed(lambda one: one.at.github.app, events=("pull_request",)), "issue_comment, push", "Subscribe to events"
    ),
    "webhook-url": Fault(
        elsewhere,
        "/webhooks/github/old, and not to this stack",
        "/webhooks/github",
    ),
    "webhook-content-type": Fault(
        changed(lambda one: one.at.github.app, content_type="form"), "come as form", "application/json"
    ),
    "webhook-unverified": Fault(
        changed(lambda one: one.at.github.app, insecure_ssl="1"), "certificates are not checked", "SSL verification"
    ),
    "webhook-unsigned": Fault(
        changed(lambda one: one.at.github.app, webhook_secret=""), "not signed", "prestage rotate webhook-secret"
    ),
    "deliveries-unauthorized": Fault(
        delivery(401), "1 webhook refused with 401, the newest ping", "prestage rotate webhook-secret"
    ),
    "deliveries-unreached": Fault(delivery(0), "1 webhook did not reach", "can be reached from outside"),
    "deliveries-unavailable": Fault(delivery(503), "1 webhook answered with 503", "docs/runbook.md#api-errors"),
    "deliveries-throttled": Fault(delivery(429), "1 webhook refused with 429", "WebhookRateLimit"),
    "deliveries-refused": Fault(delivery(400), "1 webhook refused with 400", "Recent Deliveries"),
    "app-not-installed": Fault(
        done(
            lambda one: one.at.github.remove_from_installation(SHOP),
            lambda one: one.at.github.add_to_installation(SHOP),
        ),
        f"not installed in {SHOP}, where storefront lives",
        "/installations/new",
    ),
    "app-reinstalled": Fault(
        lambda one: record(one, installation_id=7), "another one than storefront has", "apps reconnect storefront"
    ),
    "app-suspended": Fault(
        done(lambda one: one.at.github.suspend("octo-org"), lambda one: one.at.github.unsuspend("octo-org")),
        "octo-org is suspended",
        "an owner of octo-org",
    ),
    "permissions-not-approved": Fault(
        changed(installation, permissions={"metadata": "read", "contents": "read"}),
        "deployments: write, issues: read, pull_requests: write",
        "an owner of octo-org approves",
    ),
    "repository-renamed": Fault(renamed, "octo-org/before is octo-org/after", "apps reconnect before"),
    "fly-token-refused": Fault(
        lambda one: one.secret("FlySecretArn", OTHER_TOKEN, FLY_TOKEN), "does not take the token", "rotate fly-token"
    ),
    "fly-organization": Fault(token_of_others, f"for others, and not for {ORGANIZATION}", "FlyOrganization=others"),
    "fly-apps-unlisted": Fault(
        done(lambda one: one.fly.fail(status=403, match="GET /v1/apps"), lambda one: one.fly.mend()),
        f"list the apps of {ORGANIZATION}",
        f"fly tokens create org -o {ORGANIZATION}",
    ),
    "topic-missing": Fault(
        done(
            lambda one: one.client("sns").delete_topic(TopicArn=one.at.outputs["AlarmTopicArn"]),
            lambda one: (
                one.client("sns").create_topic(Name=one.at.outputs["AlarmTopicArn"].rpartition(":")[2]),
                one.client("sns").subscribe(
                    TopicArn=one.at.outputs["AlarmTopicArn"], Protocol="email", Endpoint="a@example.com"
                ),
            ),
        ),
        "Topic is gone",
        "deploy the template without Operations",
    ),
    "zone-missing": Fault(
        gone("route-53.GetHostedZone", lambda _: "", "NoSuchHostedZone"), "no hosted zone", "as HostedZoneId"
    ),
    "certificate-expired": Fault(
        expiring(timedelta(days=-1)), f"*.{DOMAIN} expired on", f"certificates import {DOMAIN}"
    ),
    "certificate-expiring": Fault(expiring(timedelta(days=9, hours=1)), "in 9 days", f"certificates import {DOMAIN}"),
}
"""By their kinds, in the order in which they are told."""
