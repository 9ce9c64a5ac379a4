"""One actor at a time touches an environment's runtime."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from boto3.dynamodb.conditions import Attr

from choreography.clock import Clock
from choreography.reaction import RetryLaterError
from records.table import ABSENT, ConditionFailedError, Table

LASTING = timedelta(seconds=150)
"""Longer than the function may run, so that a lease that ran out has no holder who still acts."""

_LOOK_AGAIN = timedelta(seconds=10)


class Leases:
    """The leases on runtimes: who is acting on which."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    @contextmanager
    def held(self, environment_id: str) -> Iterator[None]:
        """Hold the lease on an environment's runtime.

        Raises:
            RetryLaterError: somebody else holds it.
        """
        holder = str(uuid4())
        self._take(environment_id, holder)
        try:
            yield
        finally:
            self._give_back(environment_id, holder)

    def _take(self, environment_id: str, holder: str) -> None:
        now = int(self._clock().timestamp())
        until = now + int(LASTING.total_seconds())
        item = {**_key(environment_id), "holder": holder, "until": until}
        try:
            self._table.put(item, ABSENT | Attr("until").lte(now))
        except ConditionFailedError as error:
            if (error.found[0] or {}).get("holder") != holder:  # not our own write, sent again as its answer was lost
                raise RetryLaterError("somebody else acts on this runtime", _LOOK_AGAIN) from None

    def _give_back(self, environment_id: str, holder: str) -> None:
        key = _key(environment_id)
        try:
            self._table.delete(key["pk"], key["sk"], Attr("holder").eq(holder))
        except ConditionFailedError:
            return


def _key(environment_id: str) -> dict[str, str]:
    return {"pk": f"ENVIRONMENT#{environment_id}", "sk": "RUNTIME"}
