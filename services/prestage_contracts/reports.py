"""Reports: what other teams state about environments, from sources of their own."""

import json
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from prestage_contracts.envelope import MAX_HOP, Data, Event, Metadata, identify
from prestage_contracts.snapshot import Identifier

OURS = "prestage."
"""What the sources of Prestage's own facts begin with, and no other's."""

type CheckName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,49}$")]
type CheckState = Literal["pending", "success", "failure"]
type CheckSummary = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{0,200}$")]
type CheckLink = Annotated[
    str,
    StringConstraints(
        pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][A-Za-z0-9._~:/?#@!&'()*+,;=%-]*)?$", max_length=2048
    ),
]
"""A link as RFC 3986 spells one, without a user's name before the host, which people take for the host."""


class Report(Event):
    """A fact that another team states, from a source of its own: any but Prestage's, so it has no `SOURCE`."""

    @classmethod
    def state(cls, data: Data, *, cause: Metadata, now: datetime) -> Self:
        """A report at that moment: one that says the same at another moment is another, as what it says may have
        been otherwise in between. It goes no further than the longest chain of facts.
        """
        return cls(
            metadata=Metadata(
                event_id=identify(str(cause.event_id), cls, f"{data.subject} {now.isoformat()}"),
                correlation_id=cause.correlation_id,
                causation_id=str(cause.event_id),
                version=cls.VERSION,
                occurred_at=now,
                hop=min(cause.hop + 1, MAX_HOP),
                group=cause.group,
            ),
            data=data,
        )

    @classmethod
    def is_from(cls, source: str) -> bool:
        """Whether it may be `source` that states it."""
        return not source.startswith(OURS)


class CheckReportedData(Data):
    """How a check of one generation of an environment stands.

    `name` belongs to the AWS account that first reported it for the environment's app. `summary` is one line for
    people, `link` where they read more.
    """

    environment_id: Identifier
    generation: Annotated[int, Field(ge=1, le=2**53)]
    name: CheckName
    state: CheckState
    summary: CheckSummary
    link: CheckLink | None

    @property
    def subject(self) -> str:
        """All of it."""
        said = (self.environment_id, self.generation, self.name, self.state, self.summary, self.link)
        return json.dumps(said, separators=(",", ":"))


class CheckReported(Report):
    """A team's check of an environment stands so: begun, passed or failed. Prestage shows it where it takes it."""

    data: CheckReportedData
