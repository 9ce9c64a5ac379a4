"""The name in DNS that leads to an environment's runtime, on record from before DNS has it until nobody has it."""

from datetime import timedelta
from typing import Annotated, Any

from boto3.dynamodb.conditions import Attr
from pydantic import AwareDatetime, Field

from choreography.clock import Clock
from prestage_contracts.envelope import Frozen, Text
from prestage_contracts.snapshot import Identifier
from records.environments import environment_key
from records.table import ABSENT, Check, ConditionFailedError, ConflictError, Delete, Put, Table, Write

LASTING = timedelta(seconds=90)
"""Longer than the function may run, so that whoever held a name longer than that no longer acts."""


class NameMovedError(Exception):
    """Somebody else acts on the name, or its environment went on to another generation; nothing was written."""


class DomainName(Frozen):
    """A name, and what it leads to.

    `change` is the DNS service's id of the change that took the name out, and `forgotten_at` the time from which no
    resolver remembers it. `held_until` says that somebody is changing DNS. `revision` rises with every write.
    """

    environment_id: Identifier
    name: Text
    target: Text
    change: Text | None = None
    forgotten_at: AwareDatetime | None = None
    held_until: AwareDatetime | None = None
    revision: Annotated[int, Field(ge=0)] = 0


class DomainNames:
    """The names on record: one per environment at most."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, environment_id: str) -> DomainName | None:
        """The environment's, or None: then DNS has none, and no resolver remembers one."""
        item = self._table.get(**_key(environment_id))
        return DomainName.model_validate(item) if item else None

    def take(self, name: DomainName, generation: int) -> DomainName:
        """Hold the name, to change DNS; it is on record from then on.

        Args:
            name: as it was read, or made at revision 0 where there is none; its other fields may have changed.
            generation: the environment's, for which DNS is changed.

        Raises:
            NameMovedError: somebody else holds it or changed it, or the environment is at another generation.
        """
        now = self._clock()
        if name.held_until is not None and name.held_until > now:
            raise NameMovedError
        still = Check(**environment_key(name.environment_id), condition=Attr("generation").eq(generation))
        return self._write(name, [still], held_until=now + LASTING)

    def give_back(self, name: DomainName, **told: Any) -> DomainName:
        """Let go of it, and write down what is known of it now; gives it as it is then.

        Raises:
            NameMovedError: somebody else changed it.
        """
        return self._write(name, [], **told, held_until=None)

    def forget(self, name: DomainName) -> None:
        """Take it off the record.

        Raises:
            NameMovedError: somebody else changed it.
        """
        unchanged = Attr("revision").eq(name.revision)
        self._transact([Delete(**_key(name.environment_id), condition=unchanged)])

    def _write(self, name: DomainName, checks: list[Write], **told: Any) -> DomainName:
        following = name.model_copy(update={**told, "revision": name.revision + 1})
        unchanged = Attr("revision").eq(name.revision) if name.revision else ABSENT
        item = {**following.model_dump(mode="json"), **_key(name.environment_id)}
        self._transact([*checks, Put(item, unchanged)])
        return following

    def _transact(self, writes: list[Write]) -> None:
        try:
            self._table.transact(writes)
        except (ConditionFailedError, ConflictError):
            raise NameMovedError from None


def _key(environment_id: str) -> dict[str, str]:
    return {"pk": f"ENVIRONMENT#{environment_id}", "sk": "DNS"}
