"""What operators changed and nobody stated is counted, and nothing of it is told."""

import json
from datetime import timedelta

import pytest

from janitor.unstated import Unstated
from records.outbox import Outbox
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import World
from tests.unit.journal_facts import first
from tests.unit.record_examples import NOW

MINUTE = timedelta(minutes=1)


def counted(capsys: pytest.CaptureFixture[str]) -> list[int]:
    """The metric's values, in CloudWatch's embedded format."""
    lines = [line for line in capsys.readouterr().out.splitlines() if "CloudWatchMetrics" in line]
    assert all("planted" not in line for line in lines)
    return [json.loads(line)["ChangesUnstated"][0] for line in lines]


def test_what_is_due_is_counted(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    world, outbox = World(local), Outbox(local.table)
    for name, due in (("1", NOW - MINUTE), ("2", NOW), ("3", NOW + MINUTE)):
        outbox.keep(name, first("UserAdded", story="planted"), due)
    assert world.look(Unstated(outbox)) == []
    assert counted(capsys) == [2]


def test_where_nothing_is_due_nothing_is_counted(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    outbox = Outbox(local.table)
    outbox.keep("1", first("UserAdded"), NOW + MINUTE)
    assert World(local).look(Unstated(outbox)) == []
    assert counted(capsys) == []
