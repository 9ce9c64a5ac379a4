"""What operators change, and the facts of it: no change without a trace (docs/adr/0023).

A change is made inside `stated`, where one DynamoDB transaction makes it, or inside `intended`, where anything else
does. Its fact waits in the outbox from before the change, or from its very transaction, until it is on the bus.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from choreography import publisher
from choreography.clock import Clock
from choreography.publisher import Publisher, PublishFailedError, Statement
from prestage_contracts.envelope import Data, Event
from prestage_contracts.operators import AppChangeData, ChangeData
from records.outbox import Kept, Outbox
from records.table import Write

SETTLING = timedelta(minutes=1)
"""How long a command has for stating what it changed, before others do it."""

BREAKING_OFF = timedelta(minutes=15)
"""How long a command has for a change that it began, before others say that it broke off."""

NO_REPOSITORY = "0"
"""The message group of a fact that is about no repository."""


class NotStatedError(Exception):
    """The bus did not take a fact; the text says what to do."""


class NotNotedError(Exception):
    """A change was not made, as the outbox did not take its fact beforehand; the text says what to do."""


@dataclass(frozen=True)
class Change:
    """What is about to be true: `data` says that it is."""

    event: type[Event]
    data: ChangeData


@dataclass(frozen=True)
class _Pending:
    """A change's fact once it is known that it was made, and until then; `sk` is its key in the outbox."""

    sk: str
    made: Event
    unconfirmed: Event

    @classmethod
    def of(cls, change: Change, asked: str, clock: Clock) -> Self:
        now, data = clock(), change.data
        group = str(data.app.repository.id) if isinstance(data, AppChangeData) else NO_REPOSITORY

        def fact(said: ChangeData) -> Event:
            return change.event.begin(said, cause=asked, correlation_id=asked, now=now, group=group)

        sk = f"{now.isoformat(timespec='microseconds')}#{asked}#{change.event.name()}#{data.changed}"
        return cls(sk, fact(data), fact(data.model_copy(update={"confirmed": False})))


class Changes:
    """States what is asked for and what is changed, as whoever calls.

    Args:
        events: an EventBridge client.
        bus_name: the bus.
        outbox: where facts wait.
        clock: the time.
        tell: tells the caller what is to be known beside the command's own words.
    """

    def __init__(
        self, events: Any, bus_name: str, outbox: Outbox, *, clock: Clock, tell: Callable[[str], None]
    ) -> None:
        self._publisher = Publisher(events, bus_name, attempts=1)
        self._bus_name = bus_name
        self._outbox = outbox
        self._clock = clock
        self._tell = tell

    def state(self, event: type[Event], data: Data, group: str) -> str:
        """State what is asked for, before it is done; gives the correlation id of all that follows from it.

        Raises:
            NotStatedError: the bus does not take it.
        """
        asked = str(uuid4())
        fact = event.begin(data, cause=asked, correlation_id=asked, now=self._clock(), group=group)
        try:
            self._publish([Statement.of(fact)])
        except PublishFailedError as error:
            raise NotStatedError(f"{error}: {self._remedy} Otherwise try again") from None
        return asked

    @contextmanager
    def stated(self, *changes: Change) -> Iterator[Sequence[Write]]:
        """Make changes in one transaction, which has to take these writes too: with it, their facts are kept.

        Where the transaction does not come about, nothing is kept. Where it does, the facts are stated at the end; what
        the bus does not take stays in the outbox, and the caller is told.
        """
        pending = self._pending(changes)
        yield self._writes(pending)
        self._state(pending)

    @contextmanager
    def intended(self, *changes: Change, refusals: tuple[type[Exception], ...] = ()) -> Iterator[Sequence[Write]]:
        """Make changes that no one transaction makes: their facts are kept before, as not confirmed.

        The writes may be done with what completes the change, if a transaction does; they need not.

        Args:
            changes: what is about to be true.
            refusals: errors after which everything is as before. After any other, and after a crash, what is kept then
                is stated: that the change is not confirmed, unless those writes were done. Errors reach the caller even
                where the outbox can't be reached then; what it has waits for others to state.

        Raises:
            NotNotedError: the outbox does not take the facts; nothing was begun.
        """
        pending = self._pending(changes)
        self._note(pending)
        try:
            yield self._writes(pending)
        except refusals:
            self._forget(pending)
            raise
        except BaseException:
            with suppress(ClientError, BotoCoreError):
                self._state_what_is_known(pending)
            raise
        for one in pending:
            self._outbox.keep(one.sk, one.made, self._clock() + SETTLING)
        self._state(pending)

    def catch_up(self) -> bool:
        """State what was left waiting; whether there is nothing left that is due."""
        due = [kept for kept in self._outbox.waiting() if kept.due_at <= self._clock()]
        stated = [self._state_kept(kept) for kept in due]  # one that the bus does not take holds up no other
        return all(stated)

    def waiting(self) -> list[Kept]:
        """What is not on the bus yet."""
        return self._outbox.waiting()

    def _pending(self, changes: Sequence[Change]) -> list[_Pending]:
        asked = str(uuid4())
        return [_Pending.of(change, asked, self._clock) for change in changes]

    def _writes(self, pending: Sequence[_Pending]) -> list[Write]:
        return [self._outbox.write(one.sk, one.made, self._clock() + SETTLING) for one in pending]

    def _note(self, pending: Sequence[_Pending]) -> None:
        """Keep their facts as not confirmed; all of them, or none."""
        try:
            for one in pending:
                self._outbox.keep(one.sk, one.unconfirmed, self._clock() + BREAKING_OFF)
        except (ClientError, BotoCoreError) as error:
            self._forget(pending)
            raise NotNotedError(
                f"the change was not made, as it could not be noted for the audit trail: {error}. {_advice(error)}"
            ) from None

    def _forget(self, pending: Sequence[_Pending]) -> None:
        with suppress(ClientError, BotoCoreError):
            for one in pending:
                self._outbox.forget(one.sk)

    def _state_what_is_known(self, pending: Sequence[_Pending]) -> None:
        keys = {one.sk for one in pending}
        for kept in self._outbox.waiting():
            if kept.sk in keys:
                self._state_kept(kept)

    def _state(self, pending: Sequence[_Pending]) -> None:
        try:
            self._publish([Statement.of(one.made) for one in pending])
        except PublishFailedError as error:
            told = ", ".join(one.made.name() for one in pending)
            self._tell(f"{told} is kept, to be stated by the next command of somebody who may: {error}. {self._remedy}")
            return
        for one in pending:
            self._outbox.forget(one.sk)
        self.catch_up()

    def _state_kept(self, kept: Kept) -> bool:
        try:
            self._publish([kept.statement])
        except PublishFailedError:
            return False
        self._outbox.forget_stated(kept)
        return True

    @property
    def _remedy(self) -> str:
        return f"May you events:PutEvents on the bus {self._bus_name}?"

    def _publish(self, statements: Sequence[Statement]) -> None:
        with _without_log():
            self._publisher.publish(statements)


def _advice(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError) and error.response["Error"]["Code"] == "AccessDeniedException":
        return "docs/audit.md, What an operator may do, has the right to ask for"
    return "Try again later"


@contextmanager
def _without_log() -> Iterator[None]:
    """Whoever is at a terminal is told what went wrong in one line, and not in a function's log."""
    level = publisher.logger.log_level
    publisher.logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        publisher.logger.setLevel(level)
