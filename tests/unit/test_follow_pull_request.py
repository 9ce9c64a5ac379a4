"""Which word on a pull request is followed, and what GitHub is asked where words don't say it."""

from datetime import timedelta
from typing import Any

import pytest

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from environments.ask_github import SETTLING
from github_app.client import GitHubRefusedError, GitHubUnavailableError
from prestage_contracts.environments import PreviewFailed, RequestFailed
from records.revocations import Revocation, Revocations
from tests.simulation.memory_table import MemoryTable
from tests.unit.dynamodb import Local
from tests.unit.environment_asks import BROKEN, asked_for, asked_to_stop, changed, drifted, ended, opened, reopened
from tests.unit.environments_stage import World, about, after, commit, named, stated, word
from tests.unit.record_examples import NOW, REPOSITORY, SHA
from tests.unit.steps import event_id

AWAY = GitHubUnavailableError("no answer", timedelta(seconds=10))


@pytest.fixture
def world() -> World:
    return World(MemoryTable())


def settled(world: World) -> World:
    """So long after what is told that GitHub's API knows of it."""
    world.now.moment = NOW + SETTLING + timedelta(seconds=60)
    return world


# ---- The last word


def test_a_close_that_overtakes_its_open_wins(world: World) -> None:
    assert world.does(ended(2, 1)) == []
    assert world.does(opened()) == []
    assert world.environments() == []
    assert world.recorded().state == "closed"


def test_a_push_that_is_overtaken_by_a_later_one_changes_nothing(world: World) -> None:
    world.does(opened())
    world.does(changed(3, 2, sha=commit(3)))
    before = world.environment()
    assert world.does(changed(2, 1, sha=commit(2))) == []
    assert world.environment() == before


def test_a_close_that_comes_before_the_environment_is_written_wins(local: Local) -> None:
    world = World(local.table)
    local.before("TransactWriteItems", lambda: world.does(ended(2, 1)))
    assert world.does(opened()) == []
    assert world.environments() == []


def test_a_close_that_comes_between_its_word_and_its_environment_wins(local: Local) -> None:
    world = World(local.table)
    world.does(opened())
    local.before("TransactWriteItems", lambda: world.does(ended(3, 2)))
    assert world.does(changed(2, 1, sha=commit(2))) == []
    assert (world.environment().status, world.environment().sha) == ("closing", SHA)


def test_a_reopening_that_comes_between_the_closes_of_an_older_word_wins(local: Local) -> None:
    world = World(local.table)
    world.does(opened())
    local.before("TransactWriteItems", lambda: world.does(reopened(3, 2)))
    assert world.does(ended(2, 1)) == []
    assert world.environment().is_live


def test_a_newer_word_that_is_told_between_two_reads_is_followed_by_its_own_event(local: Local) -> None:
    world = World(local.table)
    local.before("PutItem", lambda: local.before("GetItem", lambda: world.does(ended(2, 1))))
    assert world.does(opened()) == []
    assert world.environments() == []


# ---- Words of one second


def test_a_tie_is_settled_by_what_github_says(world: World) -> None:
    world.does(opened())
    settled(world).github.has(word(0), "closed")
    assert named(world.does(ended(2, 0))) == ["EnvironmentClosed"]
    assert world.github.asked == ["pull_request octo-org/shop#3"]
    assert (world.recorded().state, world.recorded().told_by) == ("closed", event_id(2))


def test_a_tie_whose_word_is_the_older_one_changes_nothing(world: World) -> None:
    """Closed and reopened within a second, told in the other order."""
    world.does(opened())
    world.does(reopened(3, 1))
    settled(world).github.has(word(1))
    assert world.does(ended(2, 1)) == []
    assert world.environment().is_live


@pytest.mark.parametrize("told", [{"sha": commit(2)}, {"sha": SHA}], ids=["as on record", "as the event tells"])
def test_an_answer_of_the_same_second_counts_only_when_github_knows_of_both(world: World, told: Any) -> None:
    world.does(opened(1, 0, sha=commit(2)))
    world.github.has(word(0, **told))
    with pytest.raises(RetryLaterError, match="does not know yet") as waiting:
        world.does(changed(2, 0, sha=SHA))
    assert waiting.value.after <= SETTLING
    assert world.recorded().told_by == event_id(1)
    world.now.moment += SETTLING
    assert named(world.does(changed(2, 0, sha=SHA))) == ([] if told["sha"] == commit(2) else ["EnvironmentUpdated"])


def test_an_answer_that_may_be_from_before_what_was_told_meanwhile_is_waited_for(world: World) -> None:
    """What asks is long ago, and what is on record is not."""
    world.does(opened())
    settled(world)
    now = (world.now() - NOW).total_seconds()
    world.github.has(word(now))
    world.github.before = lambda _call: None
    close = ended(3, now)
    with pytest.raises(RetryLaterError, match="does not know yet"):
        world.does_meeting(changed(2, 0), 1, lambda: world.does(close))
    assert world.recorded().state == "closed"


def test_an_answer_of_a_later_second_counts_at_once(world: World) -> None:
    world.does(opened())
    world.github.has(word(5, sha=commit(5)))
    assert named(world.does(changed(2, 0))) == ["EnvironmentUpdated"]
    assert settled(world).does(changed(5, 5, sha=commit(5))) == []


def test_an_answer_older_than_the_word_that_asks_is_waited_for(world: World) -> None:
    """Also long after: a replica of GitHub's that is behind by minutes is behind all the same."""
    world.does(opened(1, 5))
    settled(world).github.has(word(4), "closed")
    with pytest.raises(RetryLaterError, match="does not know yet"):
        world.does(ended(2, 5))
    assert world.recorded().state == "open"


def test_an_answer_asked_before_something_else_was_written_is_asked_for_again(world: World) -> None:
    world.does(opened())
    settled(world).github.has(word(0), "closed")
    world.github.before = lambda _call: world.does(changed(3, 1, sha=commit(3)))
    with pytest.raises(RetryLaterError, match="meanwhile"):
        world.does(ended(2, 0))
    assert world.environment().is_live
    world.github.before = lambda _call: None
    world.github.has(word(1, sha=commit(3)))
    assert world.does(ended(2, 0)) == []
    assert world.environment().sha == commit(3)


def test_of_many_words_of_one_second_github_s_is_followed_in_whatever_order_they_come() -> None:
    events = [opened(), changed(2, 0, sha=commit(2)), ended(3, 0, sha=commit(2)), reopened(4, 0, sha=commit(2))]
    for first in range(len(events)):
        world = World(MemoryTable())
        world.github.has(word(0, sha=commit(2)))
        for event in (*events[first:], *reversed(events[:first]), *events):
            world.ends(event)
        assert (world.environment().status, world.environment().sha) == ("deploying", commit(2))


def test_a_step_that_was_told_before_and_is_repeated_after_a_tie_asks_nobody_and_states_the_same(world: World) -> None:
    facts = world.does(opened())
    settled(world).github.has(word(0, sha=commit(2)))
    world.does(changed(2, 0, sha=commit(2)))
    world.github.asked.clear()
    assert stated(world.does(opened())) == stated(facts)
    assert world.github.asked == []
    assert world.environment().sha == commit(2)


# ---- Drift


def test_a_pull_request_that_drifted_is_as_github_says(world: World) -> None:
    world.does(opened())
    world.github.has(word(9), "merged")
    [fact] = world.does(drifted(2, 60))
    assert about(fact)["reason"]["code"] == "pull_request_merged"


def test_a_pull_request_that_drifted_from_nothing_begins(world: World) -> None:
    world.github.has(word(9, sha=commit(9)))
    [fact] = world.does(drifted(2, 60))
    assert about(fact)["environment"]["sha"] == commit(9)


def test_what_has_not_drifted_any_more_changes_nothing(world: World) -> None:
    world.does(world.says(opened()))
    assert world.does(drifted(2, 60)) == []
    assert world.environment().generation == 1


def test_an_answer_that_is_older_than_the_record_is_asked_for_again(world: World) -> None:
    world.does(opened(1, 9))
    world.github.has(word(4), "closed")
    with pytest.raises(RetryLaterError):
        world.does(drifted(2, 60))
    assert world.environment().is_live


def test_a_drift_that_is_told_again_after_something_newer_states_the_same(world: World) -> None:
    world.github.has(word(9))
    facts = world.does(drifted(2, 60))
    world.does(ended(3, 70))
    world.github.asked.clear()
    assert stated(world.does(drifted(2, 60))) == stated(facts)
    assert world.github.asked == []


def test_a_repository_of_the_same_name_is_not_taken_for_the_one_that_was_renamed(world: World) -> None:
    world.github.home = world.github.home.model_copy(update={"id": 666})
    world.github.has(word(9, sha=commit(6)))
    with pytest.raises(RefusedError, match="another repository"):
        world.does(drifted(2, 60))
    assert world.environments() == []


# ---- A GitHub that does not answer


def test_a_tie_waits_for_github(world: World) -> None:
    world.does(opened())
    settled(world).github.has(word(0), "closed")
    world.github.fail("pull_request", AWAY, AWAY)
    for _ in range(2):
        with pytest.raises(RetryLaterError):
            world.does(ended(2, 0))
    assert named(world.does(ended(2, 0))) == ["EnvironmentClosed"]


def test_a_pull_request_that_github_does_not_find_is_broken_and_may_be_there_later(world: World) -> None:
    with pytest.raises(BrokenError):
        world.does(drifted(2))
    world.github.has(word(0))
    assert named(world.does(drifted(2))) == ["EnvironmentCreated"]


def test_what_github_refuses_is_refused(world: World) -> None:
    world.github.fail("pull_request", GitHubRefusedError(403, "Resource not accessible by integration"))
    with pytest.raises(RefusedError, match="not accessible"):
        world.does(drifted(2))


# ---- A repository that the App lost


def lose(world: World) -> None:
    Revocations(world.table).keep(
        Revocation(installation_id=7, repository_id=REPOSITORY.id, at=NOW, told_by=event_id(90))
    )
    world.github.is_installed = False
    settled(world)


def test_a_word_from_before_the_app_was_uninstalled_begins_nothing(world: World) -> None:
    lose(world)
    assert world.does(opened()) == []
    assert world.environments() == []
    assert world.recorded().told_by == event_id(1)


def test_a_word_after_the_app_was_given_the_repository_again_begins_and_later_ones_ask_no_more(world: World) -> None:
    lose(world)
    world.github.is_installed = True
    assert named(world.does(opened(1, 120))) == ["EnvironmentCreated"]
    world.github.asked.clear()
    assert named(world.does(changed(2, 130, sha=commit(2)))) == ["EnvironmentUpdated"]
    assert world.github.asked == []


@pytest.mark.parametrize("event", [drifted(2), asked_for(2, 1), asked_to_stop(2, 1), ended(2, 0)], ids=repr)
def test_what_asks_github_about_a_lost_repository_ends_without(world: World, event: Any) -> None:
    """It is no failure: a redrive would find nothing else."""
    world.does(opened())
    lose(world)
    assert world.does(event) == []


# ---- What fails is told


@pytest.mark.parametrize("event", [opened(), changed(1, 1), ended(1, 1, merged=True)], ids=repr)
def test_a_word_that_is_given_up_names_the_pull_request_and_the_reason(world: World, event: Any) -> None:
    fact = world.gives_up(event, BROKEN)
    assert fact is not None
    assert fact.event is PreviewFailed
    assert fact.data.subject == f"{REPOSITORY.id}#3:{BROKEN.code}"
    assert about(fact)["reason"] == BROKEN.model_dump()


@pytest.mark.parametrize("event", [drifted(1), asked_for(1, 1), asked_to_stop(1, 1)], ids=repr)
def test_a_question_that_is_given_up_names_the_pull_request_and_the_reason(world: World, event: Any) -> None:
    fact = world.gives_up(event, BROKEN)
    assert fact is not None
    assert fact.event is RequestFailed
    told = about(fact)
    assert (told["pull_request_number"], told["branch"], told["reason"]["code"]) == (3, None, BROKEN.code)


def test_times_of_words_are_in_seconds_after_each_other() -> None:
    assert opened(1, 2).data.updated_at == after(2)
