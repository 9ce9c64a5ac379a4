"""Data keys without KMS: all that `sealing.seal.DataKeys` promises, in microseconds."""

from collections.abc import Mapping
from hashlib import sha256
from itertools import count

from sealing.seal import DataKey, DataKeys, KeyRefusedError, UnsealError

_KEY_BYTES = 32


class MemoryKeys(DataKeys):
    """Data keys under one KMS key: that of `name`.

    The data keys follow from the name and from how many were made before, so that a run can be repeated.
    """

    def __init__(self, name: str = "key") -> None:
        self._name = sha256(name.encode()).digest()
        self._made: dict[bytes, tuple[DataKey, Mapping[str, str]]] = {}
        self._numbers = count(1)

    def make(self, context: Mapping[str, str]) -> DataKey:
        number = next(self._numbers).to_bytes(8)
        plain = sha256(b"plain" + self._name + number).digest()
        key = DataKey(plain=plain, wrapped=self._name + sha256(b"wrapped" + self._name + number).digest())
        self._made[key.wrapped] = key, dict(context)
        return key

    def open(self, wrapped: bytes, context: Mapping[str, str]) -> DataKey:
        made, made_under = self._made.get(wrapped, (None, None))
        if made is not None and made_under == dict(context):
            return made
        if made is None and len(wrapped) == 2 * _KEY_BYTES and not wrapped.startswith(self._name):
            raise KeyRefusedError("KMS refuses to open the data key (IncorrectKeyException)")
        raise UnsealError("KMS can't open the data key: it was changed, or is for something else")
