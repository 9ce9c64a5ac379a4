"""The right to act on something outside, held by one function at a time, in the record of what is acted on."""

from datetime import timedelta

from boto3.dynamodb.conditions import Attr, ConditionBase

from choreography.clock import Clock
from choreography.reaction import RetryLaterError
from records.table import ABSENT, Item, Table, put_held

LASTING = timedelta(seconds=90)
"""Longer than a function with a claim may run, so that a claim that ran out has no holder who still acts."""

_LOOK_AGAIN = timedelta(seconds=2)


class Claims:
    """Claims in one table. An item's `holder` had the last claim on it, which lasts until `until`.

    Args:
        table: where the items are.
        clock: the time.
        waiting_for: what another's claim keeps from being done, in words that may be shown to anyone.
    """

    def __init__(self, table: Table, clock: Clock, waiting_for: str) -> None:
        self._table = table
        self._clock = clock
        self._waiting_for = waiting_for

    def take(self, item: Item, found: Item) -> None:
        """Write the item, which names its new holder, in place of what was found there, if nobody has a claim on it.

        Raises:
            RetryLaterError: somebody has.
        """
        now = int(self._clock().timestamp())
        self._hold(item, Attr("holder").eq(found["holder"]) & Attr("until").lte(now) if found else ABSENT)

    def keep(self, item: Item) -> None:
        """Write the item, and hold the claim for as long again.

        Raises:
            RetryLaterError: somebody else has it by now.
        """
        self._hold(item, Attr("holder").eq(item["holder"]))

    def release(self, item: Item) -> None:
        """Write the item, and let go of it. Whoever lost the claim meanwhile writes nothing."""
        put_held(self._table, {**item, "until": 0}, Attr("holder").eq(item["holder"]))

    def _hold(self, item: Item, condition: ConditionBase) -> None:
        until = int((self._clock() + LASTING).timestamp())
        if put_held(self._table, {**item, "until": until}, condition) is not None:
            raise RetryLaterError(self._waiting_for, _LOOK_AGAIN)
