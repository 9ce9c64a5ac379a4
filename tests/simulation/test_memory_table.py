"""The table that stands in for DynamoDB, held to moto's; and where moto itself is known to be wrong."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import count, product
from pprint import pformat
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.table import ABSENT, MAX_TRANSACTION, Check, ConditionFailedError, Delete, Item, Put, Table
from tests.simulation.conditions import holds
from tests.simulation.memory_table import MemoryTable
from tests.simulation.table_operations import (
    BEGINNINGS,
    COMPARED,
    CONDITIONS,
    CONTENTS,
    ITEMS,
    OF_SERVICES,
    OPERATIONS,
    PARTITIONS,
    Operation,
    comparisons,
)
from tests.unit.dynamodb import Local

KEY = {"pk": "A", "sk": "B"}
_NUMBERS = count()


@contextmanager
def moto_table(local: Local) -> Iterator[Table]:
    """One that is empty."""
    name = f"table-{next(_NUMBERS)}"
    local.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    yield Table(local.dynamodb, name)
    local.dynamodb.delete_table(TableName=name)


def outcome(operation: Operation, table: Table) -> str:
    """All that comes of it, written down: 1 is not True, and a list no tuple."""
    try:
        result = operation.on(table)
    except ConditionFailedError as error:
        return pformat((error.found, error.failed))
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except (BotoCoreError, TypeError) as error:
        return type(error).__name__
    if operation.name == "scan" and isinstance(result, list):
        result.sort(key=pformat)  # it has no order
    return pformat(result)


def everything(table: Table) -> list[str]:
    asked = [Operation("query", [pk], {"begins_with": start}) for pk, start in product(PARTITIONS, ("", BEGINNINGS[1]))]
    return [outcome(query, table) for query in asked]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(contents=CONTENTS, operations=st.lists(OPERATIONS, min_size=2, max_size=12))
def test_whatever_is_done_comes_out_as_on_moto(
    local: Local, contents: Sequence[Item], operations: Sequence[Operation]
) -> None:
    memory = MemoryTable()
    with moto_table(local) as table:
        for operation in [*(Operation("put", [item]) for item in contents), *operations]:
            assert outcome(operation, memory) == outcome(operation, table)
        assert everything(memory) == everything(table)


def on_moto(table: Table, item: Item | None, condition: ConditionBase) -> bool | None:
    """Whether it holds for the item in the table; None if it breaks moto."""
    key = item or {"pk": "nothing", "sk": "there"}
    try:
        table.transact([Check(key["pk"], key["sk"], condition=condition)])
    except ConditionFailedError:
        return False
    except ClientError:
        return None
    return True


@pytest.mark.parametrize("name", COMPARED)
def test_each_comparison_holds_as_on_moto(local: Local, name: str) -> None:
    conditions = comparisons(name)
    for item in ({**KEY, **found} for found in [{}, *({name: value} for value in COMPARED[name])]):
        local.table.put(item)
        for condition in conditions:
            assert holds(condition, item) == on_moto(local.table, item, condition)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(item=ITEMS, conditions=st.lists(OF_SERVICES | CONDITIONS, min_size=4, max_size=10))
def test_conditions_together_hold_as_on_moto(local: Local, item: Item, conditions: Sequence[ConditionBase]) -> None:
    local.table.put(item)
    for condition in conditions:
        assert holds(condition, item) == on_moto(local.table, item, condition)
        assert holds(condition, None) == on_moto(local.table, None, condition)


class Kind(StrEnum):
    PREVIEW = "preview"


@pytest.mark.parametrize(
    "value",
    [
        *(Decimal(5), bytearray(b"x"), Kind.PREVIEW, [Kind.PREVIEW, (1, (True, None))], {"a": {"b": [b"\0"]}}),
        *(1.5, [1.5], datetime(2026, 11, 1, tzinfo=UTC), object()),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_a_value_is_kept_or_refused_as_on_moto(local: Local, value: object) -> None:
    put, get = Operation("put", [{"pk": "A", "sk": "B", "value": value}]), Operation("get", ["A", "B"])
    memory = MemoryTable()
    for operation in (put, get):
        assert outcome(operation, memory) == outcome(operation, local.table)


STANDS: Mapping[str, Any] = {
    "pk": "A",
    "sk": "B",
    "text": "b",
    "number": 1,
    "flag": True,
    "binary": b"\xff\x00",
    "nothing": None,
    "list": [1, {"a": True}],
}
OTHERWISE_ON_MOTO: Mapping[str, tuple[ConditionBase, bool]] = {
    "what is missing is not null": (Attr("missing").eq(None), False),
    "true is not one": (Attr("flag").eq(1), False),
    "one is not true": (Attr("number").eq(True), False),
    "nor is it inside a list": (Attr("list").eq([True, {"a": 1}]), False),
    "a number is not below a text": (Attr("number").lt("z"), False),
    "a text is not above a number": (Attr("text").gte(0), False),
    "a text does not lie between numbers": (Attr("text").between(0, 9), False),
    "binary begins with binary": (Attr("binary").begins_with(b"\xff"), True),
}


@pytest.mark.parametrize(("condition", "holding"), OTHERWISE_ON_MOTO.values(), ids=OTHERWISE_ON_MOTO)
def test_where_moto_is_known_to_differ_it_is_as_on_dynamodb(
    local: Local, condition: ConditionBase, holding: bool
) -> None:
    local.table.put(STANDS)
    assert holds(condition, STANDS) == holding
    assert on_moto(local.table, STANDS, condition) != holding, "moto was mended: generate it, and take it off this list"


@pytest.mark.parametrize(
    "condition",
    [
        *(Attr("flag").lt(True), Attr("nothing").gte(None), Attr("list").gt([1]), Attr("list").between([], [1])),
        *(Attr("number").between(2, 1), Attr("number").between(1, "2"), Attr("number").begins_with(1)),
    ],
    ids=["order of flags", "of nulls", "of lists", "between lists", "upside down", "two kinds", "a number's start"],
)
@pytest.mark.parametrize("item", [STANDS, None], ids=["there", "not there"])
def test_a_condition_that_dynamodb_does_not_take_is_refused_whatever_is_there(
    condition: ConditionBase, item: Mapping[str, Any] | None
) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        holds(condition, item)


@pytest.mark.parametrize(
    "condition",
    [Attr("a").ne(1), Attr("a").is_in([1]), Attr("a").size().eq(1), Attr("a").contains("x"), Attr("a.b").eq(1)],
    ids=["not equal", "in", "size", "contains", "inside"],
)
def test_a_condition_that_is_not_known_is_never_taken_for_one_that_holds(condition: ConditionBase) -> None:
    with pytest.raises(NotImplementedError, match=r"tests/simulation/conditions\.py"):
        holds(condition, {"a": 1})


def test_more_writes_than_a_transaction_takes_are_refused() -> None:
    writes = [Put({"pk": "A", "sk": str(number)}) for number in range(MAX_TRANSACTION + 1)]
    table = MemoryTable()
    with pytest.raises(ValueError, match="at most 100"):
        table.transact(writes)
    table.transact(writes[:-1])
    assert len(table.items) == MAX_TRANSACTION


def test_nobody_changes_what_is_kept_by_what_was_given_or_read() -> None:
    table = MemoryTable()
    given_, inner = {"pk": "A", "sk": "B"}, {"x": [1]}
    table.put({**given_, "inner": inner})
    inner["x"].append(2)
    for read in (table.get("A", "B"), *table.query("A"), *table.scan(sk="B"), *table.items):
        assert read is not None
        read["inner"]["x"].append(3)
    with pytest.raises(ConditionFailedError) as refused:
        table.put(given_, ABSENT)
    (refused.value.found[0] or {})["inner"]["x"].append(4)
    with pytest.raises(ConditionFailedError) as refused:
        table.transact([Delete("A", "B", ABSENT)])
    (refused.value.found[0] or {})["inner"]["x"].append(5)
    assert table.items == [{**given_, "inner": {"x": [1]}}]


def test_a_query_shows_what_there_is_when_its_first_item_is_wanted() -> None:
    table = MemoryTable()
    query: Iterator[Mapping[str, Any]] = table.query("A")
    table.put({"pk": "A", "sk": "1"})
    table.put({"pk": "A", "sk": "2"})
    assert next(query)["sk"] == "1"
    table.delete("A", "2")
    assert [item["sk"] for item in query] == ["2"]
