"""Schemas of many events as one set, and what TypeScript says of them."""

from typing import Any

import pytest

from prestage.contract_schema import NotInDraft4Error, Schema
from prestage.contract_together import together
from prestage.contract_typescript import declarations, type_of
from prestage_contracts import CONTRACT

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}


def event(**definitions: Schema) -> Schema:
    inside = {name: {"$ref": f"#/definitions/{name}"} for name in definitions}
    return {"$schema": "draft", "type": "object", "properties": inside, "definitions": definitions}


def test_what_means_the_same_is_there_once() -> None:
    found = together({"One": event(Name=TEXT), "Two": event(Name=TEXT)})
    assert found.keys() == {"One", "Two", "Name"}
    assert found["Two"] == {"type": "object", "properties": {"Name": {"$ref": "#/definitions/Name"}}}


def test_what_means_something_else_is_named_after_its_event() -> None:
    found = together({"One": event(Name=TEXT), "Two": event(Name=NUMBER)})
    assert (found["Name"], found["TwoName"]) == (TEXT, NUMBER)
    assert found["Two"]["properties"]["Name"] == {"$ref": "#/definitions/TwoName"}


def test_what_refers_to_something_else_means_something_else() -> None:
    holder: Schema = {"type": "array", "items": {"$ref": "#/definitions/Name"}}
    found = together({"One": event(Names=holder, Name=TEXT), "Two": event(Names=holder, Name=NUMBER)})
    assert found["Names"]["items"] == {"$ref": "#/definitions/Name"}
    assert found["TwoNames"]["items"] == {"$ref": "#/definitions/TwoName"}


def test_every_event_has_a_type_and_is_told_apart_by_its_name() -> None:
    text = declarations()
    union = text.split("export type PrestageEvent =")[1]
    for name in CONTRACT:
        assert f"export interface {name} {{\n" in text
        assert f'readonly "detail-type": "{name}";\n' in text
        assert f"  | {name}" in union


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/definitions/Sha"}, "Sha"),
        ({"anyOf": [{"$ref": "#/definitions/Sha"}, {"type": "null"}]}, "Sha | null"),
        ({"allOf": [{"$ref": "#/definitions/Sha"}], "description": "At last."}, "Sha"),
        ({"enum": ["opened", "reopened"], "type": "string"}, '"opened" | "reopened"'),
        ({"type": "integer", "minimum": 1}, "number"),
        ({"type": "array", "items": {"type": "boolean"}}, "readonly boolean[]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, 'readonly ("a" | "b")[]'),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "{ readonly [name: string]: string }"),
        ({"type": "object", "properties": {"a-b": TEXT}}, '{\n  readonly "a-b"?: string;\n}'),
        ({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}, "{\n  readonly a: string;\n}"),
    ],
)
def test_a_schema_is_said_in_typescript(schema: Any, said: str) -> None:
    assert type_of(schema, "") == said


def test_what_typescript_is_not_taught_to_say_is_refused() -> None:
    with pytest.raises(NotInDraft4Error, match="teach prestage/contract_typescript"):
        type_of({"oneOf": [TEXT, NUMBER]}, "")
