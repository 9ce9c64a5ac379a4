"""`installation`: https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ingress.payload.parts import Installation, Part, Told
from prestage_contracts.ingress import InstallationRevoked, InstallationRevokedData


def told(said: Mapping[str, Any]) -> Sequence[Told]:
    """What follows from it: a fact about all of its repositories, or nothing.

    Raises:
        pydantic.ValidationError: it is not in the promised shape.
    """
    match said:
        case {"action": "deleted"}:
            return [_Payload.model_validate(said).revoked("deleted")]
        case {"action": "suspend"}:
            return [_Payload.model_validate(said).revoked("suspended")]
    return []


class _Payload(Part):
    installation: Installation

    def revoked(self, why: Literal["deleted", "suspended"]) -> Told:
        of = self.installation
        data = InstallationRevokedData(installation_id=of.id, account=of.account_name, why=why, repositories=None)
        return Told(InstallationRevoked, data, of.id)
