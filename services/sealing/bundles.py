"""Bundles: an environment's secrets as resolved for one generation, sealed. See docs/adr/0004."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr

from choreography.clock import Clock
from records.table import Item, Table
from sealing.seal import DataKeys, UnsealError, place, seal, unseal

KEPT = timedelta(days=30)

_BUNDLE = "BUNDLE#"
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True)
class TlsCertificate:
    """What TLS is served with: the chain (PEM, the leaf first), its key (PEM), and when the leaf expires."""

    chain: str
    private_key: SecretStr
    not_after: datetime


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

    def keep(
        self,
        environment_id: str,
        generation: int,
        values: Mapping[str, str],
        certificate: TlsCertificate | None = None,
    ) -> tuple[str, ...]:
        """Seal the values, possibly none, and keep them for 30 days; gives their names, sorted.

        The certificate, if there is one, is sealed beside them and is none of them. Again for the same generation, it
        keeps all as it is now. Bundles of older generations are deleted; where there is a newer one, that is this one.
        """
        pk, sk = _partition(environment_id), f"{_BUNDLE}{generation}"
        key = self._keys.make(_context(environment_id, generation))
        item = {
            "key": key.wrapped,
            "sealed": seal(key, _pack(values), place(pk, sk)),
            "expires_at": int((self._clock() + KEPT).timestamp()),
        }
        if certificate is not None:
            item["certificate"] = seal(key, _pack(_written(certificate)), place(pk, sk, "certificate"))
        self._table.put({"pk": pk, "sk": sk, **item})
        generations = self._generations(pk)
        self._delete(pk, (older for older in generations if older < max(generations)))
        return tuple(sorted(values))

    def open(self, environment_id: str, generation: int) -> Mapping[str, str] | None:
        """The values by name; None if they are not kept, or no longer.

        Raises:
            UnsealError: the bundle was changed, or is another's.
        """
        found = self._find(environment_id, generation)
        return None if found is None else _unpack(self._unseal(environment_id, generation, found, "sealed"))

    def open_certificate(self, environment_id: str, generation: int) -> TlsCertificate | None:
        """The certificate; None if there is none in the bundle, or no bundle any longer.

        Raises:
            UnsealError: the bundle was changed, or is another's.
        """
        found = self._find(environment_id, generation)
        if found is None or "certificate" not in found:
            return None
        return _read(_unpack(self._unseal(environment_id, generation, found, "certificate")))

    def _find(self, environment_id: str, generation: int) -> Item | None:
        item = self._table.get(_partition(environment_id), f"{_BUNDLE}{generation}")
        # DynamoDB deletes what has expired when it gets to it, up to days later.
        if item is None or _taken(item, "expires_at", int) <= self._clock().timestamp():
            return None
        return item

    def _unseal(self, environment_id: str, generation: int, item: Item, name: str) -> bytes:
        key = self._keys.open(_taken(item, "key", bytes), _context(environment_id, generation))
        part = () if name == "sealed" else (name,)
        data = place(_partition(environment_id), f"{_BUNDLE}{generation}", *part)
        return unseal(key, _taken(item, name, bytes), data)

    def discard(self, environment_id: str, generation: int) -> None:
        """Delete the bundles of that generation and of older ones."""
        pk = _partition(environment_id)
        self._delete(pk, (older for older in self._generations(pk) if older <= generation))

    def _generations(self, pk: str) -> list[int]:
        return [int(item["sk"].removeprefix(_BUNDLE)) for item in self._table.query(pk, begins_with=_BUNDLE)]

    def _delete(self, pk: str, generations: Iterable[int]) -> None:
        for generation in generations:
            self._table.delete(pk, f"{_BUNDLE}{generation}")


def _partition(environment_id: str) -> str:
    return f"ENVIRONMENT#{environment_id}"


def _context(environment_id: str, generation: int) -> dict[str, str]:
    return {"environment_id": environment_id, "generation": str(generation)}


def _written(certificate: TlsCertificate) -> dict[str, str]:
    return {
        "chain": certificate.chain,
        "private_key": certificate.private_key.get_secret_value(),
        "not_after": certificate.not_after.isoformat(),
    }


def _read(written: Mapping[str, str]) -> TlsCertificate:
    private_key = SecretStr(written["private_key"])
    return TlsCertificate(written["chain"], private_key, datetime.fromisoformat(written["not_after"]))


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
