"""An example of every event, from one story."""

import json
from datetime import UTC
from typing import Any
from uuid import UUID, uuid5

from prestage.contract_cast import PRESTAGE, REPORTER
from prestage.contract_story import instead, story
from prestage_contracts import CONTRACT, Event, Report

_DELIVERIES = UUID("f3b1c6de-3c0e-4a1f-9d0c-5b8e2f7a6d14")
"""Names EventBridge's own ids, which on a real bus are random."""


def examples() -> dict[str, Event]:
    """By name, in the order of the flow: the first of that name in the story."""
    by_name: dict[str, Event] = {}
    for event in (*story(), *instead()):
        by_name.setdefault(event.name(), event)
    return {name: by_name[name] for name in CONTRACT}


def delivered(event: Event) -> dict[str, Any]:
    """The event as a rule delivers it."""
    account, source = REPORTER if isinstance(event, Report) else (PRESTAGE, event.SOURCE)
    return {
        "version": "0",
        "id": str(uuid5(_DELIVERIES, str(event.metadata.event_id))),
        "detail-type": event.name(),
        "source": source,
        "account": account,
        "time": event.metadata.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "eu-central-1",
        "resources": [],
        "detail": json.loads(event.model_dump_json()),
    }
