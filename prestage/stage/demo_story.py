"""What is stated about one repository, as a story: a chapter for each happening, each fact with its moment."""

import queue
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

PATIENCE = timedelta(seconds=20)

type Fact = Mapping[str, Any]


class DemoError(Exception):
    """Something that the demo is to show did not happen; the text says what."""


@dataclass
class Story:
    """The facts about one repository as they are stated.

    `group` is what facts about it have in their metadata; `began` is when its chapter did (`time.monotonic`).
    """

    group: str
    began: float
    patience: timedelta = PATIENCE
    chapter: list[Fact] = field(default_factory=list)
    _arrived: "queue.SimpleQueue[tuple[float, Fact]]" = field(default_factory=queue.SimpleQueue)

    def hear(self, fact: Fact) -> None:
        """The bus's subscriber."""
        if (fact["detail"].get("metadata") or {}).get("group") == self.group:
            self._arrived.put((time.monotonic(), fact))

    def begin_chapter(self) -> None:
        """What comes from now on follows from another happening."""
        self.began = time.monotonic()
        self.chapter = []

    def follow(
        self, wanted: tuple[str, ...], is_shown: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[float, Fact]]:
        """The facts with the seconds since the chapter began, until all that are wanted were stated.

        Args:
            wanted: names of facts; `name/state` where the state that it tells counts.
            is_shown: whether the comment shows what is now; until then, one more is to come.

        Raises:
            DemoError: they were not, in time, or a failure was stated.
        """
        missing = list(wanted)
        deadline = self.began + self.patience.total_seconds()
        while missing or not is_shown():
            try:
                moment, fact = self._arrived.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                within = f"{self.patience.total_seconds():.0f} s"
                told = ", ".join(missing) or "that the comment shows what is now"
                raise DemoError(f"not stated within {within}: {told}") from None
            self.chapter.append(fact)
            yield moment - self.began, fact
            _expect_no_failure(fact)
            missing = [one for one in missing if not _is(fact, one)]

    def said(self, name: str) -> list[Mapping[str, Any]]:
        """What the facts of that name say, in this chapter."""
        return [fact["detail"]["data"] for fact in self.chapter if fact["detail-type"] == name]


def _is(fact: Fact, wanted: str) -> bool:
    name, _, state = wanted.partition("/")
    return bool(fact["detail-type"] == name) and state in {"", fact["detail"]["data"].get("state")}


def _expect_no_failure(fact: Fact) -> None:
    name = fact["detail-type"]
    if name.endswith("Failed"):
        raise DemoError(f"{name}: {fact['detail']['data']['reason']['message']}")
