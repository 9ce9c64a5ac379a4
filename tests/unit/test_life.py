"""Every move from every state, against the life as it is told in words: what each state knows, and no other."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.environments import MOST_MARKS, Environment
from records.life import LIVE, MOVES, Move, Status, is_legal
from tests.unit.record_examples import NOW, preview

STATES: tuple[Status | None, ...] = (None, "deploying", "ready", "failed", "closing", "stopped")
INTENTS: tuple[Move, ...] = ("begin", "update", "close")
REPORTS: tuple[Move, ...] = ("ready", "fail", "remove")

LIFE: dict[Status | None, dict[Move, Status]] = {
    # What is not there, or is no longer wanted, can only begin.
    None: {"begin": "deploying"},
    "stopped": {"begin": "deploying"},
    # What is going can be wanted again, or be gone.
    "closing": {"begin": "deploying", "remove": "stopped"},
    # What is wanted can be wanted otherwise, or no longer be; and it can become ready.
    "deploying": {"update": "deploying", "close": "closing", "ready": "ready", "fail": "failed"},
    # A late "ready" counts after a failure of the same generation,
    "failed": {"update": "deploying", "close": "closing", "ready": "ready"},
    # but no failure after "ready".
    "ready": {"update": "deploying", "close": "closing"},
}


@pytest.mark.parametrize(("status", "move"), list(product(STATES, (*INTENTS, *REPORTS))))
def test_each_move_leads_where_it_should_or_is_not_legal(status: Status | None, move: Move) -> None:
    assert MOVES.get((status, move)) == LIFE[status].get(move)
    assert is_legal(status, move) == (move in LIFE[status])


def test_no_state_and_no_move_is_forgotten() -> None:
    assert {status for status, _ in MOVES} == set(STATES)
    assert set(MOVES.values()) == set(STATES) - {None}
    assert {move for _, move in MOVES} == {*INTENTS, *REPORTS}


def test_live_is_what_is_wanted() -> None:
    assert set(LIVE) == {"deploying", "ready", "failed"}


@pytest.mark.parametrize("status", STATES)
def test_a_report_leads_only_onwards(status: Status | None) -> None:
    """No report takes a generation back to where it was, so that repeating and delaying them ends."""
    onwards: dict[Status | None, int] = {"deploying": 0, "failed": 1, "ready": 2, "closing": 3, "stopped": 4}
    for report in REPORTS:
        if is_legal(status, report):
            assert onwards[MOVES[status, report]] > onwards[status]


@pytest.mark.parametrize("status", STATES)
def test_every_intent_leads_to_the_beginning_or_to_the_end(status: Status | None) -> None:
    for intent in INTENTS:
        if is_legal(status, intent):
            assert MOVES[status, intent] == ("closing" if intent == "close" else "deploying")
    assert is_legal(status, "begin") != is_legal(status, "close")
    assert is_legal(status, "update") == is_legal(status, "close")


# ---- What an environment remembers of its life


def _raised(environment: Environment, times: int, first: int = 2) -> Environment:
    for number in range(first, first + times):
        environment = environment.raised("update" if environment.is_live else "begin", f"event-{number}", NOW)
    return environment


@given(times=st.integers(0, 3 * MOST_MARKS))
def test_the_last_generations_are_remembered_with_what_raised_them(times: int) -> None:
    raised = _raised(preview(), times)
    assert raised.generation == 1 + times
    assert len(raised.marks) == min(times, MOST_MARKS)
    for mark in raised.marks:
        assert mark == raised.mark(mark.cause) == raised.mark_of(mark.generation)
        assert mark.cause == f"event-{mark.generation}"


def test_what_was_too_long_ago_is_forgotten() -> None:
    raised = _raised(preview(), MOST_MARKS + 1)
    assert raised.mark("event-2") is None
    assert raised.mark_of(2) is None
    assert raised.mark("event-3") is not None


def test_raising_and_reporting_count_the_revision_and_forget_why_it_failed() -> None:
    begun = _raised(preview(), 1)
    failed = begun.reported("fail", "event-9", NOW, {"stage": "build"})
    assert (failed.status, failed.stage, failed.revision) == ("failed", "build", begun.revision + 1)
    again = failed.raised("update", "event-10", NOW)
    assert (again.status, again.stage, again.reason, again.revision) == ("deploying", None, None, failed.revision + 1)
    ready = failed.reported("ready", "event-11", NOW, {})
    assert (ready.status, ready.stage) == ("ready", None)


def test_reports_are_remembered_with_their_generation_and_survive_the_next() -> None:
    first = _raised(preview(), 1).reported("fail", "event-9", NOW, {}).reported("ready", "event-11", NOW, {})
    second = first.raised("update", "event-12", NOW).reported("ready", "event-13", NOW, {})
    assert [mark.reports for mark in second.marks] == [("event-9", "event-11"), ("event-13",)]


def test_a_snapshot_of_the_past_has_its_generation_and_commit() -> None:
    first = _raised(preview(), 1)
    mark = first.marks[0]
    moved = first.model_copy(update={"sha": "b" * 40}).raised("update", "event-3", NOW)
    assert moved.snapshot_at(mark) == first.snapshot()
    assert (moved.snapshot().generation, moved.snapshot().sha) == (3, "b" * 40)
