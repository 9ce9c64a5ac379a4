"""Bundles: an environment's secrets as resolved for one generation, sealed. See docs/adr/0004."""

import json
import struct
from collections.abc import Iterator, Mapping
from datetime import timedelta

from choreography.clock import Clock
from records.table import Item, Table
from sealing.seal import DataKeys, UnsealError, seal, unseal

KEPT = timedelta(days=30)

_BUNDLE = "BUNDLE#"
_LENGTH = struct.Struct(">I")


class Bundles:
    """The bundles, one per environment and generation, each under a data key of its own.

    Args:
        table: where they are kept.
        keys: their data keys, by the context {environment_id, generation}.
        clock: the time.
    """

    def __init__(self, table: Table, keys: DataKeys, clock: Clock) -> None:
        self._table = table
        self._keys = keys
        self._clock = clock

    def keep(self, environment_id: str, generation: int, values: Mapping[str, str]) -> tuple[str, ...]:
        """Seal the values, possibly none, and keep them for 30 days; gives their names, sorted.

        Again for the same generation, it keeps the values as they are now. Bundles of older generations are deleted;
        where there is a newer one, that is this one.
        """
        pk, sk = _partition(environment_id), f"{_BUNDLE}{generation}"
        key = self._keys.make(_context(environment_id, generation))
        item = {
            "key": key.wrapped,
            "sealed": seal(key, _pack(values), _associated_data(pk, sk)),
            "expires_at": int((self._clock() + KEPT).timestamp()),
        }
        self._table.put({"pk": pk, "sk": sk, **item})
        self._delete_older(pk)
        return tuple(sorted(values))

    def open(self, environment_id: str, generation: int) -> Mapping[str, str] | None:
        """The values by name; None if they are not kept, or no longer.

        Raises:
            UnsealError: the bundle was changed, or is another's.
        """
        pk, sk = _partition(environment_id), f"{_BUNDLE}{generation}"
        item = self._table.get(pk, sk)
        # DynamoDB deletes what has expired when it gets to it, up to days later.
        if item is None or _taken(item, "expires_at", int) <= self._clock().timestamp():
            return None
        key = self._keys.open(_taken(item, "key", bytes), _context(environment_id, generation))
        return _unpack(unseal(key, _taken(item, "sealed", bytes), _associated_data(pk, sk)))

    def _delete_older(self, pk: str) -> None:
        generations = [int(item["sk"].removeprefix(_BUNDLE)) for item in self._table.query(pk, begins_with=_BUNDLE)]
        for generation in generations:
            if generation < max(generations):
                self._table.delete(pk, f"{_BUNDLE}{generation}")


def _partition(environment_id: str) -> str:
    return f"ENVIRONMENT#{environment_id}"


def _context(environment_id: str, generation: int) -> dict[str, str]:
    return {"environment_id": environment_id, "generation": str(generation)}


def _associated_data(pk: str, sk: str) -> bytes:
    return json.dumps([pk, sk]).encode()


def _taken[T](item: Item, name: str, kind: type[T]) -> T:
    value = item.get(name)
    if not isinstance(value, kind):
        raise UnsealError(f"the bundle's {name} was changed")
    return value


def _pack(values: Mapping[str, str]) -> bytes:
    """Each name and value after its length: eight bytes a secret and no escapes, so that all that may be set fits."""
    parts = (part.encode() for pair in sorted(values.items()) for part in pair)
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _unpack(packed: bytes) -> dict[str, str]:
    parts = _parts(packed)
    return dict(zip(parts, parts, strict=True))


def _parts(packed: bytes) -> Iterator[str]:
    position = 0
    while position < len(packed):
        (length,) = _LENGTH.unpack_from(packed, position)
        position += _LENGTH.size + length
        yield packed[position - length : position].decode()
