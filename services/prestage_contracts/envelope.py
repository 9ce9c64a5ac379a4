"""The envelope that every fact travels in: `detail` of an EventBridge event."""

import json
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

MAX_HOP = 16
"""A fact this far from its first cause states no further facts: Lambda's loop detection does not see EventBridge."""

_NAMESPACE = UUID("6a1d5e0c-7f3b-5b0e-9a54-2f6f4f0c8b11")

type Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
type GroupId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]


class Frozen(BaseModel):
    """A value: immutable, and tolerant of fields that a newer producer added.

    Its validator is built when it is first needed: a cold start is billed, and no function needs every event.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Reason(Frozen):
    """Why something was refused, skipped or failed.

    `code` is for programs and does not change; `message` is one sentence for people, with no value that is secret.
    """

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    message: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Metadata(Frozen):
    """How a fact is identified, and what led to it.

    `event_id` is the same however often the same step is done (`identify`). `correlation_id` is what began it all: a
    GitHub delivery, an operator's request or a sweep of the janitor's, by its id. `causation_id` is the event reacted
    to, or what began it. `group` is the message group of fair queues: the repository's id, the installation's where a
    fact is about more than one repository, and 0 where it is about none that is known.
    """

    event_id: UUID
    correlation_id: Text
    causation_id: Text
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+$")]
    occurred_at: AwareDatetime
    hop: Annotated[int, Field(ge=0, le=MAX_HOP)]
    group: GroupId


class Data(Frozen):
    """What a fact says. `subject` tells apart the facts of one name that one cause can lead to."""

    @property
    def subject(self) -> str:
        """Identifies what the fact is about, within its cause and name."""
        raise NotImplementedError


class Event(Frozen):
    """A fact: something that has happened, named in the past tense.

    A subclass's name is its `detail-type`, its `SOURCE` the `source`; its docstring tells subscribers when it is
    stated. `VERSION`'s major part is pinned by every rule.
    """

    SOURCE: ClassVar[str]
    VERSION: ClassVar[str] = "1.0"

    metadata: Metadata
    data: Data

    @classmethod
    def name(cls) -> str:
        """The event's `detail-type`."""
        return cls.__name__

    @classmethod
    def major(cls) -> str:
        """The major part of its version: what changes when a consumer of it could break."""
        return cls.VERSION.split(".", 1)[0]

    @classmethod
    def is_from(cls, source: str) -> bool:
        """Whether it is `source` that states it."""
        return source == cls.SOURCE

    @classmethod
    def begin(cls, data: Data, *, cause: str, correlation_id: str, now: datetime, group: str) -> Self:
        """A fact that no other fact led to. `cause` identifies it: the same one states the same fact."""
        return cls(
            metadata=Metadata(
                event_id=identify(cause, cls, data.subject),
                correlation_id=correlation_id,
                causation_id=correlation_id,
                version=cls.VERSION,
                occurred_at=now,
                hop=0,
                group=group,
            ),
            data=data,
        )

    @classmethod
    def state(cls, data: Data, *, cause: Metadata, now: datetime) -> Self:
        """The fact that follows from the event with metadata `cause`: same story, one hop further."""
        return cls(
            metadata=Metadata(
                event_id=identify(str(cause.event_id), cls, data.subject),
                correlation_id=cause.correlation_id,
                causation_id=str(cause.event_id),
                version=cls.VERSION,
                occurred_at=now,
                hop=cause.hop + 1,
                group=cause.group,
            ),
            data=data,
        )


def identify(cause: str, event: type[Event], subject: str) -> UUID:
    """The id of the fact that `cause` leads to: UUIDv5 over (cause, name, major version, subject)."""
    return uuid5(_NAMESPACE, json.dumps([cause, event.name(), event.major(), subject], separators=(",", ":")))


type EnvironmentType = Literal["preview", "production"]
