"""Who tells GitHub of an environment's deployments, and what is known of them."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from choreography.claims import LASTING
from choreography.reaction import RetryLaterError
from deployments.standing import MOST_TELLINGS, Begun, Deployment, Standing, Standings
from prestage.stage.template import load
from tests.unit.dynamodb import TABLE, Local, ResendingTable
from tests.unit.github_stage import Now
from tests.unit.record_examples import NOW, SHA, preview

ID = preview().id
TEMPLATE = Path(__file__).parents[2] / "template.yaml"
BEGUN = Begun(generation=1, sha=SHA, at=NOW)
MADE = Deployment(generation=1, sha=SHA, deployment_id=5)
NEXT = Deployment(generation=2, sha=SHA, deployment_id=6)
EMPTY = Standing(environment_id=ID)


@dataclass
class World:
    local: Local
    now: Now = field(default_factory=Now)

    @property
    def standings(self) -> Standings:
        return Standings(self.local.table, self.now)

    def get(self) -> Standing:
        return self.standings.get(ID)

    def claim(self, environment_id: str = ID) -> Standing:
        return self.standings.claim(environment_id)

    def tell(self, standing: Standing) -> Standing:
        """As whoever has the claim, at the end."""
        told = standing.told(MADE, "success", "event-1")
        self.standings.release(told)
        return told


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


# ---- The claim


def test_an_environment_that_was_never_told_has_nothing(world: World) -> None:
    assert world.get() == EMPTY
    assert world.local.items() == []


def test_a_claim_that_is_sent_again_does_not_lock_its_own_holder_out(world: World) -> None:
    table = ResendingTable(world.local.dynamodb, TABLE)
    assert Standings(table, world.now).claim(ID).holder
    with pytest.raises(RetryLaterError):
        world.claim()


def test_nobody_else_tells_meanwhile(world: World) -> None:
    mine = world.claim()
    with pytest.raises(RetryLaterError, match="somebody else is telling") as raised:
        world.claim()
    assert raised.value.after == timedelta(seconds=2)
    assert world.claim(preview(number=4).id).environment_id != ID
    world.tell(mine)
    assert world.claim().holder != mine.holder


def test_what_was_told_is_known_to_the_next(world: World) -> None:
    told = world.tell(world.claim())
    assert world.get() == told
    assert world.claim().model_copy(update={"holder": told.holder}) == told


def test_what_is_kept_meanwhile_is_known_and_the_claim_lasts_as_long_again(world: World) -> None:
    mine = world.claim()
    world.now.advance(seconds=LASTING.total_seconds() - 1)
    world.standings.keep(mine.beginning(BEGUN))
    world.now.advance(seconds=LASTING.total_seconds() - 1)
    with pytest.raises(RetryLaterError):
        world.claim()
    assert world.get().begun_at(1) == BEGUN
    world.now.advance(seconds=1)
    assert world.claim().begun_at(1) == BEGUN


def test_who_overslept_a_claim_keeps_nothing(world: World) -> None:
    overslept = world.claim()
    world.now.advance(seconds=LASTING.total_seconds())
    successor = world.claim()
    world.tell(overslept)
    with pytest.raises(RetryLaterError):
        world.standings.keep(overslept.beginning(BEGUN))
    assert world.get() == successor
    world.tell(successor)
    assert world.get().at(1) is not None


def test_one_of_two_who_find_no_record_has_the_claim(world: World) -> None:
    world.local.before("PutItem", world.claim)
    with pytest.raises(RetryLaterError):
        world.claim()


def test_one_of_two_who_find_it_free_has_the_claim(world: World) -> None:
    world.tell(world.claim())
    world.local.before("PutItem", world.claim)
    with pytest.raises(RetryLaterError):
        world.claim()


def test_what_was_told_between_a_look_and_a_claim_is_not_overwritten(world: World) -> None:
    """The other claimed and released in between: it is free, but what was read of it is old."""
    world.tell(world.claim())
    world.local.before("PutItem", lambda: world.standings.release(world.claim().told(NEXT, "success", "event-2")))
    with pytest.raises(RetryLaterError):
        world.claim()
    assert world.get().generations == [1, 2]


def test_a_claim_outlasts_the_function_that_has_it() -> None:
    """Otherwise its holder could still tell after it ran out."""
    template = load(TEMPLATE)
    function = template["Resources"]["DeploymentsFunction"]["Properties"]
    timeout = function.get("Timeout", template["Globals"]["Function"]["Timeout"])
    assert timedelta(seconds=timeout) < LASTING


# ---- What is known


def test_a_deployment_is_begun_then_made_then_told_then_inactive_and_forgotten() -> None:
    begun = EMPTY.beginning(BEGUN)
    assert (begun.begun_at(1), begun.at(1), begun.generations) == (BEGUN, None, [1])
    made = begun.having(MADE)
    assert (made.begun_at(1), made.at(1), made.generations) == (None, MADE, [1])
    told = made.told(MADE, "success", "event-1")
    assert told.at(1) == MADE.model_copy(update={"state": "success"})
    over = told.told(MADE, "inactive", "event-2")
    assert (over.at(1), over.generations) == (None, [])
    assert [(one.state, one.cause) for one in over.tellings] == [("success", "event-1"), ("inactive", "event-2")]
    assert over.told_by("event-1") == [over.tellings[0]]


def test_what_becomes_of_one_generation_leaves_the_others() -> None:
    both = EMPTY.told(NEXT, "success", "event-1").beginning(BEGUN)
    assert both.generations == [1, 2]
    assert both.without(1).generations == [2]
    assert both.told(MADE, "inactive", "event-2").at(2) == both.at(2)
    assert both.without(2).begun_at(1) == BEGUN


def test_no_more_is_remembered_than_a_repeated_step_needs() -> None:
    standing = EMPTY
    for number in range(MOST_TELLINGS + 5):
        one = Deployment(generation=number + 1, sha=SHA, deployment_id=number + 1)
        standing = standing.told(one, "in_progress", f"event-{number}").told(one, "inactive", f"event-{number}")
    assert len(standing.tellings) == MOST_TELLINGS
    assert standing.generations == []
    assert standing.told_by("event-0") == []
    assert len(standing.told_by(f"event-{MOST_TELLINGS + 4}")) == 2
