from datetime import timedelta

import pytest

from github_app.client import GitHubRefusedError
from tests.unit.fly_wire import Wire
from tests.unit.github_wire import CALLS, DELIVERY, NOW, SECRET, TOKEN, answer, client

SINCE = NOW - timedelta(days=3)
NEXT = {"Link": '<https://api.example.com/app/hook/deliveries?cursor=v1_5>; rel="next"'}


def test_failed_deliveries_are_listed_with_what_they_were_about() -> None:
    wire = Wire(answer(200, [DELIVERY, {**DELIVERY, "id": 2, "action": None, "repository_id": None}]))
    first, second = client(wire).failed_deliveries(SECRET, SINCE)
    assert wire.last.url.raw_path == b"/app/hook/deliveries?status=failure&per_page=100"
    assert wire.last.headers["Authorization"] == f"Bearer {TOKEN}"
    assert (first.id, first.guid, first.redelivery, first.status_code) == (12345678, DELIVERY["guid"], False, 503)
    assert (first.event, first.action, first.installation_id, first.repository_id) == ("pull_request", "opened", 42, 9)
    assert (second.id, second.action, second.repository_id) == (2, None, None)


def test_pages_of_deliveries_are_followed_by_github_s_cursor() -> None:
    wire = Wire(answer(200, [DELIVERY], NEXT), answer(200, [{**DELIVERY, "id": 5}]))
    assert [one.id for one in client(wire).failed_deliveries(SECRET, SINCE)] == [12345678, 5]
    assert str(wire.last.url) == "https://api.example.com/app/hook/deliveries?cursor=v1_5"


def test_what_was_delivered_before_is_not_looked_at_nor_any_page_after_it() -> None:
    old = {**DELIVERY, "id": 4, "delivered_at": "2026-11-21T09:59:59Z"}
    wire = Wire(answer(200, [DELIVERY, old, {**DELIVERY, "id": 3}], NEXT))
    assert [one.id for one in client(wire).failed_deliveries(SECRET, SINCE)] == [12345678]
    assert len(wire.requests) == 1


@pytest.mark.parametrize(("code", "failed"), [(200, False), (202, False), (399, False), (400, True), (502, True)])
def test_what_was_taken_is_no_failure_even_where_the_list_is_not_narrowed(code: int, failed: bool) -> None:
    wire = Wire(answer(200, [{**DELIVERY, "status_code": code}]))
    assert bool(list(client(wire).failed_deliveries(SECRET, SINCE))) == failed


def test_a_delivery_is_asked_for_again_by_its_id() -> None:
    wire = Wire(answer(202, {}))
    client(wire).redeliver(SECRET, 12345678)
    assert (wire.last.method, wire.last.url.path) == ("POST", "/app/hook/deliveries/12345678/attempts")
    assert not wire.last.content


def test_a_redelivery_that_github_does_not_promise_is_none() -> None:
    with pytest.raises(GitHubRefusedError, match="of another shape"):
        CALLS["redeliver"](client(Wire(answer(200, {}))))
