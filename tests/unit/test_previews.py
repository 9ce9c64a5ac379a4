"""What a pull request's last word makes of its previews: policies, caps, secrets, names."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from choreography.reaction import RefusedError, RetryLaterError
from github_app.client import GitHubRefusedError, GitHubUnavailableError
from prestage_contracts.environments import EnvironmentClosed, EnvironmentCreated, EnvironmentUpdated, PreviewSkipped
from prestage_contracts.snapshot import PullRequestReference, Repository
from records.apps import Apps
from records.table import ConflictError
from tests.simulation.memory_table import MemoryTable
from tests.unit.dynamodb import Local
from tests.unit.environment_asks import changed, ended, opened, reopened, retry, stop
from tests.unit.environments_stage import ADDRESS, SHOP, GitHub, World, about, after, commit, named, stated
from tests.unit.record_examples import SHA, app
from tests.unit.steps import KEYED, event_id

API = app("api")
AWAY = GitHubUnavailableError("no answer", after(10) - after(0))


@pytest.fixture
def world() -> World:
    return World(MemoryTable())


def with_policy(**policy: Any) -> World:
    return World(MemoryTable(), apps=(app(**policy),))


# ---- Environments


def test_each_app_of_the_repository_gets_an_environment() -> None:
    elsewhere = app("elsewhere", repository=Repository(id=4, full_name="octo-org/blog"))
    world = World(MemoryTable(), apps=(SHOP, API, elsewhere))
    facts = world.does(opened())
    assert named(facts) == ["EnvironmentCreated"] * 2
    assert [about(fact)["environment"]["app_name"] for fact in facts] == ["api", "storefront"]
    assert [about(fact)["environment"] for fact in facts] == [
        one.snapshot().model_dump() for one in world.environments()
    ]


def test_an_environment_is_what_github_told(world: World) -> None:
    world.does(opened(branch="feature/x", sha=commit(7), installation_id=12))
    found = world.environment()
    assert (found.branch, found.sha, found.installation_id) == ("feature/x", commit(7), 12)
    assert (found.type, found.with_secrets, found.created_at) == ("preview", True, world.now())
    assert found.fly_app == KEYED.fly_app_name("prestage", found.id)
    assert found.address == f"https://{found.fly_app}.fly.dev"
    assert found.marks[0].cause == event_id(1)


def test_a_push_raises_the_generation_at_the_same_address(world: World) -> None:
    world.does(opened())
    before = world.environment()
    [fact] = world.does(changed(2, 1, sha=commit(2), branch="teal-2"))
    after_it = world.environment()
    assert fact.event is EnvironmentUpdated
    assert about(fact)["environment"] == after_it.snapshot().model_dump()
    assert (after_it.generation, after_it.sha, after_it.branch) == (2, commit(2), "teal-2")
    assert (after_it.id, after_it.fly_app, after_it.address) == (before.id, before.fly_app, before.address)


def test_a_word_that_changes_nothing_of_what_runs_states_nothing(world: World) -> None:
    world.does(opened())
    before = world.environment()
    assert world.does(changed(2, 1, action="labeled", labels=("ui",))) == []
    assert world.does(changed(3, 2, action="edited")) == []
    assert world.environment() == before


@pytest.mark.parametrize(("merged", "code"), [(False, "pull_request_closed"), (True, "pull_request_merged")])
def test_a_close_ends_every_environment_and_says_how(merged: bool, code: str) -> None:
    world = World(MemoryTable(), apps=(SHOP, API))
    world.does(opened())
    facts = world.does(ended(2, 1, merged=merged))
    assert named(facts) == ["EnvironmentClosed"] * 2
    assert {about(fact)["reason"]["code"] for fact in facts} == {code}
    assert {one.status for one in world.environments()} == {"closing"}


def test_a_close_ends_the_environment_of_an_app_that_is_being_removed_too(world: World) -> None:
    world.does(opened())
    world.change(removing=True)
    assert named(world.does(ended(2, 1))) == ["EnvironmentClosed"]


def test_a_reopening_begins_the_environment_again_at_the_same_address(world: World) -> None:
    world.does(opened())
    before = world.environment()
    world.does(ended(2, 1))
    [fact] = world.does(reopened(3, 2))
    assert fact.event is EnvironmentCreated
    found = world.environment()
    assert (found.generation, found.status, found.address) == (3, "deploying", before.address)


def test_any_word_on_an_open_pull_request_begins_what_is_missing(world: World) -> None:
    assert named(world.does(changed(1, 0, action="labeled"))) == ["EnvironmentCreated"]


def test_an_app_that_came_since_gets_its_environment_with_the_next_word(world: World) -> None:
    world.does(opened())
    Apps(world.table).add(API)
    assert named(world.does(changed(2, 1, action="labeled"))) == ["EnvironmentCreated"]


def test_a_repository_without_an_app_states_nothing_and_keeps_the_word(world: World) -> None:
    world.change(removing=True)
    assert world.does(opened()) == []
    assert world.environments() == []
    assert world.recorded().told_by == event_id(1)


def test_an_app_whose_removal_begins_meanwhile_gets_no_environment(local: Local) -> None:
    world = World(local.table, apps=(SHOP, API))
    local.before("TransactWriteItems", lambda: world.change(API, removing=True))
    assert named(world.does(opened())) == ["EnvironmentCreated"]
    assert [one.app_name for one in world.environments()] == ["storefront"]


def test_an_environment_that_others_keep_writing_is_tried_again_and_not_given_up(local: Local) -> None:
    """`ConflictError` is what the kernel waits out."""
    world = World(local.table)
    world.does(opened())

    def come(number: int) -> None:
        world.does(retry(number, world.environment()))
        local.before("TransactWriteItems", lambda: come(number + 1))

    local.before("TransactWriteItems", lambda: come(10))
    with pytest.raises(ConflictError):
        world.does(changed(2, 1, sha=commit(2)))


# ---- Policies


@pytest.mark.parametrize("head", [9, None])
def test_a_fork_that_is_ignored_is_said_so_once_and_has_no_environment(world: World, head: int | None) -> None:
    [fact] = world.does(opened(head=head))
    assert fact.event is PreviewSkipped
    told_of = about(fact)
    assert (told_of["app_id"], told_of["app_name"], told_of["reason"]["code"]) == (SHOP.id, "storefront", "fork")
    assert told_of["pull_request"]["number"] == 3
    assert world.environments() == []
    assert world.does(changed(2, 1, head=head, sha=commit(2))) == []
    assert [skip.decided_by for skip in world.skips()] == [event_id(1)]


def test_each_app_has_its_own_policy() -> None:
    world = World(MemoryTable(), apps=(SHOP, app("api", forks="without_secrets")))
    assert named(world.does(opened(head=9))) == ["EnvironmentCreated", "PreviewSkipped"]
    assert [(found.app_name, found.with_secrets) for found in world.environments()] == [("api", False)]


@pytest.mark.parametrize(
    ("policy", "there", "gone", "code"),
    [
        ({"drafts": "ignore"}, {}, {"draft": True}, "draft"),
        ({"previews": "label"}, {"labels": ("preview",)}, {}, "label"),
        ({}, {}, {"head": None}, "fork"),
    ],
    ids=["draft", "label", "fork deleted"],
)
def test_a_pull_request_that_is_no_longer_to_have_a_preview_loses_it_and_gets_it_back(
    policy: dict[str, Any], there: dict[str, Any], gone: dict[str, Any], code: str
) -> None:
    world = with_policy(**policy)
    world.does(opened(**there))
    lost, skipped = world.does(changed(2, 1, action="converted_to_draft", **gone))
    assert (lost.event, skipped.event) == (EnvironmentClosed, PreviewSkipped)
    assert about(lost)["reason"]["code"] == about(skipped)["reason"]["code"] == code
    assert world.environment().reason == world.skips()[0].reason
    assert named(world.does(changed(3, 2, action="ready_for_review", **there))) == ["EnvironmentCreated"]
    assert world.skips() == []


def test_another_reason_than_before_is_told() -> None:
    world = with_policy(drafts="ignore", previews="label")
    assert [about(fact)["reason"]["code"] for fact in world.does(opened(draft=True))] == ["draft"]
    assert [about(fact)["reason"]["code"] for fact in world.does(changed(2, 1))] == ["label"]


def test_a_policy_that_changed_counts_from_the_next_word(world: World) -> None:
    world.does(opened(author_type="Bot"))
    world.change(bots="trusted")
    assert not world.environment().with_secrets
    assert named(world.does(changed(2, 1, author_type="Bot"))) == ["EnvironmentUpdated"]
    assert world.environment().with_secrets
    world.change(bots="ignore")
    assert named(world.does(changed(3, 2, author_type="Bot"))) == ["EnvironmentClosed", "PreviewSkipped"]


def test_whether_visitors_give_a_password_changes_with_the_next_word(world: World) -> None:
    world.does(opened())
    world.change(authentication="basic")
    assert not world.environment().with_password
    assert named(world.does(changed(2, 1))) == ["EnvironmentUpdated"]
    assert world.environment().with_password


# ---- Secrets of forks


def test_a_trusted_fork_gets_secrets_if_its_author_may_write() -> None:
    world = with_policy(forks="trusted")
    world.does(opened(head=9))
    assert world.environment().with_secrets
    assert world.github.asked == ["permission octo-org/shop@octocat"]


@pytest.mark.parametrize("permission", ["read", "none", "triage", "anything"])
def test_a_trusted_fork_of_somebody_else_gets_none(permission: str) -> None:
    world = with_policy(forks="trusted")
    world.github.permissions["octocat"] = permission
    world.does(opened(head=9))
    assert not world.environment().with_secrets


def test_who_may_write_no_longer_loses_the_secrets_with_the_next_word() -> None:
    world = with_policy(forks="trusted")
    world.does(opened(head=9))
    world.github.permissions.clear()
    assert named(world.does(changed(2, 1, head=9))) == ["EnvironmentUpdated"]
    assert not world.environment().with_secrets


@pytest.mark.parametrize("forks", ["ignore", "without_secrets"])
def test_nobody_asks_who_may_write_where_that_decides_nothing(forks: str) -> None:
    world = with_policy(forks=forks)
    world.does(opened(head=9))
    world.does(changed(2, 1))
    assert world.github.asked == []


@pytest.mark.parametrize(("error", "raised"), [(AWAY, RetryLaterError), (GitHubRefusedError(403, "no"), RefusedError)])
def test_where_github_does_not_say_who_may_write_nothing_is_begun_not_even_for_another_app(
    error: Exception, raised: type[Exception]
) -> None:
    """What was begun and not stated, because the step ends otherwise, would never be deployed."""
    world = World(MemoryTable(), apps=(app("api", forks="without_secrets"), app(forks="trusted")))
    world.github.fail("permission", error)
    with pytest.raises(raised):
        world.does(opened(head=9))
    assert world.environments() == []
    assert named(world.does(opened(head=9))) == ["EnvironmentCreated"] * 2


# ---- What was done and not stated yet


def test_the_same_event_again_states_the_same_and_writes_nothing(world: World) -> None:
    facts = world.does(opened())
    before = world.environment()
    world.now.advance(minutes=30)
    assert world.does(opened()) == facts
    assert world.environment() == before


@pytest.mark.parametrize("newer", [changed(2, 1, sha=commit(2)), ended(2, 1)], ids=["a push", "a close"])
def test_what_was_done_before_a_newer_word_came_is_stated_when_the_step_is_repeated(world: World, newer: Any) -> None:
    facts = world.does(opened())
    world.does(newer)
    assert stated(world.does(opened())) == stated(facts)
    assert about(world.does(opened())[0])["environment"]["sha"] == SHA


def test_what_was_skipped_before_a_newer_word_came_is_stated_when_the_step_is_repeated(world: World) -> None:
    facts = world.does(opened(head=9))
    world.does(changed(2, 1, head=9, sha=commit(2)))
    assert stated(world.does(opened(head=9))) == stated(facts)
    world.does(ended(3, 2, head=9))
    assert stated(world.does(opened(head=9))) == stated(facts)


def test_what_an_operator_did_in_between_stays_when_the_step_is_repeated(world: World) -> None:
    facts = world.does(opened())
    world.does(stop(9, world.environment()))
    assert world.does(opened()) == facts
    assert world.environment().status == "closing"


def test_an_app_that_the_step_did_not_come_to_is_followed_when_it_is_repeated(local: Local) -> None:
    """As after a crash between two apps."""
    world = World(local.table)
    [first] = world.does(opened())
    Apps(world.table).add(API)
    facts = world.does(opened())
    assert first in facts
    assert [found.generation for found in world.environments()] == [1, 1]


def test_a_policy_that_changed_since_does_not_change_what_the_event_did(world: World) -> None:
    """A change counts from the next word on."""
    began = world.does(opened(draft=True))
    world.change(drafts="ignore")
    assert world.does(opened(draft=True)) == began
    assert (world.environment().is_live, world.skips()) == (True, [])
    ended_by_it = world.does(changed(2, 1, draft=True))
    world.change(drafts="preview")
    assert world.does(changed(2, 1, draft=True)) == ended_by_it
    assert (world.environment().is_live, len(world.skips())) == (False, 1)


@pytest.mark.parametrize("also", [(), (API,)], ids=["the only app", "one of two"])
def test_what_was_done_for_an_app_that_is_being_removed_by_now_is_stated(also: Any) -> None:
    world = World(MemoryTable(), apps=(SHOP, *also))
    facts = world.does(opened())
    world.change(removing=True)
    assert stated(world.does(opened())) == stated(facts)


def test_a_close_that_comes_between_two_apps_leaves_the_second_without(local: Local) -> None:
    world = World(local.table, apps=(SHOP, API))
    closed: list[Any] = []
    local.before("TransactWriteItems", lambda: None)
    local.before("TransactWriteItems", lambda: closed.extend(world.does(ended(2, 1))))
    assert named(world.does(opened())) == ["EnvironmentCreated"]
    assert named(closed) == ["EnvironmentClosed"]
    assert [(one.app_name, one.status) for one in world.environments()] == [("api", "closing")]


# ---- Names


_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(branch=_texts, name=_texts.filter(str.strip), title=_texts, number=st.integers(1, 10**9))
def test_names_and_addresses_are_fit_for_dns_whatever_branch_and_app_are_called(
    branch: str, name: str, title: str, number: int
) -> None:
    world = World(MemoryTable(), GitHub(), apps=(app(name),))
    url = f"https://github.com/octo-org/shop/pull/{number}"
    reference = PullRequestReference(number=number, title=title, html_url=url, author="octocat")
    [fact] = world.does(opened(branch=branch, pull_request=reference))
    address = about(fact)["environment"]["address"]
    assert re.fullmatch(r"https://[a-z][a-z0-9-]{0,60}[a-z0-9]\.fly\.dev", address)
    assert ADDRESS.partition("{")[0] in address
