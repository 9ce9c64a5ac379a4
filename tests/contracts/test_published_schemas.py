"""What the published schemas refuse, the models refuse, and the other way round."""

from typing import Any

import pytest
from jsonschema import Draft4Validator
from pydantic import TypeAdapter, ValidationError

from prestage.contract_examples import delivered, examples
from prestage.contract_schema import DRAFT, published
from prestage_contracts import CONTRACT
from prestage_contracts.snapshot import FullName, Url
from tests.contracts.constraints import (
    Constraint,
    Path,
    at,
    blames,
    breaking,
    changed,
    constraints,
    nullables,
    refusals,
    resolve,
)

SCHEMAS = {name: published(event) for name, event in CONTRACT.items()}
EXAMPLES = {name: delivered(example) for name, example in examples().items()}

LINE_BREAKS = ("\n", "\r", "\r\n", "\x85", "\u2028", "\u2029")
NAMES = list(CONTRACT)
CONSTRAINTS = {name: list(constraints(SCHEMAS[name], SCHEMAS[name])) for name in NAMES}

NULLABLE = [(name, path) for name in NAMES for path in nullables(SCHEMAS[name], SCHEMAS[name])]
INSTEAD_OF_NULL = {
    "branch": "release-candidate",
    "pull_request": EXAMPLES["EnvironmentCreated"]["detail"]["data"]["environment"]["pull_request"],
    "pull_request_number": 42,
}


def filled(name: str) -> Any:
    """The example, with values where it has nulls: constraints of a value need one to hold for."""
    payload = EXAMPLES[name]
    for path in nullables(SCHEMAS[name], SCHEMAS[name]):
        value = at(payload, path)
        payload = changed(payload, path, lambda _: INSTEAD_OF_NULL[str(path[-1])] if value is None else value)  # noqa: B023  # called at once
    return payload


PAYLOADS = {name: filled(name) for name in NAMES}


def accepted(name: str, payload: Any) -> bool:
    return not refusals(SCHEMAS[name], payload)


def parsed(name: str, payload: Any) -> bool:
    try:
        CONTRACT[name].model_validate(payload["detail"])
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_draft_4(name: str) -> None:
    assert SCHEMAS[name]["$schema"] == DRAFT
    Draft4Validator.check_schema(SCHEMAS[name])
    for definition in SCHEMAS[name]["definitions"].values():
        Draft4Validator.check_schema(definition)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_keeps_to_the_schema_and_to_the_model(name: str) -> None:
    assert refusals(SCHEMAS[name], EXAMPLES[name]) == set()
    event = CONTRACT[name].model_validate(EXAMPLES[name]["detail"])
    assert event == examples()[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_refuses_what_breaks_a_constraint(name: str) -> None:
    unnoticed = [
        str(constraint)
        for constraint in CONSTRAINTS[name]
        if blames(constraint) not in refusals(SCHEMAS[name], breaking(constraint, PAYLOADS[name]))
    ]
    assert unnoticed == []


@pytest.mark.parametrize("name", NAMES)
def test_the_model_refuses_what_breaks_a_constraint(name: str) -> None:
    for constraint in CONSTRAINTS[name]:
        if constraint.path[:1] == ("detail",):
            wrong = breaking(constraint, PAYLOADS[name])
            with pytest.raises(ValidationError) as raised:
                CONTRACT[name].model_validate(wrong["detail"])
            inside = constraint.path[1:]
            assert all(error["loc"][: len(inside)] == inside for error in raised.value.errors()), str(constraint)


@pytest.mark.parametrize("name", NAMES)
def test_every_constraint_of_a_model_is_published(name: str) -> None:
    model = CONTRACT[name].model_json_schema(mode="serialization")
    assert len(list(constraints(model, model))) > 10
    kept = {limit(constraint, ("detail",)) for constraint in constraints(model, model)}
    assert kept <= {limit(constraint) for constraint in CONSTRAINTS[name]}


def limit(constraint: Constraint, around: Path = ()) -> tuple[Path, str, str]:
    """The constraint as it is told apart, whatever the draft; a pattern may be spelled in another way."""
    keyword = constraint.keyword.replace("const", "enum")
    argument = [constraint.argument] if constraint.keyword == "const" else constraint.argument
    return (*around, *constraint.path), keyword, "" if keyword == "pattern" else str(argument)


def paths(value: Any, path: Path = ()) -> list[Path]:
    """To every value inside, a list's first item standing for all of them."""
    inside: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value[:1]))
    return [path, *(deeper for step, kept in inside for deeper in paths(kept, (*path, step)))]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("PullRequestOpened", ("detail", "data", "head", "repository_id")),
        ("BranchPushed", ("detail", "data", "sha")),
        ("InstallationRevoked", ("detail", "data", "repositories")),
        ("EnvironmentCreated", ("detail", "data", "environment", "pull_request")),
    ],
)
def test_what_may_be_missing_on_github_may_be_null(name: str, path: Path) -> None:
    assert (name, path) in NULLABLE


@pytest.mark.parametrize(("name", "path"), NULLABLE)
def test_a_field_that_may_be_null_may_be_null(name: str, path: Path) -> None:
    payload = changed(PAYLOADS[name], path, lambda _: None)
    assert (accepted(name, payload), parsed(name, payload)) == (True, True)


@pytest.mark.parametrize("name", NAMES)
def test_fields_that_a_newer_producer_adds_are_passed_over(name: str) -> None:
    payload = PAYLOADS[name]
    for path in paths(payload):
        if isinstance(at(payload, path), dict):
            newer = changed(payload, path, lambda value: {**value, "added": {"later": [1]}})
            assert (accepted(name, newer), parsed(name, newer)) == (True, True), path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("version", "accepts"), [("1.0", True), ("1.12", True), ("2.0", False), ("11.0", False)])
def test_a_schema_is_of_its_major_version(name: str, version: str, accepts: bool) -> None:
    assert accepted(name, changed(PAYLOADS[name], ("detail", "metadata", "version"), lambda _: version)) is accepts


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line_break", LINE_BREAKS, ids=ascii)
def test_a_line_break_at_the_end_is_refused_by_both(name: str, line_break: str) -> None:
    for constraint in CONSTRAINTS[name]:
        if constraint.keyword == "pattern":
            wrong = changed(PAYLOADS[name], constraint.path, lambda value: value + line_break)
            assert not accepted(name, wrong), constraint
            assert constraint.path[0] != "detail" or not parsed(name, wrong), constraint


@pytest.mark.parametrize(
    ("definition", "model", "around"),
    [("Url", TypeAdapter(Url), "https://a{}b"), ("FullName", TypeAdapter(FullName), "acme/sh{}op")],
)
def test_schema_and_model_agree_on_white_space(definition: str, model: TypeAdapter[str], around: str) -> None:
    root = SCHEMAS["PullRequestOpened"]
    validator = Draft4Validator({**resolve(f"#/definitions/{definition}", root), "definitions": root["definitions"]})
    differing = [
        character
        for character in map(chr, [*range(0x3100), 0xFEFF])
        if validator.is_valid(around.format(character)) is not valid(model, around.format(character))
    ]
    assert differing == []


def valid(model: TypeAdapter[str], value: str) -> bool:
    try:
        model.validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_described(name: str) -> None:
    definitions = SCHEMAS[name]["definitions"]
    objects = [SCHEMAS[name], *(kept for kept in definitions.values() if kept["type"] == "object")]
    assert all(kept.get("description") for kept in objects)
