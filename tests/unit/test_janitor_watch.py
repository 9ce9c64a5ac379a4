from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janitor.watch import MARGIN, MOST_AWAY, OutOfTimeError, Patience, Watch

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def watch(hour: int = 0, left: timedelta = MARGIN) -> Watch:
    return Watch(NOON + timedelta(hours=hour), lambda: left)


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 10**6))
def test_a_sweep_looks_at_no_more_than_it_may_and_at_nothing_twice(count: int, most: int, hour: int) -> None:
    looked_at = list(watch(hour).in_turn(range(count), most))
    assert len(looked_at) == min(count, most)
    assert len(set(looked_at)) == len(looked_at)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 10**6))
def test_all_have_had_their_turn_after_as_many_sweeps_as_it_takes(count: int, most: int, hour: int) -> None:
    sweeps = -(-count // most)
    looked_at = {thing for each in range(sweeps) for thing in watch(hour + each).in_turn(range(count), most)}
    assert looked_at == set(range(count))


@given(st.integers(2, 30), st.integers(0, 10**6))
def test_it_is_not_always_the_same_that_a_short_sweep_does_not_come_to(count: int, hour: int) -> None:
    last = {list(watch(hour + each).in_turn(range(count), 100))[-1] for each in range(count)}
    assert last == set(range(count))


def test_the_same_hour_looks_at_the_same() -> None:
    half = timedelta(minutes=30)
    first = Watch(NOON, lambda: MARGIN).in_turn(range(50), 7)
    assert list(first) == list(Watch(NOON + half, lambda: MARGIN).in_turn(range(50), 7))


def test_nothing_more_is_looked_at_when_the_time_is_nearly_over() -> None:
    left = iter([MARGIN * 2, MARGIN, MARGIN - timedelta(seconds=1)])
    things = Watch(NOON, lambda: next(left)).in_turn("abc", 10)
    assert len({next(things), next(things)}) == 2
    with pytest.raises(OutOfTimeError):
        next(things)


def test_an_api_is_away_after_some_questions_in_a_row() -> None:
    patience = Patience()
    error = TimeoutError()
    for _ in range(3):
        for _ in range(MOST_AWAY - 1):
            patience.lost(error)
        patience.answered()
    for _ in range(MOST_AWAY - 1):
        patience.lost(error)
    with pytest.raises(TimeoutError):
        patience.lost(error)
