import json
from typing import Any

import pytest

from github_app.client import LONGEST_DESCRIPTION, GitHubRefusedError
from tests.unit.fly_wire import Wire
from tests.unit.github_wire import CALLS, DEPLOYMENT, SECRET, SHA, STATUS, answer, client


def test_a_deployment_waits_for_no_check_and_merges_nothing() -> None:
    wire = Wire(answer(201, DEPLOYMENT))
    CALLS["create_deployment"](client(wire))
    assert (wire.last.method, wire.last.url.path) == ("POST", "/repos/octo-org/shop/deployments")
    assert wire.body == {
        "ref": "teal",
        "task": "deploy",
        "auto_merge": False,
        "required_contexts": [],
        "environment": "preview/7",
        "payload": {"generation": 3},
        "description": "Preview of #7",
        "transient_environment": True,
        "production_environment": False,
    }


def test_production_s_deployment_says_so() -> None:
    wire = Wire(answer(201, DEPLOYMENT))
    made = client(wire).create_deployment(
        SECRET,
        "octo-org/shop",
        ref=SHA,
        environment="production",
        payload={},
        description="",
        transient_environment=False,
        production_environment=True,
    )
    assert (wire.body["transient_environment"], wire.body["production_environment"]) == (False, True)
    assert (made.id, made.sha, made.ref, made.environment) == (6, SHA, "teal", "preview/7")
    assert (made.payload, made.creator_login) == ({"generation": 3}, "prestage[bot]")


def test_a_merge_instead_of_a_deployment_is_a_refusal_in_words() -> None:
    wire = Wire(answer(202, {"message": "Auto-merged main into teal on deployment."}))
    with pytest.raises(GitHubRefusedError, match="made no deployment") as raised:
        CALLS["create_deployment"](client(wire))
    assert raised.value.status == 202


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        ({"generation": 3}, {"generation": 3}),
        (json.dumps({"generation": 3}), {"generation": 3}),
        ("", {}),
        (None, {}),
        ("deploy it", {}),
        ("[1]", {}),
    ],
)
def test_a_payload_comes_back_as_it_was_given_or_as_its_text(payload: Any, read: dict[str, Any]) -> None:
    wire = Wire(answer(200, [{**DEPLOYMENT, "payload": payload, "creator": None}]))
    [found] = client(wire).list_deployments(SECRET, "octo-org/shop")
    assert (found.payload, found.creator_login) == (read, "")


def test_deployments_are_listed_by_environment_in_pages() -> None:
    following = "https://api.example.com/repositories/9/deployments?page=2"
    wire = Wire(
        answer(200, [DEPLOYMENT], {"Link": f'<{following}>; rel="next"'}), answer(200, [{**DEPLOYMENT, "id": 5}])
    )
    found = client(wire).list_deployments(SECRET, "octo-org/shop", environment="preview/7 & more")
    assert [one.id for one in found] == [6, 5]
    path = b"/repos/octo-org/shop/deployments?per_page=100&environment=preview%2F7%20%26%20more"
    assert wire.requests[0].url.raw_path == path
    assert str(wire.last.url) == following


def test_all_deployments_are_listed_where_no_environment_is_named() -> None:
    wire = Wire(answer(200, []))
    assert not list(client(wire).list_deployments(SECRET, "octo-org/shop"))
    assert wire.last.url.raw_path == b"/repos/octo-org/shop/deployments?per_page=100"


def test_a_state_is_told_of_one_deployment_alone() -> None:
    wire = Wire(answer(201, STATUS))
    made = client(wire).create_deployment_status(
        SECRET,
        "octo-org/shop",
        6,
        "success",
        environment_url="https://shop.example.com",
        log_url="https://logs.example.com",
        description="Ready",
    )
    assert (wire.last.method, wire.last.url.path) == ("POST", "/repos/octo-org/shop/deployments/6/statuses")
    assert wire.body == {
        "state": "success",
        "environment_url": "https://shop.example.com",
        "log_url": "https://logs.example.com",
        "description": "Ready",
        "auto_inactive": False,
    }
    assert (made.id, made.state, made.environment_url) == (8, "success", "https://shop.example.com")


def test_a_state_without_addresses_names_none() -> None:
    wire = Wire(answer(201, {**STATUS, "environment_url": None, "log_url": ""}))
    CALLS["create_deployment_status"](client(wire))
    assert wire.body == {"state": "success", "description": "Ready", "auto_inactive": False}


@pytest.mark.parametrize("length", [LONGEST_DESCRIPTION, LONGEST_DESCRIPTION + 1, 1000])
def test_a_description_is_cut_to_what_github_takes(length: int) -> None:
    wire = Wire(answer(201, STATUS))
    client(wire).create_deployment_status(
        SECRET, "octo-org/shop", 6, "failure", environment_url=None, log_url=None, description="x" * length
    )
    told = wire.body["description"]
    assert len(told) == LONGEST_DESCRIPTION == 140
    assert told.endswith("…") == (length > LONGEST_DESCRIPTION)


def test_what_a_deployment_was_said_to_be_is_listed() -> None:
    wire = Wire(answer(200, [STATUS, {**STATUS, "id": 7, "state": "in_progress"}]))
    found = client(wire).list_deployment_statuses(SECRET, "octo-org/shop", 6)
    assert [(one.id, one.state) for one in found] == [(8, "success"), (7, "in_progress")]
    assert wire.last.url.raw_path == b"/repos/octo-org/shop/deployments/6/statuses?per_page=100"
