"""How other teams' checks of environments stand, and whose each check's name is.

In partitions of their own, so that the function that reads reports can write nothing else.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Self

from boto3.dynamodb.conditions import Attr
from pydantic import AwareDatetime, Field

from prestage_contracts.checks import AccountId
from prestage_contracts.checks import Check as Reported
from prestage_contracts.envelope import Frozen, Text
from prestage_contracts.reports import CheckName
from prestage_contracts.snapshot import Identifier
from records.apps import STANDING, app_key, check_names_key
from records.environments import Environment, environment_key
from records.table import ABSENT, Check, ConditionFailedError, ConflictError, Delete, Item, Put, Table, Write

MOST_IN_A_MINUTE = 30
"""Reports of one environment that are taken in one minute, of each account: no team can use up another's."""

MOST_CHECKS = 20
"""Of one generation of an environment, of each account. Those that are required have a place beyond that."""

MOST_OF_ALL = 5
"""How many times as much all accounts together may have."""

_TRIES = 6
_RANKS = {"pending": 0, "success": 1, "failure": 2}
"""Of two reports of one moment, the graver counts."""


class NotTakenError(Exception):
    """A report is not taken; nothing was written. `code` says why, for programs."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class KeptCheck(Frozen):
    """A check as it stands, by its last report: when that was stated, and by which key it is remembered.

    `since` is when it was first reported to stand so.
    """

    check: Reported
    reported_at: AwareDatetime
    report: Text
    since: AwareDatetime

    def comes_after(self, other: "KeptCheck") -> bool:
        """Whether it takes the other's place."""
        if self.check.account != other.check.account:  # the name was given back in between
            return True
        return self.order > other.order

    @property
    def order(self) -> tuple[datetime, int]:
        """What tells which of two reports counts."""
        return self.reported_at, _RANKS[self.check.state]


class EnvironmentChecks(Frozen):
    """The checks of one generation of an environment, by name.

    `revision` rises with what there is to see of them, `writes` with every write. `taken` are the reports that were
    taken in the minute that began at `minute`.
    """

    environment_id: Identifier
    generation: Annotated[int, Field(ge=1)]
    checks: tuple[KeptCheck, ...] = ()
    minute: AwareDatetime | None = None
    taken: tuple[Text, ...] = ()
    revision: Annotated[int, Field(ge=0)] = 0
    writes: Annotated[int, Field(ge=0)] = 0

    def get(self, name: str) -> KeptCheck | None:
        """The check of that name."""
        return next((one for one in self.checks if check_key(one.check.name) == check_key(name)), None)

    def taking(self, kept: KeptCheck, now: datetime, required: Collection[str]) -> Self | None:
        """They, with that check; None if what is known of it is newer.

        Raises:
            NotTakenError: there are too many of them, or too many came in this minute.
        """
        before, key = self.get(kept.check.name), check_key(kept.check.name)
        if before is not None and not kept.comes_after(before):
            return None
        account = kept.check.account
        theirs = sum(one.check.account == account for one in self.checks)
        if before is None and key not in required and _is_over(theirs, len(self.checks), MOST_CHECKS):
            raise NotTakenError("too_many_checks")
        minute = now.replace(second=0, microsecond=0)
        taken = self.taken if self.minute == minute else ()
        reported = sum(one.startswith(f"{account} ") for one in taken)
        if _is_over(reported, len(taken), MOST_IN_A_MINUTE):
            raise NotTakenError("flood")
        if before is not None and before.check == kept.check:
            kept = kept.model_copy(update={"since": before.since})
        others = (one for one in self.checks if check_key(one.check.name) != key)
        return self.model_copy(
            update={
                "checks": tuple(sorted((*others, kept), key=lambda one: check_key(one.check.name))),
                "minute": minute,
                "taken": (*taken, kept.report),
                "revision": self.revision + (before is None or before.check != kept.check),
                "writes": self.writes + 1,
            }
        )


def _is_over(theirs: int, of_all: int, most: int) -> bool:
    return theirs >= most or of_all >= MOST_OF_ALL * most


class Owner(Frozen):
    """Whose a check's name is, for one app."""

    app_id: Identifier
    name: CheckName
    account: AccountId
    since: AwareDatetime


class Checks:
    """The checks on record."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, environment: Environment) -> EnvironmentChecks:
        """The checks of the environment's current generation."""
        found = self._get(environment.id)
        if found is not None and found.generation == environment.generation:
            return found
        return self._next(environment, found)

    def take(self, environment: Environment, kept: KeptCheck, now: datetime) -> KeptCheck | None:
        """Write down how a check of the environment's generation stands; None if what is known is newer.

        The name belongs to the account from then on. Taking the same report twice is taking it once.

        Args:
            environment: as it was read.
            kept: the check.
            now: the time.

        Raises:
            NotTakenError: the name is another account's, the environment is at another generation by now, its app is
                going, or there are too many checks or reports.
            ConflictError: others keep writing; try again.
        """
        required = {check_key(name) for name in environment.required_checks}
        for _ in range(_TRIES):
            found = self._get(environment.id)
            current = found if found and found.generation == environment.generation else self._next(environment, found)
            before = current.get(kept.check.name)
            if before is not None and before.report == kept.report:
                return before
            owned = self._owned(environment.app_id, kept, now)
            following = current.taking(kept, now, required)
            if following is None:
                return None
            if self._write(environment, following, found, owned):
                return kept
        raise ConflictError

    def owners(self, app_id: str) -> list[Owner]:
        """Whose the app's check names are, by name."""
        items = self._table.query(check_names_key(app_id), begins_with="NAME#")
        return [Owner.model_validate(item) for item in items]

    def owner(self, app_id: str, name: str) -> Owner | None:
        """Whose a name is, None if nobody's."""
        item = self._table.get(**_owner_key(app_id, name))
        return Owner.model_validate(item) if item else None

    def release(self, owner: Owner, also: Sequence[Write] = ()) -> bool:
        """Give a name back, for whoever reports it next, with the other writes in the same transaction.

        Whether it still was that account's; otherwise nothing is written.
        """
        still = Attr("account").eq(owner.account)
        try:
            self._table.transact([Delete(**_owner_key(owner.app_id, owner.name), condition=still), *also])
        except ConditionFailedError:
            return False
        return True

    def _get(self, environment_id: str) -> EnvironmentChecks | None:
        item = self._table.get(**_key(environment_id))
        return EnvironmentChecks.model_validate(item) if item else None

    def _next(self, environment: Environment, found: EnvironmentChecks | None) -> EnvironmentChecks:
        """No checks yet, in a generation that has none on record. Its reports still count for their minute."""
        kept = found.model_dump(include={"minute", "taken", "writes"}) if found else {}
        return EnvironmentChecks(environment_id=environment.id, generation=environment.generation, **kept)

    def _owned(self, app_id: str, kept: KeptCheck, now: datetime) -> Write:
        """What makes sure that the name is the account's."""
        key, account = _owner_key(app_id, kept.check.name), kept.check.account
        item = self._table.get(**key)
        if item is None:
            owner = Owner(app_id=app_id, name=kept.check.name, account=account, since=now)
            return Put({**owner.model_dump(mode="json"), **key}, ABSENT)
        if item["account"] != account:
            raise NotTakenError("name_taken")
        return Check(**key, condition=Attr("account").eq(account))

    def _write(
        self, environment: Environment, following: EnvironmentChecks, found: EnvironmentChecks | None, owned: Write
    ) -> bool:
        current = Check(**environment_key(environment.id), condition=Attr("generation").eq(environment.generation))
        stands = Check(**app_key(environment.app_id), condition=STANDING)
        item: Item = {**following.model_dump(mode="json"), **_key(environment.id)}
        unchanged = Attr("writes").eq(found.writes) if found else ABSENT
        try:
            self._table.transact([current, stands, owned, Put(item, unchanged)])
        except ConditionFailedError as error:
            if error.failed[0]:
                raise NotTakenError("another_generation") from None
            if error.failed[1]:
                raise NotTakenError("no_app") from None
            return False
        except ConflictError:
            return False
        return True


def check_key(name: str) -> str:
    """What tells names apart: neither case nor white space, by which one could pass for another."""
    return " ".join(name.split()).casefold()


def _owner_key(app_id: str, name: str) -> dict[str, str]:
    return {"pk": check_names_key(app_id), "sk": f"NAME#{check_key(name)}"}


def _key(environment_id: str) -> dict[str, str]:
    return {"pk": f"CHECKS#ENVIRONMENT#{environment_id}", "sk": "CHECKS"}
