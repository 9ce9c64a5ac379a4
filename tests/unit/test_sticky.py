"""Who writes the comment, and what is known of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from choreography.claims import LASTING
from choreography.reaction import RetryLaterError
from comments.rows import Row
from comments.sticky import ShownSkip, Stickies, Sticky, show, show_skips
from prestage.stage.template import load
from prestage_contracts.comments import Shown
from prestage_contracts.envelope import Reason
from records.skips import Skip
from tests.unit.dynamodb import TABLE, Local, ResendingTable
from tests.unit.github_stage import Now
from tests.unit.record_examples import app, preview

REPOSITORY_ID, NUMBER = 35129377, 3
TEMPLATE = Path(__file__).parents[2] / "template.yaml"
ENVIRONMENTS = [preview(of=app("api")), preview(of=app("storefront"))]
FORK = Reason(code="fork", message="Not for forks.")
SKIP = Skip(
    repository_id=REPOSITORY_ID, number=NUMBER, app_id=app("web").id, app_name="web", reason=FORK, decided_by="event-1"
)
ROWS: list[Row] = [*ENVIRONMENTS, SKIP]
WRITTEN = {
    "comment_id": 5,
    "url": "https://github.com/x",
    "shown": show(ROWS),
    "skipped": show_skips(ROWS),
    "cause": "event-1",
}


@dataclass
class World:
    local: Local
    now: Now = field(default_factory=Now)

    @property
    def stickies(self) -> Stickies:
        return Stickies(self.local.table, self.now)

    def get(self) -> Sticky:
        return self.stickies.get(REPOSITORY_ID, NUMBER)

    def claim(self, number: int = NUMBER) -> Sticky:
        return self.stickies.claim(REPOSITORY_ID, number)

    def write(self, sticky: Sticky) -> Sticky:
        """As whoever has the claim, at the end."""
        written = sticky.model_copy(update=WRITTEN)
        self.stickies.release(written)
        return written


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


def test_a_comment_that_was_never_written_shows_nothing(world: World) -> None:
    found = world.get()
    assert (found.comment_id, found.shown, found.skipped, found.cause) == (None, (), (), "")
    assert not found.shows([])
    assert not found.may_exist
    assert world.local.items() == []


def test_a_claim_that_is_sent_again_does_not_lock_its_own_writer_out(world: World) -> None:
    table = ResendingTable(world.local.dynamodb, TABLE)
    assert Stickies(table, world.now).claim(REPOSITORY_ID, NUMBER).holder
    with pytest.raises(RetryLaterError):
        world.claim()


def test_nobody_else_writes_it_meanwhile(world: World) -> None:
    mine = world.claim()
    with pytest.raises(RetryLaterError, match="being written") as raised:
        world.claim()
    assert raised.value.after == timedelta(seconds=2)
    assert world.claim(number=4).number == 4
    world.write(mine)
    assert world.claim().holder != mine.holder


def test_what_was_written_is_known_to_the_next(world: World) -> None:
    written = world.write(world.claim())
    assert world.get() == written
    following = world.claim()
    assert following.model_copy(update={"holder": written.holder}) == written


def test_a_claim_keeps_what_is_known(world: World) -> None:
    world.write(world.claim())
    world.claim()
    assert world.get().comment_id == 5
    assert world.get().shows(ROWS)


def test_a_comment_that_somebody_had_the_right_to_write_may_exist(world: World) -> None:
    world.claim()
    assert world.get().may_exist
    assert world.get().comment_id is None


def test_a_claim_runs_out_when_its_holder_was_stopped(world: World) -> None:
    world.claim()
    world.now.advance(seconds=LASTING.total_seconds() - 1)
    with pytest.raises(RetryLaterError):
        world.claim()
    world.now.advance(seconds=1)
    world.claim()


def test_who_overslept_a_claim_keeps_nothing(world: World) -> None:
    overslept = world.claim()
    world.now.advance(seconds=LASTING.total_seconds())
    successor = world.claim()
    world.write(overslept)
    assert world.get().comment_id is None
    with pytest.raises(RetryLaterError):
        world.claim()
    world.write(successor)
    assert world.get().comment_id == 5


def test_who_overslept_keeps_nothing_of_a_comment_that_was_written_since(world: World) -> None:
    overslept = world.claim()
    world.now.advance(seconds=LASTING.total_seconds())
    world.write(world.claim())
    world.stickies.release(overslept.model_copy(update={"comment_id": 6}))
    assert world.get().comment_id == 5


def test_one_of_two_who_find_no_record_has_the_claim(world: World) -> None:
    world.local.before("PutItem", world.claim)
    with pytest.raises(RetryLaterError):
        world.claim()


def test_one_of_two_who_find_it_free_has_the_claim(world: World) -> None:
    world.write(world.claim())
    world.local.before("PutItem", world.claim)
    with pytest.raises(RetryLaterError):
        world.claim()


def test_what_was_written_between_a_look_and_a_claim_is_not_overwritten(world: World) -> None:
    """The other claimed and released in between: it is free, but what was read of it is old."""
    world.write(world.claim())
    later = {**WRITTEN, "comment_id": 6}
    world.local.before("PutItem", lambda: world.stickies.release(world.claim().model_copy(update=later)))
    with pytest.raises(RetryLaterError):
        world.claim()
    assert world.get().comment_id == 6


def test_it_shows_the_environments_and_skips_as_they_are_and_no_others() -> None:
    first, second = ENVIRONMENTS
    sticky = Sticky(repository_id=1, number=1, **WRITTEN)
    assert sticky.shows([first, second, SKIP])
    assert not sticky.shows([first, SKIP])
    assert not sticky.shows([first, second, preview(of=app("third")), SKIP])
    assert not sticky.shows([first, second.model_copy(update={"revision": 2}), SKIP])
    assert not sticky.model_copy(update={"comment_id": None}).shows([first, second, SKIP])
    assert show([first, SKIP]) == (Shown(environment_id=first.id, generation=1, revision=1),)


def test_a_changed_skip_is_not_shown_and_an_unchanged_one_is() -> None:
    sticky = Sticky(repository_id=1, number=1, **WRITTEN)
    assert sticky.shows([*ENVIRONMENTS, SKIP.model_copy(update={"decided_by": "event-2"})])
    assert not sticky.shows(ENVIRONMENTS)
    for changes in ({"code": "cap"}, {"message": "Other words."}):
        changed = SKIP.model_copy(update={"reason": FORK.model_copy(update=changes)})
        assert not sticky.shows([*ENVIRONMENTS, changed])
    assert show_skips([*ENVIRONMENTS, SKIP]) == (ShownSkip(app_id=SKIP.app_id, reason=FORK),)


def test_a_claim_outlasts_the_function_that_has_it() -> None:
    """Otherwise its holder could still write after it ran out."""
    template = load(TEMPLATE)
    function = template["Resources"]["CommentsFunction"]["Properties"]
    timeout = function.get("Timeout", template["Globals"]["Function"]["Timeout"])
    assert timedelta(seconds=timeout) < LASTING
