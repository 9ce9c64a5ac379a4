"""`installation_repositories`: https://docs.github.com/en/webhooks/webhook-events-and-payloads."""

from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Any

from ingress.payload.parts import Installation, NamedRepository, Part, Told
from prestage_contracts.ingress import InstallationRevoked, InstallationRevokedData

MAX_REPOSITORIES = 500
"""Told of in one fact, so that it stays far below the largest event that the bus takes."""


def told(said: Mapping[str, Any]) -> Sequence[Told]:
    """What follows from it: facts about the repositories that were taken away, or nothing.

    Raises:
        pydantic.ValidationError: it is not in the promised shape.
    """
    match said:
        case {"action": "removed"}:
            return _Payload.model_validate(said).revoked()
    return []


class _Payload(Part):
    installation: Installation
    repositories_removed: tuple[NamedRepository, ...]

    def revoked(self) -> Sequence[Told]:
        return [self._revoked(some) for some in batched(self.repositories_removed, MAX_REPOSITORIES, strict=False)]

    def _revoked(self, some: Sequence[NamedRepository]) -> Told:
        data = InstallationRevokedData(
            installation_id=self.installation.id,
            account=self.installation.account_name,
            why="repositories_removed",
            repositories=tuple(one.named() for one in some),
        )
        return Told(InstallationRevoked, data, self.installation.id)
