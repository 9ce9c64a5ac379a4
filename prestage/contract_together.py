"""The published schemas of all events as one set of named schemas, for documents that tell of all of them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from prestage.contract_schema import Schema

_REFERENCE = "#/definitions/"


def together(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Every event's schema by its name, and after them what they refer to, each once.

    References keep draft 4's form. Where two events mean different things by one name, the later one's is named after
    its event too.
    """
    means: dict[str, str] = {}
    events: dict[str, Schema] = {}
    shared: dict[str, Schema] = {}
    for event, schema in schemas.items():
        definitions = schema["definitions"]
        names = {name: _named(event, name, _inlined(kept, definitions), means) for name, kept in definitions.items()}
        events[event] = _renamed({keyword: kept for keyword, kept in schema.items() if keyword not in _APART}, names)
        shared |= {names[name]: _renamed(kept, names) for name, kept in definitions.items()}
    return events | shared


_APART = frozenset({"$schema", "definitions"})


def referred(schema: Schema) -> str | None:
    """The name of what the schema is a reference to."""
    match schema:
        case {"$ref": str(reference)}:
            return reference.removeprefix(_REFERENCE)
    return None


def _named(event: str, name: str, meaning: str, means: dict[str, str]) -> str:
    return name if means.setdefault(name, meaning) == meaning else f"{event}{name}"


def _inlined(schema: Any, definitions: Mapping[str, Schema]) -> str:
    """What a schema means: it, and all that it refers to."""
    reached: dict[str, Schema] = {}
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = definitions[name]
            waiting += _references(definitions[name])
    return json.dumps([schema, reached], sort_keys=True)


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(reference)}:
            yield reference.removeprefix(_REFERENCE)
        case dict():
            yield from (name for kept in value.values() for name in _references(kept))
        case list():
            yield from (name for kept in value for name in _references(kept))


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    match value:
        case {"$ref": str(reference)}:
            return {"$ref": f"{_REFERENCE}{names[reference.removeprefix(_REFERENCE)]}"}
        case dict():
            return {name: _renamed(kept, names) for name, kept in value.items()}
        case list():
            return [_renamed(kept, names) for kept in value]
    return value
