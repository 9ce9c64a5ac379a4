"""Whatever a model states, its published schema takes; whatever the schema takes, the model can read."""

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from pydantic import ValidationError

from prestage.contract_examples import delivered, examples
from prestage.contract_schema import Schema, published
from prestage_contracts import CONTRACT, Event
from tests.contracts.constraints import Path, at, changed

EXAMPLES = examples()
ENVELOPES = {name: delivered(event) for name, event in EXAMPLES.items()}
VALIDATORS = {name: Draft4Validator(published(event)) for name, event in CONTRACT.items()}

patient = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])

ZONES = st.builds(timezone, st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def stated(model: Schema, root: Schema) -> st.SearchStrategy[Any]:
    """What the model takes, from the schema that pydantic makes of it."""
    match model:
        case {"$ref": str(reference)}:
            return stated(root["$defs"][reference.removeprefix("#/$defs/")], root)
        case {"anyOf": list(choices)}:
            return st.one_of([stated(choice, root) for choice in choices])
        case {"const": value}:
            return st.just(value)
        case {"enum": list(values)}:
            return st.sampled_from(values)
    return of_type(model, root)


def of_type(model: Schema, root: Schema) -> st.SearchStrategy[Any]:
    match model["type"]:
        case "object":
            return st.fixed_dictionaries({name: stated(field, root) for name, field in model["properties"].items()})
        case "array":
            return st.lists(stated(model["items"], root), max_size=3)
        case "integer":
            return st.integers(model["minimum"], model.get("maximum"))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return text(model)


def text(model: Schema) -> st.SearchStrategy[str]:
    match model:
        case {"format": "uuid"}:
            return st.uuids().map(str)
        case {"format": "date-time"}:
            return st.datetimes(timezones=ZONES).map(lambda moment: moment.isoformat())
        case {"pattern": str(pattern)}:
            return st.from_regex(pattern, fullmatch=True).filter(lambda made: len(made) <= model.get("maxLength", 2048))
    return st.text(min_size=model.get("minLength", 0), max_size=model["maxLength"])


def details(event: type[Event]) -> st.SearchStrategy[Any]:
    model = event.model_json_schema(mode="validation")
    return stated(model, model).map(lambda detail: changed(detail, ("metadata", "version"), lambda _: event.VERSION))


def leaves(value: Any, path: Path = ()) -> list[Path]:
    if isinstance(value, dict):
        return [leaf for name, kept in value.items() for leaf in leaves(kept, (*path, name))]
    return [path]


def read(name: str, detail: Any) -> Event | None:
    try:
        return CONTRACT[name].model_validate(detail)
    except ValidationError:
        return None


def around(event: Event) -> Any:
    return {**ENVELOPES[event.name()], "detail": json.loads(event.model_dump_json())}


@pytest.mark.parametrize("name", list(CONTRACT))
def test_what_a_model_states_keeps_to_the_published_schema(name: str) -> None:
    @patient
    @given(details(CONTRACT[name]))
    def every(detail: Any) -> None:
        VALIDATORS[name].validate(around(CONTRACT[name].model_validate(detail)))

    every()


@pytest.mark.parametrize("name", list(CONTRACT))
def test_schema_and_model_agree_on_a_payload_with_one_value_changed(name: str) -> None:
    example = json.loads(EXAMPLES[name].model_dump_json())
    # A model reads other versions of its event; a schema is of one.
    paths = [path for path in leaves(example) if path != ("metadata", "version")]

    @patient
    @given(st.sampled_from(paths), JSON)
    def every(path: Path, value: Any) -> None:
        detail = changed(example, path, lambda _: value)
        event = read(name, detail)
        if VALIDATORS[name].is_valid({**ENVELOPES[name], "detail": detail}):
            assert event is not None
        if event is not None:
            VALIDATORS[name].validate(around(event))
            assert at(json.loads(event.model_dump_json()), path) is not None or value is None

    every()
