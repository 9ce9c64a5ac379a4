"""A table of DynamoDB's in memory: all that `records.table.Table` promises, in microseconds.

Where DynamoDB and moto are known to differ, it does as DynamoDB: test_memory_table.py says where.
"""

from collections.abc import Iterator, Sequence

from boto3.dynamodb.conditions import ConditionBase
from botocore.exceptions import ParamValidationError

from records.table import MAX_TRANSACTION, Check, ConditionFailedError, Delete, Item, Put, Table, Write
from tests.simulation.conditions import holds, invalid
from tests.simulation.values import copied

type _Key = tuple[str, str]


class MemoryTable(Table):
    """One table, empty at first. It takes and gives copies, so that nobody changes what is kept."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, Item]] = {}

    @property
    def items(self) -> list[Item]:
        """Everything in it, by key."""
        return [item for pk in sorted(self._partitions) for item in self.query(pk)]

    def get(self, pk: str, sk: str) -> Item | None:
        found = self._find((pk, sk))
        return None if found is None else copied(found)

    def query(self, pk: str, *, begins_with: str = "") -> Iterator[Item]:
        """Python orders strings as their UTF-8 bytes are ordered."""
        partition = self._partitions.get(pk, {})
        yield from [copied(partition[sk]) for sk in sorted(partition) if sk.startswith(begins_with)]

    def query_from(self, pk: str, sk: str) -> Iterator[Item]:
        partition = self._partitions.get(pk, {})
        yield from [copied(partition[kept]) for kept in sorted(partition) if kept >= sk]

    def scan(self, *, sk: str) -> Iterator[Item]:
        yield from [copied(partition[sk]) for partition in self._partitions.values() if sk in partition]

    def put(self, item: Item, condition: ConditionBase | None = None) -> None:
        self._write(Put(item, condition))

    def delete(self, pk: str, sk: str, condition: ConditionBase | None = None) -> None:
        self._write(Delete(pk, sk, condition))

    def transact(self, writes: Sequence[Write]) -> None:
        if len(writes) > MAX_TRANSACTION:
            raise ValueError(f"{len(writes)} writes in one transaction, at most {MAX_TRANSACTION}")
        if not writes:
            raise ParamValidationError(report="a transaction has writes")
        if any(isinstance(write, Put) and write.into for write in writes):
            raise NotImplementedError("a transaction of several tables: what operators change is not simulated")
        keys = [_key(write) for write in writes]
        if len(set(keys)) < len(keys):
            raise invalid("TransactWriteItems", "each write of a transaction is on an item of its own")
        stood = [self._find(key) for key in keys]
        failed = [not holds(write.condition, item) for write, item in zip(writes, stood, strict=True)]
        if any(failed):
            raise ConditionFailedError(
                [_given(item) if no else None for item, no in zip(stood, failed, strict=True)], failed
            )
        for write in writes:
            self._do(write)

    def _find(self, key: _Key) -> Item | None:
        partition = self._partitions.get(key[0])
        return None if partition is None else partition.get(key[1])

    def _write(self, write: Put | Delete) -> None:
        stood = self._find(_key(write))
        if not holds(write.condition, stood):
            raise ConditionFailedError([_given(stood)])
        self._do(write)

    def _do(self, write: Write) -> None:
        match write:
            case Put(item):
                kept = copied(item)
                self._partitions.setdefault(kept["pk"], {})[kept["sk"]] = kept
            case Delete(pk, sk):
                self._partitions.get(pk, {}).pop(sk, None)
            case Check():
                pass


def _key(write: Write) -> _Key:
    return (write.item["pk"], write.item["sk"]) if isinstance(write, Put) else (write.pk, write.sk)


def _given(item: Item | None) -> Item | None:
    return None if item is None else copied(item)
