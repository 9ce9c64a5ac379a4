"""Facts as an earlier release stated them: no field that its schemas don't have."""

from collections.abc import Mapping
from typing import Any

from prestage.contract_schema import Schema


def narrowed(fact: Any, schema: Schema, *, bare: bool = False) -> Any:
    """The fact with what the schema knows of it; with what it requires alone, if `bare`."""
    return _narrowed(fact, schema, schema, bare=bare)


def _narrowed(value: Any, schema: Schema, root: Schema, *, bare: bool) -> Any:
    kinds = list(_kinds(schema, root))
    if isinstance(value, list):
        items: Schema = next((kind["items"] for kind in kinds if "items" in kind), {})
        return [_narrowed(item, items, root, bare=bare) for item in value]
    known: Mapping[str, Schema] = {name: one for kind in kinds for name, one in kind.get("properties", {}).items()}
    if not isinstance(value, dict) or not known:
        return value
    required = {name for kind in kinds for name in kind.get("required", ())}
    kept = known.keys() & required if bare else known.keys()
    return {name: _narrowed(one, known[name], root, bare=bare) for name, one in value.items() if name in kept}


def _kinds(schema: Schema, root: Schema) -> list[Schema]:
    """The schema and all that it is put together of."""
    found = [schema]
    for one in found:
        parts = [*one.get("allOf", ()), *one.get("anyOf", ()), *one.get("oneOf", ())]
        if "$ref" in one:
            parts.append(root["definitions"][one["$ref"].rpartition("/")[2]])
        found += parts
    return found
