from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from github_app.client import GitHubNotFoundError, GitHubUnauthorizedError
from prestage.stage.github_hook import UNANSWERED
from tests.unit.github_stage import REPOSITORY, Stage, stage


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


def since(github: Stage) -> datetime:
    return github.now() - timedelta(days=3)


def listed(github: Stage, query: str = "") -> Any:
    return github.ask("GET", f"/app/hook/deliveries{query}", github.jwt()).json()


def test_a_lost_delivery_is_on_record_and_can_be_had_again(github: Stage) -> None:
    github.stand_in.lose_deliveries()
    number = github.open()
    assert not github.listener.taken
    assert github.stand_in.deliveries[0].status == UNANSWERED
    [failed] = github.github.failed_deliveries(github.jwt(), since(github))
    assert (failed.event, failed.action, failed.redelivery, failed.status_code) == (
        "pull_request",
        "opened",
        False,
        502,
    )
    assert (failed.installation_id, failed.repository_id) == (github.installation_id, github.repository_id)
    assert failed.delivered_at == github.now()
    github.github.redeliver(github.jwt(), failed.id)
    [(headers, _)] = github.listener.taken
    assert headers["x-github-delivery"] == failed.guid
    assert github.heard()[0][1]["number"] == number
    first, again = github.stand_in.deliveries
    assert (again.guid, again.body, again.redelivery, again.succeeded) == (first.guid, first.body, True, True)
    assert [one.id for one in github.github.failed_deliveries(github.jwt(), since(github))] == [failed.id]
    assert [one["redelivery"] for one in listed(github, "?status=success")] == [True]


def test_a_delivery_that_was_refused_is_listed_with_its_status(github: Stage) -> None:
    github.listener.status = "503 Service Unavailable"
    github.open()
    [failed] = github.github.failed_deliveries(github.jwt(), since(github))
    github.github.redeliver(github.jwt(), failed.id)
    newest, _ = listed(github)
    assert (newest["status_code"], newest["status"], newest["redelivery"]) == (503, "Invalid HTTP Response: 503", True)


def test_deliveries_are_listed_newest_first_in_pages(github: Stage) -> None:
    github.stand_in.lose_deliveries(102)
    for number in range(101):
        github.stand_in.deliver({"zen": str(number)}, event="ping")
    github.open()
    github.stand_in.deliver({"zen": "taken"}, event="ping")
    found = list(islice(github.github.failed_deliveries(github.jwt(), since(github)), 103))
    assert [one.id for one in found] == [one.id for one in reversed(github.stand_in.deliveries[:102])]
    assert (found[1].action, found[1].installation_id) == (None, None)
    assert github.stand_in.count("GET /app/hook/deliveries") == 2
    assert len(listed(github)) == 30


def test_deliveries_are_forgotten_after_three_days(github: Stage) -> None:
    github.stand_in.lose_deliveries(2)
    github.open()
    [old] = github.github.failed_deliveries(github.jwt(), since(github))
    github.now.advance(days=2)
    github.open()
    [recent] = github.github.failed_deliveries(github.jwt(), github.now() - timedelta(days=1))
    assert recent.id != old.id
    github.now.advance(days=1, seconds=1)
    assert [one["id"] for one in listed(github)] == [recent.id]
    with pytest.raises(GitHubNotFoundError):
        github.github.redeliver(github.jwt(), old.id)


def test_deliveries_are_the_app_s_own(github: Stage) -> None:
    with pytest.raises(GitHubUnauthorizedError):
        list(github.github.failed_deliveries(github.token(contents="read"), since(github)))
    with pytest.raises(GitHubUnauthorizedError):
        github.github.redeliver(github.token(contents="read"), 1)


@pytest.mark.parametrize(("query", "status"), [("status=late", 422), ("cursor=5", 400), ("cursor=v1_x", 400)])
def test_what_is_no_question_about_deliveries_is_refused(github: Stage, query: str, status: int) -> None:
    assert github.ask("GET", f"/app/hook/deliveries?{query}", github.jwt()).status_code == status


def test_what_is_no_json_object_is_listed_too(github: Stage) -> None:
    github.stand_in.deliver(b"\xff", event="push")
    github.stand_in.deliver(b"[1]", event="push")
    github.stand_in.deliver({"installation": None, "repository": None}, event="push")
    assert [one["repository_id"] for one in listed(github)] == [None, None, None]


def test_a_delivery_lost_once_is_not_lost_again(github: Stage) -> None:
    github.stand_in.lose_deliveries()
    number = github.open()
    assert github.stand_in.close_pull_request(REPOSITORY, number)
    assert [said["action"] for _, said in github.heard()] == ["closed"]
