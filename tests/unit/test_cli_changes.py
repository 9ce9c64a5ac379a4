"""Every command that changes something states it, and tells no value by it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from prestage.cli import app as command_line
from records.outbox import PARTITION
from tests.unit.cli_stage import OWNER, Shell
from tests.unit.operator_acts import (
    ACTS,
    ARN,
    COMMAND,
    CONFIG,
    ELSEWHERE,
    READ_ONLY,
    WITH_VALUES,
    Operator,
    contents,
    keep,
    stated,
)


def commands() -> Iterator[str]:
    """Every command, as it is typed."""

    def below(command: Any, name: str) -> Iterator[str]:
        for part, one in getattr(command, "commands", {}).items():
            yield from below(one, f"{name} {part}".strip())
        if not hasattr(command, "commands"):
            yield name

    return below(get_command(command_line), "")


def test_every_command_is_known_to_change_something_or_nothing() -> None:
    assert sorted(commands()) == sorted([*ACTS, *READ_ONLY, *ELSEWHERE])


@pytest.mark.parametrize("name", ACTS)
def test_every_command_that_changes_something_states_it(shell: Shell, operator: Operator, name: str) -> None:
    before = len(shell.at.bus.events)
    operator.do(name)
    facts = stated(shell, before)
    assert tuple(fact["detail-type"] for fact in facts) == ACTS[name].states
    for fact in facts:
        said = fact["detail"]["data"]
        assert (said.get("changed_by") or said["requested_by"], said.get("confirmed", True)) == (ARN, True)
    assert list(shell.at.records.query(PARTITION)) == []
    keep(shell, facts)
    told = shell.run("audit").rows
    assert told[-1][1] == ARN
    assert told[-1][2].startswith(ACTS[name].words)


def test_no_value_is_in_a_fact_or_the_journal(shell: Shell, operator: Operator) -> None:
    before = len(shell.at.bus.events)
    for name in WITH_VALUES:
        operator.do(name)
    facts = stated(shell, before)
    keep(shell, facts)
    assert operator.planted_in(contents(shell, "RecordsTable")) == {CONFIG, COMMAND}  # where they belong
    assert operator.planted_in(json.dumps(facts) + contents(shell, "JournalTable")) == set()


def test_no_value_is_in_the_outbox_where_the_bus_takes_nothing(shell: Shell, operator: Operator) -> None:
    shell.at.publish("denied", BusName="no-such-bus")
    for name in WITH_VALUES:
        ran = operator.run(name, "--stack", "denied")
        assert ran.status == 0
        assert ran.err.startswith("note: ")
        assert "events:PutEvents on the bus no-such-bus" in ran.err
    kept = list(shell.at.records.query(PARTITION))
    assert len(kept) == len(WITH_VALUES) + 1  # of `apps set` there are two
    assert operator.planted_in(json.dumps(kept)) == set()


# ---- Owners


def test_an_app_is_given_to_another_owner_and_found_by_it(shell: Shell, operator: Operator) -> None:
    shell.do("apps", "set", "storefront", "--owner", "web-team")
    assert [row[1] for row in shell.run("apps", "list", "--owner", "web-team").rows] == ["storefront"]
    assert [row[1] for row in shell.run("apps", "list", "--owner", OWNER).rows] == ["moved"]
    assert [row[1] for row in shell.run("users", "show", "web-team").rows] == ["storefront"]
    assert operator.shell.run("users", "show", OWNER).rows[0][1] == "moved"


def test_an_app_is_not_given_to_nobody_and_nothing_is_stated(shell: Shell, operator: Operator) -> None:
    before = len(shell.at.bus.events)
    shell.run("apps", "set", "storefront", "--owner", "marketing").refused("`prestage users add marketing`")
    assert operator.shell.at.stack.app("storefront").owner == OWNER
    assert (stated(shell, before), list(shell.at.records.query(PARTITION))) == ([], [])


def test_what_is_so_already_is_said_and_changes_nothing(shell: Shell, operator: Operator) -> None:
    before, app = len(shell.at.bus.events), operator.shell.at.stack.app("storefront")
    said = shell.do("apps", "set", "storefront", "--forks", app.forks, "--build", app.build or "")
    assert said == f"nothing changed: {app.repository.full_name}:storefront is so already\n"
    assert (stated(shell, before), shell.at.stack.app("storefront").revision) == ([], app.revision)


def test_what_is_refused_is_no_fact(shell: Shell, operator: Operator) -> None:
    before = len(shell.at.bus.events)
    operator.do("environments stop")
    refused = [
        ("apps", "remove", "storefront"),
        ("users", "remove", OWNER),
        ("users", "add", OWNER),
        ("secrets", "delete", "storefront", "NOPE"),
        ("subscribers", "allow", "22", "--facts", "EnvironmentReady"),
        ("subscribers", "revoke", "444444444444"),
        ("dead-letters", "redrive", "nope"),
        ("events", "replay", "--from", "2026-11-01", "--subscriber", "nope"),
    ]
    for command in refused:
        assert shell.run(*command).status == 1
    assert [event["detail-type"] for event in stated(shell, before)] == ["StopRequested"]
    assert list(shell.at.records.query(PARTITION)) == []
