"""What GitHub is asked before an environment follows, and how its answers are taken."""

import json
from typing import Any

import httpx
import pytest

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from environments.ask_github import MAX_TITLE, AskGitHub
from github_app.access import Access, Place
from github_app.auth import InstallationTokens
from ingress.payload.by_event import BY_EVENT
from prestage_contracts.ingress import PullRequestTold
from prestage_contracts.snapshot import Repository
from tests.unit.environments_stage import Now
from tests.unit.fly_wire import Wire
from tests.unit.github_stage import credentials
from tests.unit.github_wire import PULL_REQUEST, SHA, TOKEN, answer, client

SHOP = Repository(id=9, full_name="octo-org/shop")
PLACE = Place(7, SHOP)
HOME = {"id": 9, "full_name": "octo-org/shop", "default_branch": "main"}
MINTED = answer(201, {"token": TOKEN, "expires_at": "2027-11-24T10:00:00Z"})


class Asked:
    """A GitHub that gives a token and then these answers."""

    def __init__(self, *answers: Any, minted: httpx.Response = MINTED) -> None:
        self.wire, self.now = Wire(minted, *answers), Now()
        github = client(self.wire)
        self.ask = AskGitHub(Access(github, InstallationTokens(github, credentials, self.now)))

    @property
    def permissions(self) -> Any:
        return json.loads(self.wire.requests[0].content)["permissions"]


def pull_request(**changes: Any) -> httpx.Response:
    return answer(200, {**PULL_REQUEST, **changes})


# ---- A pull request


def test_a_pull_request_is_told_as_its_webhook_would_tell_it() -> None:
    asked = Asked(pull_request(draft=False))
    word, state = asked.ask.pull_request(PLACE, 7)
    payload = {
        "action": "synchronize",
        "pull_request": {**PULL_REQUEST, "draft": False},
        "repository": {**HOME, "owner": {"login": "octo-org", "type": "Organization"}},
        "installation": {"id": 7},
    }
    [told] = BY_EVENT["pull_request"](payload)
    assert (word, state) == (PullRequestTold.model_validate(told.data.model_dump()), "open")
    assert asked.permissions == {"pull_requests": "read"}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "open"),
        ({"state": "closed"}, "closed"),
        ({"state": "closed", "merged": None}, "closed"),
        ({"state": "closed", "merged": True}, "merged"),
    ],
    ids=str,
)
def test_a_pull_request_is_open_closed_or_merged(changes: dict[str, Any], state: str) -> None:
    assert Asked(pull_request(**changes)).ask.pull_request(PLACE, 7)[1] == state


def test_a_fork_a_deleted_fork_and_a_deleted_account_are_told_as_such() -> None:
    fork, _ = Asked(pull_request(head={"ref": "main", "sha": SHA, "repo": {"id": 4}})).ask.pull_request(PLACE, 7)
    assert fork.head.repository_id == 4
    gone, _ = Asked(pull_request(head={"ref": "main", "sha": SHA, "repo": None}, user=None)).ask.pull_request(PLACE, 7)
    assert (gone.head.repository_id, gone.pull_request.author, gone.author_type) == (None, "ghost", "User")


def test_a_title_too_long_for_a_fact_is_cut() -> None:
    word, _ = Asked(pull_request(title="é" * (MAX_TITLE + 1))).ask.pull_request(PLACE, 7)
    assert word.pull_request.title == "é" * MAX_TITLE


def test_a_repository_that_was_renamed_is_told_under_its_new_name_and_its_own_id() -> None:
    base = {"ref": "main", "repo": {**HOME, "full_name": "octo-org/renamed", "default_branch": "trunk"}}
    word, _ = Asked(pull_request(base=base)).ask.pull_request(PLACE, 7)
    assert word.repository == Repository(id=9, full_name="octo-org/renamed")
    assert (word.default_branch, word.installation_id) == ("trunk", 7)


def test_the_repository_that_took_the_name_is_refused() -> None:
    base = {"ref": "main", "repo": {**HOME, "id": 666}}
    with pytest.raises(RefusedError) as refused:
        Asked(pull_request(base=base)).ask.pull_request(PLACE, 7)
    assert refused.value.reason.code == "another_repository"
    with pytest.raises(RefusedError):
        Asked(answer(200, {**HOME, "id": 666})).ask.repository(PLACE)


# ---- A branch, a repository, a person


def test_a_branch_s_head_is_its_commit_and_none_where_there_is_no_such_branch() -> None:
    asked = Asked(answer(200, {"name": "teal", "commit": {"sha": SHA}}))
    assert asked.ask.branch_head(PLACE, "teal") == SHA
    assert asked.permissions == {"contents": "read"}
    assert Asked(answer(404, {"message": "Branch not found"}), answer(200, HOME)).ask.branch_head(PLACE, "teal") is None


def test_a_repository_that_is_not_there_is_no_deleted_branch() -> None:
    with pytest.raises(BrokenError):
        Asked(answer(404, {}), answer(404, {})).ask.branch_head(PLACE, "teal")


def test_a_repository_is_what_it_is_now() -> None:
    asked = Asked(answer(200, {**HOME, "default_branch": "trunk"}))
    found = asked.ask.repository(PLACE)
    assert (found.default_branch, found.full_name) == ("trunk", "octo-org/shop")
    assert asked.permissions == {"metadata": "read"}


@pytest.mark.parametrize(
    ("permission", "may"), [("admin", True), ("write", True), ("read", False), ("none", False), ("", False)]
)
def test_who_may_write_is_who_github_says_may(permission: str, may: bool) -> None:
    asked = Asked(answer(200, {"permission": permission}))
    assert asked.ask.may_write(PLACE, "octocat") == may
    assert asked.permissions == {"metadata": "read"}


def test_who_is_not_known_may_not_write() -> None:
    assert not Asked(answer(404, {})).ask.may_write(PLACE, "octocat")


@pytest.mark.parametrize("failure", [answer(500), answer(429), httpx.ReadTimeout])
def test_an_outage_is_no_answer(failure: Any) -> None:
    with pytest.raises(RetryLaterError):
        Asked(failure).ask.may_write(PLACE, "octocat")
    with pytest.raises(RetryLaterError):
        Asked(failure).ask.lets_in(PLACE)


# ---- Whether the App is let in


def test_the_app_is_let_in_where_it_sees_the_repository() -> None:
    assert Asked(answer(200, HOME)).ask.lets_in(PLACE)


@pytest.mark.parametrize(
    "minted",
    [
        answer(404, {"message": "Not Found"}),
        answer(403, {"message": "This installation has been suspended"}),
        answer(422, {"message": "There is at least one repository that does not exist or is not accessible"}),
    ],
    ids=["uninstalled", "suspended", "removed"],
)
def test_the_app_is_not_let_in_where_it_gets_no_token(minted: httpx.Response) -> None:
    assert not Asked(minted=minted).ask.lets_in(PLACE)


def test_the_app_is_not_let_in_where_it_does_not_see_the_repository() -> None:
    assert not Asked(answer(404, {})).ask.lets_in(PLACE)


def test_a_token_that_was_revoked_with_the_installation_is_not_the_last_word() -> None:
    asked = Asked(answer(200, HOME), answer(401, {}), answer(404, {}))
    assert asked.ask.lets_in(PLACE)
    asked.now.advance(minutes=5)
    assert not asked.ask.lets_in(PLACE)


def test_a_key_that_github_does_not_take_says_nothing_of_the_installation() -> None:
    with pytest.raises(BrokenError):
        Asked(answer(401, {}), minted=answer(401, {})).ask.lets_in(PLACE)
