"""The published contract, held against what is stated on the stage."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

from prestage.contract_schema import published
from prestage_contracts import EVENTS
from prestage_contracts.envelope import Event


def violation(event: Mapping[str, Any]) -> str | None:
    """What in an event is not as its published schema says; None if nothing is, or if it is none of Prestage's."""
    if not event["source"].startswith("prestage."):
        return None
    model = EVENTS.get(event["detail-type"])
    if model is None or event["source"] != model.SOURCE:
        return f"{event['source']} has no contract for {event['detail-type']}"
    error = next(_schema(model).iter_errors(event), None)
    return error and f"{event['detail-type']}: {error.json_path} is not as the contract says ({error.validator})"


@cache
def _schema(model: type[Event]) -> Draft4Validator:
    return Draft4Validator(published(model), format_checker=FormatChecker())
