"""What the comment shows of every state, of what is skipped, and where the App is gone."""

from collections.abc import Callable

import pytest

from choreography.claims import LASTING
from choreography.reaction import RetryLaterError
from comments.sticky import show
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.snapshot import Repository
from records.environments import Environment
from records.skips import Skips
from tests.unit.comments_stage import ANOTHER, API, SHOP, THIRD, WEB, World, skipped
from tests.unit.dynamodb import Local
from tests.unit.environment_facts import NOT_READY, not_ready, ready, stopped
from tests.unit.record_examples import NOW, REPOSITORY, tell
from tests.unit.steps import begin, close, closed, created, event_id, register, stop, updated


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, API, SHOP, WEB)
    return World(local)


@pytest.fixture
def shop(world: World) -> Environment:
    return begin(world.local.table, of=SHOP)


# ---- The whole life


def test_every_state_is_shown_in_turn_in_one_comment(world: World, shop: Environment) -> None:
    table = world.local.table
    told = [world.render(shop)]
    told.append(world.tell(ready(world.report(shop, "ready"), 111)))
    following = begin(table, 2, of=SHOP, sha="b" * 40)
    told.append(world.tell(updated(following, 112)))
    failed = world.report(following, "fail", 62, reason=NOT_READY, stage="build", log_url="https://logs.example/x")
    told.append(world.tell(not_ready(failed, 113)))
    closing = close(table, failed)
    told.append(world.tell(closed(closing, 114)))
    told.append(world.tell(stopped(stop(table, closing), 115)))
    begun = begin(table, 51, of=SHOP, sha="c" * 40)
    told.append(world.tell(created(begun, 116)))
    for body, said in zip(
        world.github.bodies,
        [
            "| Deploying to [`prestage-3.fly.dev`](https://prestage-3.fly.dev) | `aaaaaaa` |",
            "| Ready at [`prestage-3.fly.dev`](https://prestage-3.fly.dev) | `aaaaaaa` |",
            "| Deploying to [`prestage-3.fly.dev`](https://prestage-3.fly.dev) | `bbbbbbb` |",
            "| Failed (build): `It exited with 83.`, see [its log](https://logs.example/x) | `bbbbbbb` |",
            "| Stopping: `The pull request was closed.` | `bbbbbbb` |",
            "| Stopped: `The pull request was closed.` | `bbbbbbb` |",
            "| Deploying to [`prestage-3.fly.dev`](https://prestage-3.fly.dev) | `ccccccc` |",
        ],
        strict=True,
    ):
        assert said in body
    assert {one.comment_id for one in told} == {5}
    assert [one.created for one in told] == [True, *[False] * 6]
    assert [row.generation for one in told for row in one.shows] == [1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("lead", [created, updated, ready, not_ready, closed, stopped])
def test_whatever_fact_leads_here_what_is_now_is_shown(
    world: World, shop: Environment, lead: Callable[[Environment], Event]
) -> None:
    world.report(shop, "ready")
    world.tell(lead(shop))
    assert "Ready at" in world.github.bodies[0]


def test_an_old_fact_after_a_newer_one_changes_nothing(world: World, shop: Environment) -> None:
    following = begin(world.local.table, 2, of=SHOP, sha="b" * 40)
    world.tell(updated(following))
    before = world.local.items()
    assert world.react(created(shop), pytest.fail) == []
    assert world.local.items() == before


def test_what_was_read_before_a_change_is_never_shown_after_it(world: World, shop: Environment) -> None:
    """The step for the newer state comes while the older one is being written: it waits, and finds its state shown."""

    def overtake() -> None:
        with pytest.raises(RetryLaterError):
            world.react(ready(world.report(shop, "ready"), ANOTHER), pytest.fail)

    world.github.acts = [overtake]
    world.render(shop)
    assert ["Ready at" in body for body in world.github.bodies] == [False, True]
    assert world.react(ready(shop, ANOTHER), pytest.fail) == []


# ---- Skips


@pytest.mark.parametrize("code", ["fork", "cap"])
def test_who_is_refused_a_preview_is_told_so(world: World, code: str) -> None:
    told = world.tell(skipped(world.skip(SHOP, code, message="Not this one.")))
    assert (told.created, told.shows) == (True, ())
    assert "| `storefront` | Skipped: `Not this one.` | - | - |" in world.github.bodies[0]


@pytest.mark.parametrize("code", ["draft", "label", "command", "bot", "stop_requested"])
def test_no_comment_is_created_to_say_that_nothing_is_wanted(world: World, code: str) -> None:
    before = world.skip(SHOP, code)
    items = world.local.items()
    assert world.react(skipped(before), pytest.fail) == []
    assert world.local.items() == items


@pytest.mark.parametrize("code", ["draft", "label", "command", "bot", "stop_requested"])
def test_where_the_comment_exists_every_skip_is_shown(world: World, shop: Environment, code: str) -> None:
    world.render(shop)
    told = world.tell(skipped(world.skip(API, code)))
    assert (told.created, told.shows) == (False, show([shop]))
    assert "| `api` | Skipped: `Not for this one.` |" in world.github.bodies[1]


def test_a_skip_that_has_changed_is_shown_anew_and_an_unchanged_one_is_not(world: World) -> None:
    world.tell(skipped(world.skip(SHOP)))
    assert world.react(skipped(world.skip(SHOP, intent=31), 108), pytest.fail) == []
    world.tell(skipped(world.skip(SHOP, "cap", 32, "Too many."), 109))
    assert "Too many." in world.github.bodies[1]


def test_a_live_environment_is_shown_in_the_place_of_a_skip(world: World, shop: Environment) -> None:
    world.skip(SHOP)
    assert world.render(shop).shows == show([shop])
    assert "Skipped" not in world.github.bodies[0]


def test_a_skip_is_shown_in_the_place_of_an_environment_that_has_ended(world: World, shop: Environment) -> None:
    world.render(shop)
    closing = close(world.local.table, shop)
    skip = world.skip(SHOP, "stop_requested", 51, "Stopped by a comment.")
    assert world.tell(closed(closing, ANOTHER)).shows == ()
    assert "Skipped: `Stopped by a comment.`" in world.github.bodies[1]
    assert world.react(skipped(skip), pytest.fail) == []
    assert world.react(stopped(stop(world.local.table, closing)), pytest.fail) == []


def test_an_environment_in_the_place_of_a_skip_is_shown_again(world: World) -> None:
    world.tell(skipped(world.skip(SHOP)))
    begun = begin(world.local.table, 31, of=SHOP)
    assert world.render(begun, THIRD).shows == show([begun])
    assert "Deploying" in world.github.bodies[1]


def test_a_skip_is_believed_in_nothing_but_which_pull_request_it_is_about(world: World) -> None:
    real = world.skip(SHOP)
    lie = real.model_copy(update={"app_name": "evil", "reason": Reason(code="fork", message="evil")})
    told = world.tell(skipped(lie, repository=Repository(id=REPOSITORY.id, full_name="mallory/mine")))
    assert told.repository == REPOSITORY
    assert "evil" not in world.github.bodies[0]


def test_a_skip_of_an_unknown_pull_request_is_not_commented_on(world: World) -> None:
    elsewhere = skipped(world.skip(SHOP), repository=Repository(id=666, full_name="mallory/mine"))
    assert world.react(elsewhere, pytest.fail) == []


def test_a_skip_that_is_gone_by_now_is_taken_from_the_comment(world: World, shop: Environment) -> None:
    world.render(shop)
    skip = world.skip(API)
    world.tell(skipped(skip))
    Skips(world.local.table).forget(
        REPOSITORY.id, 3, API.id, tell(world.local.table, event_id(33), updated_at=NOW.replace(minute=33))
    )
    world.tell(skipped(skip, THIRD))
    assert "`api`" not in world.github.bodies[2]


def test_a_comment_that_may_be_there_is_brought_up_to_date_and_one_that_is_not_is_not_made(
    world: World, shop: Environment
) -> None:
    """It was written, and then its function was stopped before that was on record."""
    world.stickies.claim(REPOSITORY.id, 3)
    world.now.advance(seconds=LASTING.total_seconds())
    close(world.local.table, shop)
    skip = world.skip(SHOP, "stop_requested", 51)
    assert world.react(skipped(skip)) == []
    assert world.is_free()
    world.github.comment_id = 5
    assert world.tell(skipped(skip)).comment_id == 5
    assert "Skipped" in world.github.bodies[0]


# ---- Where the App is gone


@pytest.mark.parametrize("code", ["uninstalled", "suspended"])
def test_nothing_is_written_where_the_app_is_no_longer_there(world: World, shop: Environment, code: str) -> None:
    world.render(shop)
    closing = world.end(shop, code)
    assert world.react(closed(closing, ANOTHER), pytest.fail) == []
    assert world.react(stopped(stop(world.local.table, closing), THIRD), pytest.fail) == []
    assert len(world.github.bodies) == 1


def test_what_was_written_before_the_app_was_gone_is_stated_all_the_same(world: World, shop: Environment) -> None:
    told = world.render(shop)
    world.end(shop, "uninstalled")
    assert world.tell(created(shop), pytest.fail) == told


def test_as_long_as_one_environment_has_ended_otherwise_it_is_told(world: World, shop: Environment) -> None:
    api = begin(world.local.table, 2, of=API)
    world.end(shop, "uninstalled")
    world.tell(closed(close(world.local.table, api)))
    assert "The App is gone." in world.github.bodies[0]


def test_it_is_written_again_once_the_app_is_back(world: World, shop: Environment) -> None:
    world.end(shop, "uninstalled")
    assert world.render(begin(world.local.table, 41, of=SHOP)).created
