"""The port to a DynamoDB table with keys `pk` and `sk`: the few operations that records need."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

type Item = Mapping[str, Any]
"""An item as Python values; numbers are whole, binary is `bytes`."""

MAX_TRANSACTION = 100
"""Actions in one TransactWriteItems (DynamoDB's limit)."""


class ConditionFailedError(Exception):
    """A write's condition did not hold; nothing was written.

    For each write, `failed` says whether its condition did not hold, and `found` has the item that stood in the way,
    or None where nothing did.
    """

    def __init__(self, found: Sequence[Item | None], failed: Sequence[bool] = (True,)) -> None:
        super().__init__("a write's condition did not hold")
        self.found = tuple(found)
        self.failed = tuple(failed)


class ConflictError(Exception):
    """Another transaction was writing the same items; nothing was written, and the same call may succeed."""

    def __init__(self) -> None:
        super().__init__("others are writing the same records; try again")


@dataclass(frozen=True)
class Put:
    """Write the whole item, if `condition` holds for the one that is there.

    In a transaction, `into` is the name of another table than that of the transaction's other writes.
    """

    item: Item
    condition: ConditionBase | None = None
    into: str | None = None


@dataclass(frozen=True)
class Delete:
    """Remove the item at the key, if `condition` holds for it."""

    pk: str
    sk: str
    condition: ConditionBase | None = None


@dataclass(frozen=True)
class Check:
    """Write nothing, but only if `condition` holds for the item at the key."""

    pk: str
    sk: str
    condition: ConditionBase


type Write = Put | Delete | Check

ABSENT = Attr("pk").not_exists()
"""Holds where there is no item."""


class Table:
    """One DynamoDB table. Reads are strongly consistent.

    Args:
        client: a low-level DynamoDB client.
        name: the table's name.
    """

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    @property
    def name(self) -> str:
        """As DynamoDB knows it."""
        return self._name

    def get(self, pk: str, sk: str) -> Item | None:
        """The item at the key, or None."""
        answer = self._client.get_item(TableName=self._name, Key=_encode({"pk": pk, "sk": sk}), ConsistentRead=True)
        return _decode(answer["Item"]) if "Item" in answer else None

    def query(self, pk: str, *, begins_with: str = "") -> Iterator[Item]:
        """The items of a partition whose sort key begins with `begins_with`, in its order; all pages."""
        key: ConditionBase = Key("pk").eq(pk)
        return self._query(key & Key("sk").begins_with(begins_with) if begins_with else key)

    def query_from(self, pk: str, sk: str) -> Iterator[Item]:
        """The items of a partition from a sort key on, in its order; all pages."""
        return self._query(Key("pk").eq(pk) & Key("sk").gte(sk))

    def _query(self, key: ConditionBase) -> Iterator[Item]:
        expression, names, values = _expression(key, is_key=True)
        pages = self._client.get_paginator("query").paginate(
            KeyConditionExpression=expression, **self._reading(names, values)
        )
        for page in pages:
            yield from (_decode(item) for item in page["Items"])

    def scan(self, *, sk: str) -> Iterator[Item]:
        """Every item with the sort key `sk`. Reads the whole table: for people, not for functions."""
        expression, names, values = _expression(Attr("sk").eq(sk))
        pages = self._client.get_paginator("scan").paginate(FilterExpression=expression, **self._reading(names, values))
        for page in pages:
            yield from (_decode(item) for item in page["Items"])

    def put(self, item: Item, condition: ConditionBase | None = None) -> None:
        """Write one item.

        Raises:
            ConditionFailedError: `condition` did not hold.
            ConflictError: a transaction was in the way; try again.
        """
        with self._one_write():
            self._client.put_item(
                TableName=self._name,
                Item=_encode(item),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_condition(condition),
            )

    def delete(self, pk: str, sk: str, condition: ConditionBase | None = None) -> None:
        """Remove one item; removing what is not there succeeds unless `condition` says otherwise.

        Raises:
            ConditionFailedError: `condition` did not hold.
            ConflictError: a transaction was in the way; try again.
        """
        with self._one_write():
            self._client.delete_item(
                TableName=self._name,
                Key=_encode({"pk": pk, "sk": sk}),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_condition(condition),
            )

    def transact(self, writes: Sequence[Write]) -> None:
        """Do all the writes or none.

        Raises:
            ConditionFailedError: a condition did not hold.
            ConflictError: another transaction was in the way; try again.
            ValueError: more writes than one transaction takes.
        """
        if len(writes) > MAX_TRANSACTION:
            raise ValueError(f"{len(writes)} writes in one transaction, at most {MAX_TRANSACTION}")
        try:
            self._client.transact_write_items(TransactItems=[self._action(write) for write in writes])
        except self._client.exceptions.TransactionCanceledException as error:
            raise _cancelled(error) from None
        except self._client.exceptions.TransactionConflictException:
            raise ConflictError from None

    def _reading(self, names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
        """What a query and a scan have in common: the table, what an expression stands on, and strong consistency."""
        return {
            "TableName": self._name,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }

    @contextmanager
    def _one_write(self) -> Iterator[None]:
        try:
            yield
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise ConditionFailedError([_found(error.response)]) from None
        except self._client.exceptions.TransactionConflictException:
            raise ConflictError from None

    def _action(self, write: Write) -> "TransactWriteItemTypeDef":
        common: dict[str, Any] = {
            "TableName": self._name,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **_condition(write.condition),
        }
        match write:
            case Put():
                return {"Put": {**common, "TableName": write.into or self._name, "Item": _encode(write.item)}}  # type: ignore[typeddict-item]  # built generically
            case Delete():
                return {"Delete": {**common, "Key": _encode({"pk": write.pk, "sk": write.sk})}}  # type: ignore[typeddict-item]  # built generically
            case Check():
                return {"ConditionCheck": {**common, "Key": _encode({"pk": write.pk, "sk": write.sk})}}  # type: ignore[typeddict-item]  # built generically


def put_held(table: Table, item: Item, condition: ConditionBase) -> Item | None:
    """Write an item that names its `holder`; None once it is written, or else what is there, empty if nothing is.

    A write whose answer was lost is sent again by botocore, and finds itself: then it is written.

    Raises:
        ConflictError: a transaction was in the way; try again.
    """
    try:
        table.put(item, condition)
    except ConditionFailedError as error:
        found = error.found[0] or {}
        return None if found.get("holder") == item["holder"] else found
    return None


def _cancelled(error: ClientError) -> Exception:
    reasons = cast("Sequence[Mapping[str, Any]]", error.response["CancellationReasons"])
    codes = {reason["Code"] for reason in reasons} - {"None"}
    if codes == {"ConditionalCheckFailed"}:
        failed = [reason["Code"] == "ConditionalCheckFailed" for reason in reasons]
        return ConditionFailedError([_found(reason) for reason in reasons], failed)
    if "TransactionConflict" in codes:
        return ConflictError()
    return error


def _found(response: Mapping[str, Any]) -> Item | None:
    return _decode(response["Item"]) if "Item" in response else None


def _expression(condition: ConditionBase, *, is_key: bool = False) -> tuple[str, dict[str, str], dict[str, Any]]:
    built = ConditionExpressionBuilder().build_expression(condition, is_key_condition=is_key)
    return built.condition_expression, built.attribute_name_placeholders, _encode(built.attribute_value_placeholders)


def _condition(condition: ConditionBase | None) -> dict[str, Any]:
    if condition is None:
        return {}
    expression, names, values = _expression(condition)
    given = {"ConditionExpression": expression, "ExpressionAttributeNames": names}
    return {**given, "ExpressionAttributeValues": values} if values else given


def _encode(item: Item) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in item.items()}


def _decode(item: Mapping[str, Any]) -> Item:
    deserialize = TypeDeserializer().deserialize
    return {name: _plain(deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    """Whole numbers and bytes in place of boto3's Decimal and Binary."""
    match value:
        case list():
            return [_plain(entry) for entry in value]
        case dict():
            return {name: _plain(entry) for name, entry in value.items()}
        case Binary():
            return value.value  # type: ignore[attr-defined]  # the stubs leave it out
        case Decimal():
            return int(value)
        case _:
            return value
