from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.pull_requests import PullRequest, PullRequests, still_told_by
from records.table import ConditionFailedError, Put
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY, told

SECOND = timedelta(seconds=1)


@pytest.fixture
def pull_requests(local: Local) -> PullRequests:
    return PullRequests(local.table)


def test_what_was_never_told_is_none(pull_requests: PullRequests) -> None:
    assert pull_requests.get(REPOSITORY.id, 3) is None


@pytest.mark.parametrize("state", ["open", "closed"])
def test_the_first_word_is_taken_whatever_it_is(pull_requests: PullRequests, state: str) -> None:
    assert pull_requests.tell(told(state=state)) is True
    assert pull_requests.get(REPOSITORY.id, 3) == told(state=state)


def test_a_newer_word_replaces_an_older_one(pull_requests: PullRequests) -> None:
    pull_requests.tell(told("event-1"))
    newer = told("event-2", updated_at=NOW + SECOND, state="closed", head_sha="b" * 40)
    assert pull_requests.tell(newer) is True
    assert pull_requests.get(REPOSITORY.id, 3) == newer


def test_an_older_word_that_comes_late_changes_nothing(pull_requests: PullRequests) -> None:
    """A close that overtakes its open wins."""
    closed = told("event-2", state="closed")
    pull_requests.tell(closed)
    assert pull_requests.tell(told("event-1", updated_at=NOW - SECOND)) is False
    assert pull_requests.get(REPOSITORY.id, 3) == closed


def test_the_same_event_may_tell_again(pull_requests: PullRequests) -> None:
    assert pull_requests.tell(told("event-1")) is True
    assert pull_requests.tell(told("event-1")) is True


def test_the_same_event_may_not_tell_again_once_a_newer_one_told(pull_requests: PullRequests) -> None:
    pull_requests.tell(told("event-1"))
    pull_requests.tell(told("event-2", updated_at=NOW + SECOND))
    assert pull_requests.tell(told("event-1")) is False


def test_another_event_of_the_same_second_changes_nothing(pull_requests: PullRequests) -> None:
    """As the same body replayed under a new delivery id."""
    pull_requests.tell(told("event-1"))
    assert pull_requests.tell(told("event-2", head_sha="b" * 40)) is False
    assert pull_requests.get(REPOSITORY.id, 3) == told("event-1")


@pytest.mark.parametrize("other", [{"number": 33}, {"repository_id": 1}])
def test_words_on_other_pull_requests_do_not_count(pull_requests: PullRequests, other: dict[str, Any]) -> None:
    pull_requests.tell(told("event-2", updated_at=NOW + SECOND))
    assert pull_requests.tell(told("event-1", **other)) is True
    assert pull_requests.get(REPOSITORY.id, 3) == told("event-2", updated_at=NOW + SECOND)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["open", "closed"])), min_size=1, max_size=8), st.data())
def test_in_whatever_order_they_come_the_newest_word_stands(
    local: Local, words: list[tuple[int, str]], data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, 10**9), "number")
    facts = [
        told(f"event-{i}", number=number, state=state, updated_at=NOW + at * SECOND)
        for i, (at, state) in enumerate(words)
    ]
    pull_requests = PullRequests(local.table)
    local.table.delete(f"REPOSITORY#{REPOSITORY.id}", f"PULL_REQUEST#{number}")
    for fact in data.draw(st.permutations(facts + facts), "order"):
        pull_requests.tell(fact)
    stands = pull_requests.get(REPOSITORY.id, number)
    assert isinstance(stands, PullRequest)
    assert stands.updated_at == max(fact.updated_at for fact in facts)
    assert stands in facts


def test_the_check_holds_while_the_word_is_the_last_one(local: Local, pull_requests: PullRequests) -> None:
    check = still_told_by(REPOSITORY.id, 3, "event-1")
    write = Put({"pk": "A", "sk": "B"})
    with pytest.raises(ConditionFailedError):
        local.table.transact([check, write])
    pull_requests.tell(told("event-1"))
    local.table.transact([check, write])
    pull_requests.tell(told("event-2", updated_at=NOW + SECOND))
    with pytest.raises(ConditionFailedError):
        local.table.transact([check, write])
