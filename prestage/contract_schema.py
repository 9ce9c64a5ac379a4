"""An event's JSON Schema in draft 4, as the EventBridge registry takes it: of the whole event that a rule delivers.

Pydantic writes draft 2020-12. Draft 4 validators pass over keywords that they don't know, so a keyword is either
translated here or refused: nothing goes unsaid in silence.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from prestage_contracts import Event, Report
from prestage_contracts.reports import OURS

type Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-04/schema#"

UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
DATE_TIME = (
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"
    "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_FORMATS = {"uuid": UUID, "date-time": DATE_TIME}

_WHITE_SPACE = "\t\n\x0b\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What the models' regex engine means by `\\s`. Others mean other characters by it, so they are spelled out."""

_SPELLED_OUT = {r"\s": _WHITE_SPACE, r"\u2028\u2029": "\u2028\u2029"}
"""What a model's pattern says, in the order in which it is read back."""

_LINE_BREAK: Schema = {
    "description": "Refused in every value that has a pattern: some regex engines let `$` match before one.",
    "type": "string",
    "pattern": "[\n\r\x85\u2028\u2029]",
}

_AS_IT_IS = frozenset(
    {"default", "description", "enum", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum"}
    | {"multipleOf", "required", "type", "uniqueItems"}
)
_OF_A_SCHEMA = frozenset({"additionalProperties", "items"})
_OF_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf"})
_LIMITS_NOTHING = frozenset({"discriminator", "examples", "title"})


class NotInDraft4Error(Exception):
    """A model says something that the published schema can't; the text says what."""


def published_at(event: type[Event]) -> PurePosixPath:
    """Where the event's schema lies, seen from the repository's root."""
    return PurePosixPath("events-schema", event.name(), f"v{event.major()}.json")


def registered_as(event: type[Event]) -> str:
    """The schema's name in an EventBridge registry."""
    return event.name() if issubclass(event, Report) else f"{event.SOURCE}@{event.name()}"


def published(event: type[Event]) -> Schema:
    """The schema of `event` as a rule delivers it.

    Raises:
        NotInDraft4Error: its model says something that draft 4 can't.
    """
    detail = draft4(event.model_json_schema(mode="serialization"))
    definitions: Schema = detail.pop("definitions")
    definitions["Metadata"]["properties"]["version"] |= _pattern(rf"^{event.major()}\.[0-9]+$")
    around = _envelope(event)
    return {
        "$schema": DRAFT,
        "title": event.name(),
        "description": detail.pop("description"),
        "type": "object",
        "required": [*around, "detail"],
        "properties": {**around, "detail": detail},
        "definitions": {**definitions, "LineBreak": _LINE_BREAK},
    }


def _envelope(event: type[Event]) -> Schema:
    """What EventBridge puts around `detail`."""
    return {
        "version": _string("EventBridge's version of this envelope.", enum=["0"]),
        "id": _string("EventBridge's own id.", **_format("uuid")),
        "detail-type": _string("The event's name.", enum=[event.name()]),
        "source": _source(event),
        "account": _string(f"The AWS account of {_whose(event)}.", **_pattern("^[0-9]{12}$")),
        "time": _string("When the bus was told.", **_format("date-time")),
        "region": _string(f"The AWS region of {_whose(event)}.", minLength=1),
        "resources": {"description": "Prestage names none.", "type": "array", "items": {"type": "string"}},
    }


def _whose(event: type[Event]) -> str:
    return "whoever states it" if issubclass(event, Report) else "Prestage"


def _source(event: type[Event]) -> Schema:
    """Prestage's facts have one source each; a report may have any but those."""
    if not issubclass(event, Report):
        return _string("Whose fact it is.", enum=[event.SOURCE])
    ours = {"pattern": f"^{re.escape(OURS)}"}
    return _string("Whose report it is, by a name of their own.", minLength=1, maxLength=256, **{"not": ours})


def _string(description: str, **limits: Any) -> Schema:
    return {"description": description, "type": "string", **limits}


def draft4(schema: Mapping[str, Any]) -> Schema:
    """What pydantic's `schema` says, in draft 4.

    Raises:
        NotInDraft4Error: draft 4 can't say it.
    """
    if "$ref" in schema and len(schema) > 1:
        # Draft 4 passes over whatever stands beside a $ref.
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        return {"allOf": [draft4({"$ref": schema["$ref"]})], **draft4(beside)}
    said: Schema = {}
    for keyword, value in schema.items():
        translated = _translate(keyword, value)
        if twice := said.keys() & translated.keys():
            raise NotInDraft4Error(f"{', '.join(sorted(twice))}: said twice in draft 4 by {dict(schema)}")
        said |= translated
    return said


def _translate(keyword: str, value: Any) -> Schema:
    if keyword in _LIMITS_NOTHING:
        return {}
    if keyword in _AS_IT_IS:
        return {keyword: value}
    if keyword in _OF_A_SCHEMA:
        return {keyword: draft4(value) if isinstance(value, dict) else value}
    if keyword in _OF_SCHEMAS:
        return {keyword: [draft4(choice) for choice in value]}
    if keyword not in _TRANSLATED:
        raise NotInDraft4Error(f"{keyword}: teach prestage/contract_schema.py to say it in draft 4")
    return _TRANSLATED[keyword](value)


def _each(schemas: Mapping[str, Any]) -> Schema:
    return {name: draft4(schema) for name, schema in schemas.items()}


def _format(name: str) -> Schema:
    if name not in _FORMATS:
        raise NotInDraft4Error(f"format {name}: draft 4 validators pass over formats, so give it a pattern")
    return {"format": name, **_pattern(_FORMATS[name])}


def _pattern(pattern: str) -> Schema:
    return {"pattern": portable(pattern), "not": {"$ref": "#/definitions/LineBreak"}}


_TRANSLATED: Mapping[str, Callable[[Any], Schema]] = {
    "$defs": lambda schemas: {"definitions": _each(schemas)},
    "$ref": lambda reference: {"$ref": reference.replace("#/$defs/", "#/definitions/")},
    "const": lambda value: {"enum": [value]},
    "exclusiveMaximum": lambda limit: {"maximum": limit, "exclusiveMaximum": True},
    "exclusiveMinimum": lambda limit: {"minimum": limit, "exclusiveMinimum": True},
    "format": _format,
    "pattern": _pattern,
    "prefixItems": lambda items: {"items": [draft4(item) for item in items], "additionalItems": False},
    "properties": lambda schemas: {"properties": _each(schemas)},
}


def portable(pattern: str) -> str:
    """`pattern`, a whole string's, such that every regex engine means the same by it.

    Raises:
        NotInDraft4Error: it uses what engines disagree about.
    """
    outside = re.sub(r"\[[^]]*]", "[]", pattern)
    whole = pattern.startswith("^") and pattern.endswith("$") and pattern.count("$") == 1
    differing = re.search(r"\\(?!x[0-9a-f]{2})[a-rt-zA-Z0-9]", pattern.replace(r"\u2028\u2029", ""))
    if not whole or "(?" in pattern or re.search(r"\\[su]|(?<!\\)[.]", outside) or differing:
        raise NotInDraft4Error(f"{pattern}: engines differ; use ^…$, classes, groups, and \\s in a class alone")
    for written, spelled in _SPELLED_OUT.items():
        pattern = pattern.replace(written, spelled)
    return pattern


def readable(pattern: str) -> str:
    """A portable pattern as its author wrote it."""
    for written, spelled in _SPELLED_OUT.items():
        pattern = pattern.replace(spelled, written)
    return pattern


def resolved(schema: Schema, root: Schema) -> tuple[Schema, bool]:
    """What a schema says where it refers to another one, and whether it takes null as well."""
    match schema:
        case {"$ref": str(reference)}:
            return resolved(root["definitions"][reference.rsplit("/", 1)[1]], root)
        case {"anyOf": [choice, {"type": "null"}]}:
            return resolved({**choice, **_described(schema)}, root)[0], True
        case {"allOf": [choice], **beside}:
            said, nullable = resolved(choice, root)
            return {**said, **beside}, nullable
    return schema, False


def _described(schema: Schema) -> Schema:
    return {"description": schema["description"]} if "description" in schema else {}
