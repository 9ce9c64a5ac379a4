import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fly_io.client import Fly, FlyAmbiguous, FlyRefused, FlyUnavailable
from tests.unit.fly_wire import CAPABILITY, CONFIG, HOSTNAME, TOKEN, Wire, answered, client, import_certificate

type Call = Callable[[Fly], object]
type Trouble = httpx.Response | type[Exception]

CHANGES: dict[str, Call] = {
    "create_app": lambda fly: fly.create_app("a", "org", "net"),
    "delete_app": lambda fly: fly.delete_app("a"),
    "assign_ip": lambda fly: fly.assign_ip("a", "v6"),
    "set_secrets": lambda fly: fly.set_secrets("a", {"KEY": "value"}),
    "create_machine": lambda fly: fly.create_machine("a", name="web", region="iad", config=CONFIG),
    "update_machine": lambda fly: fly.update_machine("a", "m", config=CONFIG, current_version="1"),
    "start_machine": lambda fly: fly.start_machine("a", "m"),
    "import_certificate": import_certificate,
    "check_certificate": lambda fly: fly.check_certificate("a", HOSTNAME),
    "delete_certificate": lambda fly: fly.delete_certificate("a", HOSTNAME),
}
QUESTIONS: dict[str, Call] = {
    "list_apps": lambda fly: fly.list_apps("org"),
    "get_certificate": lambda fly: fly.get_certificate("a", HOSTNAME),
    "get_app": lambda fly: fly.get_app("a"),
    "list_ip_types": lambda fly: fly.list_ip_types("a"),
    "list_secret_names": lambda fly: fly.list_secret_names("a"),
    "list_machines": lambda fly: fly.list_machines("a"),
    "get_machine": lambda fly: fly.get_machine("a", "m"),
}
CALLS = CHANGES | QUESTIONS
FRESH: dict[str, Call] = {
    "assign_ip": lambda fly: fly.assign_ip("a", "v6", fresh=True),
    "set_secrets": lambda fly: fly.set_secrets("a", {"KEY": "value"}, fresh=True),
    "create_machine": lambda fly: fly.create_machine("a", name="web", region="iad", config=CONFIG, fresh=True),
    "list_ip_types": lambda fly: fly.list_ip_types("a", fresh=True),
    "list_secret_names": lambda fly: fly.list_secret_names("a", fresh=True),
    "list_machines": lambda fly: fly.list_machines("a", fresh=True),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_unavailable_and_not_refused(call: Call, status: int) -> None:
    fly, _ = answered(status, {"error": "insufficient_capacity", "status": "insufficient_capacity"})
    with pytest.raises(FlyUnavailable) as raised:
        call(fly)
    assert raised.value.after is None
    assert not isinstance(raised.value, FlyAmbiguous)


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("Tue, 24 Nov 2026 10:00:30 GMT", timedelta(seconds=30)),
        ("Tue, 24 Nov 2026 10:00:30 -0000", timedelta(seconds=30)),
        ("Tue, 24 Nov 2026 09:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("99999999999999999999", None),
    ],
)
def test_the_wait_that_fly_asks_for_is_passed_on(asked: str, after: timedelta | None) -> None:
    fly, _ = answered(429, None, {"Retry-After": asked})
    with pytest.raises(FlyUnavailable) as raised:
        fly.get_app("a")
    assert raised.value.after == after


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_no_retry_after_breaks_the_client(asked: str) -> None:
    fly, _ = answered(503, None, {"Retry-After": asked})
    with pytest.raises(FlyUnavailable) as raised:
        fly.get_app("a")
    assert raised.value.after is None or raised.value.after >= timedelta(0)


LOST: list[Trouble] = [
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
]
NEVER_SENT: list[Trouble] = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("call", CHANGES.values(), ids=CHANGES)
def test_a_change_whose_answer_is_lost_may_have_happened(call: Call, lost: Trouble) -> None:
    with pytest.raises(FlyAmbiguous):
        call(client(Wire(lost)))


@pytest.mark.parametrize("call", CHANGES.values(), ids=CHANGES)
def test_a_change_that_ran_into_its_deadline_may_have_happened(call: Call) -> None:
    with pytest.raises(FlyAmbiguous):
        call(answered(408, {"error": "deadline_exceeded"})[0])


@pytest.mark.parametrize("never_sent", NEVER_SENT)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_request_that_never_left_changed_nothing(call: Call, never_sent: Trouble) -> None:
    with pytest.raises(FlyUnavailable) as raised:
        call(client(Wire(never_sent)))
    assert not isinstance(raised.value, FlyAmbiguous)


@pytest.mark.parametrize("call", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_without_an_answer_is_never_ambiguous(call: Call) -> None:
    troubles = [*LOST, httpx.Response(408)]
    for trouble in troubles:
        with pytest.raises(FlyUnavailable) as raised:
            call(client(Wire(trouble)))
        assert not isinstance(raised.value, FlyAmbiguous)


@pytest.mark.parametrize("status", [401, 404])
@pytest.mark.parametrize("call", FRESH.values(), ids=FRESH)
def test_an_app_created_a_moment_ago_may_not_be_seen_yet(call: Call, status: int) -> None:
    fly, _ = answered(status, {"error": "app not found"})
    with pytest.raises(FlyUnavailable) as raised:
        call(fly)
    assert raised.value.after == timedelta(seconds=1)
    assert not isinstance(raised.value, FlyAmbiguous)


@pytest.mark.parametrize("status", [401, 404])
@pytest.mark.parametrize("name", FRESH)
def test_an_older_app_that_is_not_seen_is_refused(name: str, status: int) -> None:
    with pytest.raises(FlyRefused) as raised:
        CALLS[name](answered(status, {"error": "app not found"})[0])
    assert raised.value.status == status


@pytest.mark.parametrize("name", FRESH)
def test_being_fresh_excuses_nothing_else(name: str) -> None:
    with pytest.raises(FlyRefused):
        FRESH[name](answered(403, {"error": "no"})[0])


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 412])
def test_what_would_be_refused_again_is_refused(call: Call, status: int) -> None:
    fly, _ = answered(status, {"error": "no"}, {"fly-request-id": "01J"})
    with pytest.raises(FlyRefused) as raised:
        call(fly)
    assert (raised.value.status, raised.value.request_id) == (status, "01J")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "the words"}, "the words"),
        ({"message": "the words"}, "the words"),
        ({"error": "", "message": "the words"}, "the words"),
        ("<html>the words</html>\n", "<html>the words</html>"),
        (["the words"], '["the words"]'),
        ({"error": "x" * 1000}, "x" * 300),
        ("y" * 1000, "y" * 300),
        ("", ""),
    ],
)
def test_a_refusal_says_what_fly_said_and_no_more_than_that(body: Any, message: str) -> None:
    fly, _ = answered(400, body)
    with pytest.raises(FlyRefused) as raised:
        fly.get_app("a")
    assert raised.value.message == message
    assert raised.value.request_id is None


def shown(error: BaseException) -> str:
    """All that a log could show of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


@pytest.mark.parametrize("status", [400, 401, 408, 422, 429, 500])
@pytest.mark.parametrize("name", ["set_secrets", "list_secret_names", "import_certificate"])
def test_nothing_that_fly_says_about_secrets_is_quoted(name: str, status: int) -> None:
    fly, _ = answered(status, {"error": "invalid value hunter2", "secrets": [{"value": "hunter2"}]})
    with pytest.raises((FlyRefused, FlyUnavailable)) as raised:
        CALLS[name](fly)
    assert "hunter2" not in shown(raised.value)


def test_values_of_a_machines_environment_and_the_token_are_not_quoted() -> None:
    for name in ("create_machine", "update_machine"):
        for status in (400, 409):
            fly, _ = answered(status, {"error": f"bad env {CAPABILITY} under {TOKEN} on 8080"})
            with pytest.raises(FlyRefused) as raised:
                CALLS[name](fly)
            assert raised.value.message == "bad env … under … on 8080"


def test_a_value_is_hidden_before_a_message_is_cut() -> None:
    fly, _ = answered(400, {"error": "x" * 290 + CAPABILITY})
    with pytest.raises(FlyRefused) as raised:
        CALLS["create_machine"](fly)
    assert raised.value.message == "x" * 290 + "…"


@pytest.mark.parametrize("body", ["<html>", "null", "[]", '{"id": 5}', '{"secrets": [{"value": "hunter2"}]}'])
@pytest.mark.parametrize(
    "name",
    [
        "get_app",
        "list_apps",
        "set_secrets",
        "list_secret_names",
        "create_machine",
        "get_machine",
        "import_certificate",
        "get_certificate",
        "check_certificate",
    ],
)
def test_an_answer_of_another_shape_is_refused_and_not_quoted(name: str, body: str) -> None:
    fly, _ = answered(200, body, {"fly-request-id": "01J"})
    if name == "list_secret_names" and body == '{"id": 5}':
        assert CALLS[name](fly) == frozenset()
        return
    with pytest.raises(FlyRefused) as raised:
        CALLS[name](fly)
    assert raised.value.request_id == "01J"
    assert "hunter2" not in shown(raised.value)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_failure_shows_the_token(call: Call) -> None:
    troubles = [*LOST, *NEVER_SENT, httpx.Response(401, text=f"bad token {TOKEN}"), httpx.Response(500)]
    for trouble in troubles:
        with pytest.raises((FlyRefused, FlyUnavailable)) as raised:
            call(client(Wire(trouble)))
        assert TOKEN not in shown(raised.value)
