"""One EventBridge bus: it takes events, and delivers each to the targets of the rules that match it."""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from choreography.clock import Clock, utc_now
from prestage.stage.bus_entries import Entry, EntryError, Fault, Faults, RefusedError, check_request, detail_of
from prestage.stage.bus_policy import BusPolicy, account_of
from prestage.stage.deployment import Archive, Rule, Target
from prestage.stage.event_pattern import EventPattern, PatternError, compile_pattern
from prestage.stage.roles import Wish

MAX_TARGETS = 5
"""Of one rule (EventBridge's limit)."""

_MESSAGE_GROUP = re.compile(r"[^$].{0,99}|\$(\.[A-Za-z0-9_-]+)+")
_LONGEST_GROUP = 128

type Event = Mapping[str, Any]
"""An event as its rules and targets see it: the whole envelope."""

type Result = dict[str, str]
"""What became of an entry: `EventId`, or `ErrorCode` and `ErrorMessage`."""

logger = logging.getLogger(__name__)


class _UndeliverableError(Exception):
    """An event can't be made into a message for a target."""


@dataclass(frozen=True)
class Delivery:
    """A message for a queue. `attributes` are there on dead letters only."""

    queue_arn: str
    body: str
    message_group_id: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Taken:
    """An event that was published, the moment that it is about, and how often each target is to have it."""

    event: Event
    at: datetime
    copies: int


class Bus:
    """A bus with its rules and archives. Any number of threads may use it.

    Events are taken in an order that `events`, the archives and the listeners agree on. Within one request, they are
    delivered in the order of its entries, rule by rule as they were put.

    An event for another bus is refused, by entry. (AWS takes such an event and drops it in silence, which is the
    mistake that one wants to hear of.) Delivery is not tried again: what fails once is a dead letter.

    Args:
        name: of the bus.
        account: AWS account. An access key whose id is an account's is another account's.
        region: AWS region.
        deliver: sends a message to a queue; if it raises, the event is a dead letter.
        may_publish: whether an access key may publish, under a source, an event of that detail type.
        violation: what in an event is against its contract, which refuses it; None if nothing is.
        clock: the time.
    """

    def __init__(
        self,
        *,
        name: str,
        account: str,
        region: str,
        deliver: Callable[[Delivery], None],
        may_publish: Callable[[str, str, str], bool],
        violation: Callable[[Event], str | None] = lambda _: None,
        clock: Clock = utc_now,
    ) -> None:
        self.name = name
        self.account = account
        self.region = region
        self.arn = f"arn:aws:events:{region}:{account}:event-bus/{name}"
        self._deliver = deliver
        self._may_publish = may_publish
        self._violation = violation
        self._clock = clock
        self.policy = BusPolicy()
        self._lock = threading.RLock()
        self._rules: dict[str, tuple[Rule, EventPattern]] = {}
        self._archives: dict[str, tuple[Archive, EventPattern | None, list[_Taken]]] = {}
        self._listeners: list[Callable[[Event], None]] = []
        self._events: list[Event] = []
        self._replays: set[str] = set()
        self._failures = Faults()
        self._duplications = Faults()

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event that was published, replays not among them, in order."""
        with self._lock:
            return tuple(self._events)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order in which they were put."""
        with self._lock:
            return tuple(rule for rule, _ in self._rules.values())

    @property
    def archives(self) -> tuple[Archive, ...]:
        """The archives, in the order in which they were put."""
        with self._lock:
            return tuple(archive for archive, _, _ in self._archives.values())

    def put_rule(self, rule: Rule) -> None:
        """Add a rule, or replace the one of that name.

        Raises:
            RefusedError: it is for another bus, its pattern is not good, or a target is not.
        """
        self.check_name(rule.bus, rule.name)
        if len(rule.targets) > MAX_TARGETS:
            raise RefusedError("LimitExceededException", f"rule {rule.name} has more than {MAX_TARGETS} targets")
        for target in rule.targets:
            if target.message_group is not None and not _MESSAGE_GROUP.fullmatch(target.message_group):
                raise RefusedError("ValidationException", f"rule {rule.name}: not a message group: a path is $.a.b")
        pattern = _compiled(rule.pattern, rule.name)
        with self._lock:
            self._rules[rule.name] = (rule, pattern)

    def rule(self, name: str) -> Rule | None:
        """The rule of that name, None if there is none."""
        with self._lock:
            return self._rules[name][0] if name in self._rules else None

    def remove_rule(self, name: str) -> None:
        """Remove the rule of that name, if there is one."""
        with self._lock:
            self._rules.pop(name, None)

    def check_name(self, name: str | None, what: str = "the request") -> None:
        """See that something is for this bus.

        Raises:
            RefusedError: it is for another one.
        """
        if name not in {self.name, self.arn}:
            told = f"{what} is for the bus {name or 'default'}, this one is {self.name}"
            raise RefusedError("ResourceNotFoundException", told)

    def put_archive(self, archive: Archive) -> None:
        """Add an archive, or replace the one of that name with an empty one.

        Raises:
            RefusedError: it is for another bus, or its pattern is not good.
        """
        self.check_name(archive.bus, archive.name)
        pattern = None if archive.pattern is None else _compiled(archive.pattern, archive.name)
        with self._lock:
            self._archives[archive.name] = (archive, pattern, [])

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Let a listener hear each event that is published from now on, once, before it is delivered.

        It hears no replays. It must be quick, must not raise, and must leave the event as it is.
        """
        with self._lock:
            self._listeners.append(listener)

    def fail(
        self,
        times: int = 1,
        *,
        code: str = "InternalFailure",
        match: str = "",
        partly: bool = False,
        after_effect: bool = False,
    ) -> None:
        """Let the next requests go wrong. An SDK tries a failed request again by itself, which counts.

        Args:
            times: how many.
            code: `InternalFailure`, `ThrottlingException` or another of EventBridge's errors.
            match: searched in "source detail-type detail": only requests with such an entry.
            partly: only those entries fail, instead of the whole request.
            after_effect: what fails is published all the same.
        """
        self._failures.plant(Fault(times, match, code, partly, after_effect))

    def duplicate(self, times: int = 1, *, match: str = "") -> None:
        """Let each target of the next `times` events have them twice: EventBridge delivers at least once.

        Only events are counted whose "source detail-type detail" has a match of `match`.
        """
        self._duplications.plant(Fault(times, match))

    def mend(self) -> None:
        """Let nothing go wrong, and nothing come twice, any more."""
        self._failures.clear()
        self._duplications.clear()

    def put_events(self, entries: Sequence[Entry], access_key_id: str) -> list[Result]:
        """Publish. Gives what became of each entry, in their order.

        Args:
            entries: as boto3's `put_events` takes them; `Time` is an aware datetime.
            access_key_id: who publishes.

        Raises:
            RefusedError: nothing was published (or all of it, after a failure that was planted so).
        """
        check_request(entries)
        fault = self._failures.next(entries)
        if fault and not (fault.partly or fault.after_effect):
            raise RefusedError(fault.code, "planted by the stage")
        with self._lock:
            taken = [self._take(entry, access_key_id, fault) for entry in entries]
        for found, _ in taken:
            if found:
                self._route(found)
        if fault and not fault.partly:
            raise RefusedError(fault.code, "planted by the stage, after the effect")
        return [result for _, result in taken]

    def replay(
        self,
        archive: str,
        start: datetime,
        end: datetime,
        rule_arns: Sequence[str] | None = None,
        *,
        name: str | None = None,
    ) -> int:
        """Deliver the events of an archive again, marked with `replay-name`. Gives how many there were.

        Args:
            archive: its name or ARN.
            start: events before this moment are left out.
            end: events after it are.
            rule_arns: the only rules to replay to; None for all that match.
            name: of the replay; each is used once.

        Raises:
            RefusedError: there is no such archive or rule, or the name was used.
        """
        with self._lock:
            kept = self._kept(archive)
            self._check_replay(name := name or f"replay-{uuid4()}", rule_arns)
            self._replays.add(name)
        chosen = [taken for taken in kept if start <= taken.at <= end]
        for taken in chosen:
            self._route(_Taken({**taken.event, "replay-name": name}, taken.at, 1), rule_arns)
        return len(chosen)

    def archived(self, archive: str) -> int:
        """How many events the archive of that name or ARN keeps now.

        Raises:
            RefusedError: there is none.
        """
        with self._lock:
            return len(self._kept(archive))

    def _take(self, entry: Entry, access_key_id: str, fault: Fault | None) -> tuple[_Taken | None, Result]:
        fails = fault is not None and fault.partly and fault.is_for(entry)
        failure = _failure(fault.code, "planted by the stage") if fault and fails else None
        if fault and failure and not fault.after_effect:
            return None, failure
        try:
            detail = self._check(entry, access_key_id)
            taken = self._publish(entry, detail, account_of(access_key_id, self.account))
        except EntryError as error:
            return None, _failure(error.code, str(error))
        return taken, failure or {"EventId": taken.event["id"]}

    def _check(self, entry: Entry, access_key_id: str) -> Mapping[str, Any]:
        bus = entry.get("EventBusName") or "default"
        if bus not in {self.name, self.arn}:
            logger.warning("an event for another bus: %s", bus)
            raise EntryError("InvalidArgument", f"there is no bus {bus} here: AWS would drop the event in silence")
        detail = detail_of(entry)
        if not self._lets(access_key_id, entry):
            logger.warning("an event whose source is not its publisher's: %s", entry["Source"])
            raise EntryError("NotAuthorizedForSourceException", "Not authorized for the source")
        return detail

    def _lets(self, access_key_id: str, entry: Entry) -> bool:
        """Whether who publishes may: those of another account only what the bus's policy lets them."""
        account = account_of(access_key_id, self.account)
        context = {"events:source": [entry["Source"]], "events:detail-type": [entry["DetailType"]]}
        wish = Wish("events:PutEvents", self.arn, context)
        invited = account == self.account or self.policy.allows(account, wish)
        return invited and self._may_publish(access_key_id, entry["Source"], entry["DetailType"])

    def _publish(self, entry: Entry, detail: Mapping[str, Any], account: str) -> _Taken:
        at = entry.get("Time") or self._clock()
        event = {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": account,
            "time": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": self.region,
            "resources": list(entry.get("Resources") or []),
            "detail": detail,
        }
        if violation := self._violation(event):
            logger.error("an event against its contract: %s", violation)
            raise EntryError("ContractViolation", f"the stage takes no event against its contract: {violation}")
        taken = _Taken(event, at, 2 if self._duplications.next([entry]) else 1)
        self._events.append(event)
        for _, pattern, kept in self._archives.values():
            if pattern is None or pattern.matches(event):
                kept.append(taken)
        for listener in self._listeners:
            listener(event)
        return taken

    def _route(self, taken: _Taken, rule_arns: Sequence[str] | None = None) -> None:
        with self._lock:
            rules = list(self._rules.values())
        body = json.dumps(taken.event, separators=(",", ":"), ensure_ascii=False)
        for rule, pattern in rules:
            if rule.enabled and (rule_arns is None or rule.arn in rule_arns) and pattern.matches(taken.event):
                for target in rule.targets:
                    for _ in range(taken.copies):
                        self._send(body, taken.event, rule, target)

    def _send(self, body: str, event: Event, rule: Rule, target: Target) -> None:
        try:
            self._deliver(Delivery(target.arn, body, _message_group(target, event)))
        except _UndeliverableError as error:
            self._bury(body, rule, target, "INVALID_PARAMETER", str(error))
        except Exception as error:  # noqa: BLE001  # whatever a delivery fails of is what its dead letter says
            self._bury(body, rule, target, "SDK_CLIENT_ERROR", f"{type(error).__name__}: {error}")

    def _bury(self, body: str, rule: Rule, target: Target, code: str, message: str) -> None:
        logger.warning("rule %s: an event is not delivered: %s", rule.name, code)
        if target.dead_letter_arn is None:
            return
        attributes = {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": target.arn,
            "ERROR_CODE": code,
            "ERROR_MESSAGE": message,
        }
        try:
            self._deliver(Delivery(target.dead_letter_arn, body, attributes=attributes))
        except Exception as error:  # noqa: BLE001  # AWS loses the event too
            logger.warning("rule %s: a dead letter is lost: %s", rule.name, type(error).__name__)

    def _kept(self, archive: str) -> list[_Taken]:
        for found, _, kept in self._archives.values():
            if archive in {found.name, found.arn}:
                if found.retention_days:
                    oldest = self._clock() - timedelta(days=found.retention_days)
                    kept[:] = [taken for taken in kept if taken.at >= oldest]
                return list(kept)
        raise RefusedError("ResourceNotFoundException", f"there is no archive {archive}")

    def _check_replay(self, name: str, rule_arns: Sequence[str] | None) -> None:
        unknown = set(rule_arns or ()) - {rule.arn for rule, _ in self._rules.values()}
        if unknown:
            raise RefusedError("ResourceNotFoundException", f"there is no rule {', '.join(sorted(unknown))}")
        if name in self._replays:
            raise RefusedError("ResourceAlreadyExistsException", f"there was a replay {name}")


def _failure(code: str, message: str) -> Result:
    return {"ErrorCode": code, "ErrorMessage": message}


def _compiled(pattern: Mapping[str, Any], what: str) -> EventPattern:
    try:
        return compile_pattern(pattern)
    except PatternError as error:
        raise RefusedError("InvalidEventPatternException", f"{what}: {error}") from error


def _message_group(target: Target, event: Event) -> str | None:
    path = target.message_group
    if path is None or not path.startswith("$"):
        return path
    found: Any = event
    for step in path.split(".")[1:]:
        found = found.get(step) if isinstance(found, Mapping) else None
    group = found if isinstance(found, str) else json.dumps(found)
    if found is None or isinstance(found, dict | list) or not 1 <= len(group) <= _LONGEST_GROUP:
        raise _UndeliverableError(f"{path} is no message group in this event")
    return group
