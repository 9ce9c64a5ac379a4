"""The table and the data keys, with something between them and whoever asks; real ones or stand-ins."""

from collections.abc import Iterator, Mapping, Sequence

from boto3.dynamodb.conditions import ConditionBase

from records.table import Item, Put, Table, Write
from sealing.seal import DataKey, DataKeys
from tests.simulation.calls import Between, Call


class WatchedTable(Table):
    """`table`, each of whose operations goes through `between`, which knows it as `name`."""

    def __init__(self, table: Table, name: str, between: Between) -> None:
        self._table = table
        self._name = name
        self._between = between

    def get(self, pk: str, sk: str) -> Item | None:
        return self._between(Call(self._name, "get", f"{pk}/{sk}"), lambda: self._table.get(pk, sk))

    def query(self, pk: str, *, begins_with: str = "") -> Iterator[Item]:
        """It is asked when the first item is wanted."""
        call = Call(self._name, "query", f"{pk}/{begins_with}*")
        yield from self._between(call, lambda: list(self._table.query(pk, begins_with=begins_with)))

    def query_from(self, pk: str, sk: str) -> Iterator[Item]:
        """It is asked when the first item is wanted."""
        yield from self._between(Call(self._name, "query", f"{pk}/{sk}…"), lambda: list(self._table.query_from(pk, sk)))

    def scan(self, *, sk: str) -> Iterator[Item]:
        """It is asked when the first item is wanted."""
        yield from self._between(Call(self._name, "scan", f"*/{sk}"), lambda: list(self._table.scan(sk=sk)))

    def put(self, item: Item, condition: ConditionBase | None = None) -> None:
        call = Call(self._name, "put", f"{item['pk']}/{item['sk']}")
        self._between(call, lambda: self._table.put(item, condition))

    def delete(self, pk: str, sk: str, condition: ConditionBase | None = None) -> None:
        self._between(Call(self._name, "delete", f"{pk}/{sk}"), lambda: self._table.delete(pk, sk, condition))

    def transact(self, writes: Sequence[Write]) -> None:
        """Sent again once it was done, it is not done again: boto3 sends a token along."""
        done = False

        def act() -> None:
            nonlocal done
            if not done:
                self._table.transact(writes)
                done = True

        self._between(Call(self._name, "transact", ", ".join(map(_told, writes))), act)


class WatchedKeys(DataKeys):
    """`keys`, each of whose operations goes through `between`."""

    def __init__(self, keys: DataKeys, between: Between) -> None:
        self._keys = keys
        self._between = between

    def make(self, context: Mapping[str, str]) -> DataKey:
        return self._between(Call("kms", "make", _shown(context)), lambda: self._keys.make(context))

    def open(self, wrapped: bytes, context: Mapping[str, str]) -> DataKey:
        return self._between(Call("kms", "open", _shown(context)), lambda: self._keys.open(wrapped, context))


def _told(write: Write) -> str:
    pk, sk = (write.item["pk"], write.item["sk"]) if isinstance(write, Put) else (write.pk, write.sk)
    return f"{type(write).__name__.lower()} {pk}/{sk}"


def _shown(context: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in context.items())
