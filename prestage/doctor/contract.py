"""The published contract: whether the registry says what this version's events are."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from prestage.contract_schema import published_at, registered_as
from prestage.doctor.findings import Finding, finding
from prestage_contracts import CONTRACT


def registry(schemas: Any, name: str, root: Path) -> Iterator[Finding]:
    """Each schema of the contract, as it is published, beside the registry's; what else is there is left alone.

    Args:
        schemas: a client of EventBridge's registries.
        name: the registry's.
        root: the folder that the contract's files are below.
    """
    for event in CONTRACT.values():
        found = _content(schemas, name, registered_as(event))
        about = {"registry": name, "schema": registered_as(event)}
        if found is None:
            yield finding("schema-missing", **about)
        elif found != json.loads((root / published_at(event)).read_text(encoding="utf-8")):
            yield finding("schema-changed", **about, file=published_at(event))


def _content(schemas: Any, registry_name: str, schema: str) -> Mapping[str, Any] | None:
    try:
        told = schemas.describe_schema(RegistryName=registry_name, SchemaName=schema)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return None
        raise
    found: Mapping[str, Any] = json.loads(told["Content"])
    return found
