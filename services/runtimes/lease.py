"""One actor at a time touches an environment's runtime."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from boto3.dynamodb.conditions import Attr, ConditionBase

from choreography.clock import Clock
from choreography.reaction import RetryLaterError
from records.table import ABSENT, ConditionFailedError, Item, Table, put_held

LASTING = timedelta(seconds=150)
"""Longer than the function may run, so that a lease that ran out has no holder who still acts."""

_LOOK_AGAIN = timedelta(seconds=10)


@dataclass
class Lease:
    """A lease that is held until `until`, in seconds.

    `removing` says that somebody began to remove the runtime, and that nobody has seen yet that it is gone. It outlasts
    the lease: whoever holds the next one has to finish that.
    """

    table: Table
    environment_id: str
    holder: str
    until: int
    removing: bool = False

    def mark_removing(self) -> None:
        """Say so, before the runtime is removed.

        Raises:
            RetryLaterError: the lease is no longer ours.
        """
        self._mark(removing=True)

    def mark_removed(self) -> None:
        """Say that nothing of the runtime is left.

        Raises:
            RetryLaterError: the lease is no longer ours.
        """
        self._mark(removing=False)

    def take(self, now: int) -> None:
        """Hold it, if nobody does at `now`.

        Raises:
            RetryLaterError: somebody else holds it.
        """
        found = self._write(ABSENT)
        if found is None:
            return
        if not found or found["until"] > now:
            raise _held()
        self.removing = "removing" in found
        if self._write(_unchanged(found)) is not None:
            raise _held()

    def give_back(self) -> None:
        """Let go of it, if it is still ours. Only the mark stays."""
        ours = Attr("holder").eq(self.holder)
        try:
            if self.removing:
                self.table.put(self._item(until=0), ours)
            else:
                self.table.delete(**_key(self.environment_id), condition=ours)
        except ConditionFailedError:
            return

    def _mark(self, *, removing: bool) -> None:
        if self.removing == removing:
            return
        self.removing = removing
        if self._write(Attr("holder").eq(self.holder)) is not None:
            raise _held()

    def _write(self, condition: ConditionBase) -> Item | None:
        """None once it is written; otherwise what is there, empty if nothing is."""
        return put_held(self.table, self._item(until=self.until), condition)

    def _item(self, until: int) -> Item:
        mark = {"removing": True} if self.removing else {}
        return {**_key(self.environment_id), "holder": self.holder, "until": until, **mark}


class Leases:
    """The leases on runtimes: who is acting on which."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    @contextmanager
    def held(self, environment_id: str) -> Iterator[Lease]:
        """Hold the lease on an environment's runtime.

        Raises:
            RetryLaterError: somebody else holds it.
        """
        now = int(self._clock().timestamp())
        lease = Lease(self._table, environment_id, str(uuid4()), now + int(LASTING.total_seconds()))
        lease.take(now)
        try:
            yield lease
        finally:
            lease.give_back()


def _held() -> RetryLaterError:
    return RetryLaterError("somebody else acts on this runtime", _LOOK_AGAIN)


def _unchanged(found: Item) -> ConditionBase:
    mark = Attr("removing")
    marked = mark.exists() if "removing" in found else mark.not_exists()
    return Attr("holder").eq(found["holder"]) & Attr("until").eq(found["until"]) & marked


def _key(environment_id: str) -> dict[str, str]:
    return {"pk": f"ENVIRONMENT#{environment_id}", "sk": "RUNTIME"}
