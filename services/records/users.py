"""Users: who owns apps."""

from collections.abc import Sequence
from typing import Annotated

from boto3.dynamodb.conditions import Attr
from pydantic import AwareDatetime, StringConstraints

from prestage_contracts.envelope import Frozen
from records.table import ABSENT, ConditionFailedError, Delete, Put, Table, Write

type UserId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class User(Frozen):
    """Somebody, or a team, that apps belong to."""

    id: UserId
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    created_at: AwareDatetime
    removing: bool = False


STAYING = Attr("removing").eq(False)
"""Holds for a user on record whom nobody is removing."""


class NoSuchUserError(Exception):
    """The user is not on record."""


class UserExistsError(Exception):
    """There is a user with this id already."""


class UserHasAppsError(Exception):
    """A user who owns apps can't be removed."""


class Users:
    """The users on record."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, user: User, also: Sequence[Write] = ()) -> None:
        """Put a new user on record, and do the other writes in the same transaction; those have no conditions.

        Raises:
            UserExistsError: the id is taken.
        """
        try:
            self._table.transact([Put({**user.model_dump(mode="json"), **user_key(user.id)}, ABSENT), *also])
        except ConditionFailedError:
            raise UserExistsError(f"there is a user {user.id} already") from None

    def get(self, user_id: str) -> User | None:
        """The user, or None."""
        item = self._table.get(**user_key(user_id))
        return User.model_validate(item) if item else None

    def list_all(self) -> list[User]:
        """Every user, by id."""
        users = (User.model_validate(item) for item in self._table.scan(sk="USER"))
        return sorted(users, key=lambda user: user.id)

    def remove(self, user_id: str, also: Sequence[Write] = ()) -> None:
        """Take a user off the record, and do the other writes in the same transaction; those have no conditions.

        They are marked first: an app is only added for an owner without the mark, in one transaction, so that what is
        counted afterwards is all there is.

        Raises:
            NoSuchUserError: they are not on record.
            UserHasAppsError: apps belong to them; they stay.
        """
        user = self.get(user_id)
        if user is None:
            raise NoSuchUserError(f"there is no user {user_id}")
        self._put(user.model_copy(update={"removing": True}))
        owned = list(self._table.query(f"USER#{user_id}", begins_with="APP#"))
        if owned:
            self._put(user.model_copy(update={"removing": False}))
            raise UserHasAppsError(f"{user_id} owns {len(owned)} apps: remove them first")
        key = user_key(user_id)
        self._table.transact([Delete(key["pk"], key["sk"]), *also])

    def _put(self, user: User) -> None:
        try:
            self._table.put({**user.model_dump(mode="json"), **user_key(user.id)}, Attr("pk").exists())
        except ConditionFailedError:
            raise NoSuchUserError(f"there is no user {user.id}") from None


def user_key(user_id: str) -> dict[str, str]:
    """The key of a user's record."""
    return {"pk": f"USER#{user_id}", "sk": "USER"}
