"""What a reaction remembers of each event: whether it is being worked on, what was decided, whether that was stated.

One item per (reaction, account, source, event id), kept 30 days. Every write names the holder of the claim, so that
a function that overslept its claim can't overwrite what its successor decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from boto3.dynamodb.conditions import Attr, ConditionBase

from choreography.clock import Clock
from choreography.measures import Measure
from choreography.publisher import Statement, dump, load
from prestage_contracts.envelope import Reason
from records.table import ABSENT, Item, Table, put_held

KEPT = timedelta(days=30)

SKEW = timedelta(seconds=5)
"""How far SQS's clock may be from ours. A redrive taken for a copy would be lost, a copy taken for one is only work."""

_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Key:
    """Which event, for which reaction. An id is only as unique as its account and source make it."""

    reaction: str
    account: str
    source: str
    event_id: str

    @property
    def pk(self) -> str:
        """The item's partition key."""
        return f"{self.reaction.upper()}#{self.account}#{self.source}#{self.event_id}"


@dataclass(frozen=True)
class GivenUp:
    """Why and when the event was given up, with the facts to state before it is buried: none once it is."""

    reason: Reason
    at: datetime
    last_words: tuple[Statement, ...] = ()
    buried: bool = False


@dataclass(frozen=True)
class Claim:
    """The right to work on an event until `until`.

    `decided` is the outcome that was kept, None while there is none. `failures` counts exceptions, and claims that ran
    out undecided. `since` is when this round began: what a deadline is counted from. `writes` counts the item's.
    `measures` are to be recorded once the outcome is stated; they are its holder's, and not kept.
    """

    key: Key
    until: datetime
    since: datetime
    decided: tuple[Statement, ...] | None = None
    published: bool = False
    failures: int = 0
    given_up: GivenUp | None = None
    holder: str = field(default_factory=lambda: str(uuid4()))
    writes: int = 0
    measures: tuple[Measure, ...] = ()


class HeldError(Exception):
    """Somebody else is working on the event until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__("the event is being worked on")
        self.until = until


class Memory:
    """The memory of one reaction.

    Args:
        table: where it is kept.
        clock: the time.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def claim(
        self, key: Key, lasting: timedelta, *, since: datetime | None = None, sent_at: datetime | None = None
    ) -> Claim | None:
        """Begin, or go on with, the work on an event; None if nothing is left to do.

        Args:
            key: the event, for a reaction.
            lasting: how long the work can take at most.
            since: what a deadline is counted from, if not from now.
            sent_at: when this message was put into the queue. One sent before its event was given up is a copy of
                what was given up; one sent later is a redrive and starts afresh. None counts as later.

        Raises:
            HeldError: a copy of the event is being worked on.
        """
        now = self._clock()
        fresh = Claim(key=key, until=now + lasting, since=since or now)
        found = put_held(self._table, self._item(fresh), ABSENT)
        return fresh if found is None else self._take_over(fresh, found, now, sent_at or now)

    def decide(self, claim: Claim, outcome: Sequence[Statement]) -> Claim:
        """Keep the outcome, before it is stated. DynamoDB refuses one of 400 KB or more.

        Raises:
            HeldError: the claim ran out and somebody else has it.
        """
        return self._write(replace(claim, decided=tuple(outcome)))

    def published(self, claim: Claim) -> None:
        """Remember that the outcome was stated.

        Raises:
            HeldError: the claim ran out and somebody else has it.
        """
        self._write(replace(claim, published=True, until=_NEVER))

    def release(self, claim: Claim, *, failed: bool = False) -> Claim:
        """Let go of the event so that its next delivery goes on; `failed` counts a failure.

        Raises:
            HeldError: the claim ran out and somebody else has it.
        """
        return self._write(replace(claim, failures=claim.failures + failed, until=_NEVER))

    def give_up(self, claim: Claim, reason: Reason, last_words: Sequence[Statement]) -> Claim:
        """Remember that the event is given up, and the facts to state before it is buried.

        Whoever goes on from here states the same and buries; the step is not run again.

        Raises:
            HeldError: the claim ran out and somebody else has it.
        """
        given_up = GivenUp(reason=reason, at=self._clock(), last_words=tuple(last_words))
        return self._write(replace(claim, given_up=given_up))

    def bury(self, claim: Claim) -> None:
        """Remember that the event lies in the dead-letter queue: a redrive of it starts afresh.

        An outcome that was decided is kept: part of it may be stated, and the redrive states the same.

        Raises:
            HeldError: the claim ran out and somebody else has it.
        """
        given_up = claim.given_up and replace(claim.given_up, last_words=(), buried=True)
        self._write(replace(claim, until=_NEVER, given_up=given_up))

    def _take_over(self, fresh: Claim, found: Item, now: datetime, sent_at: datetime) -> Claim | None:
        if found.get("expires_at", 0) <= now.timestamp():
            return self._replace(fresh, found)
        past = _claim(fresh.key, found)
        if past.published:
            return None
        if past.given_up and past.given_up.buried:
            if sent_at < past.given_up.at - SKEW:
                return None
            return self._replace(replace(fresh, since=now, decided=past.decided), found)
        if past.until > now:
            raise HeldError(past.until)
        ran_out = past.until != _NEVER and past.decided is None and past.given_up is None
        return self._replace(
            replace(past, until=fresh.until, holder=fresh.holder, failures=past.failures + ran_out), found
        )

    def _replace(self, claim: Claim, found: Item) -> Claim:
        """Take the item over as it was found: a holder who overslept may have written since."""
        unchanged = Attr("holder").eq(found.get("holder")) & Attr("writes").eq(found.get("writes"))
        return self._put(claim, unchanged)

    def _write(self, claim: Claim) -> Claim:
        return self._put(replace(claim, writes=claim.writes + 1), Attr("holder").eq(claim.holder))

    def _put(self, claim: Claim, condition: ConditionBase) -> Claim:
        found = put_held(self._table, self._item(claim), condition)
        if found is not None:
            raise HeldError(_moment(found.get("until")) or self._clock())
        return claim

    def _item(self, claim: Claim) -> Item:
        kept = {
            "outcome": None if claim.decided is None else dump(claim.decided),
            "given_up": None if claim.given_up is None else _dump(claim.given_up),
        }
        return {
            "pk": claim.key.pk,
            "sk": "MEMORY",
            "holder": claim.holder,
            "writes": claim.writes,
            "until": _milliseconds(claim.until),
            "since": _milliseconds(claim.since),
            "published": claim.published,
            "failures": claim.failures,
            "expires_at": int((self._clock() + KEPT).timestamp()),
            **{name: value for name, value in kept.items() if value is not None},
        }


def _claim(key: Key, item: Item) -> Claim:
    return Claim(
        key=key,
        holder=str(item["holder"]),
        writes=int(item["writes"]),
        until=_moment(item["until"]) or _NEVER,
        since=_moment(item["since"]) or _NEVER,
        decided=load(item["outcome"]) if "outcome" in item else None,
        published=bool(item["published"]),
        failures=int(item["failures"]),
        given_up=_load(item["given_up"]) if "given_up" in item else None,
    )


def _dump(given_up: GivenUp) -> Mapping[str, Any]:
    return {
        "reason": given_up.reason.model_dump(),
        "at": _milliseconds(given_up.at),
        "last_words": dump(given_up.last_words),
        "buried": given_up.buried,
    }


def _load(kept: Mapping[str, Any]) -> GivenUp:
    return GivenUp(
        reason=Reason.model_validate(kept["reason"]),
        at=_moment(kept["at"]) or _NEVER,
        last_words=load(kept["last_words"]),
        buried=bool(kept["buried"]),
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
