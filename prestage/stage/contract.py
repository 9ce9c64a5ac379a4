"""The published contract, held against what is stated on the stage."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

from prestage.contract_schema import published
from prestage_contracts import EVENTS


class Contract:
    """The schemas of Prestage's events."""

    def __init__(self) -> None:
        checker = FormatChecker()
        self._schemas = {
            (event.SOURCE, name): Draft4Validator(published(event), format_checker=checker)
            for name, event in EVENTS.items()
        }

    def violation(self, event: Mapping[str, Any]) -> str | None:
        """What in an event is not as its schema says; None if nothing is, or if it is none of Prestage's."""
        if not event["source"].startswith("prestage."):
            return None
        schema = self._schemas.get((event["source"], event["detail-type"]))
        if schema is None:
            return f"{event['source']} has no contract for {event['detail-type']}"
        error = next(schema.iter_errors(event), None)
        return error and f"{event['detail-type']}: {error.json_path} is not as the contract says ({error.validator})"
