"""`prestage audit`."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from prestage_contracts.envelope import Event
from records.outbox import PARTITION
from records.table import Table
from tests.unit.cli_stage import OWNER, SHOP, Shell
from tests.unit.journal_facts import first
from tests.unit.operator_acts import (
    ARN,
    Operator,
    keep,
    stated,
)

# ---- What `audit` shows


def test_what_waits_is_shown_and_is_stated_by_whoever_looks_later(shell: Shell, operator: Operator) -> None:
    shell.at.publish("refusing", BusName="no-such-bus")
    operator.run("users add", "--stack", "refusing")
    assert [row[2] for row in shell.run("audit").rows] == ["added the user qa-team (qa-team) (not stated yet)"]
    [kept] = shell.at.records.query(PARTITION)
    shell.at.records.put({**kept, "due_at": "2026-01-01T00:00:00Z"})  # a minute passes
    before = len(shell.at.bus.events)
    shell.do("audit")
    assert [event["detail-type"] for event in stated(shell, before)] == ["UserAdded"]
    assert list(shell.at.records.query(PARTITION)) == []


def act(by: str = ARN, at: datetime | None = None, *, story: str = "1", **changes: Any) -> Event:
    at = at or datetime.now(UTC)
    return first("UserAdded", story=story, at=at, changed_by=by, **changes)


def tell(shell: Shell, *facts: Event) -> None:
    for fact in facts:
        shell.at.stack.journal.keep(fact)


def test_it_is_told_by_whom_and_since_when_with_the_newest_last(shell: Shell) -> None:
    now = datetime.now(UTC)
    days = [("arn:aws:iam::1:user/maria", 40), ("arn:aws:iam::1:user/jonas", 6), ("arn:aws:iam::1:user/maria", 1)]
    tell(shell, *(act(by, now - timedelta(days=ago), story=str(ago)) for by, ago in reversed(days)))
    assert [row[1] for row in shell.run("audit").rows] == [by for by, _ in days]
    assert [row[1] for row in shell.run("audit", "--since", "7d").rows] == [by for by, _ in days[1:]]
    assert len(shell.run("audit", "--by", "user/maria").rows) == len(shell.run("audit", "--by", "User/MARIA").rows) == 2
    assert len(shell.run("audit", "--since", f"{now - timedelta(days=2):%Y-%m-%d}").rows) == 1
    shell.run("audit", "--since", "soon").refused("--since: a date such as 2026-11-01", status=2)


def test_it_is_told_of_one_app_with_its_owner_also_of_one_that_is_gone(shell: Shell) -> None:
    shell.at.have("storefront")
    shell.do("environments", "deploy", "storefront")
    keep(shell, stated(shell, len(shell.at.bus.events) - 1))
    gone = {"id": "0d5be1a7-90f6-5c3c-8d2a-6f1b7c4e9a35", "name": "api", "owner": "web-team"}
    repository = {"id": 5, "full_name": "octo-org/api"}
    tell(shell, act(), first("AppRemoved", story="2", at=datetime.now(UTC), app={**gone, "repository": repository}))
    [deployed] = shell.run("audit", "--app", "storefront").rows
    assert deployed[2:] == ["asked for storefront's production to be deployed", f"{SHOP}:storefront", OWNER]
    [removed] = shell.run("audit", "--app", "octo-org/API:api").rows
    assert removed[3:] == ["octo-org/api:api", "web-team"]
    assert len(shell.run("audit").rows) == 3


def test_what_broke_off_is_told_unless_it_is_confirmed(shell: Shell) -> None:
    tell(shell, act(confirmed=False), act(story="2", confirmed=False), act(story="2"))
    assert [row[2] for row in shell.run("audit").rows] == [
        "added the user shop-team (A_KEY) (not confirmed: the command broke off)",
        "added the user shop-team (A_KEY)",
    ]


def test_it_is_told_as_json(shell: Shell) -> None:
    tell(shell, act())
    [told] = json.loads(shell.do("audit", "--json"))
    assert (told["name"], told["data"]["changed_by"], told["stated"]) == ("UserAdded", ARN, True)


def test_what_a_later_version_states_is_told_by_its_name(shell: Shell) -> None:
    tell(shell, act())
    journal = Table(shell.at.aws.client("dynamodb"), shell.at.outputs["JournalTable"])
    [item] = journal.query("OPERATORS")
    journal.put({**item, "name": "QuotaChanged"})
    assert [row[2] for row in shell.run("audit").rows] == ["QuotaChanged"]
