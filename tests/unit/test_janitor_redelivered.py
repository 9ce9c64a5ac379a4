"""Webhooks that were not taken are delivered once more."""

from datetime import timedelta

import httpx
import pytest

from github_app.client import GitHubRefusedError, GitHubUnavailableError
from janitor.redelivered import KEPT, PAUSE_SECONDS
from janitor.watch import MARGIN, MOST_AWAY, OutOfTimeError
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import World

HOUR = timedelta(hours=1)


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


def redelivered(world: World) -> list[int]:
    """What GitHub was asked to deliver again by one more look."""
    before = len(world.github.redelivered)
    assert world.look(world.redelivered()) == []
    return world.github.redelivered[before:]


def fail(world: World, *numbers: int) -> None:
    for number in numbers:
        world.github.failed(number, f"guid-{number}", world.now() - HOUR)


def test_what_failed_is_delivered_again_the_oldest_first(world: World) -> None:
    fail(world, 1, 2, 3)
    assert redelivered(world) == [1, 2, 3]
    assert world.pauses == [PAUSE_SECONDS] * 3


def test_what_was_taken_when_it_was_delivered_again_is_not_delivered_a_third_time(world: World) -> None:
    fail(world, 1)
    assert redelivered(world) == [1]
    for _ in range(3):
        world.now.advance(hours=1)
        assert redelivered(world) == []


def test_what_is_refused_again_is_delivered_again_by_every_sweep_until_it_is_taken(world: World) -> None:
    """As after a wrong webhook secret, until it is mended."""
    fail(world, 1)
    for number in (1, 2, 3):
        assert redelivered(world) == [number]
        world.github.failed(number + 1, "guid-1", world.now(), redelivery=True)
        assert redelivered(world) == []
        world.now.advance(hours=1)
    assert redelivered(world) == [4]
    world.now.advance(hours=1)
    assert redelivered(world) == []


def test_what_is_refused_for_good_is_left_after_three_days(world: World) -> None:
    world.github.failed(1, "guid-1", world.now() - KEPT)
    world.github.failed(2, "guid-1", world.now() - HOUR, redelivery=True)
    assert redelivered(world) == [2]
    world.github.failed(3, "guid-1", world.now(), redelivery=True)
    world.now.advance(hours=1)
    assert redelivered(world) == []


def test_what_was_taken_at_first_is_left_however_it_fared_when_somebody_had_it_again(world: World) -> None:
    world.github.failed(1, "guid-1", world.now() - HOUR, status_code=202)
    world.github.failed(2, "guid-1", world.now() - HOUR, redelivery=True)
    assert redelivered(world) == []


def test_what_is_refused_for_good_keeps_nothing_new_waiting(world: World) -> None:
    fail(world, 1, 2, 3)
    for number in (1, 2, 3):
        world.github.failed(number + 10, f"guid-{number}", world.now() - HOUR, redelivery=True)
    fail(world, 20, 21)
    for wanted in ([20, 21, 11], [12, 13]):
        before = len(world.github.redelivered)
        world.look(world.redelivered(most=3))
        assert world.github.redelivered[before:] == wanted


def test_attempts_at_one_delivery_are_one(world: World) -> None:
    for number in (1, 2, 3):
        world.github.failed(number, "guid", world.now() - HOUR)
    assert redelivered(world) == [3]


def test_what_has_just_failed_is_left_to_the_next_sweep(world: World) -> None:
    """Whoever died over it still holds it, and it is delivered again but once."""
    world.github.failed(1, "guid-1", world.now() - timedelta(seconds=20))
    assert redelivered(world) == []
    world.now.advance(hours=1)
    assert redelivered(world) == [1]


def test_what_succeeded_or_is_too_old_is_left(world: World) -> None:
    world.github.failed(1, "guid-1", world.now() - KEPT - timedelta(seconds=1))
    world.github.failed(2, "guid-2", world.now() - KEPT)
    world.github.failed(3, "guid-3", world.now(), status_code=202)
    assert redelivered(world) == [2]


@pytest.mark.parametrize("how", [404, 422, 500, 429, httpx.ReadTimeout], ids=str)
def test_one_that_fails_hinders_no_other_and_is_tried_again_by_the_next_sweep(
    world: World, how: int | type[Exception]
) -> None:
    fail(world, 1, 2, 3)
    world.github.fail("deliveries/2/attempts", how)
    assert redelivered(world) == [1, 2, 3]
    assert redelivered(world) == [2]
    assert redelivered(world) == []


def test_the_look_ends_where_github_is_away(world: World) -> None:
    fail(world, *range(1, MOST_AWAY + 3))
    world.github.fail("attempts", 503, MOST_AWAY)
    with pytest.raises(GitHubUnavailableError):
        redelivered(world)
    assert len(world.github.redelivered) == MOST_AWAY
    assert len(redelivered(world)) == MOST_AWAY + 2


@pytest.mark.parametrize(("how", "error"), [(500, GitHubUnavailableError), (401, GitHubRefusedError)])
def test_nothing_is_delivered_again_where_github_does_not_list_all(
    world: World, how: int, error: type[Exception]
) -> None:
    fail(world, 1, 2)
    world.github.fail("deliveries\\?", how)
    with pytest.raises(error):
        redelivered(world)
    assert world.github.redelivered == []


def test_what_another_sweep_is_at_is_left_to_it(world: World) -> None:
    fail(world, 1)
    inner: list[int] = []
    world.github.before("attempts", lambda: inner.extend(redelivered(world)))
    assert redelivered(world) == [1]
    assert inner == []


def test_a_sweep_delivers_no_more_than_it_may_and_the_next_goes_on(world: World) -> None:
    fail(world, 1, 2, 3, 4, 5)
    for _ in range(3):
        world.look(world.redelivered(most=2))
    assert world.github.redelivered == [1, 2, 3, 4, 5]


def test_nothing_more_is_delivered_when_the_time_is_nearly_over(world: World) -> None:
    def late() -> None:
        world.left = MARGIN - timedelta(seconds=1)

    fail(world, 1, 2)
    world.github.before("attempts", late)
    with pytest.raises(OutOfTimeError):
        redelivered(world)
    assert world.github.redelivered == [1]
