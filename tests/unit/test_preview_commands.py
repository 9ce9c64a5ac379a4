"""`/preview`, `/preview retry` and `/preview stop`: whose count, for how long, and over what."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from choreography.reaction import RetryLaterError
from github_app.client import GitHubUnavailableError
from records.pull_requests import Command
from tests.simulation.memory_table import MemoryTable
from tests.unit.dynamodb import Local
from tests.unit.environment_asks import asked_for, asked_to_stop, changed, ended, expired, opened, reopened, stop
from tests.unit.environments_stage import World, about, after, commit, named, stated, word
from tests.unit.record_examples import app
from tests.unit.steps import event_id

AWAY = GitHubUnavailableError("no answer", timedelta(seconds=10))


def at(world: World, seconds: float, **changes: Any) -> World:
    """The pull request as a comment of then leaves it."""
    world.github.has(word(seconds, **changes))
    return world


@pytest.fixture
def world() -> World:
    found = World(MemoryTable())
    found.does(found.says(opened()))
    return found


# ---- What they do


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"drafts": "ignore"}, {"draft": True}),
        ({"previews": "label"}, {}),
        ({"previews": "command"}, {}),
        ({"bots": "ignore"}, {"author_type": "Bot"}),
    ],
    ids=["draft", "label", "command", "bot"],
)
def test_a_preview_that_is_asked_for_begins_whatever_the_pull_request_is(
    policy: dict[str, Any], told: dict[str, Any]
) -> None:
    world = World(MemoryTable(), apps=(app(**policy),))
    assert named(world.does(opened(**told))) == ["PreviewSkipped"]
    [fact] = at(world, 1, **told).does(asked_for(2, 1))
    assert fact.event.name() == "EnvironmentCreated"
    assert world.environment().with_secrets == ("author_type" not in told)
    assert world.skips() == []
    assert named(world.does(changed(3, 2, sha=commit(3), **told))) == ["EnvironmentUpdated"]


def test_no_comment_gives_an_ignored_fork_a_preview(world: World) -> None:
    world.does(changed(2, 1, head=9))
    assert at(world, 2, head=9).does(asked_for(3, 2)) == []
    assert [skip.reason.code for skip in world.skips()] == ["fork"]


def test_a_stop_ends_the_preview_and_outlives_pushes(world: World) -> None:
    closed, skipped = at(world, 1).does(asked_to_stop(2, 1))
    assert about(closed)["reason"]["code"] == about(skipped)["reason"]["code"] == "stop_requested"
    assert world.does(changed(3, 2, sha=commit(3))) == []
    assert world.environment().status == "closing"
    [fact] = at(world, 3, sha=commit(3)).does(asked_for(4, 3))
    assert about(fact)["environment"]["sha"] == commit(3)
    assert world.skips() == []


def test_a_preview_that_is_there_stays_as_it_is_unless_it_is_to_be_afresh(world: World) -> None:
    assert at(world, 1).does(asked_for(2, 1)) == []
    [fact] = at(world, 2).does(asked_for(3, 2, retry=True))
    assert (fact.event.name(), about(fact)["environment"]["generation"]) == ("EnvironmentUpdated", 2)


def test_what_was_expired_or_stopped_by_an_operator_begins_again_when_it_is_asked_for(world: World) -> None:
    world.does(expired(2, world.environment(), 800_000))
    assert named(at(world, 800_001).does(asked_for(3, 800_001))) == ["EnvironmentCreated"]
    world.does(stop(4, world.environment()))
    assert named(at(world, 800_002).does(asked_for(5, 800_002, retry=True))) == ["EnvironmentCreated"]


def test_a_comment_on_a_closed_pull_request_changes_nothing(world: World) -> None:
    world.does(ended(2, 1))
    world.github.has(word(2), "closed")
    assert world.does(asked_for(3, 2)) == []
    assert world.recorded().command is None
    assert world.environment().status == "closing"


def test_a_comment_on_a_pull_request_that_nobody_told_of_begins_its_preview() -> None:
    world = at(World(MemoryTable()), 1)
    assert named(world.does(asked_for(2, 1))) == ["EnvironmentCreated"]


# ---- Whose count


@pytest.mark.parametrize("permission", ["admin", "write"])
def test_who_may_write_is_obeyed(world: World, permission: str) -> None:
    world.github.permissions["ada"] = permission
    assert named(at(world, 1).does(asked_to_stop(2, 1, by="ada"))) == ["EnvironmentClosed", "PreviewSkipped"]


@pytest.mark.parametrize("permission", ["triage", "read", "none", "owner", ""])
def test_who_may_not_write_changes_nothing(world: World, permission: str) -> None:
    world.github.permissions["mallory"] = permission
    before = world.recorded()
    for event in (asked_to_stop(2, 1, by="mallory"), asked_for(3, 1, by="mallory", retry=True)):
        assert at(world, 1).does(event) == []
    assert world.recorded() == before
    assert world.environment().generation == 1


def test_a_comment_waits_until_github_says_whether_its_author_may_write(world: World) -> None:
    world.github.fail("permission", AWAY)
    with pytest.raises(RetryLaterError):
        at(world, 1).does(asked_to_stop(2, 1))
    assert world.environment().is_live
    assert named(world.does(asked_to_stop(2, 1))) == ["EnvironmentClosed", "PreviewSkipped"]


def test_who_was_obeyed_is_not_asked_about_again_when_the_step_is_repeated(world: World) -> None:
    facts = at(world, 1).does(asked_to_stop(2, 1))
    world.github.permissions.clear()
    world.github.asked.clear()
    assert world.does(asked_to_stop(2, 1)) == facts
    assert world.github.asked == []


# ---- Their order


@pytest.mark.parametrize("order", list(permutations([asked_for(2, 1), asked_to_stop(3, 2)])))
def test_of_two_comments_the_later_one_counts(world: World, order: Any) -> None:
    at(world, 2)
    for event in order:
        world.ends(event)
    command = world.recorded().command
    assert command == Command(what="stop", comment_id=3, at=after(2))
    assert not world.environment().is_live


def test_of_two_comments_at_once_the_later_one_counts_wherever_they_meet() -> None:
    for nth in range(8):
        world = World(MemoryTable())
        world.does(world.says(opened()))
        at(world, 2)
        calls: list[str] = []

        def meet(call: str, calls: list[str] = calls, world: World = world, nth: int = nth) -> None:
            calls.append(call)
            if len(calls) == nth + 1:
                world.ends(asked_to_stop(3, 2))

        world.github.before = meet
        world.ends(asked_for(2, 1))
        world.ends(asked_to_stop(3, 2))
        assert world.recorded().command == Command(what="stop", comment_id=3, at=after(2))
        assert not world.environment().is_live


def test_a_later_stop_is_not_undone_by_an_earlier_comment_that_finds_a_newer_word(world: World) -> None:
    """The earlier comment was asked about before the stop was written, and its answer is newer than that."""
    at(world, 2)

    def meanwhile(call: str) -> None:
        if call == "pull_request":
            world.github.before = lambda _call: None
            world.ends(asked_to_stop(3, 2))
            world.github.has(word(9, sha=commit(9)))

    world.github.before = meanwhile
    world.ends(asked_for(2, 1))
    assert not world.environment().is_live


@pytest.mark.parametrize("order", list(permutations([ended(3, 2), reopened(4, 3), asked_to_stop(2, 1)])))
def test_a_comment_from_before_the_close_is_forgotten_in_whatever_order_they_are_told(world: World, order: Any) -> None:
    at(world, 3)
    for event in order:
        world.ends(event)
    assert world.recorded().command is None
    assert world.environment().is_live


def test_a_comment_after_the_reopening_stays_though_the_close_is_told_last(world: World) -> None:
    at(world, 4)
    for event in (reopened(3, 3), asked_to_stop(4, 4), ended(2, 2)):
        world.ends(event)
    assert world.recorded().command is not None
    assert not world.environment().is_live


def test_an_answer_from_before_the_comment_is_waited_for(world: World) -> None:
    """It may say that the pull request is closed, and then the comment would not count."""
    at(world, 5).github.behind = [(word(1), "closed")]
    event = asked_to_stop(2, 5)
    with pytest.raises(RetryLaterError, match="does not know yet"):
        world.does(event)
    assert world.environment().is_live
    assert named(world.does(event)) == ["EnvironmentClosed", "PreviewSkipped"]


def test_a_comment_that_did_not_change_when_the_pull_request_was_updated_counts_in_the_end(world: World) -> None:
    assert named(world.ends(asked_to_stop(2, 5))) == ["EnvironmentClosed", "PreviewSkipped"]


# ---- Afresh, though something else comes between


def test_a_retry_is_done_though_a_newer_word_came_before_it_deployed(local: Local) -> None:
    world = World(local.table)
    world.does(world.says(opened()))
    at(world, 1)
    local.before("TransactWriteItems", lambda: world.does(changed(3, 2, action="labeled")))
    with pytest.raises(RetryLaterError, match="meanwhile"):
        world.does(asked_for(2, 1, retry=True))
    [fact] = world.does(asked_for(2, 1, retry=True))
    assert about(fact)["environment"]["generation"] == 2
    assert world.environment().marks[-1].cause == event_id(2)


@pytest.mark.parametrize("newer", [changed(3, 2, action="labeled"), asked_for(3, 2)], ids=["a label", "/preview"])
def test_a_retry_that_broke_off_before_it_deployed_is_done_after_a_newer_word(local: Local, newer: Any) -> None:
    world = World(local.table)
    world.does(world.says(opened()))
    at(world, 1)

    def die() -> None:
        raise KeyboardInterrupt

    local.before("TransactWriteItems", die)
    with pytest.raises(KeyboardInterrupt):
        world.does(asked_for(2, 1, retry=True))
    at(world, 2)
    world.does(newer)
    assert named(world.does(asked_for(2, 1, retry=True))) == ["EnvironmentUpdated"]
    assert named(world.does(asked_for(2, 1, retry=True))) == ["EnvironmentUpdated"]
    assert world.environment().generation == 2


def test_a_retry_that_comes_after_a_stop_begins_nothing(world: World) -> None:
    at(world, 2)
    world.does(asked_to_stop(3, 2))
    assert world.does(asked_for(2, 1, retry=True)) == []
    assert not world.environment().is_live


def test_a_command_states_the_same_when_it_is_repeated_after_something_newer(world: World) -> None:
    facts = at(world, 1).does(asked_to_stop(2, 1))
    at(world, 3).does(asked_for(4, 3))
    assert stated(world.does(asked_to_stop(2, 1)))[:1] == stated(facts)[:1]
    assert world.environment().is_live
