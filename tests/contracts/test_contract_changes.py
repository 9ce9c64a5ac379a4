"""What is told of each kind of change, and which of them could break a consumer."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from prestage.contract_changes import Change, changes
from prestage.contract_schema import Schema, published
from prestage_contracts import CONTRACT

SCHEMA = published(CONTRACT["EnvironmentFailed"])
ENVIRONMENT = "detail.data.environment"

type Edit = Callable[[dict[str, Any]], object]


def changed(edit: Edit) -> list[Change]:
    """What is told where the edit was made to the definitions."""
    after: Schema = copy.deepcopy(SCHEMA)
    edit(after["definitions"])
    return changes(SCHEMA, after)


def required(definitions: dict[str, Any]) -> list[str]:
    found: list[str] = definitions["EnvironmentFailedData"]["required"]
    return found


def fields(definitions: dict[str, Any], name: str = "EnvironmentFailedData") -> dict[str, Any]:
    found: dict[str, Any] = definitions[name]["properties"]
    return found


def added(*, always: bool) -> Edit:
    def edit(definitions: dict[str, Any]) -> None:
        fields(definitions)["attempts"] = {"type": "integer"}
        required(definitions).extend(["attempts"] if always else [])

    return edit


def removed(definitions: dict[str, Any]) -> None:
    del fields(definitions)["stage"]
    required(definitions).remove("stage")


def setting(definition: str, keyword: str, value: Any) -> Edit:
    return lambda definitions: definitions[definition].update({keyword: value})


def dropping(definition: str, keyword: str) -> Edit:
    return lambda definitions: definitions[definition].pop(keyword)


def null(definitions: dict[str, Any]) -> None:
    fields(definitions)["stage"] = {"anyOf": [fields(definitions)["stage"], {"type": "null"}]}


def never_null(definitions: dict[str, Any]) -> None:
    log_url = fields(definitions)["log_url"]
    log_url.update(log_url.pop("anyOf")[0])


def told_apart(value: Any) -> str:
    return value if isinstance(value, str) else ""


STAGES = SCHEMA["definitions"]["Stage"]["enum"]
ORDER = list(reversed(STAGES))


@pytest.mark.parametrize(
    ("edit", "path", "words"),
    [
        (removed, "detail.data.stage", "is gone"),
        (added(always=True), "detail.data.attempts", "is new and always there"),
        (lambda definitions: required(definitions).remove("stage"), "detail.data.stage", "may be missing now"),
        (lambda definitions: required(definitions).append("log_url"), "detail.data.log_url", "is always there now"),
        (setting("Stage", "enum", [*STAGES, "wake"]), "detail.data.stage", 'can be "wake" now'),
        (setting("Stage", "enum", STAGES[1:]), "detail.data.stage", 'can\'t be "secrets" any more'),
        (dropping("Stage", "enum"), "detail.data.stage", "can be more than"),
        (setting("Text", "enum", ["main"]), f"{ENVIRONMENT}.branch", 'can only be "main" now'),
        (setting("Stage", "type", "integer"), "detail.data.stage", "was string, is integer"),
        (null, "detail.data.stage", "can be null now"),
        (never_null, "detail.data.log_url", "is never null any more"),
        (setting("Text", "maxLength", 2000), f"{ENVIRONMENT}.branch", "maxLength was 1024, is 2000, which is wider"),
        (setting("Text", "maxLength", 100), f"{ENVIRONMENT}.branch", "maxLength was 1024, is 100, which is narrower"),
        (dropping("Text", "maxLength"), f"{ENVIRONMENT}.branch", "maxLength was 1024, is nothing, which is wider"),
        (setting("Text", "minLength", 2), f"{ENVIRONMENT}.branch", "minLength was 1, is 2, which is narrower"),
        (setting("GitHubId", "minimum", 0), f"{ENVIRONMENT}.installation_id", "minimum was 1, is 0, which is wider"),
        (setting("GitHubId", "maximum", 9), f"{ENVIRONMENT}.installation_id", "is 9, which is narrower"),
        (
            setting("GitHubId", "exclusiveMinimum", True),
            f"{ENVIRONMENT}.installation_id",
            "exclusiveMinimum was nothing",
        ),
        (setting("Sha", "pattern", "^[0-9a-f]{40}$"), f"{ENVIRONMENT}.sha", "pattern was "),
        (setting("Text", "pattern", "^[a-z]+$"), f"{ENVIRONMENT}.branch", "pattern was nothing, is"),
    ],
    ids=told_apart,
)
def test_a_change_by_which_somebody_could_break_is_told(edit: Edit, path: str, words: str) -> None:
    told = [change for change in changed(edit) if change.path == path]
    assert [change.breaks for change in told] == [True]
    assert words in told[0].words
    assert str(told[0]).startswith("BREAKS  ")


@pytest.mark.parametrize(
    ("edit", "path", "words"),
    [
        (added(always=False), "detail.data.attempts", "is new, and may be missing"),
        (setting("Reason", "description", "Why."), "detail.data.reason", "is described in other words"),
    ],
    ids=told_apart,
)
def test_a_change_by_which_nobody_breaks_is_told_too(edit: Edit, path: str, words: str) -> None:
    assert changed(edit) == [Change(path, words, breaks=False)]
    assert str(changed(edit)[0]).startswith("fine  ")


@pytest.mark.parametrize(
    "edit",
    [
        lambda _: None,
        setting("Stage", "enum", ORDER),
        lambda definitions: required(definitions).reverse(),
        lambda definitions: definitions.update({"Nobody": {"type": "string"}}),
    ],
    ids=["nothing", "order of values", "order of required fields", "a definition that nothing refers to"],
)
def test_what_means_the_same_is_no_change(edit: Edit) -> None:
    assert changed(edit) == []


def test_a_change_inside_a_list_is_told() -> None:
    before = published(CONTRACT["SecretsResolved"])
    after = copy.deepcopy(before)
    after["definitions"]["SecretName"]["pattern"] = "^[A-Z]+$"
    assert [change.path for change in changes(before, after)] == ["detail.data.names[]"]


def test_another_source_is_a_breaking_change() -> None:
    after = copy.deepcopy(SCHEMA)
    after["properties"]["source"]["enum"] = ["prestage.elsewhere"]
    assert {change.path for change in changes(SCHEMA, after) if change.breaks} == {"source"}
    assert changes(SCHEMA, SCHEMA) == []
