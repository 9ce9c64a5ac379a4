"""Webhook deliveries, as GitHub makes them and API Gateway hands them over."""

import base64
import copy
import hashlib
import hmac
import json
from typing import Any

SECRET = "webhook-secret-planted"
GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
SHA = "a" * 40

OPENED: dict[str, Any] = {
    "action": "opened",
    "number": 7,
    "pull_request": {
        "number": 7,
        "state": "open",
        "draft": False,
        "title": "Make it teal",
        "html_url": "https://github.com/octo-org/shop/pull/7",
        "updated_at": "2026-11-01T10:00:00Z",
        "user": {"login": "octocat", "id": 1, "type": "User"},
        "head": {"ref": "teal", "sha": SHA, "repo": {"id": 9}},
        "base": {"ref": "main", "sha": "b" * 40, "repo": {"id": 9}},
    },
    "repository": {"id": 9, "full_name": "octo-org/shop", "default_branch": "main", "private": True},
    "installation": {"id": 42, "node_id": "x"},
    "sender": {"login": "octocat", "type": "User"},
}


def payload(**changes: Any) -> dict[str, Any]:
    """An opened pull request's payload; `head__repo=None` changes pull_request.head.repo."""
    made = copy.deepcopy(OPENED)
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = made["pull_request"] if parents or name in made["pull_request"] else made
        for parent in parents:
            place = place[parent]
        place[name] = value
    return made


def sign(body: bytes, secret: str = SECRET) -> str:
    """The header's value."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def request(
    body: bytes,
    *,
    guid: str | None = GUID,
    event: str | None = "pull_request",
    signature: str | None = "",
    encoded: bool = False,
) -> dict[str, Any]:
    """The HTTP API event; an empty `signature` is a good one."""
    headers = {
        "content-type": "application/json",
        "x-github-delivery": guid,
        "x-github-event": event,
        "x-hub-signature-256": sign(body) if signature == "" else signature,
    }
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/github",
        "headers": {name: value for name, value in headers.items() if value is not None},
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
        "isBase64Encoded": encoded,
    }


def opened(**changes: Any) -> dict[str, Any]:
    """The HTTP API event of an opened pull request."""
    return request(json.dumps(payload(**changes)).encode())
