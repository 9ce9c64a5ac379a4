from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from ingress.payload.pull_request import told
from prestage_contracts import PullRequestClosed, PullRequestOpened, PullRequestUpdated
from prestage_contracts.ingress import PullRequestTold
from tests.unit.payloads import SHA, pull_request

UPDATES = ["synchronize", "edited", "ready_for_review", "converted_to_draft", "labeled", "unlabeled"]


def word(said: dict[str, Any]) -> PullRequestTold:
    [fact] = told(said)
    assert isinstance(fact.data, PullRequestTold)
    return fact.data


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("opened", PullRequestOpened),
        ("reopened", PullRequestOpened),
        *((action, PullRequestUpdated) for action in UPDATES),
    ],
)
def test_what_happened_to_an_open_pull_request_is_told_with_its_action(action: str, event: type) -> None:
    [fact] = told(pull_request(action))
    assert (fact.event, fact.group) == (event, 9)
    assert fact.data.model_dump()["action"] == action


@pytest.mark.parametrize("action", ["opened", "closed", *UPDATES])
def test_a_fact_tells_the_pull_request_as_it_is(action: str) -> None:
    data = word(pull_request(action))
    assert (data.repository.id, data.repository.full_name, data.default_branch) == (9, "octo-org/shop", "main")
    assert (data.installation_id, data.pull_request.number, data.pull_request.author) == (42, 7, "octocat")
    assert (data.author_type, data.draft, data.labels) == ("User", False, ("preview",))
    assert (data.head.branch, data.head.sha, data.head.repository_id) == ("teal", SHA, 9)
    assert data.updated_at == datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(("merged", "said"), [(True, True), (False, False), (None, False)])
def test_a_close_says_whether_it_was_merged(merged: bool | None, said: bool) -> None:
    [fact] = told(pull_request("closed", merged=merged))
    assert (fact.event, fact.data.model_dump()["merged"]) == (PullRequestClosed, said)


@pytest.mark.parametrize("changes", [{"title": {"from": "a"}}, {"body": {"from": None}}, {}, {"base": None}, [], None])
def test_an_edit_of_anything_but_the_base_leads_to_nothing(changes: object) -> None:
    assert told({**pull_request("edited"), "changes": changes}) == []


@pytest.mark.parametrize("action", ["opened", "reopened", *UPDATES])
def test_a_pull_request_that_is_closed_by_now_is_not_told_as_open(action: str) -> None:
    assert told(pull_request(action, state="closed")) == []


@pytest.mark.parametrize("action", ["assigned", "stacked", "review_requested", "Opened", None, 7, [], {"opened": 1}])
def test_any_other_action_leads_to_nothing(action: object) -> None:
    assert told(pull_request(action)) == []


def test_a_deleted_fork_and_a_deleted_account_are_told_as_such() -> None:
    data = word(pull_request("opened", user=None, head={"ref": "teal", "sha": SHA, "repo": None}))
    assert data.head.repository_id is None
    assert (data.pull_request.author, data.author_type) == ("ghost", "User")


def test_a_fork_is_told_by_its_own_id() -> None:
    assert word(pull_request("opened", head={"ref": "main", "sha": SHA, "repo": {"id": 77}})).head.repository_id == 77


def test_long_titles_and_labels_are_cut() -> None:
    names = [{"name": "é" * 1025}, *({"name": f"label {n}"} for n in range(120))]
    data = word(pull_request("labeled", title="t" * 1025, labels=names))
    assert data.pull_request.title == "t" * 1024
    assert data.labels == ("é" * 1024, *(f"label {n}" for n in range(99)))


def test_a_pull_request_that_tells_no_labels_has_none() -> None:
    said = pull_request("opened")
    del said["pull_request"]["labels"]
    assert word(said).labels == ()


@pytest.mark.parametrize("action", ["opened", "closed", "labeled"])
@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"number": True}, ("pull_request", "number")),
        ({"number": "7"}, ("pull_request", "number")),
        ({"number": 0}, ("pull_request", "number")),
        ({"number": 2**70}, ("pull_request", "number")),
        ({"title": None}, ("pull_request", "title")),
        ({"html_url": "javascript:alert(1)"}, ("pull_request", "html_url")),
        ({"head": {"ref": "", "sha": SHA, "repo": None}}, ("pull_request", "head", "ref")),
        ({"head": {"ref": "teal", "sha": SHA[1:], "repo": None}}, ("pull_request", "head", "sha")),
        ({"head": {"ref": "teal", "sha": SHA}}, ("pull_request", "head", "repo")),
        ({"labels": [{"name": "a"}, {"name": None}]}, ("pull_request", "labels", 1, "name")),
        ({"updated_at": "2026-11-01T10:00:00"}, ("pull_request", "updated_at")),
        ({"draft": None}, ("pull_request", "draft")),
    ],
)
def test_another_shape_is_refused_where_it_differs(action: str, changes: Any, where: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        told(pull_request(action, **changes))
    assert [error["loc"] for error in refused.value.errors()] == [where]


@pytest.mark.parametrize("missing", ["installation", "repository", "pull_request"])
def test_a_payload_that_lacks_a_part_is_refused_by_its_name(missing: str) -> None:
    said = pull_request("synchronize")
    del said[missing]
    with pytest.raises(ValidationError, match=missing):
        told(said)
