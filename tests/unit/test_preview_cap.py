"""How many previews an app has at once, and who is refused one."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from prestage_contracts.environments import PreviewSkipped
from prestage_contracts.snapshot import PullRequestReference
from records.environments import Environments
from tests.simulation.memory_table import MemoryTable
from tests.unit.environment_asks import changed, ended, opened, reopened
from tests.unit.environments_history import History
from tests.unit.environments_stage import SHOP, World, about, commit, named, word
from tests.unit.interleaved import Turns
from tests.unit.record_examples import app


def with_cap(most: int) -> World:
    return World(MemoryTable(), apps=(app(max_previews=most),))


def fill(world: World, *numbers: int) -> None:
    for number in numbers:
        world.does(opened(number, 0, **of(number)))


def of(number: int) -> dict[str, Any]:
    reference = PullRequestReference(
        number=number, title="x", html_url=f"https://github.com/octo-org/shop/pull/{number}", author="octocat"
    )
    return {"pull_request": reference}


def test_one_more_than_there_may_be_is_refused_and_told_once() -> None:
    world = with_cap(1)
    fill(world, 4)
    [fact] = world.does(opened())
    assert (fact.event, about(fact)["reason"]["code"]) == (PreviewSkipped, "cap")
    assert world.does(changed(2, 1, sha=commit(2))) == []
    assert world.environments() == []
    assert [skip.reason.code for skip in world.skips()] == ["cap"]


def test_a_place_is_freed_by_a_close_and_taken_by_the_next_word() -> None:
    world = with_cap(1)
    fill(world, 4, 3)
    assert named(world.does(ended(9, 1, **of(4)))) == ["EnvironmentClosed"]
    assert named(world.does(changed(10, 2))) == ["EnvironmentCreated"]
    assert world.skips() == []


def test_lowering_the_cap_closes_nothing_and_what_is_live_is_deployed_as_ever() -> None:
    world = with_cap(2)
    fill(world, 3, 4)
    world.change(max_previews=0)
    assert named(world.does(changed(10, 2, sha=commit(2)))) == ["EnvironmentUpdated"]
    assert Environments(world.table).count_live(SHOP.id) == 2
    world.does(ended(11, 3))
    assert [about(fact)["reason"]["code"] for fact in world.does(reopened(12, 4))] == ["cap"]


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), cap=st.integers(0, 4), count=st.integers(1, 5), deaths=st.integers(0, 3))
def test_of_many_that_open_at_once_as_many_as_there_may_be_get_one_and_the_others_are_told(
    seed: int, cap: int, count: int, deaths: int
) -> None:
    history = History(Turns(Random(seed), deaths), apps=(app(max_previews=cap),))  # noqa: S311  # not a secret
    numbers = [history.number() for _ in range(count)]
    for number in numbers:
        event = opened(number, 0, **of(number))
        history.github.has(word(0, **of(number)))
        history.tell(event)
    history.turns.run()
    live = [number for number in numbers if any(one.is_live for one in history.world.environments(number))]
    told = {about["pull_request"]["number"] for _, about in history.told(PreviewSkipped)}
    assert len(live) == min(cap, count) == Environments(history.world.table).count_live(SHOP.id)
    assert told == set(numbers) - set(live) == {number for number in numbers if history.world.skips(number)}
