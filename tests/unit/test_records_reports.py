"""What is told of a generation of an environment, and how many of an app's previews are live."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.environments import CapReachedError, Environment, Environments
from records.life import Report, Status
from tests.simulation.memory_table import MemoryTable
from tests.unit.dynamodb import Local
from tests.unit.environment_asks import BROKEN
from tests.unit.record_examples import NOW, ad_hoc, app, preview, production, put_on_record
from tests.unit.steps import CLOSED

LATER = NOW.replace(hour=11)
APP = app()
FAILURE: dict[str, Any] = {"reason": BROKEN, "stage": "build", "log_url": "https://logs.example.com"}


@pytest.fixture
def environments(local: Local) -> Environments:
    put_on_record(local.table, APP)
    return Environments(local.table)


def begin(environments: Environments, number: int = 3, **options: Any) -> Environment:
    return environments.deploy(preview(number=number), f"begins-{number}", **options)


def update(environments: Environments, cause: str = "updates") -> Environment:
    return environments.deploy(preview(), cause, afresh=True)


def close(environments: Environments, number: int = 3) -> Environment:
    closed = environments.close(preview(number=number).id, f"closes-{number}", CLOSED, LATER)
    assert closed is not None
    return closed


def report(environments: Environments, move: Report, generation: int = 1, cause: str | None = None) -> Any:
    told = FAILURE if move == "fail" else {}
    return environments.report(preview().id, generation, move, cause or move, LATER, **told)


# ---- Reports


def test_a_failure_is_written_down_with_its_reason(environments: Environments) -> None:
    begin(environments)
    failed = report(environments, "fail")
    assert (failed.status, failed.reason, failed.stage, failed.log_url) == ("failed", *FAILURE.values())
    assert (failed.generation, failed.revision, failed.updated_at, failed.intended_at) == (1, 2, LATER, NOW)
    assert environments.get(failed.id) == failed


def test_ready_is_written_down_and_what_was_wrong_is_forgotten(environments: Environments) -> None:
    begin(environments)
    report(environments, "fail")
    ready = report(environments, "ready")
    assert (ready.status, ready.reason, ready.stage, ready.log_url) == ("ready", None, None, None)


@pytest.mark.parametrize("order", list(permutations(["ready", "fail"])))
def test_of_ready_and_a_failure_of_one_generation_ready_stands(
    environments: Environments, order: tuple[Report, ...]
) -> None:
    begin(environments)
    for move in order:
        report(environments, move)
    found = environments.get(preview().id)
    assert found is not None
    assert found.status == "ready"


def test_a_closed_environment_is_stopped_once_its_runtime_is_removed(environments: Environments) -> None:
    begin(environments)
    close(environments)
    stopped = report(environments, "remove", 2)
    assert (stopped.status, stopped.reason, stopped.generation) == ("stopped", CLOSED, 2)


@pytest.mark.parametrize("generation", [1, 3])
@pytest.mark.parametrize("move", ["ready", "fail", "remove"])
def test_a_report_on_another_generation_than_the_current_one_changes_nothing(
    environments: Environments, move: Report, generation: int
) -> None:
    begin(environments)
    before = update(environments)
    assert report(environments, move, generation) is None
    assert environments.get(before.id) == before


@pytest.mark.parametrize(("move", "generation"), [("remove", 1), ("ready", 2), ("fail", 2)])
def test_a_report_that_is_not_legal_changes_nothing(environments: Environments, move: Report, generation: int) -> None:
    before = begin(environments)
    if generation == 2:
        before = close(environments)
    assert report(environments, move, generation) is None
    assert environments.get(before.id) == before


def test_a_report_on_what_never_was_is_nothing(environments: Environments) -> None:
    assert report(environments, "ready") is None


def test_who_reported_may_do_so_again_and_nobody_else(environments: Environments) -> None:
    begin(environments)
    first = report(environments, "ready")
    assert report(environments, "ready") == first
    assert report(environments, "ready", cause="another") is None


def test_what_was_reported_is_so_also_when_the_environment_has_moved_on(environments: Environments) -> None:
    """The step broke off between writing and stating, and something newer came before it is repeated."""
    begin(environments)
    report(environments, "fail")
    report(environments, "ready")
    update(environments)
    moved = close(environments)
    for move in ("ready", "fail"):
        assert report(environments, move) == moved
    assert report(environments, "ready", cause="another") is None
    stopped = report(environments, "remove", 3)
    assert update(environments, "begins again").generation == 4
    assert report(environments, "remove", 3).mark_of(3) == stopped.mark_of(3)


def test_an_intent_that_comes_between_reading_and_writing_supersedes_a_report(
    local: Local, environments: Environments
) -> None:
    begin(environments)
    local.before("TransactWriteItems", lambda: update(environments))
    assert report(environments, "ready") is None
    found = environments.get(preview().id)
    assert found is not None
    assert (found.status, found.generation) == ("deploying", 2)


# ---- The count of live previews


def test_live_previews_are_counted_those_of_branches_too_and_production_is_not(environments: Environments) -> None:
    assert environments.count_live(APP.id) == 0
    begin(environments)
    environments.deploy(ad_hoc(), "event-2")
    environments.deploy(production(), "event-3")
    assert environments.count_live(APP.id) == 2


def test_a_close_frees_a_place_at_once_and_what_follows_it_frees_no_second_one(environments: Environments) -> None:
    begin(environments)
    update(environments)
    report(environments, "fail", 2)
    assert environments.count_live(APP.id) == 1
    close(environments)
    assert environments.count_live(APP.id) == 0
    report(environments, "remove", 3)
    close(environments)
    assert environments.count_live(APP.id) == 0


def test_one_more_than_there_may_be_is_refused_and_leaves_no_record(environments: Environments) -> None:
    begin(environments, 3, most_live=1)
    with pytest.raises(CapReachedError):
        begin(environments, 4, most_live=1)
    assert environments.get(preview(number=4).id) is None
    assert environments.count_live(APP.id) == 1
    close(environments, 3)
    assert begin(environments, 4, most_live=1).is_live


def test_what_is_live_is_raised_whatever_the_cap_is_by_now(environments: Environments) -> None:
    begin(environments)
    raised = environments.deploy(preview(), "event-2", afresh=True, most_live=0)
    assert (raised.generation, raised.is_live) == (2, True)


def test_what_was_closed_takes_a_place_to_begin_again(environments: Environments) -> None:
    begin(environments, 3)
    close(environments, 3)
    begin(environments, 4)
    with pytest.raises(CapReachedError):
        environments.deploy(preview(), "event-2", most_live=1)
    assert environments.deploy(preview(), "event-2", most_live=2).is_live


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
@pytest.mark.parametrize("nth", [0, 1])
def test_of_two_that_begin_at_once_with_one_place_left_exactly_one_gets_it(
    local: Local, environments: Environments, operation: str, nth: int
) -> None:
    begun: list[str] = []

    def try_to_begin(number: int) -> None:
        try:
            begun.append(begin(environments, number, most_live=1).id)
        except CapReachedError:
            begun.append("refused")

    for _ in range(nth):
        local.before(operation, lambda: None)
    local.before(operation, lambda: try_to_begin(4))
    try_to_begin(3)
    if len(begun) == 1:  # there was no such call
        try_to_begin(4)
    assert min(begun, key=len) == "refused"
    assert len(begun) == 2
    assert environments.count_live(APP.id) == 1
    assert [one.is_live for one in environments.list_by_app(APP.id)] == [True]


def test_a_place_that_is_freed_meanwhile_is_taken(local: Local, environments: Environments) -> None:
    begin(environments, 3)
    local.before("GetItem", lambda: close(environments, 3))
    assert begin(environments, 4, most_live=1).is_live
    assert environments.count_live(APP.id) == 1


def test_what_comes_between_does_not_spoil_the_count(local: Local, environments: Environments) -> None:
    begin(environments, 3)
    local.before("TransactWriteItems", lambda: begin(environments, 4))
    close(environments, 3)
    assert environments.count_live(APP.id) == 1


moves = st.lists(st.tuples(st.sampled_from(["begin", "update", "close", "ready", "remove"]), st.integers(3, 5)))


@given(moves=moves)
def test_the_count_is_that_of_live_previews_whatever_happens(moves: list[tuple[str, int]]) -> None:
    table = MemoryTable()
    put_on_record(table, APP)
    environments = Environments(table)
    for step, (move, number) in enumerate(moves):
        wanted = preview(number=number)
        found = environments.get(wanted.id)
        if move in {"begin", "update"}:
            environments.deploy(wanted, f"event-{step}", afresh=move == "update")
        elif move == "close":
            environments.close(wanted.id, f"event-{step}", CLOSED, NOW)
        elif found is not None:
            environments.report(wanted.id, found.generation, "ready" if move == "ready" else "remove", "report", NOW)
    live: list[Status] = [one.status for one in environments.list_by_app(APP.id) if one.is_live]
    assert environments.count_live(APP.id) == len(live)


def test_another_app_s_previews_do_not_count(environments: Environments) -> None:
    begin(environments)
    assert environments.count_live(app("another").id) == 0
