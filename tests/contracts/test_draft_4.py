"""How what a model says is said in draft 4."""

import json
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft4Validator
from pydantic import BaseModel, Field, ValidationError

from prestage.contract_schema import UUID, NotInDraft4Error, Schema, draft4, portable, readable
from tests.contracts.constraints import Constraint, blames, breaking, constraints, refusals


class Size(BaseModel):
    height: Annotated[float, Field(gt=0, lt=10)]
    width: Annotated[float, Field(ge=0, le=10)]


class Everything(BaseModel):
    kind: Literal["only"]
    either: Literal["this", "that"]
    size: Annotated[Size, Field(description="Of it all.", examples=[{"height": 1, "width": 1}])]
    pair: tuple[int, bool]
    many: Annotated[list[Size], Field(min_length=1, max_length=3)]
    perhaps: Annotated[str, Field(min_length=2, max_length=4)] | None
    named: dict[str, Annotated[int, Field(ge=1)]]
    missing: bool = False


PAYLOAD: dict[str, Any] = {
    "kind": "only",
    "either": "that",
    "size": {"height": 1.5, "width": 2.0},
    "pair": [1, True],
    "many": [{"height": 9.5, "width": 10.0}],
    "perhaps": "yes",
    "named": {"any": 1},
    "missing": False,
}
SCHEMA = draft4(Everything.model_json_schema(mode="serialization"))
CONSTRAINTS = [pytest.param(constraint, id=str(constraint)) for constraint in constraints(SCHEMA, SCHEMA)]


def test_a_model_with_everything_is_said_in_draft_4() -> None:
    Draft4Validator.check_schema(SCHEMA)
    Draft4Validator.check_schema(SCHEMA["definitions"]["Size"])
    assert refusals(SCHEMA, PAYLOAD) == set()
    assert Everything.model_validate(PAYLOAD).model_dump(mode="json") == PAYLOAD


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_no_constraint_gets_lost_on_the_way(constraint: Constraint) -> None:
    wrong = breaking(constraint, PAYLOAD)
    assert blames(constraint) in refusals(SCHEMA, wrong)
    with pytest.raises(ValidationError):
        Everything.model_validate(wrong)


@pytest.mark.parametrize(
    ("said", "in_draft_4"),
    [
        ({"const": "a"}, {"enum": ["a"]}),
        ({"exclusiveMinimum": 1}, {"minimum": 1, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 1}, {"maximum": 1, "exclusiveMaximum": True}),
        ({"prefixItems": [{"const": 1}]}, {"items": [{"enum": [1]}], "additionalItems": False}),
        ({"format": "uuid"}, {"format": "uuid", "pattern": UUID, "not": {"$ref": "#/definitions/LineBreak"}}),
        ({"pattern": "^a$"}, {"pattern": "^a$", "not": {"$ref": "#/definitions/LineBreak"}}),
        ({"$ref": "#/$defs/A"}, {"$ref": "#/definitions/A"}),
        (
            {"$ref": "#/$defs/A", "description": "B"},
            {"allOf": [{"$ref": "#/definitions/A"}], "description": "B"},
        ),
        ({"properties": {"title": {"title": "Title", "const": 1}}}, {"properties": {"title": {"enum": [1]}}}),
    ],
    ids=json.dumps,
)
def test_a_keyword_that_draft_4_lacks_is_translated(said: Schema, in_draft_4: Schema) -> None:
    assert draft4(said) == in_draft_4


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"propertyNames": {"maxLength": 3}}, "propertyNames"),
        ({"if": {}}, "if"),
        ({"anyOf": [{"contains": {"const": 1}}]}, "contains"),
        ({"prefixItems": [{}], "items": {}}, "items: said twice"),
        ({"format": "ipv4"}, "format ipv4"),
        ({"minimum": 1, "exclusiveMinimum": 2}, "minimum: said twice"),
        ({"format": "uuid", "pattern": "^a$"}, "pattern: said twice"),
    ],
    ids=str,
)
def test_what_draft_4_cannot_say_is_an_error_and_never_left_out(said: Schema, complaint: str) -> None:
    with pytest.raises(NotInDraft4Error, match=complaint):
        draft4(said)


@pytest.mark.parametrize(
    "pattern", ["a$", "^a", "^a.$", r"^\d+$", r"^\w$", r"^a\s$", r"^\S$", r"^a\b$", "^(?=a)a$", "^a$|^b$", r"^a\Z$"]
)
def test_a_pattern_that_engines_disagree_about_is_an_error(pattern: str) -> None:
    with pytest.raises(NotInDraft4Error, match="engines differ"):
        portable(pattern)


@pytest.mark.parametrize("pattern", [r"^[a-z]{2}\.[^/\s]+$", "^(a|b)[.]$"])
def test_a_portable_pattern_can_be_read_as_it_was_written(pattern: str) -> None:
    assert readable(portable(pattern)) == pattern
    assert r"\s" not in portable(pattern)
