"""What a pull request's opening does to the records, and which facts follow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from choreography.reaction import Fact
from environments.follow_pull_request import FollowPullRequest, _failed
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import EnvironmentCreated, PreviewFailed, PreviewSkipped
from prestage_contracts.ingress import PullRequestOpened
from prestage_contracts.snapshot import PullRequestReference, Repository
from records.apps import App, Apps
from records.environments import Environment, Environments
from records.pull_requests import PullRequest, PullRequests
from records.table import Check, ConflictError
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY, app, told
from tests.unit.steps import KEYED, STRANGE_SHA, event_id, opened, register

ADDRESS = "https://{fly_app}.fly.dev"
LATER = NOW + timedelta(minutes=30)
API, SHOP = app("api"), app("storefront")


@dataclass
class World:
    local: Local
    step: FollowPullRequest

    def environments(self, number: int = 3) -> list[Environment]:
        return Environments(self.local.table).list_by_pull_request(REPOSITORY.id, number)

    def environment(self) -> Environment:
        [found] = self.environments()
        return found

    def last_word(self) -> PullRequest | None:
        return PullRequests(self.local.table).get(REPOSITORY.id, 3)

    def newer_word(self, **changes: Any) -> None:
        assert PullRequests(self.local.table).tell(told(event_id(99), updated_at=LATER, **changes))


def step(local: Local, **changes: Any) -> FollowPullRequest:
    made = FollowPullRequest(
        Apps(local.table),
        PullRequests(local.table),
        Environments(local.table),
        lambda environment_id: KEYED.fly_app_name("prestage", environment_id),
        ADDRESS,
        lambda: NOW,
    )
    return replace(made, **changes)


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP)
    return World(local, step(local))


def kinds(facts: Sequence[Fact]) -> list[type]:
    return [fact.event for fact in facts]


# ---- Opened


def test_each_app_of_the_repository_gets_an_environment(world: World) -> None:
    Apps(world.local.table).add(API)
    Apps(world.local.table).add(app("elsewhere", repository=Repository(id=4, full_name="octo-org/blog")))
    facts = world.step(opened())
    assert kinds(facts) == [EnvironmentCreated] * 2
    assert [fact.data.environment.app_name for fact in facts] == ["api", "storefront"]  # type: ignore[attr-defined]  # EnvironmentCreated's
    assert [fact.data.environment for fact in facts] == [found.snapshot() for found in world.environments()]  # type: ignore[attr-defined]  # EnvironmentCreated's


def test_an_environment_is_what_github_told(world: World) -> None:
    world.step(opened(branch="feature/x", sha=STRANGE_SHA, installation_id=12))
    found = world.environment()
    assert (found.branch, found.sha, found.installation_id) == ("feature/x", STRANGE_SHA, 12)
    assert (found.generation, found.intent, found.type) == (1, event_id(1), "preview")
    assert (found.with_secrets, found.created_at) == (True, NOW)
    word = world.last_word()
    assert word is not None
    assert (word.state, word.head_sha, word.told_by) == ("open", STRANGE_SHA, event_id(1))
    assert found.address == f"https://{found.fly_app}.fly.dev"


def test_a_repository_without_an_app_states_nothing_and_keeps_the_word(world: World) -> None:
    elsewhere = Repository(id=4, full_name="octo-org/blog")
    assert world.step(opened(repository=elsewhere, head=4)) == []
    assert PullRequests(world.local.table).get(4, 3) is not None


def test_an_app_that_is_being_removed_gets_no_environment(world: World) -> None:
    Apps(world.local.table).update(SHOP.model_copy(update={"removing": True}))
    assert world.step(opened()) == []
    assert world.environments() == []


def test_an_app_whose_removal_begins_meanwhile_gets_no_environment(world: World) -> None:
    Apps(world.local.table).add(API)
    apps = Apps(world.local.table)
    world.local.before("TransactWriteItems", lambda: apps.update(API.model_copy(update={"removing": True})))
    [fact] = world.step(opened())
    assert [found.app_name for found in world.environments()] == ["storefront"]
    assert fact.event is EnvironmentCreated


# ---- Forks and bots


@pytest.mark.parametrize("head", [9, None])
def test_a_fork_that_is_ignored_is_said_so_and_has_no_environment(world: World, head: int | None) -> None:
    facts = world.step(opened(head=head))
    [fact] = facts
    assert fact.event is PreviewSkipped
    told_of = fact.data.model_dump()
    assert (told_of["app_id"], told_of["app_name"], told_of["reason"]["code"]) == (SHOP.id, "storefront", "fork")
    assert told_of["pull_request"]["number"] == 3
    assert world.environments() == []
    assert world.step(opened(head=head)) == facts


def test_each_app_has_its_own_policy_for_forks(world: World) -> None:
    Apps(world.local.table).add(app("api", forks="without_secrets"))
    facts = world.step(opened(head=9))
    assert kinds(facts) == [EnvironmentCreated, PreviewSkipped]
    assert [(found.app_name, found.with_secrets) for found in world.environments()] == [("api", False)]


def test_a_bots_pull_request_gets_an_environment_without_secrets(world: World) -> None:
    assert kinds(world.step(opened(author_type="Bot"))) == [EnvironmentCreated]
    assert not world.environment().with_secrets


# ---- Again


def test_the_same_event_again_states_the_same_and_writes_no_environment(world: World) -> None:
    facts = world.step(opened())
    before = world.environment()
    later = step(world.local, clock=lambda: LATER)
    assert later(opened()) == facts
    assert world.environment() == before


def test_an_app_that_came_since_is_followed_when_the_same_event_comes_again(world: World) -> None:
    """As after a crash between two apps."""
    [first] = world.step(opened())
    Apps(world.local.table).add(API)
    assert len(facts := world.step(opened())) == 2
    assert first in facts
    assert [found.generation for found in world.environments()] == [1, 1]


def test_reopening_raises_the_generation_once_and_keeps_the_name_and_the_address(world: World) -> None:
    world.step(opened())
    before = world.environment()
    moved = step(world.local, fly_app=lambda _: "another-name", address="https://another", clock=lambda: LATER)
    reopened = opened(2, action="reopened", updated_at=LATER, sha=STRANGE_SHA, branch="teal-2")
    facts = [moved(reopened) for _ in range(2)]
    assert facts[0] == facts[1]
    after = world.environment()
    assert (after.id, after.fly_app, after.address, after.created_at) == (
        before.id,
        before.fly_app,
        before.address,
        before.created_at,
    )
    assert (after.generation, after.revision, after.intent) == (2, 2, event_id(2))
    assert (after.sha, after.branch, after.updated_at) == (STRANGE_SHA, "teal-2", LATER)


def test_reopening_decides_anew_who_is_trusted(world: World) -> None:
    Apps(world.local.table).update(SHOP.model_copy(update={"forks": "without_secrets"}))
    world.step(opened())
    world.step(opened(2, action="reopened", updated_at=LATER, head=None))
    assert (world.environment().generation, world.environment().with_secrets) == (2, False)


# ---- Overtaken


@pytest.mark.parametrize("head", [REPOSITORY.id, 9])
@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_word_that_was_overtaken_changes_and_states_nothing(world: World, state: str, head: int) -> None:
    world.newer_word(state=state)
    before = world.local.items()
    assert world.step(opened(head=head)) == []
    assert world.local.items() == before


def test_another_event_of_the_same_second_changes_nothing(world: World) -> None:
    """A replay under a new delivery id is one."""
    world.step(opened())
    before = world.local.items()
    assert world.step(opened(2, sha=STRANGE_SHA)) == []
    assert world.local.items() == before


def test_a_close_that_comes_before_the_environment_is_written_wins(world: World) -> None:
    world.local.before("TransactWriteItems", lambda: world.newer_word(state="closed"))
    assert world.step(opened()) == []
    assert world.environments() == []
    word = world.last_word()
    assert word is not None
    assert word.state == "closed"


def test_what_was_begun_before_it_was_overtaken_is_stated(world: World) -> None:
    Apps(world.local.table).add(API)
    world.local.before("TransactWriteItems", lambda: None)
    world.local.before("TransactWriteItems", lambda: world.newer_word(state="closed"))
    [fact] = world.step(opened())
    assert [found.snapshot() for found in world.environments()] == [fact.data.environment]  # type: ignore[attr-defined]  # EnvironmentCreated's


def test_an_environment_that_others_keep_writing_is_tried_again_and_not_given_up(world: World) -> None:
    """`ConflictError` is what the kernel waits out."""

    class Busy(Environments):
        def begin(self, wanted: Environment, while_holds: Check) -> Environment:
            raise ConflictError

    with pytest.raises(ConflictError):
        step(world.local, environments=Busy(world.local.table))(opened())


# ---- Names


class _Told:
    """Takes every word."""

    def tell(self, _told: PullRequest) -> bool:
        return True


@dataclass
class _One:
    app: App

    def list_by_repository(self, _repository_id: int) -> list[App]:
        return [self.app]


class _Begun:
    def begin(self, wanted: Environment, _while_holds: Check) -> Environment:
        return wanted


_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(branch=_texts, name=_texts.filter(str.strip), title=_texts, number=st.integers(1, 10**9))
def test_names_and_addresses_are_fit_for_dns_whatever_branch_and_app_are_called(
    branch: str, name: str, title: str, number: int
) -> None:
    fakes: dict[str, Any] = {"apps": _One(app(name)), "pull_requests": _Told(), "environments": _Begun()}
    follow = FollowPullRequest(
        **fakes, fly_app=lambda one: KEYED.fly_app_name("prestage", one), address=ADDRESS, clock=lambda: NOW
    )
    url = f"https://github.com/octo-org/shop/pull/{number}"
    reference = PullRequestReference(number=number, title=title, html_url=url, author="octocat")
    [fact] = follow(opened(branch=branch, pull_request=reference))
    address = fact.data.environment.address  # type: ignore[attr-defined]  # EnvironmentCreated's
    assert re.fullmatch(r"https://[a-z][a-z0-9-]{0,60}[a-z0-9]\.fly\.dev", address)


# ---- Given up


def test_what_is_given_up_names_the_pull_request_and_the_reason() -> None:
    event: PullRequestOpened = opened()
    fact = _failed(event, Reason(code="internal_error", message="An error"))
    assert fact.event is PreviewFailed
    assert fact.data.subject == f"{REPOSITORY.id}#3:internal_error"
    assert fact.data.model_dump()["reason"]["code"] == "internal_error"
