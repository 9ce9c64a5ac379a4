import pytest

from prestage_contracts.envelope import Reason
from records.skips import Skip, Skips
from records.table import Check
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY, app, tell

FORK = Reason(code="fork", message="Pull requests from forks get no preview of this app.")
CAP = Reason(code="cap", message="The app has all the previews that it may have.")


def skip(name: str = "storefront", number: int = 3, reason: Reason = FORK, decided_by: str = "event-1") -> Skip:
    return Skip(
        repository_id=REPOSITORY.id,
        number=number,
        app_id=app(name).id,
        app_name=name,
        reason=reason,
        decided_by=decided_by,
    )


@pytest.fixture
def skips(local: Local) -> Skips:
    return Skips(local.table)


@pytest.fixture
def last_word(local: Local) -> Check:
    return tell(local.table)


def test_what_was_never_skipped_is_none(skips: Skips) -> None:
    assert skips.get(REPOSITORY.id, 3, app().id) is None
    assert skips.list_by_pull_request(REPOSITORY.id, 3) == []


def test_a_skip_is_read_as_it_was_kept(skips: Skips, last_word: Check) -> None:
    assert skips.keep(skip(), last_word)
    assert skips.get(REPOSITORY.id, 3, app().id) == skip()
    assert skips.list_by_pull_request(REPOSITORY.id, 3) == [skip()]


def test_a_later_reason_takes_the_place_of_an_earlier_one(skips: Skips, last_word: Check) -> None:
    skips.keep(skip(), last_word)
    assert skips.keep(skip(reason=CAP, decided_by="event-2"), last_word)
    assert skips.list_by_pull_request(REPOSITORY.id, 3) == [skip(reason=CAP, decided_by="event-2")]


def test_a_pull_request_s_skips_are_its_own_and_by_app_name(skips: Skips, last_word: Check) -> None:
    for one in (skip("b"), skip("a"), skip("c", number=33)):
        skips.keep(one, last_word)
    assert skips.list_by_pull_request(REPOSITORY.id, 3) == [skip("a"), skip("b")]


def test_a_forgotten_skip_is_gone_and_forgetting_what_is_not_there_is_nothing(skips: Skips, last_word: Check) -> None:
    assert skips.forget(REPOSITORY.id, 3, app().id, last_word)
    skips.keep(skip(), last_word)
    assert skips.forget(REPOSITORY.id, 3, app().id, last_word)
    assert skips.get(REPOSITORY.id, 3, app().id) is None


def test_a_newer_word_on_the_pull_request_supersedes(local: Local, skips: Skips, last_word: Check) -> None:
    skips.keep(skip(), last_word)
    tell(local.table, "event-2", updated_at=NOW.replace(hour=11))
    assert not skips.keep(skip(reason=CAP), last_word)
    assert not skips.forget(REPOSITORY.id, 3, app().id, last_word)
    assert skips.list_by_pull_request(REPOSITORY.id, 3) == [skip()]


def test_a_word_that_comes_between_reading_and_writing_supersedes(local: Local, skips: Skips, last_word: Check) -> None:
    skips.keep(skip(), last_word)
    local.before("TransactWriteItems", lambda: tell(local.table, "event-2", updated_at=NOW.replace(hour=11)))
    assert not skips.forget(REPOSITORY.id, 3, app().id, last_word)
    assert skips.get(REPOSITORY.id, 3, app().id) == skip()
