"""No change without a trace: wherever a command breaks off, what it changed is stated, by it or by the next."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from prestage.change_of_app import settings_changed
from prestage.changes import BREAKING_OFF, SETTLING, Change, Changes, NotNotedError, NotStatedError
from prestage_contracts.operators import (
    OperatorRequestData,
    PasswordRequested,
    UserAdded,
    UserChangeData,
    UserRemoved,
)
from records.outbox import PARTITION, Outbox
from records.users import UserExistsError, Users
from tests.unit.dynamodb import Local, local_aws
from tests.unit.record_examples import NOW, app, preview, user

ADDED = Change(UserAdded, UserChangeData(changed_by="arn:aws:iam::1:user/maria", user_id="shop-team", name="Shop"))
REMOVED = Change(UserRemoved, ADDED.data)
MUCH_LATER = BREAKING_OFF + timedelta(seconds=1)


class Crash(BaseException):
    """The process ends here."""


class World:
    """The records, a bus that may refuse, a clock, and a process that may end at any call."""

    def __init__(self, local: Local) -> None:
        self.local = local
        self.users = Users(local.table)
        self.now = NOW
        self.refuses = False
        self.stated: list[Mapping[str, Any]] = []
        self.told: list[str] = []
        self.ends: Callable[[], None] = lambda: None

    def changes(self) -> Changes:
        """As a process has it."""
        return Changes(self, "prestage", Outbox(self.local.table), clock=lambda: self.now, tell=self.told.append)

    def put_events(self, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        """The bus: the process can end before it takes anything, and before it answers."""
        self.ends()
        if self.refuses:
            return {"Entries": [{"ErrorCode": "AccessDeniedException"} for _ in Entries]}
        self.stated += [json.loads(entry["Detail"]) for entry in Entries]
        self.ends()
        return {"Entries": [{} for _ in Entries]}

    def ending_at(self, number: int) -> None:
        """End the process at its call of that number; no call follows."""
        numbers = count()

        def called(**_: object) -> None:
            if next(numbers) >= number:
                raise Crash

        self.local.dynamodb.meta.events.register("before-call", called, unique_id="ends")
        self.ends = called

    def begin_afresh(self) -> None:
        """Another process, much later."""
        self.local.dynamodb.meta.events.unregister("before-call", unique_id="ends")
        self.ends = lambda: None
        self.now += MUCH_LATER

    @property
    def confirmed(self) -> set[str]:
        """The ids of the facts that were stated as known."""
        return {fact["metadata"]["event_id"] for fact in self.stated if fact["data"]["confirmed"]}

    @property
    def unconfirmed(self) -> set[str]:
        return {fact["metadata"]["event_id"] for fact in self.stated} - self.confirmed

    def waiting(self) -> int:
        return len(list(self.local.table.query(PARTITION)))


@pytest.fixture
def world() -> Iterator[World]:
    with local_aws() as local:
        yield World(local)


def add(world: World) -> None:
    """What one transaction makes."""
    with world.changes().stated(ADDED) as also:
        world.users.add(user(), also)


def remove(world: World) -> None:
    """What takes several writes."""
    with world.changes().intended(REMOVED) as also:
        world.users.remove(user().id, also)


def discard(world: World) -> None:
    """What no transaction makes: here, an item of a table that could be a queue."""
    with world.changes().intended(REMOVED):
        world.local.table.delete("QUEUE", "LETTER")


# ---- A change and its fact


def test_a_change_is_stated_and_nothing_is_left(world: World) -> None:
    add(world)
    [fact] = world.stated
    assert fact["data"]["user_id"] == "shop-team"
    assert (len(world.confirmed), world.waiting(), world.told) == (1, 0, [])


def test_what_is_refused_leaves_no_fact(world: World) -> None:
    world.users.add(user())
    with pytest.raises(UserExistsError):
        add(world)
    with pytest.raises(ZeroDivisionError), world.changes().intended(REMOVED, refusals=(ZeroDivisionError,)):
        raise ZeroDivisionError
    world.now += MUCH_LATER
    world.changes().catch_up()
    assert (world.stated, world.waiting()) == ([], 0)


def test_what_broke_off_by_an_error_is_stated_at_once_as_not_confirmed(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.changes().intended(REMOVED):
        raise ZeroDivisionError
    assert (len(world.confirmed), len(world.unconfirmed), world.waiting()) == (0, 1, 0)


def test_what_broke_off_after_the_writes_were_done_is_confirmed(world: World) -> None:
    world.users.add(user())
    with suppress(ZeroDivisionError), world.changes().intended(REMOVED) as also:
        world.users.remove(user().id, also)
        raise ZeroDivisionError
    assert (len(world.confirmed), len(world.unconfirmed), world.waiting()) == (1, 0, 0)


# ---- An outbox that does not take facts, or can't be read


def refuse(world: World, *operations: str, code: str = "AccessDeniedException", after: int = 0) -> None:
    """Have DynamoDB refuse these, once they were called so often."""
    numbers = count()

    def called(*, model: Any, **_: object) -> None:
        if model.name in operations and next(numbers) >= after:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, model.name)

    world.local.dynamodb.meta.events.register("before-call", called, unique_id="refuses")


@pytest.mark.parametrize(
    ("code", "advice"),
    [("AccessDeniedException", r"docs/audit\.md"), ("ProvisionedThroughputExceededException", "Try again later")],
)
def test_what_can_not_be_noted_is_not_done_and_told_why(world: World, code: str, advice: str) -> None:
    world.local.table.put({"pk": "QUEUE", "sk": "LETTER"})
    refuse(world, "PutItem", code=code)
    with pytest.raises(
        NotNotedError, match=f"not made, as it could not be noted for the audit trail.*{code}.*{advice}"
    ):
        discard(world)
    assert world.local.table.get("QUEUE", "LETTER") is not None
    assert (world.stated, world.waiting()) == ([], 0)


def test_of_two_changes_the_first_is_not_left_noted_where_the_second_is_not_taken(world: World) -> None:
    refuse(world, "PutItem", after=1)
    with pytest.raises(NotNotedError), world.changes().intended(REMOVED, ADDED):
        raise AssertionError
    assert world.waiting() == 0


def test_an_error_is_told_in_its_own_words_where_the_outbox_is_out_of_reach(world: World) -> None:
    refuse(world, "Query", "DeleteItem")
    with pytest.raises(ZeroDivisionError), world.changes().intended(REMOVED):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), world.changes().intended(REMOVED, refusals=(ZeroDivisionError,)):
        raise ZeroDivisionError
    world.local.dynamodb.meta.events.unregister("before-call", unique_id="refuses")
    assert (world.stated, world.waiting()) == ([], 2)


# ---- A bus that does not take facts


def test_a_change_whose_fact_the_bus_refuses_stands_and_its_fact_is_kept_and_told(world: World) -> None:
    world.refuses = True
    add(world)
    assert world.users.get("shop-team") is not None
    assert (world.stated, world.waiting()) == ([], 1)
    [told] = world.told
    assert "UserAdded is kept" in told
    assert "May you events:PutEvents on the bus prestage?" in told


def test_the_next_command_of_somebody_who_may_states_it(world: World) -> None:
    world.refuses = True
    add(world)
    world.refuses, world.now = False, NOW + SETTLING
    with world.changes().stated(REMOVED) as also:
        world.local.table.transact(also)
    assert [fact["metadata"]["occurred_at"] for fact in world.stated] == [
        f"{world.now:%Y-%m-%dT%H:%M:%SZ}",
        f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
    ]
    assert world.waiting() == 0


def test_nobody_states_for_a_command_that_goes_on(world: World) -> None:
    with world.changes().intended(REMOVED):
        world.now += BREAKING_OFF - timedelta(seconds=1)
        assert world.changes().catch_up()
        assert (world.stated, world.waiting()) == ([], 1)


def test_what_one_states_for_a_command_that_slept_takes_nothing_from_it(world: World) -> None:
    with world.changes().intended(REMOVED):
        world.now += MUCH_LATER
        world.changes().catch_up()
        assert (len(world.confirmed), len(world.unconfirmed)) == (0, 1)
    assert (len(world.confirmed), len(world.unconfirmed), world.waiting()) == (1, 1, 0)


def test_what_is_kept_anew_while_another_states_the_old_stays(world: World) -> None:
    """It says more by then."""
    outbox = Outbox(world.local.table)
    with world.changes().intended(REMOVED):
        [old] = outbox.waiting()
        outbox.keep(old.sk, PasswordRequested.begin(*_asked(), correlation_id="1", now=NOW, group="1", cause="1"), NOW)
        outbox.forget_stated(old)
        assert world.waiting() == 1


def test_what_is_asked_for_is_not_done_where_the_bus_does_not_take_it(world: World) -> None:
    world.refuses = True
    with pytest.raises(NotStatedError, match="May you events:PutEvents"):
        world.changes().state(PasswordRequested, *_asked(), "1")


def _asked() -> tuple[OperatorRequestData]:
    return (OperatorRequestData(environment=preview().snapshot(), requested_by="arn:aws:iam::1:user/maria"),)


# ---- A process that ends anywhere


@pytest.mark.parametrize("number", range(8))
def test_wherever_a_command_ends_its_fact_is_stated_if_its_transaction_was_made(world: World, number: int) -> None:
    world.ending_at(number)
    with suppress(Crash):
        add(world)
    world.begin_afresh()
    assert world.changes().catch_up()
    made = world.users.get("shop-team") is not None
    assert (len(world.confirmed), len(world.unconfirmed), world.waiting()) == (int(made), 0, 0)
    assert len(world.stated) <= 2  # a copy has the same id


@pytest.mark.parametrize("number", range(14))
@pytest.mark.parametrize("act", [remove, discard])
def test_wherever_a_command_ends_what_it_made_was_stated(
    world: World, act: Callable[[World], None], number: int
) -> None:
    world.users.add(user())
    world.local.table.put({"pk": "QUEUE", "sk": "LETTER"})
    world.ending_at(number)
    with suppress(Crash):
        act(world)
    world.begin_afresh()
    assert world.changes().catch_up()
    gone = world.users.get("shop-team") if act is remove else world.local.table.get("QUEUE", "LETTER")
    if gone is None:
        assert world.confirmed | world.unconfirmed
    if world.confirmed:
        assert gone is None
    assert (len(world.confirmed) <= 1, len(world.unconfirmed) <= 1, world.waiting()) == (True, True, 0)


# ---- What is told


@given(
    st.text(alphabet="abcdefgh", min_size=24, max_size=40),
    st.sampled_from(["build", "start", "health_path"]),
)
def test_no_command_and_no_path_is_in_a_fact(planted: str, setting: str) -> None:
    value = f"/{planted}"
    [told] = settings_changed(app(), app(**{setting: value}), "arn:aws:iam::1:user/maria")
    assert setting in told.data.model_dump_json()
    assert planted not in told.data.model_dump_json()


def test_a_policy_is_told_apart_from_the_rest() -> None:
    facts = settings_changed(app(), app(forks="trusted", port=9000, required_checks=("smoke",)), "somebody")
    assert [(fact.event.name(), fact.data.model_dump()["changes"]) for fact in facts] == [
        (
            "PolicyChanged",
            (
                {"setting": "forks", "before": "ignore", "after": "trusted"},
                {"setting": "required_checks", "before": "none", "after": "smoke"},
            ),
        ),
        ("AppChanged", ({"setting": "port", "before": "8080", "after": "9000"},)),
    ]


def test_what_is_no_change_is_no_fact() -> None:
    assert settings_changed(app(), app(), "somebody") == []
