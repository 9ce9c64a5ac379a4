"""Which word on a pull request is the last, in whatever order they come."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prestage_contracts.ingress import PullRequestOpenedData
from records.pull_requests import MOST_TELLERS, Command, PullRequest, PullRequests, State, still_told_by
from records.table import ConditionFailedError, ConflictError, Put
from tests.simulation.memory_table import MemoryTable
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY, told

SECOND = timedelta(seconds=1)
OTHER_SHA = "b" * 40
START = Command(what="start", comment_id=1, at=NOW)
STOP = Command(what="stop", comment_id=2, at=NOW + SECOND)


@pytest.fixture
def pull_requests(local: Local) -> PullRequests:
    return PullRequests(local.table)


def stands(pull_requests: PullRequests) -> PullRequest:
    found = pull_requests.get(REPOSITORY.id, 3)
    assert found is not None
    return found


def later(seconds: int, **changes: Any) -> Any:
    return told(updated_at=NOW + seconds * SECOND, **changes)


# ---- Which word


def test_what_was_never_told_is_none(pull_requests: PullRequests) -> None:
    assert pull_requests.get(REPOSITORY.id, 3) is None


@pytest.mark.parametrize("state", ["open", "closed", "merged"])
def test_the_first_word_is_taken_whatever_it_is(pull_requests: PullRequests, state: State) -> None:
    assert pull_requests.tell(told(), state, "event-1") == "told"
    found = stands(pull_requests)
    assert (found.word, found.state, found.told_by, found.revision) == (told(), state, "event-1", 1)
    assert found.is_open == (state == "open")


def test_what_else_an_event_said_is_not_kept(local: Local, pull_requests: PullRequests) -> None:
    event = PullRequestOpenedData.model_validate({**told().model_dump(), "action": "opened"})
    pull_requests.tell(event, "open", "event-1")
    assert stands(pull_requests).word == told()
    assert "action" not in local.item(f"REPOSITORY#{REPOSITORY.id}", "PULL_REQUEST#3")["word"]


def test_a_newer_word_replaces_an_older_one(pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "open", "event-1")
    assert pull_requests.tell(later(1, sha=OTHER_SHA), "closed", "event-2") == "told"
    found = stands(pull_requests)
    assert (found.word.head.sha, found.state, found.told_by, found.revision) == (OTHER_SHA, "closed", "event-2", 2)


def test_an_older_word_that_comes_late_changes_nothing(pull_requests: PullRequests) -> None:
    """A close that overtakes its open wins."""
    pull_requests.tell(later(1), "closed", "event-2")
    before = stands(pull_requests)
    assert pull_requests.tell(told(), "open", "event-1") == "older"
    assert stands(pull_requests) == before


def test_the_same_event_may_tell_again(pull_requests: PullRequests) -> None:
    assert pull_requests.tell(told(), "open", "event-1") == "told"
    before = stands(pull_requests)
    assert pull_requests.tell(told(), "open", "event-1") == "told"
    assert stands(pull_requests) == before


@pytest.mark.parametrize("seconds", [0, 1])
def test_the_same_event_may_not_tell_again_once_another_told_after_it(
    pull_requests: PullRequests, seconds: int
) -> None:
    pull_requests.tell(told(), "open", "event-1")
    assert pull_requests.tell(later(seconds), "open", "event-2", asked_at=1) == "told"
    assert pull_requests.tell(told(), "open", "event-1") == "older"
    assert pull_requests.tell(told(), "open", "event-1", asked_at=2) == "older"
    assert stands(pull_requests).told_by == "event-2"


def test_who_told_before_is_remembered_for_a_while(pull_requests: PullRequests) -> None:
    for number in range(MOST_TELLERS + 2):
        pull_requests.tell(later(number), "open", f"event-{number}")
    found = stands(pull_requests)
    assert len(found.told_before) == MOST_TELLERS
    assert found.is_known(f"event-{MOST_TELLERS + 1}")
    assert found.is_known("event-1")
    assert not found.is_known("event-0")


@pytest.mark.parametrize("other", [{"number": 33}, {"repository_id": 1}])
def test_words_on_other_pull_requests_do_not_count(pull_requests: PullRequests, other: dict[str, Any]) -> None:
    pull_requests.tell(later(1), "open", "event-2")
    assert pull_requests.tell(told(**other), "open", "event-1") == "told"
    assert stands(pull_requests).told_by == "event-2"


# ---- Words of one second


def test_another_event_of_the_same_second_is_a_tie_and_changes_nothing(pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "open", "event-1")
    before = stands(pull_requests)
    assert pull_requests.tell(told(sha=OTHER_SHA), "closed", "event-2") == "tie"
    assert stands(pull_requests) == before


def test_an_answer_settles_a_tie(pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "open", "event-1")
    assert pull_requests.tell(told(sha=OTHER_SHA), "open", "event-2", asked_at=1) == "told"
    assert (stands(pull_requests).word.head.sha, stands(pull_requests).told_by) == (OTHER_SHA, "event-2")


@pytest.mark.parametrize("seconds", [0, 1])
def test_an_answer_asked_before_something_else_was_written_does_not_count(
    pull_requests: PullRequests, seconds: int
) -> None:
    pull_requests.tell(told(), "open", "event-1")
    pull_requests.tell(later(1), "closed", "event-3")
    assert pull_requests.tell(later(1 + seconds), "open", "event-2", asked_at=1) == "tie"
    assert stands(pull_requests).told_by == "event-3"


def test_an_answer_asked_when_there_was_no_record_does_not_count_once_there_is(pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "closed", "event-1")
    assert pull_requests.tell(told(), "open", "event-2", asked_at=0) == "tie"
    assert stands(pull_requests).state == "closed"


def test_an_answer_that_is_older_than_the_record_is_that(pull_requests: PullRequests) -> None:
    pull_requests.tell(later(1), "open", "event-1")
    assert pull_requests.tell(told(), "closed", "event-2", asked_at=1) == "older"
    assert stands(pull_requests).state == "open"


def test_a_word_that_comes_between_reading_and_writing_is_seen(local: Local, pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "open", "event-1")
    local.before("PutItem", lambda: pull_requests.tell(later(5), "closed", "event-5"))
    assert pull_requests.tell(later(2), "open", "event-2") == "older"
    assert stands(pull_requests).told_by == "event-5"


def test_words_that_keep_coming_between_are_a_conflict(local: Local, pull_requests: PullRequests) -> None:
    def come(number: int) -> None:
        pull_requests.tell(later(number), "open", f"event-{number}")
        local.before("PutItem", lambda: come(number + 1))

    local.before("PutItem", lambda: come(1))
    with pytest.raises(ConflictError):
        pull_requests.tell(later(100), "open", "event-100")


class _Wire:
    """GitHub's pull request while words on it are under way: `now` is how it is."""

    def __init__(self, words: list[tuple[int, State]]) -> None:
        self.words = [(later(at, sha=f"{number:040x}"), state) for number, (at, state) in enumerate(words)]

    @property
    def now(self) -> tuple[Any, State]:
        """The last of the newest second."""
        newest = max(word.updated_at for word, _ in self.words)
        return [(word, state) for word, state in self.words if word.updated_at == newest][-1]


words = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["open", "closed", "merged"])), min_size=1, max_size=7)


@given(words=words, data=st.data())
def test_in_whatever_order_they_come_github_s_last_word_stands(
    words: list[tuple[int, State]], data: st.DataObject
) -> None:
    """Of equal and of different seconds, each twice; who finds a tie asks and writes down the answer."""
    wire, pull_requests = _Wire(sorted(words, key=lambda one: one[0])), PullRequests(MemoryTable())
    numbers = range(len(words))
    for number in data.draw(st.permutations([*numbers, *numbers]), "order"):
        word, state = wire.words[number]
        if pull_requests.tell(word, state, f"event-{number}") == "tie":
            revision, (answer, now) = stands(pull_requests).revision, wire.now
            assert pull_requests.tell(answer, now, f"event-{number}", asked_at=revision) == "told"
    found = stands(pull_requests)
    assert (found.word, found.state) == wire.now


def test_the_check_holds_while_the_word_is_the_last_one(local: Local, pull_requests: PullRequests) -> None:
    check = still_told_by(REPOSITORY.id, 3, "event-1")
    write = Put({"pk": "A", "sk": "B"})
    with pytest.raises(ConditionFailedError):
        local.table.transact([check, write])
    pull_requests.tell(told(), "open", "event-1")
    local.table.transact([check, write])
    pull_requests.tell(later(1), "open", "event-2")
    with pytest.raises(ConditionFailedError):
        local.table.transact([check, write])


def test_a_record_says_what_it_says(pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "open", "event-1")
    found = stands(pull_requests)
    assert found.says(PullRequestOpenedData.model_validate({**told().model_dump(), "action": "opened"}), "open")
    assert not found.says(told(), "closed")
    assert not found.says(told(draft=True), "open")


# ---- Commands


def test_a_command_is_kept_while_words_come_and_go(pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "open", "event-1", asked_at=0, command=START)
    pull_requests.tell(later(2), "open", "event-2")
    assert stands(pull_requests).command == START


@pytest.mark.parametrize("state", ["closed", "merged"])
def test_a_command_is_forgotten_when_the_pull_request_is_closed(pull_requests: PullRequests, state: State) -> None:
    pull_requests.tell(told(), "open", "event-1", asked_at=0, command=STOP)
    pull_requests.tell(later(2), state, "event-2")
    assert stands(pull_requests).command is None
    pull_requests.tell(later(3), "open", "event-3")
    assert stands(pull_requests).command is None


def test_a_command_on_a_closed_pull_request_is_not_kept(pull_requests: PullRequests) -> None:
    pull_requests.tell(told(), "closed", "event-1", asked_at=0, command=STOP)
    assert stands(pull_requests).command is None


@pytest.mark.parametrize("order", list(permutations([START, STOP])))
def test_of_two_commands_the_later_comment_stands(pull_requests: PullRequests, order: tuple[Command, ...]) -> None:
    for revision, command in enumerate(order):
        pull_requests.tell(later(5), "open", f"event-{revision}", asked_at=revision, command=command)
    assert stands(pull_requests).command == STOP


def test_of_two_comments_of_one_second_the_one_with_the_higher_id_is_the_later() -> None:
    same = STOP.model_copy(update={"at": START.at})
    assert same.is_newer(START)
    assert not START.is_newer(same)
    assert not same.is_newer(same)


def test_a_command_from_before_the_last_close_comes_too_late(pull_requests: PullRequests) -> None:
    pull_requests.tell(later(5), "closed", "event-1")
    pull_requests.tell(later(6), "open", "event-2")
    found = stands(pull_requests)
    assert not found.takes(STOP)
    assert found.takes(STOP.model_copy(update={"at": NOW + 6 * SECOND}))
    pull_requests.tell(later(7), "open", "event-3", asked_at=2, command=STOP)
    assert stands(pull_requests).command is None


def test_a_close_that_comes_late_ends_what_was_asked_for_until_then(pull_requests: PullRequests) -> None:
    """Closed and reopened, and the close is told last: GitHub is asked, and the command is forgotten."""
    pull_requests.tell(later(1), "open", "event-1", asked_at=0, command=STOP)
    pull_requests.tell(later(6), "open", "event-3")
    assert pull_requests.tell(later(5), "closed", "event-2") == "tie"
    assert stands(pull_requests).command == STOP
    assert pull_requests.tell(later(6), "open", "event-2", asked_at=2, closed_at=NOW + 5 * SECOND) == "told"
    found = stands(pull_requests)
    assert (found.command, found.state, found.closed_at) == (None, "open", NOW + 5 * SECOND)


def test_an_answer_says_that_it_is_closed_and_not_since_when(pull_requests: PullRequests) -> None:
    """What somebody asked for in the second after the reopening, of which the answer is, counts."""
    pull_requests.tell(later(1), "closed", "event-1")
    pull_requests.tell(later(3), "closed", "event-2", asked_at=1)
    assert stands(pull_requests).closed_at == NOW + SECOND
    pull_requests.tell(later(3), "open", "event-3", asked_at=2)
    assert stands(pull_requests).takes(STOP.model_copy(update={"at": NOW + 3 * SECOND}))


def test_a_close_that_was_known_is_just_older(pull_requests: PullRequests) -> None:
    pull_requests.tell(later(5), "closed", "event-2")
    pull_requests.tell(later(6), "open", "event-3")
    assert pull_requests.tell(later(5), "closed", "event-4") == "older"
    assert pull_requests.tell(later(4), "closed", "event-1") == "older"


def test_a_later_command_than_a_late_close_stays(pull_requests: PullRequests) -> None:
    pull_requests.tell(later(6), "open", "event-3", asked_at=0, command=STOP)
    pull_requests.tell(later(6), "open", "event-2", asked_at=1, closed_at=STOP.at - SECOND)
    assert stands(pull_requests).command == STOP
