"""Values as they come back from DynamoDB through `records.table.Table`."""

from typing import Any

from records.table import Item, _decode, _encode

_KEPT_AS_THEY_ARE = frozenset({str, int, bool, bytes, type(None)})


def copied(item: Item) -> Item:
    """The item as it is read after it was written; nothing of it is shared."""
    return {name: plain(value) for name, value in item.items()}


def plain(value: Any) -> Any:
    """The value, the same way; the usual types take a short cut."""
    kind = type(value)
    if kind in _KEPT_AS_THEY_ARE:
        return value
    if kind is list or kind is tuple:
        return [plain(entry) for entry in value]
    if kind is dict:
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytearray):
        return bytes(value)
    return _decode(_encode({"value": value}))["value"]
