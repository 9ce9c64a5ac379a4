"""Conditions of boto3's, decided as DynamoDB decides them, and strictly: what is not known here is refused.

From the DynamoDB developer guide, "Comparison operator and function reference": values of different types are never
equal and never ordered, and a comparison with an attribute that is missing does not hold.
"""

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from boto3.dynamodb.conditions import (
    And,
    Attr,
    AttributeExists,
    AttributeNotExists,
    BeginsWith,
    Between,
    ConditionBase,
    Equals,
    GreaterThan,
    GreaterThanEquals,
    LessThan,
    LessThanEquals,
    Not,
    Or,
)
from botocore.exceptions import ClientError

from records.table import Item
from tests.simulation.values import plain

_MISSING = object()
_ORDERED = (str, int, bytes)


def holds(condition: ConditionBase | None, item: Item | None) -> bool:
    """Whether the condition holds for the item, None where there is none.

    Raises:
        ClientError: DynamoDB takes no such condition.
        NotImplementedError: it is not known here.
    """
    if condition is None:
        return True
    decide = _DECIDED.get(type(condition))
    if decide is None:
        raise NotImplementedError(f"{type(condition).__name__}: add it in tests/simulation/conditions.py")
    return decide(item or {}, *condition.get_expression()["values"])


def invalid(operation: str, why: str) -> ClientError:
    """What DynamoDB answers to a request that it does not take."""
    error = {"Code": "ValidationException", "Message": why}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)  # type: ignore[typeddict-item]  # as much as matters


def _value(item: Item, attribute: Any) -> Any:
    if type(attribute) is not Attr or not attribute.name.isidentifier():
        raise NotImplementedError("only whole attributes are known in tests/simulation/conditions.py")
    return item.get(attribute.name, _MISSING)


def _equals(item: Item, attribute: Any, value: Any) -> bool:
    return _same(_value(item, attribute), plain(value))


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    match one:
        case list():
            return len(one) == len(other) and all(map(_same, one, other))
        case dict():
            return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
        case _:
            return bool(one == other)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def decide(item: Item, attribute: Any, value: Any) -> bool:
        bound = _operand(value, _ORDERED)
        found = _value(item, attribute)
        return type(found) is type(bound) and compare(found, bound)

    return decide


def _between(item: Item, attribute: Any, low: Any, high: Any) -> bool:
    bottom, top = _operand(low, _ORDERED), _operand(high, _ORDERED)
    if type(bottom) is not type(top) or bottom > top:
        raise invalid("a condition", "BETWEEN takes two bounds of one type, the upper one not below the lower one")
    found = _value(item, attribute)
    return type(found) is type(bottom) and bottom <= found <= top


def _begins_with(item: Item, attribute: Any, value: Any) -> bool:
    start = _operand(value, (str, bytes))
    found = _value(item, attribute)
    return type(found) is type(start) and bool(found.startswith(start))


def _operand(value: Any, kinds: tuple[type, ...]) -> Any:
    operand = plain(value)
    if type(operand) not in kinds:
        raise invalid("a condition", f"Incorrect operand type: {type(operand).__name__}")
    return operand


_DECIDED: Mapping[type[ConditionBase], Callable[..., bool]] = {
    And: lambda item, one, other: holds(one, item) and holds(other, item),
    Or: lambda item, one, other: holds(one, item) or holds(other, item),
    Not: lambda item, one: not holds(one, item),
    AttributeExists: lambda item, attribute: _value(item, attribute) is not _MISSING,
    AttributeNotExists: lambda item, attribute: _value(item, attribute) is _MISSING,
    Equals: _equals,
    LessThan: _ordered(lt),
    LessThanEquals: _ordered(le),
    GreaterThan: _ordered(gt),
    GreaterThanEquals: _ordered(ge),
    Between: _between,
    BeginsWith: _begins_with,
}
