from typing import Any

import pytest

from prestage_contracts.snapshot import Repository
from records.apps import (
    App,
    AppChangedError,
    AppExistsError,
    AppInUseError,
    Apps,
    NoSuchAppError,
)
from records.environments import Environment, Environments, SupersededError
from records.pull_requests import still_told_by
from records.users import NoSuchUserError, Users
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, OWNER, REPOSITORY, app, preview, put_on_record, user
from tests.unit.steps import CLOSED

OTHER_REPOSITORY = Repository(id=99, full_name="octo-org/other")
LAST_WORD = still_told_by(REPOSITORY.id, 3, "event-1")


@pytest.fixture
def apps(local: Local) -> Apps:
    put_on_record(local.table)
    return Apps(local.table)


def shown(local: Local, pk: str, sk: str) -> dict[str, Any]:
    return {name: value for name, value in local.item(pk, sk).items() if name not in {"pk", "sk"}}


def assert_four_equal(local: Local, found: App) -> None:
    by_app = f"APP#{found.id}"
    keys = [
        (by_app, "APP"),
        (f"REPOSITORY#{found.repository.id}", by_app),
        (f"USER#{found.owner}", by_app),
        (f"INSTALLATION#{found.installation_id}", by_app),
    ]
    assert [shown(local, *key) for key in keys] == [found.model_dump(mode="json")] * 4
    assert items_of(local, found) == 4


def items_of(local: Local, found: App) -> int:
    """The app's records, whatever they are kept under."""
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in local.items()]
    by_app = f"APP#{found.id}"
    return sum(sk == by_app or (pk, sk) == (by_app, "APP") for pk, sk in keys)


def begin(local: Local, of: App) -> Environment:
    return Environments(local.table).deploy(preview(of=of), "event-1", [LAST_WORD])


def close(local: Local, environment: Environment) -> Environment:
    closed = Environments(local.table).close(environment.id, "event-2", CLOSED, NOW)
    assert closed is not None
    return closed


def stop(local: Local, closed: Environment) -> None:
    assert Environments(local.table).report(closed.id, closed.generation, "remove", "event-3", NOW)


# ---- Adding


def test_an_added_app_is_four_equal_records(local: Local, apps: Apps) -> None:
    apps.add(app())
    assert_four_equal(local, app())


def test_an_app_is_found_by_every_key(apps: Apps) -> None:
    apps.add(app())
    assert apps.get(app().id) == app()
    assert apps.list_by_repository(REPOSITORY.id) == [app()]
    assert apps.list_by_user(OWNER) == [app()]
    assert apps.list_by_installation(7) == [app()]
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
    assert apps.list_by_installation(7) == []
    assert apps.list_all() == []


@pytest.mark.parametrize("name", ["storefront", "Storefront", " storefront "])
def test_a_repository_has_one_app_of_a_name(local: Local, apps: Apps, name: str) -> None:
    apps.add(app())
    with pytest.raises(AppExistsError, match="octo-org/shop has an app"):
        apps.add(app(name, start="another"))
    assert_four_equal(local, app())


def test_an_app_that_exists_is_told_as_that_whoever_is_to_own_the_new_one(local: Local, apps: Apps) -> None:
    apps.add(app())
    with pytest.raises(AppExistsError):
        apps.add(app(owner="nobody"))
    assert items_of(local, app()) == 4


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


def test_an_installation_s_apps_are_listed_by_name_those_that_are_being_removed_too(apps: Apps) -> None:
    for each in (app("b"), app("a", repository=OTHER_REPOSITORY), app("c", installation_id=8)):
        apps.add(each)
    apps.update(app("b").model_copy(update={"removing": True}))
    assert [found.name for found in apps.list_by_installation(7)] == ["a", "b"]


def test_all_apps_are_listed_once_by_repository_and_name(local: Local, apps: Apps) -> None:
    for each in (app("b"), app("a"), app("c", repository=OTHER_REPOSITORY)):
        apps.add(each)
    begin(local, app("a"))
    assert [found.name for found in apps.list_all()] == ["c", "a", "b"]


def test_an_app_that_is_being_removed_gets_no_previews_and_is_still_seen_by_people(apps: Apps) -> None:
    apps.add(app())
    marked = apps.update(app().model_copy(update={"removing": True}))
    assert apps.list_by_repository(REPOSITORY.id) == []
    assert apps.list_by_repository(REPOSITORY.id, also_removing=True) == [marked]
    assert apps.list_by_user(OWNER) == [marked]
    assert apps.list_all() == [marked]


# ---- Updating


def test_an_update_is_seen_by_every_key_at_the_next_revision(local: Local, apps: Apps) -> None:
    apps.add(app())
    changed = apps.update(app().with_config("preview", "A", "1"))
    assert changed == app().with_config("preview", "A", "1").model_copy(update={"revision": 2})
    assert_four_equal(local, changed)


def test_an_update_of_what_was_changed_in_between_is_refused(local: Local, apps: Apps) -> None:
    apps.add(app())
    changed = apps.update(app().with_config("preview", "A", "1"))
    with pytest.raises(AppChangedError, match="storefront"):
        apps.update(app().with_config("preview", "B", "2"))
    assert_four_equal(local, changed)


def test_an_update_of_what_was_removed_in_between_does_not_bring_it_back(local: Local, apps: Apps) -> None:
    apps.add(app())
    apps.remove(app().id)
    with pytest.raises(AppChangedError):
        apps.update(app())
    assert items_of(local, app()) == 0


@pytest.mark.parametrize("changed", [{"owner": "other"}, {"installation_id": 8}], ids=str)
def test_an_app_that_belongs_elsewhere_now_is_found_there_alone(
    local: Local, apps: Apps, changed: dict[str, Any]
) -> None:
    Users(local.table).add(user("other"))
    apps.add(app())
    moved = apps.update(app().model_copy(update=changed))
    assert_four_equal(local, moved)
    assert apps.list_by_user("other") == ([moved] if "owner" in changed else [])
    assert apps.list_by_installation(8) == ([moved] if "installation_id" in changed else [])
    apps.remove(moved.id)
    assert items_of(local, moved) == 0


def test_an_update_that_another_one_comes_before_leaves_the_other_whole(local: Local, apps: Apps) -> None:
    apps.add(app())
    other = app().model_copy(update={"installation_id": 8})
    local.before("TransactWriteItems", lambda: apps.update(other))
    with pytest.raises(AppChangedError):
        apps.update(app().model_copy(update={"installation_id": 9}))
    assert_four_equal(local, other.model_copy(update={"revision": 2}))


# ---- Removing


def test_a_removed_app_is_gone_by_every_key(local: Local, apps: Apps) -> None:
    apps.add(app())
    assert apps.remove(app().id).name == "storefront"
    assert items_of(local, app()) == 0


def test_what_is_not_on_record_can_t_be_removed(apps: Apps) -> None:
    with pytest.raises(NoSuchAppError, match=app().id):
        apps.remove(app().id)


@pytest.mark.parametrize("is_closed", [False, True])
def test_an_app_with_environments_that_are_not_stopped_stays_as_it_was(
    local: Local, apps: Apps, is_closed: bool
) -> None:
    apps.add(app())
    begun = begin(local, app())
    if is_closed:
        close(local, begun)
    with pytest.raises(AppInUseError, match="storefront has 1 environments that are not stopped"):
        apps.remove(app().id)
    assert apps.list_by_repository(REPOSITORY.id) == [app().model_copy(update={"revision": 3})]
    assert_four_equal(local, app().model_copy(update={"revision": 3}))


def test_an_app_whose_environments_are_stopped_is_removed(local: Local, apps: Apps) -> None:
    apps.add(app())
    stop(local, close(local, begin(local, app())))
    apps.remove(app().id)
    assert apps.get(app().id) is None


def test_an_environment_that_begins_before_the_mark_is_counted(local: Local, apps: Apps) -> None:
    apps.add(app())
    local.before("TransactWriteItems", lambda: begin(local, app()))
    with pytest.raises(AppInUseError):
        apps.remove(app().id)
    assert Environments(local.table).live_at(preview().id, 1) is not None


def test_an_environment_that_is_to_begin_after_the_mark_does_not(local: Local, apps: Apps) -> None:
    apps.add(app())
    refused: list[str] = []

    def try_to_begin() -> None:
        try:
            begin(local, app())
        except SupersededError:
            refused.append("refused")

    local.before("Query", try_to_begin)
    apps.remove(app().id)
    assert refused == ["refused"]
    assert Environments(local.table).get(preview().id) is None


def test_a_removal_that_broke_off_after_its_mark_is_ended_by_the_next(local: Local, apps: Apps) -> None:
    apps.add(app())
    apps.update(app().model_copy(update={"removing": True}))
    apps.remove(app().id)
    assert items_of(local, app()) == 0


def test_a_mark_that_a_broken_removal_left_on_an_app_in_use_goes_with_the_next(local: Local, apps: Apps) -> None:
    apps.add(app())
    begin(local, app())
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
    assert_four_equal(local, app(start="another"))
