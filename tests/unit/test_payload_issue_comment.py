from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from ingress.payload.issue_comment import told
from prestage_contracts import PreviewRequested, PreviewStopRequested
from prestage_contracts.ingress import CommandData, PreviewRequestedData
from tests.unit.payloads import OCTOCAT, comment


@pytest.mark.parametrize(
    ("body", "retry"),
    [
        ("/preview", False),
        ("  /Preview\t", False),
        ("/preview\r\nthank you", False),
        ("/preview\n/preview stop", False),
        ("/preview retry", True),
        ("/PREVIEW RETRY\r\n", True),
    ],
)
def test_a_preview_can_be_asked_for_in_a_comment_s_first_line(body: str, retry: bool) -> None:
    [fact] = told(comment(body))
    assert (fact.event, fact.group) == (PreviewRequested, 9)
    assert isinstance(fact.data, PreviewRequestedData)
    assert fact.data.retry is retry


@pytest.mark.parametrize("body", ["/preview stop", "/Preview Stop \r\n\r\nIt costs too much.", "\t/preview stop"])
def test_a_stop_can_be_asked_for(body: str) -> None:
    [fact] = told(comment(body))
    assert fact.event is PreviewStopRequested


@pytest.mark.parametrize("command", ["/preview", "/preview retry", "/preview stop"])
def test_a_request_tells_who_asked_where_and_when(command: str) -> None:
    [fact] = told(comment(command))
    data = fact.data
    assert isinstance(data, CommandData)
    assert (data.repository.id, data.installation_id, data.pull_request_number) == (9, 42, 7)
    assert (data.comment_id, data.by) == (5001, "octocat")
    assert data.requested_at == datetime(2026, 11, 1, 10, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "preview",
        "/previews",
        "/preview now",
        "/preview  retry",
        "please /preview",
        "> /preview",
        "`/preview`",
        "\n/preview",
        "Thank you.\n/preview",
        "/preview stop it",
        "/preview \N{LATIN SMALL LETTER LONG S}top",
        None,
        7,
        ["/preview"],
    ],
)
def test_any_other_comment_leads_to_nothing(body: object) -> None:
    assert told(comment(body)) == []


@given(st.text(max_size=30))
def test_a_comment_that_does_not_begin_with_the_command_leads_to_nothing(body: str) -> None:
    assume(not body.lstrip().lower().startswith("/preview"))
    assert told(comment(body)) == []


@pytest.mark.parametrize("action", ["edited", "deleted", "pinned", None, 7])
def test_only_a_new_comment_counts(action: object) -> None:
    assert told({**comment("/preview"), "action": action}) == []


@pytest.mark.parametrize("issue", [{"number": 7}, {"number": 7, "pull_request": None}, None])
def test_a_comment_on_an_issue_leads_to_nothing(issue: object) -> None:
    assert told({**comment("/preview"), "issue": issue}) == []


@pytest.mark.parametrize("user", [{"login": "prestage[bot]", "id": 2, "type": "Bot"}, None])
def test_nobody_asks_who_is_a_bot_or_no_longer_there(user: object) -> None:
    assert told(comment("/preview", user=user)) == []


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (comment("/preview", id=None), "comment.id"),
        (comment("/preview", id=True), "comment.id"),
        (comment("/preview", created_at="yesterday"), "comment.created_at"),
        (comment("/preview", user={**OCTOCAT, "login": ""}), "comment.user.login"),
        (comment("/preview", user="octocat"), "comment.user"),
        ({**comment("/preview stop"), "issue": {"pull_request": {}}}, "issue.number"),
        ({**comment("/preview retry"), "installation": {}}, "installation.id"),
        ({**comment("/preview"), "installation": None}, "installation"),
    ],
)
def test_a_request_in_another_shape_is_refused_where_it_differs(said: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        told(said)
    assert [".".join(map(str, error["loc"])) for error in refused.value.errors()] == [where]
