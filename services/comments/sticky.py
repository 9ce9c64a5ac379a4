"""The record of a pull request's one comment: who is writing it, which it is, what it last showed."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from boto3.dynamodb.conditions import Attr, ConditionBase

from choreography.clock import Clock
from choreography.reaction import RetryLaterError
from comments.rows import Row
from prestage_contracts.comments import Shown
from prestage_contracts.envelope import Frozen, Reason
from prestage_contracts.snapshot import Identifier
from records.environments import Environment
from records.skips import Skip
from records.table import ABSENT, ConditionFailedError, Item, Table

LASTING = timedelta(seconds=90)
"""Longer than the function may run, so that a claim that ran out has no holder who still writes."""

_LOOK_AGAIN = timedelta(seconds=2)


class ShownSkip(Frozen):
    """A skip as the comment shows it."""

    app_id: Identifier
    reason: Reason


class Sticky(Frozen):
    """The comment as it was last written, by the step for the event `cause`; `comment_id` is None before that.

    `shown` and `skipped` are the environments and the skips that have a row. `holder` had the last claim, and is empty
    before the first.
    """

    repository_id: int
    number: int
    comment_id: int | None = None
    url: str = ""
    created: bool = False
    shown: tuple[Shown, ...] = ()
    skipped: tuple[ShownSkip, ...] = ()
    cause: str = ""
    holder: str = ""

    @property
    def may_exist(self) -> bool:
        """Whether somebody had the right to write it: a comment that is not on record may be there all the same."""
        return self.holder != ""

    def shows(self, rows: Sequence[Row]) -> bool:
        """Whether the comment shows these as they are now, and no others."""
        return self.comment_id is not None and (self.shown, self.skipped) == (show(rows), show_skips(rows))


class Stickies:
    """The comments on record."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, repository_id: int, number: int) -> Sticky:
        """The comment as it is on record, not claimed."""
        item = self._table.get(**_key(repository_id, number))
        return _sticky(repository_id, number, item or {})

    def claim(self, repository_id: int, number: int) -> Sticky:
        """The right to write the comment.

        Raises:
            RetryLaterError: somebody else has it.
        """
        now = int(self._clock().timestamp())
        found = self._table.get(**_key(repository_id, number)) or {}
        sticky = _sticky(repository_id, number, found).model_copy(update={"holder": str(uuid4())})
        free = Attr("holder").eq(found["holder"]) & Attr("until").lte(now) if found else ABSENT
        try:
            self._put(sticky, now + int(LASTING.total_seconds()), free)
        except ConditionFailedError as error:
            if (error.found[0] or {}).get("holder") != sticky.holder:  # not our own write, sent again
                raise RetryLaterError("the comment is being written", _LOOK_AGAIN) from None
        return sticky

    def release(self, sticky: Sticky) -> None:
        """Give the right back, and keep what is known. Whoever lost it meanwhile keeps nothing."""
        try:
            self._put(sticky, 0, Attr("holder").eq(sticky.holder))
        except ConditionFailedError:
            return

    def _put(self, sticky: Sticky, until: int, condition: ConditionBase) -> None:
        key = _key(sticky.repository_id, sticky.number)
        self._table.put({**sticky.model_dump(mode="json"), **key, "until": until}, condition)


def show(rows: Sequence[Row]) -> tuple[Shown, ...]:
    """The environments that a comment with these rows shows."""
    found = [row for row in rows if isinstance(row, Environment)]
    return tuple(Shown(environment_id=one.id, generation=one.generation, revision=one.revision) for one in found)


def show_skips(rows: Sequence[Row]) -> tuple[ShownSkip, ...]:
    """The skips that a comment with these rows shows."""
    return tuple(ShownSkip(app_id=row.app_id, reason=row.reason) for row in rows if isinstance(row, Skip))


def _sticky(repository_id: int, number: int, item: Item) -> Sticky:
    return Sticky.model_validate({**item, "repository_id": repository_id, "number": number})


def _key(repository_id: int, number: int) -> dict[str, str]:
    return {"pk": f"REPOSITORY#{repository_id}", "sk": f"COMMENT#PULL_REQUEST#{number}"}
