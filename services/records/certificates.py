"""TLS certificates for own domains: the chain is on record, the private key sealed elsewhere (see `vault`)."""

from typing import Annotated

from pydantic import AwareDatetime, StringConstraints

from prestage_contracts.envelope import Frozen
from records.domains import Domain
from records.table import Table

MAX_CHAIN_BYTES = 32 * 1024
"""A bundle holds it beside the secrets, in one item of 400 KB."""


class Certificate(Frozen):
    """A certificate for a domain: it covers every name one label below it, and what else is among its `names`.

    `chain` is PEM, the leaf first; `fingerprint` is SHA-256 of the leaf, in hexadecimal.
    """

    domain: Domain
    names: tuple[str, ...]
    chain: Annotated[str, StringConstraints(max_length=MAX_CHAIN_BYTES)]
    not_after: AwareDatetime
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    imported_at: AwareDatetime

    def covers(self, host: str) -> bool:
        """Whether it is good for the host name; a wildcard stands for one label (RFC 6125, section 6.4.3)."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names


class Certificates:
    """The certificates on record: one per domain."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, certificate: Certificate) -> None:
        """Write it down, in place of the domain's one before."""
        self._table.put({**certificate.model_dump(mode="json"), **_key(certificate.domain)})

    def get(self, domain: str) -> Certificate | None:
        """The domain's, or None."""
        item = self._table.get(**_key(domain))
        return Certificate.model_validate(item) if item else None

    def covering(self, host: str) -> Certificate | None:
        """The one that is good for the host name, expired or not: of the domain above it, or of its own."""
        found = (self.get(domain) for domain in (host.partition(".")[2], host))
        return next((certificate for certificate in found if certificate and certificate.covers(host)), None)

    def list_all(self) -> list[Certificate]:
        """Every certificate, by domain. Reads the whole table: for people, and for the janitor."""
        items = self._table.scan(sk="CERTIFICATE")
        return sorted((Certificate.model_validate(item) for item in items), key=lambda found: found.domain)


def _key(domain: str) -> dict[str, str]:
    return {"pk": f"CERTIFICATE#{domain}", "sk": "CERTIFICATE"}
