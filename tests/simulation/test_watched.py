from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from records.table import ABSENT, Check, ConditionFailedError, ConflictError, Delete, Put, Table
from sealing.seal import DataKeys
from tests.simulation.calls import Call, undisturbed
from tests.simulation.memory_keys import MemoryKeys
from tests.simulation.memory_table import MemoryTable
from tests.simulation.watched import WatchedKeys, WatchedTable
from tests.unit.dynamodb import Local

ITEM = {"pk": "A", "sk": "B"}


class DeadError(BaseException):
    pass


@dataclass
class Between:
    """Does as it is told with the next call."""

    how: Callable[[Callable[[], Any]], Any] = lambda act: act()
    calls: list[Call] = field(default_factory=list)

    def __call__[T](self, call: Call, act: Callable[[], T]) -> T:
        self.calls.append(call)
        result: T = self.how(act)
        return result


@pytest.fixture(params=["in memory", "on moto"])
def inner(request: pytest.FixtureRequest, local: Local) -> Table:
    return MemoryTable() if request.param == "in memory" else local.table


def test_each_operation_is_seen_and_done(inner: Table) -> None:
    between = Between()
    table = WatchedTable(inner, "records", between)
    table.put(ITEM, ABSENT)
    assert table.get("A", "B") == ITEM
    assert list(table.query("A", begins_with="B")) == list(table.scan(sk="B")) == [ITEM]
    assert list(table.query_from("A", "B")) == [ITEM]
    table.transact([Put({"pk": "A", "sk": "C"}), Delete("A", "D"), Check("A", "B", condition=Attr("pk").exists())])
    table.delete("A", "B", Attr("pk").exists())
    assert [item["sk"] for item in inner.query("A")] == ["C"]
    assert between.calls == [
        Call("records", "put", "A/B"),
        Call("records", "get", "A/B"),
        Call("records", "query", "A/B*"),
        Call("records", "scan", "*/B"),
        Call("records", "query", "A/B…"),
        Call("records", "transact", "put A/C, delete A/D, check A/B"),
        Call("records", "delete", "A/B"),
    ]


def test_what_is_refused_is_not_done(inner: Table) -> None:
    def conflict(_: Callable[[], Any]) -> None:
        raise ConflictError

    table = WatchedTable(inner, "records", Between(conflict))
    with pytest.raises(ConflictError):
        table.put(ITEM)
    with pytest.raises(ConflictError):
        table.transact([Put(ITEM)])
    assert inner.get("A", "B") is None


def test_who_dies_after_a_write_has_written(inner: Table) -> None:
    def die(act: Callable[[], Any]) -> None:
        act()
        raise DeadError

    with pytest.raises(DeadError):
        WatchedTable(inner, "records", Between(die)).put(ITEM)
    assert inner.get("A", "B") == ITEM


def again(act: Callable[[], Any]) -> Any:
    act()
    return act()


def test_a_put_that_is_sent_again_meets_itself(inner: Table) -> None:
    with pytest.raises(ConditionFailedError) as refused:
        WatchedTable(inner, "records", Between(again)).put(ITEM, ABSENT)
    assert refused.value.found == (ITEM,)


def test_a_transaction_that_is_sent_again_is_done_once(inner: Table) -> None:
    WatchedTable(inner, "records", Between(again)).transact([Put(ITEM, ABSENT)])
    assert inner.get("A", "B") == ITEM


def test_each_use_of_a_data_key_is_seen_and_done() -> None:
    between = Between()
    keys = WatchedKeys(MemoryKeys(), between)
    made = keys.make({"app_id": "a", "environment_type": "preview"})
    assert keys.open(made.wrapped, {"environment_type": "preview", "app_id": "a"}) == made
    assert between.calls == [
        Call("kms", "make", "app_id=a environment_type=preview"),
        Call("kms", "open", "environment_type=preview app_id=a"),
    ]


def operations_of(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")}


@pytest.mark.parametrize(
    ("port", "kind"),
    [(Table, MemoryTable), (Table, WatchedTable), (DataKeys, MemoryKeys), (DataKeys, WatchedKeys)],
    ids=lambda kind: kind.__name__,
)
def test_every_operation_of_a_port_is_stood_in_for(port: type, kind: type) -> None:
    assert operations_of(port) == operations_of(kind)


def test_nothing_comes_between_where_nothing_is_to() -> None:
    table = WatchedTable(MemoryTable(), "records", undisturbed)
    table.put(ITEM)
    assert table.get("A", "B") == ITEM
