"""The journal: every fact, by the story that it is a part of and by what it is about, for ninety days."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import AwareDatetime

from choreography.clock import Clock
from prestage_contracts.envelope import Event, Frozen, Text
from prestage_contracts.operators import DeployRequested
from records.table import Item, Table

KEPT = timedelta(days=90)

_ENVIRONMENT = "ENVIRONMENT#"
_OPERATORS = "OPERATORS"
"""The partition of all that operators asked for and changed, whatever it is about."""


class Entry(Frozen):
    """A fact as it was stated. `about` has the partitions of what it is about; `data` is what it says, as JSON."""

    event_id: Text
    name: Text
    source: Text
    correlation_id: Text
    causation_id: Text
    occurred_at: AwareDatetime
    hop: int
    about: tuple[Text, ...]
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """The entry of a fact."""
        metadata, data = event.metadata, event.data.model_dump(mode="json")
        return cls(
            event_id=str(metadata.event_id),
            name=event.name(),
            source=event.SOURCE,
            correlation_id=metadata.correlation_id,
            causation_id=metadata.causation_id,
            occurred_at=metadata.occurred_at,
            hop=metadata.hop,
            about=_about(data),
            data=data,
        )


class Journal:
    """The entries. Each list has a fact once, in the order of time, and no entry whose ninety days are over.

    Args:
        table: where they are kept.
        clock: the time.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def keep(self, event: Event) -> None:
        """Write the fact down; again, it is the same entry."""
        entry = Entry.of(event)
        expires_at = entry.occurred_at + KEPT
        item: Item = {**entry.model_dump(mode="json"), "expires_at": int(expires_at.timestamp())}
        by_operators = (_OPERATORS,) if entry.source == DeployRequested.SOURCE else ()
        for pk in (_correlation(entry.correlation_id), *entry.about, *by_operators):
            self._table.put({**item, "pk": pk, "sk": _sort_key(entry)})

    def of_correlation(self, correlation_id: str) -> tuple[Entry, ...]:
        """All that followed from one delivery, request or sweep."""
        return self._read(_correlation(correlation_id))

    def of_environment(self, environment_id: str) -> tuple[Entry, ...]:
        """What was stated about an environment."""
        return self._read(_environment(environment_id))

    def of_pull_request(self, repository_id: int, number: int) -> tuple[Entry, ...]:
        """What was stated about a pull request, its environments and its comment."""
        return self._read(_pull_request(repository_id, number))

    def of_operators(self, since: datetime) -> tuple[Entry, ...]:
        """What operators asked for and changed from a moment on."""
        return self._kept(self._table.query_from(_OPERATORS, _moment(since)))

    def story_of_environment(self, environment_id: str) -> tuple[Entry, ...]:
        """Why the environment is as it is: what was stated about it, and what led there.

        That is what is about its pull request in the stories that it is in, and every cause, such as a push.
        """
        told = self.of_environment(environment_id)
        stories = {entry.correlation_id for entry in told}
        pull_requests = {pk for entry in told for pk in entry.about if not pk.startswith(_ENVIRONMENT)}
        beside = [entry for pk in sorted(pull_requests) for entry in self._read(pk) if entry.correlation_id in stories]
        found = {entry.event_id: entry for entry in (*told, *filter(_is_about_no_environment, beside))}
        return _in_order([*found.values(), *self._causes(found)])

    def _causes(self, found: Mapping[str, Entry]) -> Sequence[Entry]:
        """What led to what was found, and is not among it."""
        lacking = {entry.correlation_id for entry in found.values() if entry.hop and entry.causation_id not in found}
        known = {entry.event_id: entry for story in sorted(lacking) for entry in self.of_correlation(story)}
        causes: dict[str, Entry] = {}
        waiting = [entry.causation_id for entry in found.values()]
        while waiting:
            event_id = waiting.pop()
            if event_id in known and event_id not in found and event_id not in causes:
                causes[event_id] = known[event_id]
                waiting.append(known[event_id].causation_id)
        return list(causes.values())

    def _read(self, pk: str) -> tuple[Entry, ...]:
        return self._kept(self._table.query(pk))

    def _kept(self, items: Iterable[Item]) -> tuple[Entry, ...]:
        now = self._clock().timestamp()
        # DynamoDB deletes what has expired when it gets to it, up to days later.
        return _in_order(Entry.model_validate(item) for item in items if item["expires_at"] > now)


def _about(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The partitions of what a fact is about, by the names that the contracts have for it."""
    environment: Mapping[str, Any] = data.get("environment") or {}
    environment_id = environment.get("id") or data.get("environment_id")
    told = environment or data
    number = (told.get("pull_request") or {}).get("number") or data.get("pull_request_number")
    environments = [_environment(environment_id)] if environment_id else []
    pull_requests = [_pull_request(told["repository"]["id"], number)] if number else []
    return (*environments, *pull_requests)


def _is_about_no_environment(entry: Entry) -> bool:
    return not any(pk.startswith(_ENVIRONMENT) for pk in entry.about)


def _in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Each fact once, as it was stated first. A cause comes before what followed from it in the same moment."""
    ordered = sorted(entries, key=lambda entry: (entry.occurred_at, entry.hop, entry.event_id))
    first: dict[str, Entry] = {}
    for entry in ordered:
        first.setdefault(entry.event_id, entry)
    return tuple(first.values())


def _sort_key(entry: Entry) -> str:
    return f"{_moment(entry.occurred_at)}#{entry.event_id}"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _correlation(correlation_id: str) -> str:
    return f"CORRELATION#{correlation_id}"


def _environment(environment_id: str) -> str:
    return f"{_ENVIRONMENT}{environment_id}"


def _pull_request(repository_id: int, number: int) -> str:
    return f"PULL_REQUEST#{repository_id}#{number}"
