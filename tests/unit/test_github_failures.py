from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from github_app.client import (
    GitHubNotFoundError,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
)
from tests.unit.fly_wire import Wire
from tests.unit.github_wire import (
    CALLS,
    LISTS,
    NOW,
    TOKEN,
    Call,
    answer,
    client,
    every_call,
    every_call_that_needs_it_there,
    shown,
)


@every_call
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, GitHubUnauthorizedError), (403, GitHubRefusedError), (409, GitHubRefusedError), (422, GitHubRefusedError)],
)
def test_what_would_be_refused_again_is_refused(call: Call, status: int, kind: type[GitHubRefusedError]) -> None:
    wire = Wire(answer(status, {"message": "No."}, {"x-github-request-id": "C0FF:EE"}))
    with pytest.raises(GitHubRefusedError) as raised:
        call(client(wire))
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.message, raised.value.request_id) == (status, "No.", "C0FF:EE")
    assert len(wire.requests) == 1


@every_call_that_needs_it_there
def test_what_is_not_there_is_told_apart(name: str) -> None:
    wire = Wire(answer(404, {"message": "Not Found"}))
    with pytest.raises(GitHubNotFoundError, match="Not Found"):
        CALLS[name](client(wire))
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "Not Found"}, "Not Found"),
        (
            {"message": "Validation Failed", "errors": [{"resource": "IssueComment", "code": "missing_field"}]},
            "Validation Failed; IssueComment missing_field",
        ),
        ({"message": "Validation Failed", "errors": ["too long"]}, "Validation Failed; too long"),
        ("<html>oh</html>\n", "<html>oh</html>"),
        (["no"], '["no"]'),
        ({"message": 5}, '{"message": 5}'),
        ({"message": "x" * 1000}, "x" * 300),
        ("", ""),
    ],
)
def test_a_refusal_says_what_github_said_and_no_more_than_that(body: Any, message: str) -> None:
    with pytest.raises(GitHubRefusedError) as raised:
        CALLS["repository"](client(Wire(answer(422, body))))
    assert raised.value.message == message
    assert raised.value.request_id is None


@every_call
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_unavailable(call: Call, status: int) -> None:
    wire = Wire(answer(status, "<html>"))
    with pytest.raises(GitHubUnavailableError) as raised:
        call(client(wire))
    assert raised.value.after >= timedelta(seconds=10)
    assert len(wire.requests) == 1


@every_call
@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError],
)
def test_no_answer_is_an_outage(call: Call, trouble: type[Exception]) -> None:
    wire = Wire(trouble)
    with pytest.raises(GitHubUnavailableError) as raised:
        call(client(wire))
    assert raised.value.after == timedelta(seconds=10)
    assert len(wire.requests) == 1


SOON = str(int(NOW.timestamp()) + 90)


@pytest.mark.parametrize(
    ("status", "headers", "message", "after"),
    [
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": SOON}, "API rate limit exceeded", 90),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": SOON}, "", 90),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}, "", 1),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}, "", 3600),
        (403, {"x-ratelimit-remaining": "0"}, "", 60),
        (403, {"Retry-After": "7"}, "You have exceeded a secondary rate limit", 7),
        (403, {"Retry-After": "7"}, "Slow down", 7),
        (403, {"Retry-After": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": SOON}, "", 7),
        (403, {}, "You have exceeded a secondary rate limit. Please wait.", 60),
        (403, {"x-ratelimit-remaining": "17", "x-ratelimit-reset": SOON}, "You have triggered an abuse detection", 60),
        (429, {}, "", 60),
        (429, {"Retry-After": "soon"}, "", 60),
        (429, {"Retry-After": "999999"}, "", 3600),
        (503, {"Retry-After": "30"}, "", 30),
    ],
)
def test_a_rate_limit_is_waited_for_as_long_as_github_says(
    status: int, headers: dict[str, str], message: str, after: int
) -> None:
    with pytest.raises(GitHubUnavailableError) as raised:
        CALLS["create_comment"](client(Wire(answer(status, {"message": message}, headers))))
    assert raised.value.after == timedelta(seconds=after)


def test_a_missing_permission_is_no_rate_limit() -> None:
    headers = {"x-ratelimit-remaining": "4999", "x-ratelimit-reset": SOON}
    with pytest.raises(GitHubRefusedError, match="Resource not accessible"):
        CALLS["create_comment"](client(Wire(answer(403, {"message": "Resource not accessible"}, headers))))


@given(
    status=st.sampled_from([403, 429, 503]),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126)) | st.integers().map(str),
    ),
    body=st.text(),
)
def test_no_answer_breaks_the_client(status: int, headers: dict[str, str], body: str) -> None:
    with pytest.raises((GitHubRefusedError, GitHubUnavailableError)) as raised:
        CALLS["repository"](client(Wire(httpx.Response(status, content=body.encode(), headers=headers))))
    if isinstance(raised.value, GitHubUnavailableError):
        assert timedelta(0) < raised.value.after <= timedelta(hours=1)


@pytest.mark.parametrize("body", ["<html>", "null", "[]", '{"id": "x"}', f'{{"token": "{TOKEN}"}}'])
@every_call
def test_an_answer_of_another_shape_is_refused_and_not_quoted(call: Call, body: str) -> None:
    wire = Wire(answer(200, body, {"x-github-request-id": "C0FF:EE"}))
    if body == "[]" and call in {CALLS[name] for name in LISTS}:
        assert call(client(wire)) == []
        return
    with pytest.raises(GitHubRefusedError, match="of another shape") as raised:
        call(client(wire))
    assert raised.value.request_id == "C0FF:EE"
    assert TOKEN not in shown(raised.value)


@every_call
def test_no_failure_shows_the_credential(call: Call) -> None:
    troubles: list[httpx.Response | type[Exception]] = [
        httpx.ReadTimeout,
        httpx.ConnectError,
        answer(401, {"message": f"bad token {TOKEN}"}),
        answer(422, "x" * 290 + TOKEN),
        answer(500, TOKEN),
        answer(200, {"message": TOKEN}),
    ]
    for trouble in troubles:
        with pytest.raises((GitHubRefusedError, GitHubUnavailableError)) as raised:
            call(client(Wire(trouble)))
        assert TOKEN[:12] not in shown(raised.value)


@pytest.mark.parametrize("value", ["", "ghs_abc\ndef", "ghs_abcé", "ghs_abc def"])
def test_what_no_header_can_carry_is_not_sent_and_not_quoted(value: str) -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="the credential for GitHub") as raised:
        client(wire).repository(SecretStr(value), "octo-org/shop")
    assert not wire.requests
    assert "ghs_abc" not in shown(raised.value)
