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
    "archive_link": lambda github: github.archive_link(SECRET, "octo-org/shop", SHA),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def client(wire: Wire, api_url: str = "https://api.example.com") -> GitHub:
    return GitHub(httpx.Client(transport=httpx.MockTransport(wire)), api_url, clock=lambda: NOW)


def answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body), headers=headers)


def shown(error: BaseException) -> str:
    """All that a log could show of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
