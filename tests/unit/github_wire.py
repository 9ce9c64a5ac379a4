"""A GitHub client whose answers are given, and each of its calls."""

import json
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from github_app.client import GitHub
from tests.unit.fly_wire import Wire

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SHA = "a" * 40
TOKEN = "ghs_4711_eyJhbGciOi.eyJpc3Mi.c2ln"
SECRET = SecretStr(TOKEN)
COMMENT = {
    "id": 5,
    "html_url": "https://github.com/octo-org/shop/pull/7#issuecomment-5",
    "body": "hello",
    "user": {"login": "prestage[bot]", "type": "Bot"},
}
PULL_REQUEST = {
    "number": 7,
    "title": "Make it teal",
    "html_url": "https://github.com/octo-org/shop/pull/7",
    "state": "open",
    "merged": False,
    "draft": True,
    "user": {"login": "octocat", "type": "User"},
    "head": {"ref": "teal", "sha": SHA, "repo": {"id": 9}},
    "base": {"ref": "main", "repo": {"id": 9, "full_name": "octo-org/shop", "default_branch": "main"}},
    "labels": [{"name": "preview"}, {"name": "ui"}],
    "updated_at": "2026-11-24T09:59:00Z",
}
DEPLOYMENT = {
    "id": 6,
    "sha": SHA,
    "ref": "teal",
    "environment": "preview/7",
    "payload": {"generation": 3},
    "creator": {"login": "prestage[bot]", "type": "Bot"},
    "created_at": "2026-11-24T09:59:00Z",
}
STATUS = {
    "id": 8,
    "state": "success",
    "description": "Ready",
    "environment_url": "https://shop.example.com",
    "log_url": "https://logs.example.com",
    "created_at": "2026-11-24T09:59:00Z",
}
DELIVERY = {
    "id": 12345678,
    "guid": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "delivered_at": "2026-11-24T09:59:00.605Z",
    "redelivery": False,
    "duration": 0.27,
    "status": "Invalid HTTP Response: 503",
    "status_code": 503,
    "event": "pull_request",
    "action": "opened",
    "installation_id": 42,
    "repository_id": 9,
}
LINK = "https://codeload.example.com/octo-org/shop/legacy.tar.gz/aaa?token=OPENS"

type Call = Callable[[GitHub], object]

CALLS: dict[str, Call] = {
    "repository_installation": lambda github: github.repository_installation(SECRET, "octo-org/shop"),
    "create_installation_token": lambda github: github.create_installation_token(
        SECRET, 42, repository_id=9, permissions={"contents": "read"}
    ),
    "repository": lambda github: github.repository(SECRET, "octo-org/shop"),
    "list_comments": lambda github: list(github.list_comments(SECRET, "octo-org/shop", 7)),
    "create_comment": lambda github: github.create_comment(SECRET, "octo-org/shop", 7, "hello"),
    "update_comment": lambda github: github.update_comment(SECRET, "octo-org/shop", 5, "hello"),
    "pull_request": lambda github: github.pull_request(SECRET, "octo-org/shop", 7),
    "branch_head": lambda github: github.branch_head(SECRET, "octo-org/shop", "teal"),
    "permission": lambda github: github.permission(SECRET, "octo-org/shop", "octocat"),
    "create_deployment": lambda github: github.create_deployment(
        SECRET,
        "octo-org/shop",
        ref="teal",
        environment="preview/7",
        payload={"generation": 3},
        description="Preview of #7",
        transient_environment=True,
        production_environment=False,
    ),
    "list_deployments": lambda github: list(github.list_deployments(SECRET, "octo-org/shop", "preview/7")),
    "create_deployment_status": lambda github: github.create_deployment_status(
        SECRET, "octo-org/shop", 6, "success", environment_url=None, log_url=None, description="Ready"
    ),
    "list_deployment_statuses": lambda github: list(github.list_deployment_statuses(SECRET, "octo-org/shop", 6)),
    "failed_deliveries": lambda github: list(github.failed_deliveries(SECRET, NOW)),
    "redeliver": lambda github: github.redeliver(SECRET, 12345678),
    "archive_link": lambda github: github.archive_link(SECRET, "octo-org/shop", SHA),
}
LISTS = frozenset(name for name in CALLS if name.startswith("list_")) | {"failed_deliveries"}
TAKING_404_FOR_AN_ANSWER = frozenset({"branch_head", "permission"})

every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
every_call_that_needs_it_there = pytest.mark.parametrize("name", sorted(CALLS.keys() - TAKING_404_FOR_AN_ANSWER))


def client(wire: Wire, api_url: str = "https://api.example.com") -> GitHub:
    return GitHub(httpx.Client(transport=httpx.MockTransport(wire)), api_url, clock=lambda: NOW)


def answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body), headers=headers)


def shown(error: BaseException) -> str:
    """All that a log could show of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
