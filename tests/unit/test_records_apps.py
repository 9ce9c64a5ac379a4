from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prestage_contracts.snapshot import Repository
from records.apps import (
    MAX_CONFIG_BYTES,
    App,
    AppChangedError,
    AppExistsError,
    AppInUseError,
    Apps,
    ConfigTooLargeError,
    NoSuchAppError,
    app_id,
)
from records.environments import Environments, SupersededError
from records.names import InvalidVariableError
from records.pull_requests import still_told_by
from records.users import NoSuchUserError, Users
from tests.unit.dynamodb import Local
from tests.unit.record_examples import OWNER, REPOSITORY, app, preview, put_on_record, user

OTHER_REPOSITORY = Repository(id=99, full_name="octo-org/other")
LAST_WORD = still_told_by(REPOSITORY.id, 3, "event-1")


@pytest.fixture
def apps(local: Local) -> Apps:
    put_on_record(local.table)
    return Apps(local.table)


def three(local: Local, found: App) -> list[dict[str, Any]]:
    by_app = f"APP#{found.id}"
    keys = [(by_app, "APP"), (f"REPOSITORY#{found.repository.id}", by_app), (f"USER#{found.owner}", by_app)]
    return [{name: value for name, value in local.item(*key).items() if name not in {"pk", "sk"}} for key in keys]


def assert_three_equal(local: Local, found: App) -> None:
    first, second, third = three(local, found)
    assert first == second == third == found.model_dump(mode="json")


def items_of(local: Local, found: App) -> int:
    return sum(found.id in f"{item['pk']['S']} {item['sk']['S']}" for item in local.items())


def close(local: Local, environment_id: str, of: App) -> None:
    key = {"pk": f"APP#{of.id}", "sk": f"ENVIRONMENT#{environment_id}"}
    local.table.put({**local.item(**key), "status": "closed"})


# ---- Adding


def test_an_added_app_is_three_equal_records(local: Local, apps: Apps) -> None:
    apps.add(app())
    assert_three_equal(local, app())


def test_an_app_is_found_by_every_key(apps: Apps) -> None:
    apps.add(app())
    assert apps.get(app().id) == app()
    assert apps.list_by_repository(REPOSITORY.id) == [app()]
    assert apps.list_by_user(OWNER) == [app()]
    assert apps.list_all() == [app()]


def test_every_setting_is_read_as_it_was_written(apps: Apps) -> None:
    settings: dict[str, Any] = {
        "build": "make",
        "directory": "services/api",
        "port": 3000,
        "memory_mb": 2048,
        "cpus": 2,
    }
    written = app(**settings, forks="without_secrets").with_config("production", "A", "€\n\"'")
    apps.add(written)
    assert apps.get(written.id) == written


def test_what_is_not_on_record_is_not_found(apps: Apps) -> None:
    assert apps.get(app().id) is None
    assert apps.list_by_repository(REPOSITORY.id) == []
    assert apps.list_by_user(OWNER) == []
    assert apps.list_all() == []


@pytest.mark.parametrize("name", ["storefront", "Storefront", " storefront "])
def test_a_repository_has_one_app_of_a_name(local: Local, apps: Apps, name: str) -> None:
    apps.add(app())
    with pytest.raises(AppExistsError, match="octo-org/shop has an app"):
        apps.add(app(name, start="another"))
    assert_three_equal(local, app())


def test_an_app_that_exists_is_told_as_that_whoever_is_to_own_the_new_one(local: Local, apps: Apps) -> None:
    apps.add(app())
    with pytest.raises(AppExistsError):
        apps.add(app(owner="nobody"))
    assert items_of(local, app()) == 3


def test_an_owner_who_is_not_on_record_is_refused(local: Local, apps: Apps) -> None:
    with pytest.raises(NoSuchUserError, match="no user nobody"):
        apps.add(app(owner="nobody"))
    assert items_of(local, app()) == 0


# ---- Lists


def test_a_repository_s_apps_are_listed_by_name_and_are_its_own(apps: Apps) -> None:
    for each in (app("b"), app("a"), app("c", repository=OTHER_REPOSITORY)):
        apps.add(each)
    assert [found.name for found in apps.list_by_repository(REPOSITORY.id)] == ["a", "b"]


def test_a_user_s_apps_are_listed_by_name_and_are_the_user_s_own(local: Local, apps: Apps) -> None:
    Users(local.table).add(user("other"))
    for each in (app("b"), app("a"), app("c", owner="other")):
        apps.add(each)
    assert [found.name for found in apps.list_by_user(OWNER)] == ["a", "b"]


def test_all_apps_are_listed_once_by_repository_and_name(local: Local, apps: Apps) -> None:
    for each in (app("b"), app("a"), app("c", repository=OTHER_REPOSITORY)):
        apps.add(each)
    Environments(local.table).begin(preview(of=app("a")), LAST_WORD)
    assert [found.name for found in apps.list_all()] == ["c", "a", "b"]


def test_an_app_that_is_being_removed_gets_no_previews_and_is_still_seen_by_people(apps: Apps) -> None:
    apps.add(app())
    marked = apps.update(app().model_copy(update={"removing": True}))
    assert apps.list_by_repository(REPOSITORY.id) == []
    assert apps.list_by_user(OWNER) == [marked]
    assert apps.list_all() == [marked]


# ---- Updating


def test_an_update_is_seen_by_every_key_at_the_next_revision(local: Local, apps: Apps) -> None:
    apps.add(app())
    changed = apps.update(app().with_config("preview", "A", "1"))
    assert changed == app().with_config("preview", "A", "1").model_copy(update={"revision": 2})
    assert_three_equal(local, changed)


def test_an_update_of_what_was_changed_in_between_is_refused(local: Local, apps: Apps) -> None:
    apps.add(app())
    changed = apps.update(app().with_config("preview", "A", "1"))
    with pytest.raises(AppChangedError, match="storefront"):
        apps.update(app().with_config("preview", "B", "2"))
    assert_three_equal(local, changed)


def test_an_update_of_what_was_removed_in_between_does_not_bring_it_back(local: Local, apps: Apps) -> None:
    apps.add(app())
    apps.remove(app().id)
    with pytest.raises(AppChangedError):
        apps.update(app())
    assert items_of(local, app()) == 0


# ---- Removing


def test_a_removed_app_is_gone_by_every_key(local: Local, apps: Apps) -> None:
    apps.add(app())
    assert apps.remove(app().id).name == "storefront"
    assert items_of(local, app()) == 0


def test_what_is_not_on_record_can_t_be_removed(apps: Apps) -> None:
    with pytest.raises(NoSuchAppError, match=app().id):
        apps.remove(app().id)


def test_an_app_with_live_environments_stays_as_it_was(local: Local, apps: Apps) -> None:
    apps.add(app())
    Environments(local.table).begin(preview(), LAST_WORD)
    with pytest.raises(AppInUseError, match="storefront has 1 live environments"):
        apps.remove(app().id)
    assert apps.list_by_repository(REPOSITORY.id) == [app().model_copy(update={"revision": 3})]
    assert_three_equal(local, app().model_copy(update={"revision": 3}))


def test_an_app_whose_environments_are_closed_is_removed(local: Local, apps: Apps) -> None:
    apps.add(app())
    begun = Environments(local.table).begin(preview(), LAST_WORD)
    close(local, begun.id, app())
    apps.remove(app().id)
    assert apps.get(app().id) is None


def test_an_environment_that_begins_before_the_mark_is_counted(local: Local, apps: Apps) -> None:
    apps.add(app())
    environments = Environments(local.table)
    local.before("TransactWriteItems", lambda: environments.begin(preview(), LAST_WORD))
    with pytest.raises(AppInUseError):
        apps.remove(app().id)
    assert environments.live_at(preview().id, 1) is not None


def test_an_environment_that_is_to_begin_after_the_mark_does_not(local: Local, apps: Apps) -> None:
    apps.add(app())
    environments = Environments(local.table)
    refused: list[str] = []

    def begin() -> None:
        try:
            environments.begin(preview(), LAST_WORD)
        except SupersededError:
            refused.append("refused")

    local.before("Query", begin)
    apps.remove(app().id)
    assert refused == ["refused"]
    assert environments.get(preview().id) is None


def test_a_removal_that_broke_off_after_its_mark_is_ended_by_the_next(local: Local, apps: Apps) -> None:
    apps.add(app())
    apps.update(app().model_copy(update={"removing": True}))
    apps.remove(app().id)
    assert items_of(local, app()) == 0


def test_a_mark_that_a_broken_removal_left_on_an_app_in_use_goes_with_the_next(local: Local, apps: Apps) -> None:
    apps.add(app())
    Environments(local.table).begin(preview(), LAST_WORD)
    apps.update(app().model_copy(update={"removing": True}))
    with pytest.raises(AppInUseError):
        apps.remove(app().id)
    assert [found.name for found in apps.list_by_repository(REPOSITORY.id)] == ["storefront"]


def _change(apps: Apps) -> None:
    found = apps.get(app().id)
    assert found is not None
    apps.update(found.with_config("preview", "A", "1"))


@pytest.mark.parametrize("before", [1, 2], ids=["before the mark", "after the mark"])
def test_a_removal_of_what_is_changed_in_between_is_refused(local: Local, apps: Apps, before: int) -> None:
    apps.add(app())

    def change_before_the_next_write() -> None:
        local.before("TransactWriteItems", lambda: _change(apps))

    if before == 1:
        change_before_the_next_write()
    else:
        local.before("Query", change_before_the_next_write)
    with pytest.raises(AppChangedError, match="storefront"):
        apps.remove(app().id)
    found = apps.get(app().id)
    assert found is not None
    assert found.config == {"preview": {"A": "1"}}
    apps.remove(app().id)


def test_an_app_may_be_added_again_under_the_same_id(local: Local, apps: Apps) -> None:
    apps.add(app())
    apps.remove(app().id)
    apps.add(app(start="another"))
    assert_three_equal(local, app(start="another"))


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


def test_an_app_with_the_most_config_of_both_types_fits_its_records(local: Local, apps: Apps) -> None:
    full = app()
    for kind in ("preview", "production"):
        for name in ("A", "B"):
            full = full.with_config(kind, name, "é" * (MAX_CONFIG_BYTES // 4 - 1))
    apps.add(full)
    assert_three_equal(local, full)


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
        {"owner": "A b"},
        {"installation_id": 0},
    ],
    ids=str,
)
def test_a_setting_that_is_not_valid_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        app(**setting)
