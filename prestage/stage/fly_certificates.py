"""Certificates that are imported for host names of a pretended Fly.io's apps."""

from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from prestage.certificate_files import host_names
from prestage.stage.fly_machines import timestamp


class InvalidCertificateError(Exception):
    """It can't be served for its host name; the text says why and quotes nothing."""


@dataclass(frozen=True)
class Certificate:
    """A chain for a host name. Its private key is looked at and not kept: there is no TLS here."""

    hostname: str
    leaf: x509.Certificate
    created_at: str = field(default_factory=timestamp)

    def describe(self, state: str) -> dict[str, Any]:
        """It, as one of the certificates that Fly's API tells of."""
        return {
            "source": "custom",
            "status": state,
            "created_at": self.created_at,
            "expires_at": self.leaf.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
            "issuer": self.leaf.issuer.rfc4514_string(),
            "issued": [],
        }


def read_certificate(hostname: str, fullchain: str, private_key: str) -> Certificate:
    """The certificate, checked as far as can be without asking anybody.

    Raises:
        InvalidCertificateError: it is not one for this name, or the key is another's.
    """
    try:
        leaf = x509.load_pem_x509_certificates(fullchain.encode())[0]
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidCertificateError("fullchain and private_key must be PEM") from None
    if leaf.public_key() != key.public_key():
        raise InvalidCertificateError("private_key is not that of the certificate")
    if not any(covers(name, hostname) for name in host_names(leaf)):
        raise InvalidCertificateError("the certificate is not for this hostname")
    return Certificate(hostname, leaf)


def covers(name: str, hostname: str) -> bool:
    """Whether `name`, which may have `*` for its first label, stands for the host name."""
    first, _, rest = name.partition(".")
    return name == hostname or (first == "*" and rest == hostname.partition(".")[2])
