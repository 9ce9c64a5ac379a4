"""What EventBridge checks of a PutEvents request and of each entry, and failures to plant in its place."""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_ENTRIES = 10
"""In one PutEvents (EventBridge's limit)."""

MAX_BYTES = 1_000_000
"""What all entries of one PutEvents have to stay under: EventBridge's 1 MB, read the strict way."""

MAX_DETAIL_TYPE = 128
"""Characters."""

MAX_DEPTH = 1000
"""Levels of a detail (EventBridge's limit)."""

_TIME_BYTES = 14
_REQUIRED = ("Source", "DetailType", "Detail")
_INT64 = range(-(2**63), 2**63)

type Entry = Mapping[str, Any]
"""An entry of PutEvents, as boto3 takes it."""


class RefusedError(Exception):
    """The whole request is refused. `code` is EventBridge's name for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EntryError(Exception):
    """One entry is refused, the others are not. `code` is EventBridge's name for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_request(entries: Sequence[Entry]) -> None:
    """See that the request as a whole can be taken.

    Raises:
        RefusedError: it has too many entries or none, is too large, or no entry says what is required.
    """
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise RefusedError("ValidationException", f"{len(entries)} entries: 1 to {MAX_ENTRIES} are taken")
    if all(_missing(entry) for entry in entries):
        raise RefusedError("ValidationException", f"no entry has all of {', '.join(_REQUIRED)}")
    size = sum(map(_size, entries))
    if size >= MAX_BYTES:
        raise RefusedError("ValidationException", f"the entries have {size} bytes, and not less than {MAX_BYTES}")


def detail_of(entry: Entry) -> Mapping[str, Any]:
    """The event's detail.

    Raises:
        EntryError: the entry does not say what is required, or says it in a way that is not taken.
    """
    for name in _missing(entry):
        raise EntryError("InvalidArgument", f"Parameter {name} is not valid: it is required")
    if len(entry["DetailType"]) > MAX_DETAIL_TYPE:
        raise EntryError("InvalidArgument", f"Parameter DetailType is not valid: at most {MAX_DETAIL_TYPE} characters")
    if entry["Source"].startswith("aws."):
        raise EntryError("NotAuthorizedForSourceException", "Not authorized for the source: aws. is AWS's own")
    return _parsed(entry["Detail"])


def _missing(entry: Entry) -> list[str]:
    return [name for name in _REQUIRED if not entry.get(name)]


def _size(entry: Entry) -> int:
    """In bytes, as the EventBridge user guide counts it."""
    texts = [*(entry.get(name) or "" for name in _REQUIRED), *(entry.get("Resources") or [])]
    return sum(len(text.encode(errors="surrogatepass")) for text in texts) + (_TIME_BYTES if entry.get("Time") else 0)


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        detail = json.loads(text)
        # No number that JSON has not, no text that UTF-8 has not.
        json.dumps(detail, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        detail = None
    if not isinstance(detail, dict) or not all(_is_storable(level, node) for level, node in _nodes(detail)):
        raise EntryError("MalformedDetail", "Detail is malformed")
    return detail


def _is_storable(level: int, node: Any) -> bool:
    return node in _INT64 if isinstance(node, int) else level <= MAX_DEPTH


def _nodes(detail: Any) -> Iterator[tuple[int, Any]]:
    """Each value in it, with its level."""
    waiting = [(1, detail)]
    while waiting:
        level, node = waiting.pop()
        yield level, node
        if isinstance(node, dict | list):
            inner = node.values() if isinstance(node, dict) else node
            waiting += [(level + 1, value) for value in inner]


# ---- Failures


@dataclass
class Fault:
    """Something that goes wrong with the next requests, or events, that it is for.

    `match` is searched in "source detail-type detail".
    """

    times: int
    match: str = ""
    code: str = ""
    partly: bool = False
    after_effect: bool = False

    def is_for(self, entry: Entry) -> bool:
        """Whether it is for that entry, be any times left or not."""
        told = " ".join(str(entry.get(name) or "") for name in _REQUIRED)
        return re.search(self.match, told) is not None


class Faults:
    """Faults that are planted, each until it has happened often enough."""

    def __init__(self) -> None:
        self._planted: list[Fault] = []
        self._lock = threading.Lock()

    def plant(self, fault: Fault) -> None:
        """Let it happen, after those that were planted before."""
        with self._lock:
            self._planted.append(fault)

    def clear(self) -> None:
        """Let nothing more happen."""
        with self._lock:
            self._planted.clear()

    def next(self, entries: Sequence[Entry]) -> Fault | None:
        """The fault that happens now, if one is for any of the entries."""
        with self._lock:
            for fault in self._planted:
                if fault.times > 0 and any(map(fault.is_for, entries)):
                    fault.times -= 1
                    return fault
            return None
