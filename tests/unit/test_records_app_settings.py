"""What an app can be set to, and what it is by itself."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from records.apps import MAX_CONFIG_BYTES, App, Apps, ConfigTooLargeError, app_id
from records.names import InvalidVariableError
from tests.unit.dynamodb import Local
from tests.unit.record_examples import app, put_on_record


@pytest.fixture
def apps(local: Local) -> Apps:
    put_on_record(local.table)
    return Apps(local.table)


# ---- Config values


def test_a_config_value_is_set_and_unset_for_one_type(apps: Apps) -> None:
    both = app().with_config("preview", "A", "1").with_config("preview", "B", "").with_config("production", "A", "2")
    assert both.config == {"preview": {"A": "1", "B": ""}, "production": {"A": "2"}}
    assert both.with_config("preview", "A", None).config == {"preview": {"B": ""}, "production": {"A": "2"}}
    assert both.with_config("preview", "A", "3").config["preview"] == {"A": "3", "B": ""}
    assert app().with_config("preview", "A", None).config == {"preview": {}}
    assert app().config == {}


def test_a_config_value_that_no_machine_can_carry_is_refused() -> None:
    with pytest.raises(InvalidVariableError):
        app().with_config("preview", "PORT", "1")


def test_config_values_too_large_in_all_are_refused() -> None:
    half = app().with_config("preview", "A", "x" * (MAX_CONFIG_BYTES // 2))
    full = half.with_config("preview", "B", "x" * (MAX_CONFIG_BYTES // 2 - 2))
    with pytest.raises(ConfigTooLargeError, match="for preview"):
        full.with_config("preview", "C", "")
    assert full.with_config("preview", "A", "").with_config("preview", "C", "").config["preview"]["C"] == ""


def test_an_app_with_the_most_config_of_both_types_fits_its_records(apps: Apps) -> None:
    full = app()
    for kind in ("preview", "production"):
        for name in ("A", "B"):
            full = full.with_config(kind, name, "é" * (MAX_CONFIG_BYTES // 4 - 1))
    apps.add(full)
    assert apps.get(full.id) == full


# ---- Names and settings


@given(name=st.text(min_size=1), repository_id=st.integers(1, 2**53))
def test_an_app_s_id_is_of_its_repository_and_of_its_name_as_people_read_it(name: str, repository_id: int) -> None:
    found = app_id(repository_id, name)
    assert found == app_id(repository_id, f"  {name}\n") == app_id(repository_id, name.casefold())
    assert found != app_id(repository_id + 1, name)
    assert found != app_id(repository_id, name + "x")


@pytest.mark.parametrize(
    "setting",
    [
        {"name": " "},
        {"name": "x" * 101},
        {"image": "-x"},
        {"image": "a b"},
        {"start": ""},
        {"directory": "/etc"},
        {"directory": "../up"},
        {"directory": "a//b"},
        {"port": 0},
        {"port": 65536},
        {"health_path": "health"},
        {"health_path": "/a b"},
        {"region": "IAD"},
        {"memory_mb": 300},
        {"memory_mb": 256, "cpus": 2},
        {"memory_mb": 512, "cpus": 4},
        {"forks": "with_secrets"},
        {"bots": "with_secrets"},
        {"drafts": "without_secrets"},
        {"previews": "none"},
        {"preview_label": " "},
        {"preview_label": "x" * 51},
        {"keep_label": ""},
        {"max_previews": -1},
        {"max_previews": 1001},
        {"idle_hours": 0},
        {"idle_hours": 8761},
        {"owner": "A b"},
        {"installation_id": 0},
    ],
    ids=str,
)
def test_a_setting_that_is_not_valid_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        app(**setting)


def test_a_policy_is_by_itself_what_its_documentation_says() -> None:
    found = app()
    assert (found.forks, found.bots, found.drafts, found.previews) == ("ignore", "without_secrets", "preview", "every")
    assert (found.preview_label, found.keep_label) == ("preview", "keep-preview")
    assert (found.max_previews, found.idle_hours) == (20, 168)


def test_an_app_of_before_there_were_policies_has_the_default_ones() -> None:
    policies = {"bots", "drafts", "previews", "preview_label", "keep_label", "max_previews", "idle_hours"}
    old = app().model_dump(mode="json", exclude=policies)
    assert App.model_validate(old) == app()
