"""The secrets of apps, sealed: one data key per app and environment type, one item per secret. For `vault` alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from boto3.dynamodb.conditions import Attr, ConditionBase
from pydantic import AwareDatetime

from choreography.clock import Clock
from prestage_contracts.envelope import EnvironmentType, Frozen
from records.names import check_variable
from records.table import ABSENT, ConditionFailedError, ConflictError, Delete, Item, Put, Table, Write
from sealing.seal import OVERHEAD, DataKey, DataKeys, KeyRefusedError, UnsealError, place, seal, unseal

MAX_TOTAL_BYTES = 256 * 1024
"""Names and values of an app and environment type. A bundle holds all of them in one item, which takes 400 KB."""

MAX_SECRETS = 1000
"""Secrets of an app and environment type. The names go into one event, and one Query's page (1 MB) has them all."""

_TRIES = 5
_NAMES_SHOWN = 3


class SecretsTooLargeError(Exception):
    """An app's secrets are too many or too large in all."""


class SecretUnreadableError(Exception):
    """Secrets can't be decrypted. The text names up to three and says what to do; `names` has all.

    Args:
        names: of the secrets.
        refused: KMS refuses their data key, which may be good.
    """

    def __init__(self, names: tuple[str, ...], *, refused: bool = False) -> None:
        shown = ", ".join(names[:_NAMES_SHOWN])
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        again = "set it again" if len(names) == 1 else "set each of them again"
        remedy = f"see that the KMS key is enabled and allowed, or delete and {again}" if refused else again
        super().__init__(f"Can't decrypt {shown}{more}: {remedy}")
        self.names = names
        self.refused = refused


class SecretInfo(Frozen):
    """A secret, but for its value, which is `size` bytes of UTF-8."""

    name: str
    size: int
    updated_at: AwareDatetime


@dataclass(frozen=True)
class _Stored:
    """What is on record for an app and environment type: the item of the data key, and the items of secrets by name."""

    key: Item | None
    secrets: Mapping[str, Item]

    @classmethod
    def read(cls, table: Table, app_id: str, environment_type: EnvironmentType) -> Self:
        """One Query."""
        key, prefix = None, f"{environment_type}#SECRET#"
        secrets: dict[str, Item] = {}
        for item in table.query(_partition(app_id), begins_with=f"{environment_type}#"):
            if item["sk"].startswith(prefix):
                secrets[item["sk"].removeprefix(prefix)] = item
            else:
                key = item
        return cls(key, secrets)


class Secrets:
    """The secrets on record.

    Args:
        table: where they are kept.
        keys: their data keys, by the context {app_id, environment_type}.
        clock: the time.
    """

    def __init__(self, table: Table, keys: DataKeys, clock: Clock) -> None:
        self._table = table
        self._keys = keys
        self._clock = clock

    def resolve(self, app_id: str, environment_type: EnvironmentType) -> dict[str, str]:
        """The values by name. One Query, and one Decrypt if there are any.

        Raises:
            SecretUnreadableError: some can't be decrypted.
        """
        stored = _Stored.read(self._table, app_id, environment_type)
        if not stored.secrets:
            return {}
        key = self._open(stored, app_id, environment_type)
        values: dict[str, str] = {}
        for name, item in stored.secrets.items():
            try:
                values[name] = unseal(key, _binary(item, "sealed"), place(item["pk"], item["sk"])).decode()
            except UnsealError:
                continue
        unreadable = tuple(name for name in stored.secrets if name not in values)
        if unreadable:
            raise SecretUnreadableError(unreadable)
        return values

    def set(
        self, app_id: str, environment_type: EnvironmentType, name: str, value: str, also: Sequence[Write] = ()
    ) -> None:
        """Set a secret; environments begun from now on get it.

        The item of the data key is written with it, in one transaction and by revision. So the limits hold, and there
        is one data key, however many set secrets at once. A data key that KMS calls invalid is replaced. The other
        writes are done in the same transaction; those have no conditions.

        Raises:
            InvalidVariableError: the machine's environment can't carry it.
            SecretsTooLargeError: they would be too many, or too large in all.
            SecretUnreadableError: KMS refuses the data key that other secrets are under.
            ConflictError: others keep setting secrets; try again.
        """
        check_variable(name, value)
        for _ in range(_TRIES):
            stored = _Stored.read(self._table, app_id, environment_type)
            _see_that_it_fits(stored.secrets, environment_type, name, value)
            key = self._key(stored, app_id, environment_type, but=name)
            secret = self._secret(key, app_id, f"{environment_type}#SECRET#{name}", value)
            try:
                self._table.transact([_key_put(stored, key, app_id, environment_type), Put(secret), *also])
            except (ConditionFailedError, ConflictError):
                continue
            return
        raise ConflictError

    def list(self, app_id: str, environment_type: EnvironmentType) -> tuple[SecretInfo, ...]:
        """The secrets, by name. Decrypts nothing."""
        stored = _Stored.read(self._table, app_id, environment_type)
        return tuple(
            SecretInfo(name=name, size=_size(item), updated_at=item["updated_at"])
            for name, item in stored.secrets.items()
        )

    def delete(self, app_id: str, environment_type: EnvironmentType, name: str, also: Sequence[Write] = ()) -> bool:
        """Delete a secret, with the other writes in the same transaction; False if there is none of that name.

        Raises:
            ConflictError: it is being set; try again.
        """
        try:
            there = Attr("pk").exists()
            self._table.transact([Delete(_partition(app_id), f"{environment_type}#SECRET#{name}", there), *also])
        except ConditionFailedError:
            return False
        return True

    def purge(self, app_id: str) -> None:
        """Delete all secrets of an app, and its data keys before them: what is left half way can't be read any more.

        Raises:
            ConflictError: some are being set; try again.
        """
        items = [str(item["sk"]) for item in self._table.query(_partition(app_id))]
        for sk in sorted(items, key=lambda sk: not sk.endswith("#KEY")):
            self._table.delete(_partition(app_id), sk)

    def _open(self, stored: _Stored, app_id: str, environment_type: EnvironmentType) -> DataKey:
        try:
            return self._keys.open(_binary(stored.key, "key"), _context(app_id, environment_type))
        except KeyRefusedError:
            raise SecretUnreadableError(tuple(stored.secrets), refused=True) from None
        except UnsealError:
            raise SecretUnreadableError(tuple(stored.secrets)) from None

    def _key(self, stored: _Stored, app_id: str, environment_type: EnvironmentType, *, but: str) -> DataKey:
        context = _context(app_id, environment_type)
        if stored.key is None:
            return self._keys.make(context)
        try:
            return self._keys.open(_binary(stored.key, "key"), context)
        except KeyRefusedError:
            # It may be good, and only refused to this caller: replaced, it would take the others' values with it.
            others = tuple(name for name in stored.secrets if name != but)
            if others:
                raise SecretUnreadableError(others, refused=True) from None
        except UnsealError:
            pass
        return self._keys.make(context)

    def _secret(self, key: DataKey, app_id: str, sk: str, value: str) -> Item:
        at = {"pk": _partition(app_id), "sk": sk}
        sealed = seal(key, value.encode(), place(at["pk"], at["sk"]))
        return {**at, "sealed": sealed, "updated_at": self._clock().isoformat()}


def _key_put(stored: _Stored, key: DataKey, app_id: str, environment_type: EnvironmentType) -> Put:
    revision = int(stored.key["revision"]) if stored.key else 0
    item = {"pk": _partition(app_id), "sk": f"{environment_type}#KEY", "key": key.wrapped, "revision": revision + 1}
    unchanged: ConditionBase = Attr("revision").eq(revision) if stored.key else ABSENT
    return Put(item, unchanged)


def _see_that_it_fits(secrets: Mapping[str, Item], environment_type: EnvironmentType, name: str, value: str) -> None:
    others = {kept: _size(item) for kept, item in secrets.items() if kept != name}
    if len(others) + 1 > MAX_SECRETS:
        raise SecretsTooLargeError(f"an app has at most {MAX_SECRETS} secrets for {environment_type}")
    total = sum(len(kept) + size for kept, size in others.items()) + len(name) + len(value.encode())
    if total > MAX_TOTAL_BYTES:
        raise SecretsTooLargeError(
            f"secrets for {environment_type} take at most {MAX_TOTAL_BYTES} bytes with their names; "
            f"with {name} it would be {total}"
        )


def _partition(app_id: str) -> str:
    return f"APP#{app_id}"


def _context(app_id: str, environment_type: EnvironmentType) -> dict[str, str]:
    return {"app_id": app_id, "environment_type": environment_type}


def _binary(item: Item | None, name: str) -> bytes:
    value = item.get(name) if item else None
    if not isinstance(value, bytes):
        raise UnsealError(f"{name} is missing")
    return value


def _size(item: Item) -> int:
    return max(len(item.get("sealed") or b"") - OVERHEAD, 0)
