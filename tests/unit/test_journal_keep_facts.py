"""The journal's step: every fact, and nothing stated."""

import pytest

from journal.keep_facts import steps
from prestage_contracts import EVENTS
from prestage_contracts.envelope import Reason
from records.journal import Journal
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import Now
from tests.unit.journal_facts import DELIVERY, REASON, first


@pytest.fixture
def journal(local: Local) -> Journal:
    return Journal(local.table, Now())


def test_every_fact_there_is_leads_to_the_journal(journal: Journal) -> None:
    assert set(steps(journal)) == set(EVENTS.values())


def test_a_fact_is_kept_and_nothing_is_stated(journal: Journal) -> None:
    fact = first("PullRequestOpened")
    step = steps(journal)[type(fact)]
    assert step.do(fact) == []
    assert step.do(fact) == []
    assert [entry.name for entry in journal.of_correlation(DELIVERY)] == ["PullRequestOpened"]


def test_nobody_is_told_of_what_could_not_be_kept(journal: Journal) -> None:
    fact = first("PullRequestOpened")
    assert steps(journal)[type(fact)].failed(fact, Reason.model_validate(REASON)) is None
