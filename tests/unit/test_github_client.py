import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from werkzeug.wrappers import Response

from github_app.client import TIMEOUT_SECONDS, Comment, GitHubNotFoundError, GitHubRefusedError, build_http
from prestage.stage.serve import Server
from tests.unit.fly_wire import Wire
from tests.unit.github_wire import (
    CALLS,
    COMMENT,
    LINK,
    NOW,
    SECRET,
    SHA,
    TOKEN,
    Call,
    answer,
    client,
    every_call,
    shown,
)


def test_the_client_waits_longer_than_github_tries() -> None:
    with build_http() as http:
        assert http.timeout == httpx.Timeout(TIMEOUT_SECONDS)
        assert not http.follow_redirects
    assert TIMEOUT_SECONDS == 12


@every_call
def test_every_request_says_who_asks_and_in_which_version(call: Call) -> None:
    wire = Wire(answer(403))
    with pytest.raises(GitHubRefusedError):
        call(client(wire))
    headers = wire.last.headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Accept"] == "application/vnd.github+json"
    assert headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert headers["User-Agent"] == "prestage"


def test_an_installation_is_found_by_the_repository() -> None:
    wire = Wire(answer(200, {"id": 42}))
    assert client(wire).repository_installation(SECRET, "octo-org/shop") == 42
    assert (wire.last.method, wire.last.url.path) == ("GET", "/repos/octo-org/shop/installation")


@pytest.mark.parametrize(
    ("narrowing", "sent"),
    [
        ({"repository_id": 9}, {"repository_ids": [9]}),
        ({"repository_name": "shop"}, {"repositories": ["shop"]}),
        ({}, {}),
    ],
)
def test_a_token_is_narrowed_to_a_repository_and_permissions(narrowing: dict[str, Any], sent: dict[str, Any]) -> None:
    wire = Wire(answer(201, {"token": TOKEN, "expires_at": "2026-11-24T11:00:00Z"}))
    made = client(wire).create_installation_token(SECRET, 42, **narrowing, permissions={"contents": "read"})
    assert (wire.last.method, wire.last.url.path) == ("POST", "/app/installations/42/access_tokens")
    assert wire.body == {"permissions": {"contents": "read"}, **sent}
    assert (made.token.get_secret_value(), made.expires_at) == (TOKEN, NOW + timedelta(hours=1))
    assert TOKEN not in repr(made)


def test_a_repository_is_read_under_its_present_name() -> None:
    wire = Wire(answer(200, {"id": 9, "full_name": "octo-org/store", "default_branch": "trunk", "private": True}))
    found = client(wire).repository(SECRET, "octo-org/shop")
    assert (found.id, found.full_name, found.default_branch) == (9, "octo-org/store", "trunk")


def test_a_comment_is_created_and_updated() -> None:
    wire = Wire(answer(201, COMMENT), answer(200, COMMENT))
    made = client(wire).create_comment(SECRET, "octo-org/shop", 7, "hello")
    assert (made.id, made.author_login, made.author_type, made.body) == (5, "prestage[bot]", "Bot", "hello")
    assert (wire.last.method, wire.last.url.path) == ("POST", "/repos/octo-org/shop/issues/7/comments")
    client(wire).update_comment(SECRET, "octo-org/shop", 5, "héllo")
    assert (wire.last.method, wire.last.url.path) == ("PATCH", "/repos/octo-org/shop/issues/comments/5")
    assert wire.body == {"body": "héllo"}


def test_a_comment_of_a_deleted_account_is_nobodys() -> None:
    found = Comment.model_validate({"id": 1, "html_url": "https://x", "user": None, "body": None})
    assert (found.author_login, found.author_type, found.body) == ("", "", "")


def test_all_pages_of_comments_are_read_by_github_s_own_links() -> None:
    following = "https://api.example.com/repositories/9/issues/7/comments?per_page=100&page=2"
    wire = Wire(
        answer(200, [COMMENT], {"Link": f'<{following}>; rel="next", <{following}>; rel="last"'}),
        answer(200, [{**COMMENT, "id": 6}], {"Link": f'<{following}>; rel="first"'}),
    )
    found = client(wire).list_comments(SECRET, "octo-org/shop", 7)
    assert [one.id for one in found] == [5, 6]
    assert str(wire.requests[0].url) == "https://api.example.com/repos/octo-org/shop/issues/7/comments?per_page=100"
    assert str(wire.last.url) == following
    assert wire.last.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_page_that_is_not_come_to_is_not_asked_for() -> None:
    wire = Wire(answer(200, [COMMENT], {"Link": '<https://api.example.com/2>; rel="next"'}))
    assert next(client(wire).list_comments(SECRET, "octo-org/shop", 7)).id == 5
    assert len(wire.requests) == 1


ELSEWHERE = ["https://evil.example.com/x", "http://api.example.com/x", "https://api.example.com:8443/x"]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_next_page_elsewhere_is_never_asked_for(url: str) -> None:
    wire = Wire(answer(200, [COMMENT], {"Link": f'<{url}>; rel="next"'}))
    with pytest.raises(GitHubRefusedError, match="the next page is not on GitHub's API"):
        list(client(wire).list_comments(SECRET, "octo-org/shop", 7))
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("name", ["repository", "archive_link"])
def test_a_renamed_repository_is_followed_to_where_it_is_now(name: str, status: int) -> None:
    last = (
        answer(302, None, {"Location": LINK})
        if name == "archive_link"
        else answer(200, {"id": 9, "full_name": "a/b", "default_branch": "main"})
    )
    wire = Wire(answer(status, None, {"Location": "https://api.example.com/repositories/9"}), last)
    CALLS[name](client(wire))
    assert str(wire.last.url) == "https://api.example.com/repositories/9"
    assert wire.last.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_change_is_repeated_whole_where_the_repository_is_now() -> None:
    wire = Wire(answer(307, None, {"Location": "/repositories/9/issues/7/comments"}), answer(201, COMMENT))
    client(wire).create_comment(SECRET, "octo-org/shop", 7, "hello")
    assert (wire.last.method, wire.last.url.path) == ("POST", "/repositories/9/issues/7/comments")
    assert json.loads(wire.last.read()) == {"body": "hello"}


@every_call
@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_credential_follows_a_redirect_elsewhere(call: Call, status: int, url: str) -> None:
    wire = Wire(answer(status, None, {"Location": url}))
    with pytest.raises(GitHubRefusedError, match="a redirect that is not followed"):
        call(client(wire))
    assert len(wire.requests) == 1


def test_a_change_does_not_become_a_question_on_the_way() -> None:
    wire = Wire(answer(301, None, {"Location": "/repositories/9/issues/7/comments"}))
    with pytest.raises(GitHubRefusedError, match="a redirect that is not followed"):
        CALLS["create_comment"](client(wire))


def test_redirects_that_never_end_are_left() -> None:
    wire = Wire(*(answer(301, None, {"Location": "/again"}) for _ in range(9)))
    with pytest.raises(GitHubRefusedError):
        CALLS["repository"](client(wire))
    assert len(wire.requests) == 4


@pytest.mark.parametrize(
    "link", [LINK, "http://127.0.0.1:4280/x?token=OPENS", "http://localhost/x", "http://[::1]:1/x"]
)
def test_the_archive_s_link_is_given_and_not_followed(link: str) -> None:
    wire = Wire(answer(302, None, {"Location": link}))
    assert client(wire).archive_link(SECRET, "octo-org/shop", SHA) == link
    assert [request.url.path for request in wire.requests] == [f"/repos/octo-org/shop/tarball/{SHA}"]


@pytest.mark.parametrize(
    "odd",
    [
        answer(200, "archive"),
        answer(204),
        answer(302),
        answer(302, None, {"Location": "/codeload?token=OPENS"}),
        answer(302, None, {"Location": "http://codeload.example.com/x?token=OPENS"}),
        answer(302, None, {"Location": "https:///x?token=OPENS"}),
        answer(302, None, {"Location": "javascript:alert('OPENS')"}),
        answer(302, None, {"Location": "ftp://codeload.example.com/x?token=OPENS"}),
        answer(302, None, {"Location": "https://user:OPENS@codeload.example.com/x"}),
        answer(303, None, {"Location": LINK}),
    ],
)
def test_anything_but_a_redirect_to_https_is_no_archive_link(odd: httpx.Response) -> None:
    with pytest.raises(GitHubRefusedError) as raised:
        CALLS["archive_link"](client(Wire(odd)))
    assert "OPENS" not in shown(raised.value)


@pytest.mark.parametrize("full_name", ["shop", "octo-org/", "/shop", "octo-org/..", "./shop", "a/b/c", ""])
def test_what_no_repository_can_be_called_is_not_asked_for(full_name: str) -> None:
    wire = Wire()
    with pytest.raises(GitHubNotFoundError, match="owner/name"):
        client(wire).repository(SECRET, full_name)
    assert not wire.requests


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    wire = Wire(answer(404), answer(404))
    with pytest.raises(GitHubNotFoundError):
        client(wire).repository(SECRET, "octo-org/a?b#c")
    with pytest.raises(GitHubNotFoundError):
        client(wire).archive_link(SECRET, "octo-org/shop", "../../x?y")
    assert [request.url.raw_path for request in wire.requests] == [
        b"/repos/octo-org/a%3Fb%23c",
        b"/repos/octo-org/shop/tarball/..%2F..%2Fx%3Fy",
    ]


def test_an_enterprise_s_own_server_has_its_api_under_a_path() -> None:
    wire = Wire(answer(404))
    with pytest.raises(GitHubNotFoundError):
        client(wire, "https://git.example.com/api/v3/").repository(SECRET, "octo-org/shop")
    assert str(wire.last.url) == "https://git.example.com/api/v3/repos/octo-org/shop"


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Server(Response("here")) as server, build_http() as http:
        assert http.get(server.url).text == "here"
