from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.table import ABSENT, MAX_TRANSACTION, Check, ConditionFailedError, ConflictError, Delete, Put, Table
from tests.unit.dynamodb import Local

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | texts | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts.filter(bool), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def table(local: Local) -> Table:
    return local.table


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(value=values)
def test_an_item_is_read_as_it_was_written(local: Local, value: Any) -> None:
    item = {"pk": "A", "sk": "B", "value": value}
    local.table.put(item)
    read = local.table.get("A", "B")
    assert read == item
    assert "Decimal" not in repr(read)
    assert list(local.table.query("A")) == [item]


def test_numbers_are_whole_and_binary_is_bytes(table: Table) -> None:
    table.put({"pk": "A", "sk": "B", "number": Decimal(5), "binary": bytearray(b"x")})
    read = dict(table.get("A", "B") or {})
    assert (type(read["number"]), type(read["binary"])) == (int, bytes)


def test_what_is_not_there_is_none(table: Table) -> None:
    assert table.get("A", "B") is None
    assert list(table.query("A")) == []


def test_every_read_is_strongly_consistent(local: Local) -> None:
    asked: list[dict[str, Any]] = []
    local.dynamodb.meta.events.register("provide-client-params.dynamodb.*", lambda params, **_: asked.append(params))
    local.table.get("A", "B")
    list(local.table.query("A"))
    list(local.table.scan(sk="B"))
    assert [params["ConsistentRead"] for params in asked] == [True] * 3


def test_a_query_gives_one_partition_by_the_beginning_of_the_sort_key_in_its_order(table: Table) -> None:
    for pk, sk in (("A", "X#2"), ("A", "X#1"), ("A", "Y#1"), ("B", "X#3"), ("A", "X#10")):
        table.put({"pk": pk, "sk": sk})
    assert [item["sk"] for item in table.query("A", begins_with="X#")] == ["X#1", "X#10", "X#2"]
    assert [item["sk"] for item in table.query("A")] == ["X#1", "X#10", "X#2", "Y#1"]


def test_a_query_and_a_scan_read_all_pages(local: Local) -> None:
    large = "x" * 300_000
    for number in range(5):
        local.table.put({"pk": "A", "sk": f"{number}", "large": large})
        local.table.put({"pk": f"{number}", "sk": "SAME", "large": large})
    local.calls.clear()
    assert len(list(local.table.query("A"))) == 5
    assert local.calls.count("Query") > 1
    assert sorted(item["pk"] for item in local.table.scan(sk="SAME")) == ["0", "1", "2", "3", "4"]
    assert local.calls.count("Scan") > 1


def test_a_put_replaces_the_whole_item(table: Table) -> None:
    table.put({"pk": "A", "sk": "B", "old": 1})
    table.put({"pk": "A", "sk": "B", "new": 1})
    assert table.get("A", "B") == {"pk": "A", "sk": "B", "new": 1}


def test_a_put_whose_condition_fails_writes_nothing_and_gives_what_stood_in_the_way(table: Table) -> None:
    table.put({"pk": "A", "sk": "B", "name": "first"}, ABSENT)
    with pytest.raises(ConditionFailedError) as raised:
        table.put({"pk": "A", "sk": "B", "name": "second"}, ABSENT)
    assert raised.value.found == ({"pk": "A", "sk": "B", "name": "first"},)
    assert raised.value.failed == (True,)
    assert (table.get("A", "B") or {})["name"] == "first"


def test_a_condition_that_fails_on_nothing_finds_none(table: Table) -> None:
    with pytest.raises(ConditionFailedError) as raised:
        table.put({"pk": "A", "sk": "B"}, Attr("revision").eq(1))
    assert raised.value.found == (None,)


def test_a_delete_of_what_is_not_there_succeeds_unless_the_condition_says_otherwise(table: Table) -> None:
    table.delete("A", "B")
    with pytest.raises(ConditionFailedError):
        table.delete("A", "B", Attr("pk").exists())


def test_a_delete_whose_condition_fails_deletes_nothing(table: Table) -> None:
    table.put({"pk": "A", "sk": "B", "holder": "x"})
    with pytest.raises(ConditionFailedError) as raised:
        table.delete("A", "B", Attr("holder").eq("y"))
    assert raised.value.found[0] == table.get("A", "B")
    table.delete("A", "B", Attr("holder").eq("x"))
    assert table.get("A", "B") is None


def test_a_transaction_does_all_its_writes(table: Table) -> None:
    table.put({"pk": "A", "sk": "1"})
    table.put({"pk": "A", "sk": "2", "state": "open"})
    table.transact(
        [Put({"pk": "A", "sk": "3"}, ABSENT), Delete("A", "1"), Check("A", "2", condition=Attr("state").eq("open"))]
    )
    assert [item["sk"] for item in table.query("A")] == ["2", "3"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_transaction_with_one_condition_that_fails_does_nothing_and_says_which(table: Table, position: int) -> None:
    stands = [{"pk": "A", "sk": str(number), "state": "open"} for number in range(3)]
    for item in stands:
        table.put(item)
    wanted = ["open", "open", "open"]
    wanted[position] = "closed"
    with pytest.raises(ConditionFailedError) as raised:
        table.transact(
            [
                Check("A", "0", condition=Attr("state").eq(wanted[0])),
                Put({"pk": "A", "sk": "1", "state": "new"}, Attr("state").eq(wanted[1])),
                Delete("A", "2", Attr("state").eq(wanted[2])),
            ]
        )
    assert raised.value.failed == tuple(number == position for number in range(3))
    assert raised.value.found == tuple(stands[number] if number == position else None for number in range(3))
    assert list(table.query("A")) == stands


def _fails_with(local: Local, operation: str, code: str, **more: Any) -> None:
    def act() -> None:
        error = getattr(local.dynamodb.exceptions, code)
        raise error({"Error": {"Code": code, "Message": "no"}, **more}, operation)

    local.before(operation, act)


def _reasons(*codes: str) -> list[dict[str, str]]:
    return [{"Code": code} for code in codes]


@pytest.mark.parametrize(
    "codes",
    [
        ("TransactionConflict", "None"),
        ("None", "TransactionConflict"),
        ("TransactionConflict", "ConditionalCheckFailed"),
    ],
)
def test_a_transaction_conflict_is_not_a_condition_that_failed(local: Local, codes: tuple[str, ...]) -> None:
    """Where another transaction is writing, what a condition found may be gone a moment later."""
    reasons = _reasons(*codes)
    _fails_with(local, "TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
    with pytest.raises(ConflictError):
        local.table.transact([Put({"pk": "A", "sk": "1"}), Put({"pk": "A", "sk": "2"})])


@pytest.mark.parametrize(("operation", "write"), [("PutItem", "put"), ("DeleteItem", "delete")])
def test_one_write_in_the_way_of_a_transaction_is_a_conflict(local: Local, operation: str, write: str) -> None:
    _fails_with(local, operation, "TransactionConflictException")
    with pytest.raises(ConflictError):
        local.table.put({"pk": "A", "sk": "B"}) if write == "put" else local.table.delete("A", "B")


def test_a_transaction_that_is_throttled_is_neither(local: Local) -> None:
    reasons = _reasons("ThrottlingError", "ConditionalCheckFailed")
    _fails_with(local, "TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        local.table.transact([Put({"pk": "A", "sk": "1"}), Put({"pk": "A", "sk": "2"})])


def test_more_writes_than_a_transaction_takes_are_refused_before_anything_is_sent(local: Local) -> None:
    writes = [Put({"pk": "A", "sk": str(number)}) for number in range(MAX_TRANSACTION + 1)]
    local.calls.clear()
    with pytest.raises(ValueError, match="at most 100"):
        local.table.transact(writes)
    assert local.calls == []
    local.table.transact(writes[:-1])
    assert len(list(local.table.query("A"))) == MAX_TRANSACTION


def test_a_query_from_a_sort_key_on_leaves_out_what_is_before(local: Local) -> None:
    for sk in ("a", "b", "c"):
        local.table.put({"pk": "A", "sk": sk})
    assert [item["sk"] for item in local.table.query_from("A", "b")] == ["b", "c"]


def test_a_transaction_may_put_into_another_table_too_and_is_whole(local: Local) -> None:
    other = Table(local.dynamodb, "others")
    local.dynamodb.create_table(
        TableName="others",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    here, there = {"pk": "A", "sk": "here"}, {"pk": "A", "sk": "there"}
    local.table.transact([Put(here), Put(there, into=other.name)])
    assert (list(local.table.query("A")), list(other.query("A"))) == ([here], [there])
    with pytest.raises(ConditionFailedError):
        local.table.transact([Put(here, ABSENT), Put({**there, "sk": "no"}, into=other.name)])
    assert list(other.query("A")) == [there]
