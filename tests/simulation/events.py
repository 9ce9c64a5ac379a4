"""The event bus: it takes facts that are as the contract says, and has each lie in the queues of the rules for it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

from pydantic import ValidationError

from choreography.clock import Clock
from prestage.stage.bus import _message_group
from prestage.stage.bus_entries import check_request
from prestage.stage.deployment import Rule, Target
from prestage.stage.event_pattern import compile_pattern
from prestage_contracts import EVENTS, Event
from tests.simulation.calls import Between, Call, undisturbed
from tests.simulation.queues import Queues
from tests.simulation.topology import ACCOUNT, REGION, named, topology

type Entry = Mapping[str, str]
"""An entry of PutEvents, as the publisher gives it."""

type _Path = tuple[str, ...]


class Routes:
    """Which targets an event goes to. Events that look the same to every rule are matched once.

    Args:
        rules: of one bus; those that are disabled are left out.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule.targets, compile_pattern(rule.pattern)) for rule in rules if rule.enabled]
        self._looked_at = sorted({path for rule in rules for path in _fields(rule.pattern, ())})
        self._known: dict[tuple[str, ...], tuple[Target, ...]] = {}

    def of(self, event: Mapping[str, Any]) -> tuple[Target, ...]:
        """The targets, in the order of their rules."""
        looks = tuple(repr(_at(event, path)) for path in self._looked_at)
        if looks not in self._known:
            matching = [targets for targets, pattern in self._rules if pattern.matches(event)]
            self._known[looks] = tuple(target for targets in matching for target in targets)
        return self._known[looks]


@cache
def routes() -> Routes:
    """Those of this repository's template."""
    return Routes(topology().rules)


@dataclass(frozen=True)
class Stated:
    """A fact that the bus took, and the messages that it became."""

    event: Event
    at: datetime
    messages: tuple[str, ...]
    made: datetime | None = None
    """When the Fly app was made that the environment had then, None if it had none."""


class Bus:
    """The bus, and the EventBridge client of whoever publishes on it. `stated` has what it took, in order.

    What is against the contract is refused, which the kernel takes for an outage: see `violations`.

    Args:
        queues: where the rules' targets are.
        clock: the time.
        between: comes between a function and the bus.
        refuse: the error code for an entry that is not taken though others of its request are; None takes it.
        to: which targets an event goes to.
        made: when the Fly app of an environment, by its id, was made.
    """

    def __init__(
        self,
        queues: Queues,
        clock: Clock,
        between: Between = undisturbed,
        *,
        refuse: Callable[[Entry], str | None] = lambda _: None,
        to: Routes | None = None,
        made: Callable[[str], datetime | None] = lambda _: None,
    ) -> None:
        self._queues = queues
        self._clock = clock
        self._between = between
        self._refuse = refuse
        self._routes = to or routes()
        self._made = made
        self._ids = count(1)
        self.stated: list[Stated] = []
        self.violations: list[str] = []

    def put_events(self, *, Entries: Sequence[Entry]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        """Publish; answers what became of each entry.

        Raises:
            prestage.stage.bus_entries.RefusedError: EventBridge takes no such request.
        """
        call = Call("events", "put", ", ".join(entry["DetailType"] for entry in Entries))
        return self._between(call, lambda: self._put(Entries))

    def _put(self, entries: Sequence[Entry]) -> dict[str, Any]:
        check_request(entries)
        results = [self._take(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _take(self, entry: Entry) -> Mapping[str, str]:
        if code := self._refuse(entry):
            return {"ErrorCode": code, "ErrorMessage": "planted by the simulation"}
        fact = _fact(entry)
        if isinstance(fact, str):
            self.violations.append(fact)
            return {"ErrorCode": "ContractViolation", "ErrorMessage": fact}
        event = self._enveloped(entry)
        body = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        messages = [
            self._queues.send(named(target.arn), body, group=_message_group(target, event)).id
            for target in self._routes.of(event)
        ]
        about: Any = getattr(fact.data, "environment", None)
        self.stated.append(Stated(fact, self._clock(), tuple(messages), self._made(about.id) if about else None))
        return {"EventId": event["id"]}

    def report(self, entry: Entry, account: str) -> None:
        """Take what another account publishes, whatever it is."""
        event = {**self._enveloped(entry), "account": account}
        body = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        for target in self._routes.of(event):
            self._queues.send(named(target.arn), body, group=_message_group(target, event))

    def _enveloped(self, entry: Entry) -> dict[str, Any]:
        return {
            "version": "0",
            "id": f"00000000-0000-4000-8000-{next(self._ids):012d}",
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": ACCOUNT,
            "time": f"{self._clock().astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": REGION,
            "resources": [],
            "detail": json.loads(entry["Detail"]),
        }


def _fact(entry: Entry) -> Event | str:
    """The fact, or what about it is against the contract."""
    name = entry["DetailType"]
    kind = EVENTS.get(name)
    if kind is None or entry["Source"] != kind.SOURCE:
        return f"{entry['Source']} has no contract for {name}"
    try:
        return kind.model_validate_json(entry["Detail"])
    except ValidationError as error:
        return f"{name}: {', '.join('.'.join(map(str, found['loc'])) for found in error.errors())}"


def _fields(pattern: Mapping[str, Any], path: _Path) -> Iterator[_Path]:
    """The fields that a pattern looks at."""
    for name, inner in pattern.items():
        if name == "$or":
            for alternative in inner:
                yield from _fields(alternative, path)
        elif isinstance(inner, Mapping):
            yield from _fields(inner, (*path, name))
        else:
            yield (*path, name)


def _at(event: Any, path: _Path) -> Any:
    """What is at that path; an array on the way as a whole, since a pattern looks into it."""
    for name in path:
        if isinstance(event, list):
            return event
        if not isinstance(event, Mapping) or name not in event:
            return _ABSENT
        event = event[name]
    return event


_ABSENT = object()
