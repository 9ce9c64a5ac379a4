"""What operators and the owners of the repository order: stop, retry, and to leave."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from choreography.reaction import RefusedError, RetryLaterError
from environments.reach import SETTLING
from github_app.client import GitHubUnauthorizedError, GitHubUnavailableError
from prestage_contracts.environments import RequestFailed
from prestage_contracts.snapshot import Repository
from records.environments import Environment, Environments
from tests.simulation.memory_table import MemoryTable
from tests.unit.environment_asks import (
    BROKEN,
    changed,
    deploy,
    ended,
    opened,
    retry,
    revoked,
    runtime_failed,
    runtime_lost,
    runtime_ready,
    runtime_removed,
    stop,
)
from tests.unit.environments_stage import SHOP, World, about, after, commit, named, stated, word
from tests.unit.record_examples import REPOSITORY, SHA, app

AWAY = GitHubUnavailableError("no answer", timedelta(seconds=10))
OTHER = Repository(id=4, full_name="octo-org/blog")
BLOG = app("blog", repository=OTHER)


@pytest.fixture
def world() -> World:
    found = World(MemoryTable(), apps=(SHOP, BLOG))
    found.does(opened())
    return found


def everything(world: World) -> list[Environment]:
    return Environments(world.table).list_all()


# ---- Stop


def test_an_operator_stops_an_environment(world: World) -> None:
    [fact] = world.does(stop(2, world.environment()))
    assert (fact.event.name(), about(fact)["reason"]["code"]) == ("EnvironmentClosed", "stop_requested")
    assert world.environment().status == "closing"
    assert world.does(stop(3, world.environment())) == []


def test_an_operator_stops_production_which_pushes_do_not_begin_again(world: World) -> None:
    world.does(deploy(2))
    [production] = [one for one in everything(world) if one.type == "production"]
    assert named(world.does(stop(3, production))) == ["EnvironmentClosed"]


def test_what_a_pull_request_asks_for_later_counts_again(world: World) -> None:
    world.does(stop(2, world.environment()))
    assert named(world.does(changed(3, 1))) == ["EnvironmentCreated"]


def test_what_never_was_is_not_stopped(world: World) -> None:
    gone = world.environment().model_copy(update={"id": "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2aff"})
    assert world.does(stop(2, gone)) == []


def test_a_repeated_stop_states_the_same_and_does_not_stop_what_began_since(world: World) -> None:
    event = stop(2, world.environment())
    facts = world.does(event)
    world.does(changed(3, 1))
    assert stated(world.does(event)) == stated(facts)
    assert world.environment().is_live


@pytest.mark.parametrize("nth", range(4))
def test_a_stop_and_a_push_end_as_one_of_them_wherever_they_meet_and_both_are_told(world: World, nth: int) -> None:
    told: list[Any] = []
    push = changed(3, 1, sha=commit(3))
    told += world.does_meeting(stop(2, world.environment()), nth, lambda: told.extend(world.does(push)))
    generations = sorted(about(fact)["environment"]["generation"] for fact in told)
    assert generations == list(range(2, world.environment().generation + 1))


# ---- Retry


@pytest.mark.parametrize("status", ["deploying", "ready", "failed"])
def test_an_operator_has_the_same_commit_deployed_afresh(world: World, status: str) -> None:
    reports: dict[str, Any] = {"ready": runtime_ready, "failed": runtime_failed}
    if status in reports:
        world.does(reports[status](50, world.environment()))
    [fact] = world.does(retry(2, world.environment()))
    assert (fact.event.name(), about(fact)["environment"]["generation"]) == ("EnvironmentUpdated", 2)
    assert (world.environment().status, world.environment().sha) == ("deploying", SHA)


def test_a_retry_does_not_give_secrets_to_what_is_trusted_with_them_no_more() -> None:
    world = World(MemoryTable(), apps=(app(forks="trusted"),))
    world.does(opened(head=9))
    assert world.environment().with_secrets
    world.change(forks="without_secrets")
    world.does(retry(2, world.environment()))
    assert not world.environment().with_secrets
    world.change(forks="trusted")
    world.does(retry(3, world.environment()))
    assert not world.environment().with_secrets


@pytest.mark.parametrize("begin_anew", [retry, runtime_lost], ids=["retry", "lost"])
def test_what_is_deployed_afresh_asks_for_a_password_if_the_app_does_by_now(begin_anew: Any, world: World) -> None:
    world.change(authentication="basic")
    world.does(begin_anew(2, world.environment()))
    assert (world.environment().generation, world.environment().with_password) == (2, True)


def test_a_lost_runtime_comes_back_without_what_its_author_may_see_no_more() -> None:
    world = World(MemoryTable(), apps=(app(forks="trusted"),))
    world.does(opened(head=9))
    world.github.permissions.clear()
    world.does(runtime_lost(2, world.environment()))
    assert (world.environment().generation, world.environment().with_secrets) == (2, False)


def test_what_is_not_live_is_not_retried(world: World) -> None:
    found = world.environment()
    world.does(ended(2, 1))
    for event in (retry(3, found), retry(4, world.environment())):
        with pytest.raises(RefusedError, match="deploy it instead"):
            world.does(event)
    world.does(runtime_removed(5, world.environment()))
    with pytest.raises(RefusedError, match="deploy it instead"):
        world.does(retry(6, found))


def test_what_changes_meanwhile_is_looked_at_again_and_its_newest_commit_is_the_one_that_is_retried(
    world: World,
) -> None:
    found = world.environment()
    with pytest.raises(RetryLaterError, match="meanwhile"):
        world.does_meeting(retry(2, found), 1, lambda: world.does(changed(3, 1, sha=commit(3))))
    assert world.environment().generation == 2
    [fact] = world.does(retry(2, found))
    assert (about(fact)["environment"]["sha"], world.environment().generation) == (commit(3), 3)


@pytest.mark.parametrize("newer", [changed(3, 1, sha=commit(3)), ended(3, 1)], ids=["a push", "a close"])
def test_a_repeated_retry_states_the_same(world: World, newer: Any) -> None:
    event = retry(2, world.environment())
    facts = world.does(event)
    world.does(newer)
    before = world.environment()
    assert stated(world.does(event)) == stated(facts)
    assert world.environment() == before


@pytest.mark.parametrize("asked", [stop, retry])
def test_an_order_that_is_given_up_names_what_it_was_about(world: World, asked: Callable[..., Any]) -> None:
    fact = world.gives_up(asked(2, world.environment()), BROKEN)
    assert fact is not None
    assert fact.event is RequestFailed
    told = about(fact)
    assert (told["pull_request_number"], told["branch"], told["reason"]["code"]) == (3, "teal", BROKEN.code)


# ---- What the App lost


def uninstalled(world: World) -> World:
    world.github.is_installed = False
    return world


@pytest.mark.parametrize(
    ("why", "code"), [("deleted", "uninstalled"), ("suspended", "suspended"), ("repositories_removed", "uninstalled")]
)
def test_everything_of_the_installation_ends(world: World, why: Any, code: str) -> None:
    world.does(deploy(2))
    world.does(opened(3, 0, repository=OTHER, head=4))
    facts = uninstalled(world).does(revoked(4, why=why))
    assert named(facts) == ["EnvironmentClosed"] * 3
    assert {about(fact)["reason"]["code"] for fact in facts} == {code}
    assert not any(one.is_live for one in everything(world))


def test_only_what_is_of_the_repositories_that_were_removed_ends(world: World) -> None:
    world.does(opened(3, 0, repository=OTHER, head=4))
    facts = uninstalled(world).does(revoked(4, why="repositories_removed", repositories=[OTHER]))
    assert [about(fact)["environment"]["repository"]["id"] for fact in facts] == [OTHER.id]
    assert world.environment().is_live


def test_what_is_of_another_installation_by_now_goes_on(world: World) -> None:
    """The App was installed anew, and the old installation's end is told late."""
    world.does(changed(2, 1, installation_id=8))
    assert uninstalled(world).does(revoked(3)) == []
    assert world.environment().is_live


def test_another_installation_s_end_is_none_of_ours(world: World) -> None:
    assert uninstalled(world).does(revoked(3, installation_id=8)) == []
    assert world.environment().is_live


def test_what_belongs_to_an_app_that_is_being_removed_ends_too(world: World) -> None:
    world.change(removing=True)
    assert named(uninstalled(world).does(revoked(2))) == ["EnvironmentClosed"]


def test_a_revocation_that_is_told_late_is_superseded_where_the_app_is_let_in_again(world: World) -> None:
    """As one that the janitor had redelivered days later."""
    assert world.ends(revoked(2, why="repositories_removed", repositories=[REPOSITORY])) == []
    assert world.environment().is_live
    assert world.now() >= after(0) + SETTLING


def test_a_github_that_lets_the_app_in_for_some_seconds_longer_is_waited_for(world: World) -> None:
    with pytest.raises(RetryLaterError):
        world.does(revoked(2))
    assert world.environment().is_live
    assert named(uninstalled(world).does(revoked(2))) == ["EnvironmentClosed"]


def test_a_token_from_before_says_nothing_and_a_deleted_app_gets_no_other(world: World) -> None:
    refused = GitHubUnauthorizedError(401, "Bad credentials")
    world.github.fail("repository", refused)
    with pytest.raises(RetryLaterError):
        world.does(revoked(2))
    world.github.fail("repository", refused, refused)
    assert named(world.does(revoked(2))) == ["EnvironmentClosed"]


def test_where_github_does_not_answer_nothing_ends_yet(world: World) -> None:
    world.github.fail("repository", AWAY)
    with pytest.raises(RetryLaterError):
        world.does(revoked(2))
    assert world.environment().is_live


def test_a_repeated_revocation_states_the_same_whatever_github_says_by_then(world: World) -> None:
    event = revoked(2)
    facts = uninstalled(world).does(event)
    world.does(runtime_removed(3, world.environment()))
    world.github.is_installed = True
    world.github.asked.clear()
    assert stated(world.does(event)) == stated(facts)
    assert world.github.asked == []


@pytest.mark.parametrize("nth", range(12))
def test_a_word_that_is_under_way_begins_nothing_that_a_revocation_does_not_end_wherever_they_meet(nth: int) -> None:
    world = World(MemoryTable())

    def leave() -> None:
        uninstalled(world).does(revoked(2))

    world.does_meeting(opened(), nth, leave)
    if world.github.is_installed:  # there was no such call
        leave()
    assert not any(one.is_live for one in everything(world))


def test_a_word_after_the_app_came_back_begins_again_and_production_is_for_an_operator_to_begin(world: World) -> None:
    world.does(deploy(2))
    uninstalled(world).does(revoked(3))
    world.now.moment = after(0) + 2 * SETTLING
    world.github.is_installed = True
    world.github.has(word(200))
    assert named(world.does(changed(4, 200))) == ["EnvironmentCreated"]
    assert named(world.does(deploy(5, 200))) == ["EnvironmentCreated"]


def test_a_word_that_finds_the_app_let_in_right_after_the_revocation_waits(world: World) -> None:
    uninstalled(world).does(revoked(2))
    world.github.is_installed = True
    with pytest.raises(RetryLaterError):
        world.does(changed(3, 1))
