"""What GitHub is told in words: every string from outside is one line, and no longer than GitHub takes it."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deployments.tell import LONGEST_NAME, PERMISSIONS, Teller, name
from github_app.access import Access, Place
from github_app.auth import InvalidCredentialsError
from github_app.client import LONGEST_DESCRIPTION, GitHub
from prestage_contracts.deployments import DeploymentState
from prestage_contracts.envelope import Reason
from records.environments import Environment
from tests.unit.github_stage import SLUG, Now
from tests.unit.record_examples import ad_hoc, preview, production

HOSTILE = [
    "@octocat",
    "[text](https://evil.example)",
    "<script>alert(1)</script>",
    "line\nbreak\r\nand more",
    "a|b`c`",
    "../../..",
    "?environment=production&x=%2F#",
    "\u202egnp.exe",
    '"}, {"state": "success',
    "x" * 900,
]
STATES: list[DeploymentState] = ["in_progress", "success", "failure", "inactive"]


@dataclass
class Wire:
    """Answers as GitHub does, and remembers what it was asked."""

    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, str(request.url), body))
        made = {"id": 5, "state": "x", "sha": "x", "ref": "x", "environment": "x", "created_at": "2026-11-24T09:59:00Z"}
        return httpx.Response(200, json=[] if request.method == "GET" else made)


class Tokens:
    """Gives any token, and remembers for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, Any]] = []

    def token(self, installation_id: int, repository_id: int, permissions: Any) -> SecretStr:
        self.asked.append((installation_id, repository_id, permissions))
        return SecretStr("ghs_planted")


@dataclass
class World:
    wire: Wire = field(default_factory=Wire)
    tokens: Any = field(default_factory=Tokens)

    @property
    def teller(self) -> Teller:
        http = httpx.Client(transport=httpx.MockTransport(self.wire))
        return Teller(Access(GitHub(http, "https://api.example.com", clock=Now()), self.tokens), lambda: SLUG)


def called(text: str, environment: Environment) -> Environment:
    """Called so in every string that comes from outside."""
    reason = Reason.model_construct(code="x", message=text)
    return environment.model_copy(update={"app_name": text, "branch": text, "reason": reason})


def assert_a_line(text: str, longest: int) -> None:
    assert len(text) <= longest
    assert "\n" not in text
    assert "\r" not in text


def assert_harmless(text: str) -> None:
    for one in (preview(), ad_hoc(), production()):
        environment = called(text, one)
        world = World()
        world.teller.create(environment)
        for state in STATES:
            world.teller.tell(environment.model_copy(update={"stage": "build"}), 5, state)
            world.teller.tell(environment.model_copy(update={"status": "stopped"}), 5, state)
        (method, url, body), *statuses = world.wire.asked
        assert (method, url) == ("POST", "https://api.example.com/repos/octo-org/shop/deployments")
        assert_a_line(body["environment"], LONGEST_NAME)
        assert_a_line(body["description"], LONGEST_DESCRIPTION)
        assert body["payload"] == {"environment": environment.id, "generation": 1}
        assert (body["auto_merge"], body["required_contexts"]) == (False, [])
        for _, url, status in statuses:
            assert url == "https://api.example.com/repos/octo-org/shop/deployments/5/statuses"
            assert_a_line(status["description"], LONGEST_DESCRIPTION)
            assert status["auto_inactive"] is False


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_short_line_and_changes_nothing_else(text: str) -> None:
    assert_harmless(text)


@given(st.text(min_size=1, max_size=300))
def test_any_text_is_one_short_line_and_changes_nothing_else(text: str) -> None:
    assert_harmless(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_looked_for_is_looked_for_under_its_whole_name_and_nothing_else(text: str) -> None:
    world = World()
    environment = called(text, preview())
    assert world.teller.find(environment, 1) is None
    [(method, url, _)] = world.wire.asked
    assert method == "GET"
    assert dict(httpx.URL(url).params) == {"per_page": "100", "environment": name(environment)}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (preview(number=12), "storefront/pr-12"),
        (ad_hoc("feature/käse"), "storefront/feature/käse"),
        (production(), "storefront/production"),
        (preview().model_copy(update={"branch": "production"}), "storefront/pr-3"),
    ],
)
def test_an_environment_is_called_by_its_app_and_by_what_it_tracks(environment: Environment, expected: str) -> None:
    assert name(environment) == expected


def test_the_token_is_for_deployments_of_the_one_repository() -> None:
    world = World()
    world.teller.create(preview())
    world.teller.tell(preview(), 5, "success")
    world.teller.find(preview(), 1)
    where = Place(preview().installation_id, preview().repository)
    assert world.tokens.asked == [(where.installation_id, where.repository.id, PERMISSIONS)] * 3
    assert PERMISSIONS == {"deployments": "write"}


def test_who_the_app_is_is_asked_for_only_where_it_matters() -> None:
    def slug() -> str:
        raise InvalidCredentialsError("the secret is not as it has to be")

    world = World()
    unknown = Teller(world.teller.access, slug)
    assert unknown.create(preview()) == 5
    assert unknown.tell(preview(), 5, "success")
