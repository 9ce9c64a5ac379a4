"""What operators changed and is not on the bus yet: kept with the change itself, and gone once it is stated.

At each moment an item holds what is true to say if nothing more is heard of its command (docs/adr/0023).
"""

from contextlib import suppress
from datetime import datetime

from boto3.dynamodb.conditions import Attr
from pydantic import AwareDatetime

from choreography.publisher import Statement
from prestage_contracts.envelope import Event, Frozen, Text
from records.table import ConditionFailedError, Put, Table, Write

PARTITION = "OUTBOX#OPERATORS"


class Kept(Frozen):
    """A fact that waits to be stated, as the bus takes it. From `due_at` on it is anybody's to state."""

    sk: Text
    source: Text
    detail_type: Text
    detail: str
    due_at: AwareDatetime

    @property
    def statement(self) -> Statement:
        """What goes onto the bus."""
        return Statement(source=self.source, detail_type=self.detail_type, detail=self.detail)


class Outbox:
    """The facts that wait, each under a sort key that says when its command began.

    Args:
        table: the records.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def write(self, sk: str, fact: Event, due_at: datetime) -> Write:
        """What keeps a fact, in place of what is there: for the transaction that makes it true, of any table."""
        return Put(_item(sk, fact, due_at), into=self._table.name)

    def keep(self, sk: str, fact: Event, due_at: datetime) -> None:
        """Keep a fact, in place of what is there."""
        self._table.put(_item(sk, fact, due_at))

    def forget(self, sk: str) -> None:
        """Keep it no more: it is stated, or was never true."""
        self._table.delete(PARTITION, sk)

    def forget_stated(self, kept: Kept) -> None:
        """Keep it no more, unless its command has more to say by now."""
        with suppress(ConditionFailedError):
            self._table.delete(PARTITION, kept.sk, Attr("detail").eq(kept.detail))

    def waiting(self) -> list[Kept]:
        """All that wait, the oldest first."""
        return [Kept.model_validate(item) for item in self._table.query(PARTITION)]


def _item(sk: str, fact: Event, due_at: datetime) -> dict[str, str]:
    said = Statement.of(fact)
    kept = Kept(sk=sk, source=said.source, detail_type=said.detail_type, detail=said.detail, due_at=due_at)
    return {**kept.model_dump(mode="json"), "pk": PARTITION}
