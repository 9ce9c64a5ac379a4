"""EventBridge's pattern language, strictly: what is not known is refused, and never taken for a match.

The language is the one of the EventBridge user guide ("Comparison operators for use in event patterns") and of Event
Ruler, the library that EventBridge matches with.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import pairwise
from typing import Any

MAX_CHARACTERS = 2048
"""Of a pattern as compact JSON (EventBridge's quota)."""

MAX_COMBINATIONS = 1000
"""Of the alternatives of every `$or` in a pattern, multiplied (EventBridge's quota)."""

_LARGEST_NUMBER = 5e9
_OR = "$or"

type Path = tuple[str, ...]
type Test = Callable[[Any], bool]
type _Location = tuple[str | int, ...]
type _Place = tuple[_Location, Any]


class PatternError(Exception):
    """A pattern that is not taken.

    Attributes:
        path: of the field, dotted; empty for the whole pattern.
        operator: what is not taken there, or None if it is not about an operator.
    """

    def __init__(self, why: str, path: Path = (), operator: str | None = None) -> None:
        self.path = ".".join(path)
        self.operator = operator
        where = f"{self.path or 'the pattern'}: " + (f"{operator}: " if operator is not None else "")
        super().__init__(where + why)


class _MalformedError(Exception):
    """What an operator is given is not what it takes."""


@dataclass(frozen=True)
class _Field:
    """What one field has to be: one of the tests holds for a value of it, or it may be absent."""

    tests: tuple[Test, ...]
    or_absent: bool


type _Branch = Mapping[Path, _Field]


@dataclass(frozen=True)
class EventPattern:
    """A pattern that was found good, by `compile_pattern`."""

    _branches: tuple[_Branch, ...]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether the event is one that the pattern is for.

        A value in an array counts as the field's. Two fields that are in objects of one array count together only in
        the same object. A field without a value (an object, an empty array) is absent; null is a value.
        """
        places: dict[Path, list[_Place]] = {}
        for path, location, value in _leaves(event):
            places.setdefault(path, []).append((location, value))
        return any(_holds(branch, places) for branch in self._branches)


def compile_pattern(pattern: Mapping[str, Any]) -> EventPattern:
    """The pattern, ready to match events.

    Stricter than EventBridge where its answer would surprise: one field stated twice by way of `$or` is refused (the
    later would replace the earlier), and so is a CIDR whose address is not its network's first.

    Raises:
        PatternError: it has an operator that is not known, is malformed, or too large.
    """
    try:
        text = json.dumps(pattern, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PatternError(f"it is not JSON: {error}") from None
    if len(text) > MAX_CHARACTERS:
        raise PatternError(f"it has {len(text)} characters, the limit is {MAX_CHARACTERS}")
    return EventPattern(tuple(_branches(json.loads(text), (), in_or=False)))


# ---- The pattern's structure: alternatives of fields that have to be together


def _branches(pattern: Any, path: Path, *, in_or: bool) -> list[_Branch]:
    if not isinstance(pattern, Mapping) or not pattern:
        raise PatternError("an object with at least one field is needed", path)
    branches: list[_Branch] = [{}]
    for name, value in pattern.items():
        if in_or and name in _RESERVED:
            raise PatternError("it can't be a field's name inside $or", path, name)
        branches = _joined(branches, _alternatives(name, value, path, in_or=in_or), path)
    return branches


def _alternatives(name: str, value: Any, path: Path, *, in_or: bool) -> list[_Branch]:
    here = (*path, name)
    if name == _OR:
        return _either(value, path)
    if isinstance(value, Mapping):
        return _branches(value, here, in_or=in_or)
    if isinstance(value, list):
        return [{here: _field(value, here)}]
    raise PatternError("a list of values, or an object of fields, is needed", here)


def _either(objects: Any, path: Path) -> list[_Branch]:
    if not isinstance(objects, list) or len(objects) < 2:  # noqa: PLR2004  # "either" takes two
        raise PatternError("a list of at least two objects is needed", path, _OR)
    return [branch for found in objects for branch in _branches(found, path, in_or=True)]


def _joined(branches: Sequence[_Branch], alternatives: Sequence[_Branch], path: Path) -> list[_Branch]:
    if len(branches) * len(alternatives) > MAX_COMBINATIONS:
        raise PatternError(f"more than {MAX_COMBINATIONS} combinations", path, _OR)
    joined: list[_Branch] = []
    for branch in branches:
        for alternative in alternatives:
            for twice in branch.keys() & alternative.keys():
                raise PatternError("stated twice, by way of $or", twice, _OR)
            joined.append({**branch, **alternative})
    return joined


def _field(values: Sequence[Any], path: Path) -> _Field:
    if not values:
        raise PatternError("an empty list matches nothing", path)
    tests = tuple(_test(value, path) for value in values if not _is_absence(value))
    return _Field(tests, or_absent=any(map(_is_absence, values)))


def _is_absence(value: Any) -> bool:
    return isinstance(value, Mapping) and list(value) == ["exists"] and value["exists"] is False


def _test(value: Any, path: Path) -> Test:
    if not isinstance(value, Mapping):
        return _about(path, None, _exactly, value)
    if len(value) != 1:
        raise PatternError("an operator is an object with one key", path, ", ".join(value))
    [(operator, operand)] = value.items()
    if operator not in _OPERATORS:
        raise PatternError("not an operator of EventBridge's that is known here", path, operator)
    return _about(path, operator, _OPERATORS[operator], operand)


def _about(path: Path, operator: str | None, build: Callable[[Any], Test], operand: Any) -> Test:
    try:
        return build(operand)
    except _MalformedError as error:
        raise PatternError(str(error), path, operator) from None


# ---- The operators: each is given its operand, and gives a test of one value


def _exactly(expected: Any) -> Test:
    if isinstance(expected, list):
        raise _MalformedError("a list in a list is no value")
    return lambda value: _same(value, expected)


def _same(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _prefix(operand: Any) -> Test:
    if isinstance(operand, Mapping):
        text = _ignoring_case(operand).lower()
        return _of_text(lambda value: value.lower().startswith(text))
    text = _text(operand)
    return _of_text(lambda value: value.startswith(text))


def _suffix(operand: Any) -> Test:
    if isinstance(operand, Mapping):
        text = _ignoring_case(operand).lower()
        return _of_text(lambda value: value.lower().endswith(text))
    text = _text(operand)
    return _of_text(lambda value: value.endswith(text))


def _ignoring_case(operand: Mapping[str, Any]) -> str:
    if list(operand) != ["equals-ignore-case"]:
        raise _MalformedError(f"it takes equals-ignore-case inside, not {', '.join(operand) or 'nothing'}")
    return _text(operand["equals-ignore-case"])


def _equals_ignore_case(operand: Any) -> Test:
    text = _text(operand).lower()
    return _of_text(lambda value: value.lower() == text)


def _wildcard(operand: Any) -> Test:
    text = _text(operand)
    parts = re.findall(r"\\[\\*]|[^\\]", text, re.DOTALL)
    if "".join(parts) != text:
        raise _MalformedError("a backslash stands before * or another backslash only")
    if ("*", "*") in pairwise(parts):
        raise _MalformedError("* does not follow *")
    expression = re.compile("".join(".*" if part == "*" else re.escape(part[-1]) for part in parts), re.DOTALL)
    return _of_text(lambda value: expression.fullmatch(value) is not None)


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list) or len(operand) not in {2, 4}:
        raise _MalformedError("it takes a list of one or two pairs of comparator and number")
    comparators, bounds = operand[::2], operand[1::2]
    if len(comparators) == 1 and comparators[0] not in list(_COMPARATORS):
        raise _MalformedError(f"not a comparator: {comparators[0]}")
    if len(comparators) > 1 and comparators not in _RANGES:
        raise _MalformedError("a range is > or >=, then < or <=")
    for bound in bounds:
        _check_bound(bound)
    if bounds[0] > bounds[-1]:
        raise _MalformedError("the range's bottom is above its top")
    tests = [(_COMPARATORS[comparator], bound) for comparator, bound in zip(comparators, bounds, strict=True)]
    return lambda value: (
        _is_number(value) and abs(value) <= _LARGEST_NUMBER and all(test(value, bound) for test, bound in tests)
    )


def _cidr(operand: Any) -> Test:
    text = _text(operand)
    try:
        network = ip_network(text)
    except ValueError as error:
        raise _MalformedError(f"no network: {error}") from None
    if "/" not in text or network.prefixlen == network.max_prefixlen:
        raise _MalformedError("mask bits, fewer than the address has, are needed")
    return _of_text(lambda value: _is_inside(value, network))


def _is_inside(value: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(value) in network
    except ValueError:
        return False


def _exists(operand: Any) -> Test:
    if operand is not True:
        raise _MalformedError("it takes true or false")
    return lambda _: True


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, Mapping):
        return _nothing_of(_inside_anything_but(operand))
    unwanted = operand if isinstance(operand, list) else [operand]
    if not unwanted or not (all(_is_number(value) for value in unwanted) or _all_text(unwanted)):
        raise _MalformedError("it takes strings only, or numbers only, or one operator")
    for value in unwanted:
        if _is_number(value):
            _check_bound(value)
    return _nothing_of([_exactly(value) for value in unwanted])


def _inside_anything_but(operand: Mapping[str, Any]) -> list[Test]:
    if len(operand) != 1 or (operator := next(iter(operand))) not in _IN_ANYTHING_BUT:
        raise _MalformedError(f"it takes one of {', '.join(_IN_ANYTHING_BUT)} inside, not {', '.join(operand)}")
    unwanted = operand[operator] if isinstance(operand[operator], list) else [operand[operator]]
    if not unwanted or not _all_text(unwanted):
        raise _MalformedError(f"{operator} takes a string or a list of strings inside")
    if operator in {"prefix", "suffix"} and "" in unwanted:
        raise _MalformedError(f"with an empty {operator} it would match no string")
    return [_OPERATORS[operator](text) for text in unwanted]


def _nothing_of(tests: Sequence[Test]) -> Test:
    return lambda value: not any(test(value) for test in tests)


_COMPARATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}

_RANGES = [[">", "<"], [">", "<="], [">=", "<"], [">=", "<="]]

_OPERATORS: Mapping[str, Callable[[Any], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
    "exists": _exists,
}

_IN_ANYTHING_BUT = ("prefix", "suffix", "equals-ignore-case", "wildcard")

_RESERVED = frozenset([*_OPERATORS, *_COMPARATORS, "exactly", "regex"])
"""Names that are operators, or may become some, and so no fields' inside `$or` (Event Ruler's README)."""


def _of_text(test: Callable[[str], bool]) -> Test:
    return lambda value: isinstance(value, str) and test(value)


def _text(operand: Any) -> str:
    if not isinstance(operand, str):
        raise _MalformedError("it takes a string")
    return operand


def _all_text(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_bound(value: Any) -> None:
    if not _is_number(value) or not abs(value) <= _LARGEST_NUMBER:
        raise _MalformedError("numbers between -5e9 and 5e9 are compared")


# ---- The event: its values, and which of them are together


def _leaves(event: Mapping[str, Any]) -> Iterator[tuple[Path, _Location, Any]]:
    """Each value with its field's path and its place: the path with the index of each array element it is inside of."""
    waiting: list[tuple[Path, _Location, Any]] = [((), (), event)]
    while waiting:
        path, location, node = waiting.pop()
        if isinstance(node, Mapping):
            waiting += [((*path, name), (*location, name), value) for name, value in node.items()]
        elif isinstance(node, list):
            waiting += [(path, (*location, index), value) for index, value in enumerate(node) if _is_inner(value)]
            yield from ((path, location, value) for value in node if not _is_inner(value))
        else:
            yield path, location, node


def _is_inner(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _holds(branch: _Branch, places: Mapping[Path, Sequence[_Place]]) -> bool:
    candidates: list[set[_Location]] = []
    for path, field in branch.items():
        found = places.get(path, ())
        if not found and field.or_absent:
            continue
        candidates.append({location for location, value in found if any(test(value) for test in field.tests)})
    return all(candidates) and _fit(candidates, ())


def _fit(candidates: Sequence[set[_Location]], chosen: tuple[_Location, ...]) -> bool:
    """Whether a place of each can be chosen so that no two are in different elements of one array."""
    if not candidates:
        return True
    return any(
        _fit(candidates[1:], (*chosen, location))
        for location in candidates[0]
        if all(_are_together(location, other) for other in chosen)
    )


def _are_together(one: _Location, other: _Location) -> bool:
    for here, there in zip(one, other, strict=False):
        if here != there:
            return isinstance(here, str)
    return True
