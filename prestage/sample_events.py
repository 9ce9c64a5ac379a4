"""events/: for each function of the template, what Lambda gives it, for `sam local invoke FUNCTION -e events/…`.

The webhooks are signed with `SECRET`, the facts are the contract's examples.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from werkzeug.test import Client

from prestage import contract_cast as cast
from prestage.contract_docs import Function, functions
from prestage.contract_examples import delivered
from prestage.stage import gateway
from prestage.stage.deployment import Route
from prestage.stage.github_events import pull_request
from prestage.stage.github_git import GitRepository
from prestage.stage.github_happenings import written
from prestage.stage.github_hook import Hook
from prestage.stage.github_registration import Registration
from prestage.stage.github_repositories import Account, Head, Installation, PullRequest, Repository
from prestage.stage.template import Template
from prestage_contracts import Event

SECRET = "It's a Secret to Everybody"  # noqa: S105  # nobody's
"""The webhook secret of the samples. GitHub's own, of the test values in
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""

FOLDER = "events"

_DELIVERY = "72d3162e-cc78-11f0-81ab-4c9367dc0958"
_APP_ID = "4711"
_REGION = "eu-central-1"
_API = "a1b2c3d4e5"
_MESSAGES = UUID("8a0e6bd1-5f2f-4f43-9f5c-64a3f1f3c2aa")
_CAPABILITY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""As long as one is, and nobody's."""

type Sample = Mapping[str, Any]


def files(template: Template, facts: Mapping[str, Event]) -> dict[str, str]:
    """The files' texts by their paths from the repository's root.

    Args:
        template: the SAM template.
        facts: an example of each, by name.
    """
    routes = tuple(_routes(template))
    return {
        f"{FOLDER}/{function.name}/{name}.json": json.dumps(sample, indent=2) + "\n"
        for function in functions(template)
        for name, sample in (*_started(function, routes), *_taken(function, facts))
    }


def _routes(template: Template) -> Iterator[Route]:
    for logical_id, resource in template["Resources"].items():
        for trigger in resource.get("Properties", {}).get("Events", {}).values():
            if resource["Type"] == "AWS::Serverless::Function" and trigger["Type"] == "HttpApi":
                properties = trigger["Properties"]
                yield Route(properties["Method"], properties["Path"], logical_id)


def _started(function: Function, routes: Sequence[Route]) -> Iterator[tuple[str, Sample]]:
    for start in function.starts:
        if start.startswith(("rate(", "cron(")):
            yield "schedule", _schedule(function.name)
        elif start == "POST /webhooks/github":
            yield from _webhooks(routes)
        elif start == "GET /source/{capability}":
            yield "unknown-capability", _request(routes, "GET", f"/source/{_CAPABILITY}", b"", {})


def _taken(function: Function, facts: Mapping[str, Event]) -> Iterator[tuple[str, Sample]]:
    for name in function.takes:
        yield name, {"Records": [_record(function.name, facts[name])]}


# ---- Webhooks


def _webhooks(routes: Sequence[Route]) -> Iterator[tuple[str, Sample]]:
    opened, ping = written(_opened()), written(_ping())
    yield "pull_request-opened", _delivered(routes, "pull_request", opened)
    yield "bad-signature", _delivered(routes, "pull_request", opened, secret=f"not {SECRET}")
    yield "ping", _delivered(routes, "ping", ping)


def _delivered(routes: Sequence[Route], event: str, body: bytes, *, secret: str = SECRET) -> Sample:
    hook = Hook(Registration(_APP_ID, "prestage", [], "", secret), lambda: cast.OPENED_AT)
    return _request(routes, "POST", "/webhooks/github", body, hook.headers(event, body, _DELIVERY))


def _request(
    routes: Sequence[Route], method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, Any]:
    """The request as the HTTP API hands it over: the stage's gateway is asked."""
    seen: list[Mapping[str, Any]] = []

    def invoke(_function: str, event: Mapping[str, Any]) -> Any:
        seen.append(event)
        return {"statusCode": 202}

    api = gateway.application(routes, invoke, clock=lambda: cast.OPENED_AT)
    origin = f"https://{_API}.execute-api.{_REGION}.amazonaws.com"
    sender = {"REMOTE_ADDR": "140.82.115.10"}
    Client(api).open(path, base_url=origin, method=method, data=body, headers=dict(headers), environ_overrides=sender)
    [event] = seen
    context = {**event["requestContext"], "apiId": _API, "requestId": "Jx0gXhXyliAEMPA="}
    return {**event, "requestContext": context}


def _opened() -> dict[str, Any]:
    """What `PullRequestOpened` of the contract's examples was told by."""
    reference, told = cast.PULL_REQUEST, cast.told(cast.OPENED_SHA)
    place = _shop()
    described = PullRequest(
        number=reference.number,
        title=reference.title,
        author=Account(reference.author, told.author_type),
        branch=told.head.branch,
        sha=told.head.sha,
        base=cast.DEFAULT_BRANCH,
        base_sha=cast.RELEASED_SHA,
        head=Head(place.id, place.full_name, fork=False),
        draft=told.draft,
        created_at=told.updated_at,
        updated_at=told.updated_at,
        labels=list(told.labels),
    )
    return pull_request("opened", described, place)


def _ping() -> dict[str, Any]:
    """What GitHub sends when a webhook is made."""
    hook = {"type": "App", "id": 481516, "name": "web", "active": True, "events": ["pull_request", "push"]}
    return {"zen": "Anything added dilutes everything else.", "hook_id": hook["id"], "hook": hook}


def _shop() -> Repository:
    """The repository; nothing that a delivery says comes from its commits."""
    weeks_ago = cast.OPENED_AT - timedelta(days=30)
    return Repository(
        id=cast.SHOP.id,
        full_name=cast.SHOP.full_name,
        git=GitRepository(Path()),
        installation=Installation(cast.INSTALLATION_ID, cast.ACCOUNT, weeks_ago),
        default_branch=cast.DEFAULT_BRANCH,
        created_at=weeks_ago,
        pushed_at=cast.OPENED_AT,
    )


# ---- What needs no webhook


def _record(function: str, fact: Event) -> Sample:
    """A fact as SQS has it, which a rule led there: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    body = json.dumps(delivered(fact), separators=(",", ":"))
    identity = str(uuid5(_MESSAGES, f"{function}/{fact.metadata.event_id}"))
    sent = str(_milliseconds(fact.metadata.occurred_at))
    return {
        "messageId": identity,
        "receiptHandle": f"{function}-{identity}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": sent,
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": sent,
            "MessageGroupId": fact.metadata.group,
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{_REGION}:{cast.PRESTAGE}:prestage-{function}",
        "awsRegion": _REGION,
    }


def _schedule(function: str) -> Sample:
    return {
        "version": "0",
        "id": str(uuid5(_MESSAGES, function)),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": cast.PRESTAGE,
        "time": f"{cast.OPENED_AT:%Y-%m-%dT%H:%M:%SZ}",
        "region": _REGION,
        "resources": [f"arn:aws:events:{_REGION}:{cast.PRESTAGE}:rule/prestage-{function}"],
        "detail": {},
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
