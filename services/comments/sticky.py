"""The record of a pull request's one comment: who is writing it, which it is, what it last showed."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from choreography.claims import Claims
from choreography.clock import Clock
from comments.rows import Row
from prestage_contracts.comments import Shown
from prestage_contracts.envelope import Frozen, Reason
from prestage_contracts.snapshot import Identifier
from records.checks import EnvironmentChecks
from records.environments import Environment
from records.skips import Skip
from records.table import Item, Table


class ShownSkip(Frozen):
    """A skip as the comment shows it."""

    app_id: Identifier
    reason: Reason


class ShownChecks(Frozen):
    """An environment's checks as the comment shows them; `revision` rises with what there is to see of them."""

    environment_id: Identifier
    revision: int


class Sticky(Frozen):
    """The comment as it was last written, by the step for the event `cause`; `comment_id` is None before that.

    `shown` and `skipped` are the environments and the skips that have a row, `checked` the checks below them. `holder`
    had the last claim, and is empty before the first.
    """

    repository_id: int
    number: int
    comment_id: int | None = None
    url: str = ""
    created: bool = False
    shown: tuple[Shown, ...] = ()
    skipped: tuple[ShownSkip, ...] = ()
    checked: tuple[ShownChecks, ...] = ()
    cause: str = ""
    holder: str = ""

    @property
    def may_exist(self) -> bool:
        """Whether somebody had the right to write it: a comment that is not on record may be there all the same."""
        return self.holder != ""

    def shows(self, rows: Sequence[Row]) -> bool:
        """Whether the comment shows these as they are now, and no others; what is below them is not looked at."""
        return self.comment_id is not None and (self.shown, self.skipped) == (show(rows), show_skips(rows))


class Stickies:
    """The comments on record."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._claims = Claims(table, clock, "the comment is being written")

    def get(self, repository_id: int, number: int) -> Sticky:
        """The comment as it is on record, not claimed."""
        item = self._table.get(**_key(repository_id, number))
        return _sticky(repository_id, number, item or {})

    def claim(self, repository_id: int, number: int) -> Sticky:
        """The right to write the comment.

        Raises:
            RetryLaterError: somebody else has it.
        """
        found = self._table.get(**_key(repository_id, number)) or {}
        sticky = _sticky(repository_id, number, found).model_copy(update={"holder": str(uuid4())})
        self._claims.take(_item(sticky), found)
        return sticky

    def release(self, sticky: Sticky) -> None:
        """Give the right back, and keep what is known. Whoever lost it meanwhile keeps nothing."""
        self._claims.release(_item(sticky))


def show(rows: Sequence[Row]) -> tuple[Shown, ...]:
    """The environments that a comment with these rows shows."""
    found = [row for row in rows if isinstance(row, Environment)]
    return tuple(Shown(environment_id=one.id, generation=one.generation, revision=one.revision) for one in found)


def show_skips(rows: Sequence[Row]) -> tuple[ShownSkip, ...]:
    """The skips that a comment with these rows shows."""
    return tuple(ShownSkip(app_id=row.app_id, reason=row.reason) for row in rows if isinstance(row, Skip))


def show_checks(checks: Mapping[str, EnvironmentChecks]) -> tuple[ShownChecks, ...]:
    """The checks that a comment with these shows."""
    found = (ShownChecks(environment_id=one.environment_id, revision=one.revision) for one in checks.values())
    return tuple(sorted(found, key=lambda one: one.environment_id))


def _sticky(repository_id: int, number: int, item: Item) -> Sticky:
    return Sticky.model_validate({**item, "repository_id": repository_id, "number": number})


def _item(sticky: Sticky) -> Item:
    return {**sticky.model_dump(mode="json"), **_key(sticky.repository_id, sticky.number)}


def _key(repository_id: int, number: int) -> dict[str, str]:
    return {"pk": f"REPOSITORY#{repository_id}", "sk": f"COMMENT#PULL_REQUEST#{number}"}
