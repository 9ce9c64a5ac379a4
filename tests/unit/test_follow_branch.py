"""Production and branches' own environments: begun by request, and then wherever GitHub says that the branch is."""

from datetime import timedelta
from typing import Any

import pytest

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from environments.ask_github import SETTLING
from github_app.client import GitHubUnavailableError
from prestage_contracts.environments import RequestFailed
from prestage_contracts.snapshot import Repository
from records.apps import Apps
from records.environments import Environment, Environments, environment_id
from records.revocations import Revocation, Revocations
from tests.simulation.memory_table import MemoryTable
from tests.unit.environment_asks import (
    BROKEN,
    deploy,
    ended,
    opened,
    pushed,
    runtime_ready,
    stop,
)
from tests.unit.environments_stage import SHOP, World, about, commit, named, stated
from tests.unit.record_examples import NOW, REPOSITORY, SHA, app
from tests.unit.steps import event_id

AWAY = GitHubUnavailableError("no answer", timedelta(seconds=10))
TEAL = commit(7)


@pytest.fixture
def world() -> World:
    found = World(MemoryTable())
    found.github.heads["teal"] = TEAL
    return found


@pytest.fixture
def production(world: World) -> World:
    world.does(deploy(1))
    world.now.moment = NOW + 2 * SETTLING
    return world


@pytest.fixture
def ad_hoc(world: World) -> World:
    world.does(deploy(1, branch="teal"))
    world.now.moment = NOW + 2 * SETTLING
    return world


def environment(world: World, branch: str | None = None) -> Environment:
    found = Environments(world.table).get(environment_id(SHOP.id, "preview" if branch else "production", branch))
    assert found is not None
    return found


def push(world: World, number: int, branch: str = "main", **changes: Any) -> Any:
    """Move the branch, now; gives what GitHub tells of it."""
    before, sha = world.github.heads.get(branch), changes.pop("sha", commit(number))
    world.github.heads.pop(branch, None)
    if sha is not None:
        world.github.heads[branch] = sha
    at = (world.now() - NOW).total_seconds()
    return pushed(number, at, branch=branch, before=before, sha=sha, **changes)


# ---- By request


def test_production_is_the_default_branch_as_github_has_it(world: World) -> None:
    [fact] = world.does(deploy(1))
    found = environment(world)
    assert (fact.event.name(), about(fact)["environment"]["sha"]) == ("EnvironmentCreated", SHA)
    assert (found.type, found.branch, found.with_secrets, found.pull_request) == ("production", "main", True, None)
    assert world.github.asked == ["repository octo-org/shop", "branch_head octo-org/shop:main"]


def test_a_branch_s_own_environment_is_a_preview(world: World) -> None:
    [fact] = world.does(deploy(1, branch="teal"))
    found = environment(world, "teal")
    assert about(fact)["environment"] == found.snapshot().model_dump()
    assert (found.type, found.branch, found.sha, found.pull_request) == ("preview", "teal", TEAL, None)


def test_a_branch_s_preview_asks_for_a_password_from_the_push_on_after_its_app_does(world: World) -> None:
    world.does(deploy(1, branch="teal"))
    world.change(authentication="basic")
    assert not environment(world, "teal").with_password
    world.does(push(world, 5, "teal"))
    assert environment(world, "teal").with_password


def test_a_branch_waits_from_a_push_on_for_the_checks_that_its_app_requires_by_then(world: World) -> None:
    world.does(deploy(1))
    world.change(required_checks=("smoke",))
    assert environment(world).required_checks == ()
    world.does(push(world, 5))
    assert environment(world).required_checks == ("smoke",)


def test_production_asks_for_no_password_whatever_its_app_does(world: World) -> None:
    world.change(authentication="basic")
    world.does(deploy(1))
    assert not environment(world).with_password


def test_each_request_begins_a_generation_whatever_was_there(production: World) -> None:
    assert named(production.does(deploy(2))) == ["EnvironmentUpdated"]
    production.does(stop(3, environment(production)))
    assert named(production.does(deploy(4))) == ["EnvironmentCreated"]
    assert environment(production).generation == 4


def test_the_default_branch_can_have_an_environment_of_its_own_beside_production(production: World) -> None:
    production.does(deploy(2, branch="main"))
    assert environment(production, "main").type == "preview"
    assert environment(production).generation == 1


def test_the_repository_is_called_as_it_is_now(world: World) -> None:
    world.github.home = world.github.home.model_copy(update={"full_name": "octo-org/renamed"})
    [fact] = world.does(deploy(1))
    assert about(fact)["environment"]["repository"]["full_name"] == "octo-org/renamed"


def test_a_repository_that_took_the_name_is_not_deployed(world: World) -> None:
    world.github.home = world.github.home.model_copy(update={"id": 666})
    for event in (deploy(1), deploy(2, branch="teal")):
        with pytest.raises(RefusedError, match="another repository"):
            world.does(event)


def test_what_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(RefusedError, match="no branch gone in octo-org/shop"):
        world.does(deploy(1, branch="gone"))
    with pytest.raises(RefusedError, match="not there any more"):
        world.does(deploy(1, of=app("another")))
    world.change(removing=True)
    with pytest.raises(RefusedError, match="not there any more"):
        world.does(deploy(1))
    assert Environments(world.table).list_all() == []


def test_the_cap_counts_for_branches_and_not_for_production(world: World) -> None:
    world.change(max_previews=1)
    world.does(opened())
    with pytest.raises(RefusedError, match="1 live preview,"):
        world.does(deploy(1, branch="teal"))
    world.does(deploy(2))
    assert named(world.does(ended(3, 1))) == ["EnvironmentClosed"]
    assert named(world.does(deploy(4, branch="teal"))) == ["EnvironmentCreated"]
    assert named(world.does(deploy(5, branch="teal"))) == ["EnvironmentUpdated"]


def test_a_repository_that_the_app_lost_is_refused_until_it_has_it_again(world: World) -> None:
    lost = Revocation(installation_id=7, repository_id=REPOSITORY.id, at=NOW - timedelta(hours=1), told_by="event-9")
    Revocations(world.table).keep(lost)
    world.github.is_installed = False
    with pytest.raises(RefusedError, match="does not reach"):
        world.does(deploy(1))
    world.github.is_installed = True
    assert named(world.does(deploy(1))) == ["EnvironmentCreated"]


def test_a_request_that_is_repeated_states_the_same_whatever_became_of_branch_and_app(ad_hoc: World) -> None:
    first = environment(ad_hoc, "teal").snapshot()
    ad_hoc.does(push(ad_hoc, 2, "teal", sha=None))
    Apps(ad_hoc.table).update(SHOP.model_copy(update={"removing": True}))
    [fact] = ad_hoc.does(deploy(1, branch="teal"))
    assert about(fact)["environment"] == first.model_dump()
    assert environment(ad_hoc, "teal").status == "closing"


def test_a_request_waits_for_github(world: World) -> None:
    world.github.fail("branch_head", AWAY)
    with pytest.raises(RetryLaterError):
        world.does(deploy(1))
    world.github.is_installed = False
    with pytest.raises(BrokenError):
        world.does(deploy(1))
    assert Environments(world.table).list_all() == []


def test_what_changes_while_github_is_asked_is_asked_about_again(production: World) -> None:
    production.github.before = lambda call: (
        production.does(runtime_ready(9, environment(production))) if call == "branch_head" else None
    )
    with pytest.raises(RetryLaterError, match="meanwhile"):
        production.does(deploy(2))
    assert named(production.does(deploy(2))) == ["EnvironmentUpdated"]


# ---- By pushes


@pytest.mark.parametrize("branch", ["main", "teal"])
def test_what_nobody_deployed_is_not_begun_by_a_push(world: World, branch: str) -> None:
    assert world.does(push(world, 2, branch)) == []
    assert Environments(world.table).list_all() == []
    assert world.github.asked == []


def test_production_follows_pushes_to_the_default_branch_and_to_no_other(production: World) -> None:
    [fact] = production.does(push(production, 2))
    assert (fact.event.name(), about(fact)["environment"]["sha"]) == ("EnvironmentUpdated", commit(2))
    assert production.does(push(production, 3, "teal")) == []
    assert environment(production).sha == commit(2)


def test_a_branch_s_environment_follows_it_and_ends_with_it(ad_hoc: World) -> None:
    assert named(ad_hoc.does(push(ad_hoc, 2, "teal"))) == ["EnvironmentUpdated"]
    assert ad_hoc.does(push(ad_hoc, 3, "main")) == []
    gone = push(ad_hoc, 4, "teal", sha=None)
    [fact] = ad_hoc.ends(gone)
    assert (fact.event.name(), about(fact)["reason"]["code"]) == ("EnvironmentClosed", "branch_deleted")
    assert ad_hoc.does(push(ad_hoc, 5, "teal")) == []


def test_production_and_a_branch_s_environment_follow_the_same_push(production: World) -> None:
    production.does(deploy(2, branch="main"))
    production.now.advance(minutes=1)
    asked = len(production.github.asked)
    assert named(production.does(push(production, 3))) == ["EnvironmentUpdated"] * 2
    assert production.github.asked[asked:] == ["branch_head octo-org/shop:main"]


def test_production_is_not_ended_by_a_deleted_branch(production: World) -> None:
    assert production.ends(push(production, 2, "main", sha=None)) == []
    assert environment(production).is_live


@pytest.mark.parametrize("head", [9, REPOSITORY.id])
def test_no_pull_request_touches_production_whatever_its_branch_is_called(production: World, head: int) -> None:
    before = environment(production)
    production.change(forks="trusted")
    production.does(opened(10, 0, branch="main", head=head, sha=commit(10)))
    production.does(ended(11, 1, branch="main", head=head, sha=commit(10)))
    assert environment(production) == before


def test_a_renamed_default_branch_keeps_the_one_environment(production: World) -> None:
    before = environment(production)
    production.github.home = production.github.home.model_copy(update={"default_branch": "trunk"})
    production.does(push(production, 2, "main", sha=None, default_branch="trunk"))
    production.ends(push(production, 3, "trunk", default_branch="trunk"))
    found = environment(production)
    assert (found.id, found.address, found.branch, found.sha) == (before.id, before.address, "trunk", commit(3))
    assert len(Environments(production.table).list_all()) == 1


def test_a_late_push_to_what_was_the_default_branch_does_not_take_production_back(production: World) -> None:
    late = push(production, 2)
    production.github.home = production.github.home.model_copy(update={"default_branch": "trunk"})
    production.ends(push(production, 3, "trunk", default_branch="trunk"))
    assert production.ends(late) == []
    assert (environment(production).branch, environment(production).sha) == ("trunk", commit(3))


def test_github_not_knowing_its_new_default_branch_yet_is_waited_for(production: World) -> None:
    event = push(production, 2, "trunk", default_branch="trunk")
    production.now.advance(seconds=SETTLING.total_seconds() - 1)
    production.github.before = lambda _call: None
    with pytest.raises(RetryLaterError):
        production.does(event)
    production.github.home = production.github.home.model_copy(update={"default_branch": "trunk"})
    assert named(production.ends(event)) == ["EnvironmentUpdated"]


# ---- GitHub's API is behind, or ahead


@pytest.mark.parametrize("sha", [commit(2), None], ids=["a push", "a deletion"])
def test_an_answer_from_before_the_push_is_waited_for(ad_hoc: World, sha: str | None) -> None:
    event = push(ad_hoc, 2, "teal", sha=sha)
    ad_hoc.github.heads_behind = [TEAL]
    with pytest.raises(RetryLaterError, match="does not know yet"):
        ad_hoc.does(event)
    assert environment(ad_hoc, "teal").generation == 1
    assert len(ad_hoc.ends(event)) == 1


def test_a_branch_that_was_put_back_is_believed_in_the_end(ad_hoc: World) -> None:
    event = push(ad_hoc, 2, "teal")
    ad_hoc.github.heads["teal"] = TEAL
    assert ad_hoc.ends(event) == []
    assert ad_hoc.now() >= NOW + 3 * SETTLING
    assert environment(ad_hoc, "teal").sha == TEAL


def test_two_pushes_in_the_other_order_end_at_the_branch_s_head(production: World) -> None:
    first, second = push(production, 2), push(production, 3)
    told = [*production.ends(second), *production.ends(first)]
    assert named(told) == ["EnvironmentUpdated"]
    assert environment(production).sha == commit(3)


def test_an_older_push_whose_answer_is_behind_does_not_take_a_newer_one_back(production: World) -> None:
    first, second = push(production, 2), push(production, 3)
    production.ends(second)
    production.github.heads_behind = [commit(2)]
    assert production.ends(first) == []
    assert environment(production).sha == commit(3)


@pytest.mark.parametrize("nth", range(10))
def test_two_pushes_at_once_end_at_the_branch_s_head_wherever_they_meet(production: World, nth: int) -> None:
    """The second runs as a whole before a call of the first."""
    first, second = push(production, 2), push(production, 3)
    try:
        production.does_meeting(first, nth, lambda: production.ends(second))
    except RetryLaterError:
        production.ends(first)
    production.ends(second)
    assert environment(production).sha == commit(3)


def test_a_push_whose_branch_moves_while_github_answers_is_asked_about_again(production: World) -> None:
    first, second = push(production, 2), push(production, 3)
    production.now.advance(minutes=1)
    production.github.heads_behind = [commit(2)]

    def meanwhile(_call: str) -> None:
        production.github.before = lambda _call: None
        production.github.heads_behind.clear()
        production.ends(second)
        production.github.heads_behind = [commit(2)]

    production.github.before = meanwhile
    with pytest.raises(RetryLaterError):
        production.does(first)
    production.ends(first)
    assert environment(production).sha == commit(3)


def test_a_repeated_push_states_the_same_and_asks_nobody(production: World) -> None:
    event = push(production, 2)
    facts = production.does(event)
    production.does(push(production, 3))
    production.github.asked.clear()
    assert stated(production.does(event)) == stated(facts)
    assert production.github.asked == []
    assert environment(production).sha == commit(3)


def test_an_app_that_is_being_removed_follows_no_push_and_states_what_it_followed(production: World) -> None:
    event = push(production, 2)
    facts = production.does(event)
    production.change(removing=True)
    assert stated(production.does(event)) == stated(facts)
    assert production.does(push(production, 3)) == []
    assert environment(production).sha == commit(2)


def test_a_push_from_before_the_app_lost_the_repository_changes_nothing(production: World) -> None:
    event = push(production, 2)
    lost = Revocation(installation_id=7, repository_id=REPOSITORY.id, at=NOW, told_by="event-9")
    Revocations(production.table).keep(lost)
    production.github.is_installed = False
    assert production.does(event) == []
    assert environment(production).sha == SHA


def test_a_push_waits_for_github(production: World) -> None:
    event = push(production, 2)
    production.github.fail("branch_head", AWAY)
    with pytest.raises(RetryLaterError):
        production.does(event)
    assert named(production.does(event)) == ["EnvironmentUpdated"]


def test_a_push_tells_under_which_name_and_installation_the_repository_is_reached(production: World) -> None:
    renamed = Repository(id=REPOSITORY.id, full_name="octo-org/renamed")
    production.does(push(production, 2, repository=renamed, installation_id=8))
    found = environment(production)
    assert (found.repository, found.installation_id) == (renamed, 8)


# ---- What fails is told


def test_what_is_given_up_names_the_branch_and_the_reason(world: World) -> None:
    for event, branch in ((pushed(1, sha=SHA), "main"), (deploy(1, branch="teal"), "teal"), (deploy(1), None)):
        fact = world.gives_up(event, BROKEN)
        assert fact is not None
        assert fact.event is RequestFailed
        assert (about(fact)["branch"], about(fact)["reason"]) == (branch, BROKEN.model_dump())


def test_a_request_s_mark_is_its_event(production: World) -> None:
    assert environment(production).marks[0].cause == event_id(1)
