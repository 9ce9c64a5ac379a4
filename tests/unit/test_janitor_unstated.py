"""What operators changed and nobody stated is counted, and nothing of it is told."""

from datetime import timedelta

import pytest

from choreography import measures
from choreography.measures import Measure
from janitor.unstated import Unstated
from records.outbox import Outbox
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import World
from tests.unit.journal_facts import first
from tests.unit.record_examples import NOW

MINUTE = timedelta(minutes=1)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Measure]:
    made: list[Measure] = []
    monkeypatch.setattr(measures, "_record", made.append)
    return made


def test_what_is_due_is_counted(local: Local, kept: list[Measure]) -> None:
    world, outbox = World(local), Outbox(local.table)
    for name, due in (("1", NOW - MINUTE), ("2", NOW), ("3", NOW + MINUTE)):
        outbox.keep(name, first("UserAdded", story="planted"), due)
    assert world.look(Unstated(outbox)) == []
    assert kept == [Measure("ChangesUnstated", 2)]


def test_where_nothing_is_due_nothing_is_counted(local: Local, kept: list[Measure]) -> None:
    outbox = Outbox(local.table)
    outbox.keep("1", first("UserAdded"), NOW + MINUTE)
    assert World(local).look(Unstated(outbox)) == []
    assert kept == []
