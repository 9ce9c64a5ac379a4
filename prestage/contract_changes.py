"""What differs between two schemas of one major version of an event, in words, and whether somebody could break.

Events are read in both directions: a consumer of an older release reads what is stated now, and a consumer of this one
reads what archives kept. So inside a major version nothing may be said that was not, and nothing be refused that was
said: only fields that may be missing come, and words.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prestage.contract_schema import Schema, resolved


@dataclass(frozen=True)
class Change:
    """What differs at `path`; `breaks` is whether a consumer could break by it."""

    path: str
    words: str
    breaks: bool

    def __str__(self) -> str:
        return f"{'BREAKS' if self.breaks else 'fine  '}  {self.path}: {self.words}"


_LOWER = ("minimum", "minLength", "minItems")
_UPPER = ("maximum", "maxLength", "maxItems")
_COMPARED = frozenset({"description", "enum", "items", "properties", "required", "title", "type", *_LOWER, *_UPPER})

_WIDER = "a consumer of an older release does not expect it"
_NARROWER = "events that archives keep can have it"


def changes(before: Schema, after: Schema) -> list[Change]:
    """What differs between two whole schemas, in the order of their fields."""
    return list(_differing("event", _expanded(before, before), _expanded(after, after)))


def _expanded(schema: Any, root: Schema) -> Any:
    """The schema with what its references lead to in their place, and `nullable` where null is taken as well."""
    match schema:
        case {"$ref": _} | {"allOf": [_]} | {"anyOf": [_, {"type": "null"}]}:
            said, nullable = resolved(schema, root)
            return _expanded({**said, "nullable": True} if nullable else said, root)
        case dict():
            return {
                name: _expanded(kept, root) for name, kept in schema.items() if name not in {"$schema", "definitions"}
            }
        case list():
            return [_expanded(kept, root) for kept in schema]
    return schema


def _differing(path: str, before: Schema, after: Schema) -> Iterator[Change]:
    if before.get("type") != after.get("type"):
        yield Change(path, f"was {before.get('type', 'anything')}, is {after.get('type', 'anything')}", breaks=True)
        return
    yield from _values(path, before.get("enum"), after.get("enum"))
    for keyword in (*_LOWER, *_UPPER):
        yield from _bound(path, keyword, before.get(keyword), after.get(keyword))
    for keyword in sorted((before.keys() | after.keys()) - _COMPARED):
        yield from _other(path, keyword, before.get(keyword), after.get(keyword))
    if before.get("description") != after.get("description"):
        yield Change(path, "is described in other words", breaks=False)
    yield from _fields(path, before, after)
    yield from _items(path, before.get("items"), after.get("items"))


def _values(path: str, before: list[Any] | None, after: list[Any] | None) -> Iterator[Change]:
    match before, after:
        case None, list():
            yield Change(
                path, f"can only be {_listed(after)} now: events that archives keep can have others", breaks=True
            )
        case list(), None:
            yield Change(path, f"can be more than {_listed(before)} now: {_WIDER}", breaks=True)
        case list(), list():
            added = [value for value in after if value not in before]
            gone = [value for value in before if value not in after]
            if added:
                yield Change(path, f"can be {_listed(added)} now: {_WIDER}", breaks=True)
            if gone:
                yield Change(path, f"can't be {_listed(gone)} any more: {_NARROWER}", breaks=True)


def _bound(path: str, keyword: str, before: float | None, after: float | None) -> Iterator[Change]:
    if before == after:
        return
    if before is None or after is None:
        narrower = before is None
    else:
        narrower = after > before if keyword in _LOWER else after < before
    words = f"{keyword} was {_said(before)}, is {_said(after)}, which is {'narrower' if narrower else 'wider'}"
    yield Change(path, f"{words}: {_NARROWER if narrower else _WIDER}", breaks=True)


def _other(path: str, keyword: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if keyword == "nullable":
        words = f"can be null now: {_WIDER}" if after else f"is never null any more: {_NARROWER}"
    else:
        words = f"{keyword} was {_said(before)}, is {_said(after)}"
    yield Change(path, words, breaks=True)


def _fields(path: str, before: Schema, after: Schema) -> Iterator[Change]:
    old: Mapping[str, Schema] = before.get("properties", {})
    new: Mapping[str, Schema] = after.get("properties", {})
    had, has = set(before.get("required", [])), set(after.get("required", []))
    for name in dict.fromkeys((*old, *new)):
        inside = name if path == "event" else f"{path}.{name}"
        if name not in new:
            yield Change(inside, "is gone: consumers read it", breaks=True)
        elif name not in old:
            yield _added(inside, required=name in has)
        else:
            yield from _presence(inside, was=name in had, now=name in has)
            yield from _differing(inside, old[name], new[name])


def _added(path: str, *, required: bool) -> Change:
    if required:
        return Change(
            path, "is new and always there: events that archives keep lack it; give it a default", breaks=True
        )
    return Change(path, "is new, and may be missing", breaks=False)


def _presence(path: str, *, was: bool, now: bool) -> Iterator[Change]:
    if was and not now:
        yield Change(path, "may be missing now: consumers read it", breaks=True)
    if now and not was:
        yield Change(path, "is always there now: events that archives keep can lack it", breaks=True)


def _items(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _differing(f"{path}[]", before, after)
    else:
        yield from _other(path, "items", before, after)


def _listed(values: list[Any]) -> str:
    return " or ".join(json.dumps(value, ensure_ascii=False) for value in values)


def _said(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
