import pytest
from pydantic import ValidationError

from records.apps import Apps
from records.users import NoSuchUserError, User, UserExistsError, UserHasAppsError, Users
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, OWNER, app, put_on_record, user


@pytest.fixture
def users(local: Local) -> Users:
    return Users(local.table)


def test_a_user_is_read_as_added(users: Users) -> None:
    users.add(user())
    assert users.get(OWNER) == user()
    assert users.get("nobody") is None


def test_an_id_is_taken_once(users: Users) -> None:
    users.add(user())
    with pytest.raises(UserExistsError, match=OWNER):
        users.add(User(id=OWNER, name="Another", created_at=NOW))
    assert users.get(OWNER) == user()


def test_all_users_are_listed_by_id(local: Local, users: Users) -> None:
    put_on_record(local.table, app())
    for user_id in ("b", "a"):
        users.add(user(user_id))
    assert [listed.id for listed in users.list_all()] == ["a", "b", OWNER]


def test_a_user_without_apps_is_removed(users: Users) -> None:
    users.add(user())
    users.remove(OWNER)
    assert users.get(OWNER) is None
    assert users.list_all() == []


def test_a_user_who_owns_apps_stays(local: Local, users: Users) -> None:
    put_on_record(local.table, app("a"), app("b"))
    with pytest.raises(UserHasAppsError, match="owns 2 apps"):
        users.remove(OWNER)
    assert users.get(OWNER) == user()


def test_nobody_is_no_user_to_remove(users: Users) -> None:
    with pytest.raises(NoSuchUserError, match="no user nobody"):
        users.remove("nobody")
    assert users.get("nobody") is None


def test_an_app_is_not_added_for_an_owner_who_is_being_removed(local: Local, users: Users) -> None:
    users.add(user())
    seen: list[bool] = []

    def add_an_app() -> None:
        with pytest.raises(NoSuchUserError):
            Apps(local.table).add(app())
        seen.append(True)

    local.before("Query", add_an_app)
    users.remove(OWNER)
    assert seen == [True]
    assert Apps(local.table).list_by_user(OWNER) == []


@pytest.mark.parametrize("user_id", ["", "A", "-a", "a#b", "a b", "a\n", "x" * 65, "ä"])
def test_an_id_that_could_not_be_typed_is_refused(user_id: str) -> None:
    with pytest.raises(ValidationError):
        User(id=user_id, name="x", created_at=NOW)
