"""What a step does on GitHub: with which token, and what GitHub's answers mean to a reaction."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from github_app.access import SETTLING, Access, Place
from github_app.auth import InstallationTokens, InvalidCredentialsError
from prestage_contracts.snapshot import Repository
from tests.unit.environments_stage import Now
from tests.unit.fly_wire import Wire
from tests.unit.github_stage import credentials as app_credentials
from tests.unit.github_wire import TOKEN, answer, client, shown

PLACE = Place(7, Repository(id=9, full_name="octo-org/shop"))
METADATA = {"metadata": "read"}
HOME = {"id": 9, "full_name": "octo-org/shop", "default_branch": "main"}
REFUSAL = ("comment_refused", "GitHub takes no comment there")


def token(number: int = 1) -> httpx.Response:
    return answer(201, {"token": f"{TOKEN}{number}", "expires_at": "2027-11-24T10:00:00Z"})


class GitHub:
    """Answers, in order, over an access to it."""

    def __init__(self, *answers: httpx.Response | type[Exception], parse: Any = app_credentials) -> None:
        self.wire, self.now = Wire(*answers), Now()
        github = client(self.wire)
        self.access = Access(github, InstallationTokens(github, parse, self.now))

    def home(self, permissions: Any = METADATA) -> str:
        return self.access.call(
            PLACE, permissions, lambda github, token, name: github.repository(token, name).default_branch, REFUSAL
        )

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(request.method, request.url.path) for request in self.wire.requests]


def test_a_call_has_a_token_for_its_repository_and_its_permissions_and_no_more() -> None:
    github = GitHub(token(), answer(200, HOME))
    assert github.home({"contents": "read"}) == "main"
    assert github.asked == [("POST", "/app/installations/7/access_tokens"), ("GET", "/repos/octo-org/shop")]
    minted, asked = github.wire.requests
    assert json.loads(minted.content) == {"repository_ids": [9], "permissions": {"contents": "read"}}
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}1"


def test_a_token_serves_until_it_is_nearly_over_and_other_permissions_take_another() -> None:
    github = GitHub(token(1), answer(200, HOME), answer(200, HOME), token(2), answer(200, HOME))
    github.home()
    github.home()
    github.home({"contents": "read"})
    assert [method for method, _ in github.asked] == ["POST", "GET", "GET", "POST", "GET"]
    assert github.wire.last.headers["Authorization"] == f"Bearer {TOKEN}2"


@pytest.mark.parametrize("outage", [answer(502), httpx.ConnectTimeout, httpx.ReadError])
@pytest.mark.parametrize("before", [(), (token(),)], ids=["for the token", "for the call"])
def test_a_github_that_is_away_is_waited_for(before: Any, outage: Any) -> None:
    with pytest.raises(RetryLaterError, match="GitHub") as waiting:
        GitHub(*before, outage).home()
    assert waiting.value.after >= SETTLING


def test_a_limit_is_waited_for_as_long_as_github_says() -> None:
    with pytest.raises(RetryLaterError) as waiting:
        GitHub(token(), answer(429, headers={"Retry-After": "300"})).home()
    assert waiting.value.after == timedelta(minutes=5)


def test_a_wait_is_no_shorter_than_github_s_lists_are_behind() -> None:
    with pytest.raises(RetryLaterError) as waiting:
        GitHub(token(), answer(503, headers={"Retry-After": "1"})).home()
    assert waiting.value.after == SETTLING


def test_a_new_token_that_github_does_not_know_everywhere_is_used_again() -> None:
    github = GitHub(token(), answer(401, {"message": "Bad credentials"}), answer(200, HOME))
    with pytest.raises(RetryLaterError, match="new token"):
        github.home()
    assert github.home() == "main"
    assert [method for method, _ in github.asked] == ["POST", "GET", "GET"]


def test_an_old_token_that_github_does_not_take_any_more_is_broken_and_the_next_one_is_new() -> None:
    github = GitHub(token(1), answer(200, HOME), answer(401, {}), token(2), answer(200, HOME))
    github.home()
    github.now.advance(minutes=5)
    with pytest.raises(BrokenError) as broken:
        github.home()
    assert broken.value.reason.code == "github_unauthorized"
    assert github.home() == "main"
    assert github.wire.last.headers["Authorization"] == f"Bearer {TOKEN}2"


def test_a_key_that_github_does_not_take_is_broken() -> None:
    with pytest.raises(BrokenError) as broken:
        GitHub(answer(401, {"message": "A JSON web token could not be decoded"})).home()
    assert broken.value.reason.code == "github_unauthorized"


@pytest.mark.parametrize("before", [(), (token(),)], ids=["the installation", "the repository"])
def test_what_github_does_not_find_is_broken_since_it_may_be_too_new(before: Any) -> None:
    with pytest.raises(BrokenError, match="is the App installed there") as broken:
        GitHub(*before, answer(404, {"message": "Not Found"})).home()
    assert broken.value.reason.code == "github_not_found"


@pytest.mark.parametrize("before", [(), (token(),)], ids=["the token", "the call"])
@pytest.mark.parametrize("status", [403, 410, 422])
def test_what_github_refuses_is_refused_with_the_caller_s_code_and_github_s_words(before: Any, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        GitHub(*before, answer(status, {"message": "This installation has been suspended"})).home()
    assert refused.value.reason.code == "comment_refused"
    told = f"GitHub takes no comment there ({status}): This installation has been suspended"
    assert refused.value.reason.message == told


def test_credentials_that_are_not_as_they_have_to_be_are_broken() -> None:
    def parse() -> Any:
        raise InvalidCredentialsError("the secret with the GitHub App is not as it has to be")

    with pytest.raises(BrokenError, match="not as it has to be") as broken:
        GitHub(parse=parse).home()
    assert broken.value.reason.code == "github_app_secret"


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500])
def test_no_error_shows_a_credential(status: int) -> None:
    said = {"message": f"{TOKEN}1 is not good"}
    with pytest.raises((BrokenError, RefusedError, RetryLaterError)) as raised:
        GitHub(token(), answer(status, said)).home()
    assert TOKEN not in shown(raised.value)
