import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TextIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from ingress.delivery import MAX_BODY_BYTES
from ingress.webhook import REFETCH, Ingress, WebhookSecret, logger
from prestage_contracts import PullRequestOpened
from tests.unit.ingress_stage import NOW, World, ingress_world
from tests.unit.webhooks import GUID, SECRET, SHA, opened, payload, request, sign


@pytest.fixture
def world() -> Iterator[World]:
    with ingress_world() as built:
        yield built


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = cast("logging.StreamHandler[TextIO]", logger.registered_handler)
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before or sys.stdout)


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("action", ["opened", "reopened"])
def test_an_opened_pull_request_is_stated(world: World, action: str, encoded: bool) -> None:
    body = json.dumps(payload(action=action)).encode()
    assert world.post(request(body, encoded=encoded))[0] == 202
    (fact,) = world.bus.facts
    assert (fact["Source"], fact["DetailType"]) == ("prestage.ingress", "PullRequestOpened")
    event = PullRequestOpened.model_validate(fact["Detail"])
    assert event.metadata.correlation_id == event.metadata.causation_id == GUID
    assert (event.metadata.group, event.metadata.hop) == ("9", 0)
    assert event.data.action == action
    assert (event.data.head.sha, event.data.head.branch, event.data.head.repository_id) == (SHA, "teal", 9)


def test_a_deleted_fork_and_a_deleted_account_are_said_as_such(world: World) -> None:
    assert world.post(opened(head__repo=None, user=None))[0] == 202
    data = world.bus.facts[0]["Detail"]["data"]
    assert data["head"]["repository_id"] is None
    assert data["pull_request"]["author"] == "ghost"


def test_a_redelivered_webhook_states_nothing_again(world: World) -> None:
    world.post(opened())
    assert world.post(opened()) == (202, "accepted: it was stated already")
    assert len(world.bus.facts) == 1


def test_a_body_replayed_under_a_new_delivery_id_states_nothing_again(world: World) -> None:
    body = json.dumps(payload()).encode()
    world.post(request(body))
    assert world.post(request(body, guid="00000000-cc78-11e3-81ab-4c9367dc0958"))[0] == 202
    assert len(world.bus.facts) == 1


def test_what_could_not_be_stated_is_answered_5xx_and_stated_when_redelivered(world: World) -> None:
    world.bus.failures = 4
    assert world.post(opened()) == (503, "it could not be stated now: redeliver it")
    assert world.post(opened())[0] == 202
    assert len(world.bus.facts) == 1


@pytest.mark.parametrize("event", ["ping", "installation", "check_run", "push ", "PUSH", "something_new"])
def test_other_events_are_acknowledged_and_ignored(world: World, event: str) -> None:
    assert world.post(request(b'{"zen":"Design for failure."}', event=event)) == (
        202,
        "ignored: nothing follows from it",
    )
    assert world.bus.facts == []


@pytest.mark.parametrize("action", ["assigned", "edited", "stacked", None, [], {"opened": 1}, 7])
def test_other_actions_are_acknowledged_and_ignored(world: World, action: object) -> None:
    assert world.post(opened(action=action))[0] == 202
    assert world.bus.facts == []


@pytest.mark.parametrize("signature", [None, "sha256=" + "0" * 64, sign(b"another body"), "nonsense"])
def test_a_bad_or_missing_signature_is_401_whatever_else_is_wrong(world: World, signature: str | None) -> None:
    assert world.post(request(b"{", signature=signature, guid="not a GUID", event=None))[0] == 401
    assert world.bus.facts == []


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (request(b"{"), "JSON object"),
        (request(b"[]"), "JSON object"),
        (request(b"payload=%7B%7D"), "set the webhook to JSON"),
        (request(b""), "JSON object"),
        (request(b"[" * 100_000), "JSON object"),
        (request(b'"\\ud800"'), "JSON object"),
        (request(json.dumps(payload()).encode(), guid=None), "X-GitHub-Delivery"),
        (request(json.dumps(payload()).encode(), guid="72d3162e"), "X-GitHub-Delivery"),
        (request(json.dumps(payload()).encode(), guid=GUID + "\n"), "X-GitHub-Delivery"),
        (request(json.dumps(payload()).encode(), event=None), "X-GitHub-Event"),
        (opened(installation=None), "installation"),
        (opened(head__sha="not a sha"), "sha"),
        (opened(html_url="javascript:alert(1)"), "html_url"),
        (opened(number=True), "pull_request.number"),
        (opened(number=0), "number"),
        (opened(number=2**70), "number"),
        (opened(repository={"id": 9}), "repository.full_name"),
        (opened(title=None), "pull_request.title"),
    ],
)
def test_what_is_not_in_the_promised_shape_is_400_and_says_what(world: World, event: dict[str, Any], says: str) -> None:
    status, message = world.post(event)
    assert status == 400
    assert says in message
    assert world.bus.facts == []


def test_a_body_that_is_not_the_base64_it_says_is_400(world: World) -> None:
    assert world.post({**opened(), "isBase64Encoded": True})[0] == 400


@pytest.mark.parametrize("encoded", [False, True])
def test_a_body_too_large_is_413_before_anything_else(world: World, encoded: bool) -> None:
    assert world.post(request(b"x" * (MAX_BODY_BYTES + 1), signature=None, encoded=encoded))[0] == 413


def test_a_body_of_the_largest_size_is_taken(world: World) -> None:
    body = json.dumps({**payload(), "padding": ""}).encode()
    padded = body.replace(b'"padding": ""', b'"padding": "' + b"x" * (MAX_BODY_BYTES - len(body)) + b'"')
    assert len(padded) == MAX_BODY_BYTES
    assert world.post(request(padded))[0] == 202


def test_a_webhook_secret_that_is_not_set_is_answered_503_and_told_in_the_log(world: World, log: io.StringIO) -> None:
    world.vault.broken = True
    status, message = world.post(opened())
    assert (status, "operator" in message) == (503, True)
    assert "put its value into Secrets Manager" in log.getvalue()
    world.vault.broken = False
    assert world.post(opened())[0] == 202


def test_a_rotated_secret_is_fetched_so_that_rotation_loses_nothing(world: World) -> None:
    world.vault.current = "rotated"
    body = json.dumps(payload()).encode()
    assert world.post(request(body, signature=sign(body, "rotated")))[0] == 202
    assert world.vault.fetches == 1


def test_bad_signatures_fetch_the_secret_at_most_once_a_minute(world: World) -> None:
    for _ in range(5):
        assert world.post(request(b"{}", signature=sign(b"{}", "a stranger's")))[0] == 401
    assert world.vault.fetches == 1
    world.now[0] += REFETCH + timedelta(seconds=1)
    world.post(request(b"{}", signature=sign(b"{}", "a stranger's")))
    assert world.vault.fetches == 2


def test_no_log_line_has_the_body_a_signature_or_the_secret(world: World, log: io.StringIO) -> None:
    world.post(opened(title="a-title-in-the-body"))
    world.post(request(b"{}", signature=sign(b"{}", "a stranger's")))
    world.post(opened(head__sha="a-sha-in-the-body"))
    logged = log.getvalue()
    for hidden in ("a-title-in-the-body", "a-sha-in-the-body", "sha256=", SECRET):
        assert hidden not in logged
    assert all(json.loads(line)["delivery_id"] == GUID for line in logged.splitlines())
    assert logged


@given(body=st.binary(max_size=200), headers=st.dictionaries(st.text(max_size=30), st.text(max_size=50), max_size=5))
def test_whatever_a_stranger_posts_is_answered_401(body: bytes, headers: dict[str, str]) -> None:
    secret = WebhookSecret(lambda _afresh: SecretStr(SECRET), lambda: NOW)
    ingress = Ingress(secret, memory=None, publisher=None, clock=lambda: NOW)  # type: ignore[arg-type]  # never reached
    event = {**request(body, signature=None, encoded=True), "headers": headers}
    assert ingress.receive(event)["statusCode"] == 401
