"""What is asked of GitHub about repositories, branches, people and pull requests."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from github_app.client import GitHubNotFoundError, GitHubRefusedError
from tests.unit.fly_wire import Wire
from tests.unit.github_wire import PULL_REQUEST, SECRET, SHA, answer, client

REPOSITORY = {"id": 9, "full_name": "octo-org/shop", "default_branch": "main"}
BRANCH = {"name": "teal", "commit": {"sha": SHA}}


def test_a_pull_request_is_read_as_it_is_now() -> None:
    wire = Wire(answer(200, PULL_REQUEST))
    found = client(wire).pull_request(SECRET, "octo-org/shop", 7)
    assert (wire.last.method, wire.last.url.path) == ("GET", "/repos/octo-org/shop/pulls/7")
    assert (found.number, found.title, found.state, found.merged, found.draft) == (
        7,
        "Make it teal",
        "open",
        False,
        True,
    )
    assert (found.author, found.author_type) == ("octocat", "User")
    assert (found.head.ref, found.head.sha, found.head.repo and found.head.repo.id) == ("teal", SHA, 9)
    assert (found.base.ref, found.base.repo.id, found.base.repo.full_name) == ("main", 9, "octo-org/shop")
    assert found.base.repo.default_branch == "main"
    assert found.label_names == ("preview", "ui")
    assert found.updated_at == datetime(2026, 11, 24, 9, 59, tzinfo=UTC)


def test_a_pull_request_of_a_deleted_account_and_a_deleted_fork_is_read_too() -> None:
    gone = {**PULL_REQUEST, "user": None, "head": {"ref": "teal", "sha": SHA, "repo": None}, "merged": None}
    found = client(Wire(answer(200, gone))).pull_request(SECRET, "octo-org/shop", 7)
    assert (found.author, found.author_type) == ("ghost", "User")
    assert found.head.repo is None
    assert not found.merged


@given(
    changed=st.fixed_dictionaries(
        {}, optional={name: st.none() | st.integers() | st.text() | st.just([]) | st.just({}) for name in PULL_REQUEST}
    )
)
def test_no_pull_request_breaks_the_client(changed: dict[str, Any]) -> None:
    try:
        client(Wire(answer(200, {**PULL_REQUEST, **changed}))).pull_request(SECRET, "octo-org/shop", 7)
    except GitHubRefusedError as error:
        assert error.message == "an answer of another shape than GitHub promises"  # noqa: PT017  # it may be taken too


@pytest.mark.parametrize(
    ("branch", "path"),
    [
        ("teal", b"/repos/octo-org/shop/branches/teal"),
        ("feature/a/b", b"/repos/octo-org/shop/branches/feature/a/b"),
        ("a?b#c d%", b"/repos/octo-org/shop/branches/a%3Fb%23c%20d%25"),
        ("größe", b"/repos/octo-org/shop/branches/gr%C3%B6%C3%9Fe"),
    ],
)
def test_a_branch_keeps_its_slashes_and_no_more(branch: str, path: bytes) -> None:
    wire = Wire(answer(200, {**BRANCH, "name": branch}))
    assert client(wire).branch_head(SECRET, "octo-org/shop", branch) == SHA
    assert wire.last.url.raw_path == path


@pytest.mark.parametrize("branch", ["", "/", "../../x", "a/../b", "./a", "a//b", "a/"])
def test_what_no_branch_can_be_called_is_not_asked_for(branch: str) -> None:
    wire = Wire()
    assert client(wire).branch_head(SECRET, "octo-org/shop", branch) is None
    assert not wire.requests


def test_a_branch_that_is_not_there_has_no_head() -> None:
    wire = Wire(answer(404, {"message": "Branch not found"}), answer(200, REPOSITORY))
    assert client(wire).branch_head(SECRET, "octo-org/shop", "teal") is None
    assert wire.last.url.path == "/repos/octo-org/shop"


def test_a_repository_that_is_not_there_says_nothing_of_its_branches() -> None:
    wire = Wire(answer(404, {"message": "Not Found"}), answer(404, {"message": "Not Found"}))
    with pytest.raises(GitHubNotFoundError):
        client(wire).branch_head(SECRET, "octo-org/shop", "teal")


def test_a_branch_is_found_in_a_renamed_repository() -> None:
    wire = Wire(answer(301, None, {"Location": "/repositories/9/branches/teal"}), answer(200, BRANCH))
    assert client(wire).branch_head(SECRET, "octo-org/shop", "teal") == SHA


@pytest.mark.parametrize("branch", ["master", "teal"])
def test_another_branch_to_which_github_redirects_is_not_the_one_that_was_meant(branch: str) -> None:
    moved = answer(301, None, {"Location": "/repositories/9/branches/main"})
    wire = Wire(moved, answer(200, {**BRANCH, "name": "main"}))
    assert client(wire).branch_head(SECRET, "octo-org/shop", branch) is None


@pytest.mark.parametrize("permission", ["admin", "write", "read", "none"])
def test_what_somebody_may_do_is_said_by_github(permission: str) -> None:
    wire = Wire(answer(200, {"permission": permission, "role_name": "custom", "user": None}))
    assert client(wire).permission(SECRET, "octo-org/shop", "dependabot[bot]") == permission
    assert wire.last.url.raw_path == b"/repos/octo-org/shop/collaborators/dependabot%5Bbot%5D/permission"


def test_who_is_not_known_may_do_nothing() -> None:
    wire = Wire(answer(404, {"message": "x is not a user"}))
    assert client(wire).permission(SECRET, "octo-org/shop", "x") == "none"


@pytest.mark.parametrize("login", ["", ".", ".."])
def test_what_nobody_can_be_called_is_not_asked_for(login: str) -> None:
    wire = Wire()
    assert client(wire).permission(SECRET, "octo-org/shop", login) == "none"
    assert not wire.requests


def test_a_login_cannot_leave_its_place_in_the_path() -> None:
    wire = Wire(answer(200, {"permission": "read"}))
    client(wire).permission(SECRET, "octo-org/shop", "../../x?y")
    assert wire.last.url.raw_path == b"/repos/octo-org/shop/collaborators/..%2F..%2Fx%3Fy/permission"


def test_nobody_may_anything_while_github_does_not_say() -> None:
    with pytest.raises(GitHubRefusedError):
        client(Wire(answer(403, {"message": "Resource not accessible"}))).permission(SECRET, "octo-org/shop", "x")
    odd: list[httpx.Response] = [answer(200, {"permission": None}), answer(200, {"role_name": "admin"})]
    for one in odd:
        with pytest.raises(GitHubRefusedError, match="of another shape"):
            client(Wire(one)).permission(SECRET, "octo-org/shop", "x")
