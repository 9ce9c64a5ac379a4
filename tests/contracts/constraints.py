"""Every constraint of a schema, and for each of them a payload that keeps to all but that one."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft4Validator, ValidationError

from prestage.contract_schema import Schema

type Path = tuple[str | int, ...]

SAYS_ONLY = {"$defs", "$schema", "default", "definitions", "description", "format", "title"}


@dataclass(frozen=True)
class Constraint:
    """`argument` is what the keyword says; `path` leads to the value that it limits."""

    path: Path
    keyword: str
    argument: Any

    def __str__(self) -> str:
        argument = f":{self.argument}" if self.keyword == "required" else ""
        return f"{'.'.join(map(str, self.path)) or 'event'}-{self.keyword}{argument}"


def constraints(schema: Schema, root: Schema, path: Path = ()) -> Iterator[Constraint]:
    for keyword, argument in schema.items():
        inside = _inside(keyword, argument, root)
        for step, inner in inside:
            yield from constraints(inner, root, path + step)
        if not inside and keyword not in SAYS_ONLY:
            yield from (Constraint(path, keyword, limit) for limit in _limits(keyword, argument, schema))


def nullables(schema: Schema, root: Schema, path: Path = ()) -> Iterator[Path]:
    """To every value that may be null."""
    for keyword, argument in schema.items():
        if keyword == "anyOf" and {"type": "null"} in argument:
            yield path
        for step, inner in _inside(keyword, argument, root):
            yield from nullables(inner, root, path + step)


def _inside(keyword: str, argument: Any, root: Schema) -> list[tuple[Path, Schema]]:
    """The schemas that the keyword brings in, and where in the value they hold."""
    found: list[tuple[Path, Schema]] = []
    match keyword, argument:
        case "$ref", str(reference):
            found = [((), resolve(reference, root))]
        case "properties", dict(fields):
            found = [((name,), field) for name, field in fields.items()]
        case "items", dict(item):
            found = [((0,), item)]
        case "items", list(items):
            found = [((index,), item) for index, item in enumerate(items)]
        case "additionalProperties", dict(item):
            found = [(("any",), item)]
        case ("allOf", [choice]) | ("anyOf", [choice, {"type": "null"}]):
            found = [((), choice)]
    return found


def _limits(keyword: str, argument: Any, schema: Schema) -> list[Any]:
    """What the keyword limits, in words that `WRONG` understands."""
    match keyword, argument:
        case "required", list(names):
            return names
        case "exclusiveMinimum" | "exclusiveMaximum", True:
            return [schema[keyword.replace("exclusiveM", "m")]]
    return [argument]


def resolve(reference: str, root: Schema) -> Schema:
    _, kind, name = reference.split("/")
    found: Schema = root[kind][name]
    return found


WRONG_TYPE = {"string": {}, "integer": "many", "number": "much", "boolean": "perhaps", "array": "x", "object": "x"}

WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "additionalItems": lambda value, _: [*value, "one more"],
    "enum": lambda value, _: f"not {value}",
    "exclusiveMaximum": lambda _, limit: limit,
    "exclusiveMinimum": lambda _, limit: limit,
    "maxItems": lambda value, most: value * (most + 1),
    "maxLength": lambda value, most: (value + value[-1] * most)[: most + 1],
    "maximum": lambda _, limit: limit + 1,
    "minItems": lambda value, least: value[: least - 1],
    "minLength": lambda value, least: value[: least - 1],
    "minimum": lambda _, limit: limit - 1,
    "not": lambda value, refused: f"{value}\n" if "$ref" in refused else f"prestage.{value}",
    "pattern": lambda value, _: f"\t{value}",
    "type": lambda _, name: WRONG_TYPE[name],
}


def breaking(constraint: Constraint, payload: Any) -> Any:
    """A copy of `payload` that does not keep to the constraint."""
    if constraint.keyword == "required":
        wrong = copy.deepcopy(payload)
        del at(wrong, constraint.path)[constraint.argument]
        return wrong
    return changed(payload, constraint.path, lambda value: WRONG[constraint.keyword](value, constraint.argument))


def changed(payload: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of `payload` with another value at the path, which may lead to the first item of an empty list."""
    if not path:
        return change(payload)
    copied = copy.deepcopy(payload)
    inside = at(copied, path[:-1])
    if inside == [] and path[-1] == 0:
        inside.append(None)
    inside[path[-1]] = change(inside[path[-1]])
    return copied


def at(payload: Any, path: Path) -> Any:
    for step in path:
        payload = payload[step]
    return payload


def refusals(schema: Schema, payload: Any) -> set[tuple[Path, str]]:
    """Where the schema refuses the payload, and by which keyword."""
    return set(_reasons(Draft4Validator(schema).iter_errors(payload)))


def _reasons(errors: Iterator[ValidationError]) -> Iterator[tuple[Path, str]]:
    for error in errors:
        yield tuple(error.absolute_path), str(error.validator)
        yield from _reasons(iter(error.context or ()))


def blames(constraint: Constraint) -> tuple[Path, str]:
    """What `refusals` has for the constraint: in draft 4, the bound says that it is exclusive."""
    return constraint.path, constraint.keyword.replace("exclusiveM", "m")
