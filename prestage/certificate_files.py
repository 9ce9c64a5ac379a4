"""A certificate and its private key, as they come in files: looked at before anything is kept of them."""

from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from records.certificates import MAX_CHAIN_BYTES, Certificate

MAX_KEY_BYTES = 16 * 1024

_NAMES_SHOWN = 3


class CertificateRefusedError(ValueError):
    """A certificate or its key won't do; the text says why, and quotes nothing of the key."""


def read_certificate(domain: str, chain: bytes, private_key: bytes, now: datetime) -> Certificate:
    """The certificate for the domain, after the key was seen to be its own.

    Args:
        domain: below which there are host names.
        chain: PEM, the leaf first.
        private_key: PEM, without a password.
        now: the time.

    Raises:
        CertificateRefusedError: it can't be served for names below the domain.
    """
    certificates = _parse(chain)
    leaf = certificates[0]
    _check_key(leaf, private_key)
    _check_order(certificates)
    names = host_names(leaf)
    if f"*.{domain}" not in names:
        shown = ", ".join(names[:_NAMES_SHOWN]) or "no name"
        raise CertificateRefusedError(f"the certificate is for {shown}, and has to be for *.{domain}")
    if leaf.not_valid_after_utc <= now:
        raise CertificateRefusedError(f"the certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    if leaf.not_valid_before_utc > now:
        raise CertificateRefusedError(f"the certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}")
    return Certificate(
        domain=domain,
        names=tuple(names),
        chain=chain.decode(),
        not_after=leaf.not_valid_after_utc,
        fingerprint=leaf.fingerprint(SHA256()).hex(),
        imported_at=now,
    )


def _parse(chain: bytes) -> list[x509.Certificate]:
    if len(chain) > MAX_CHAIN_BYTES:
        raise CertificateRefusedError(f"the chain is larger than {MAX_CHAIN_BYTES} bytes")
    if b"PRIVATE KEY" in chain:
        raise CertificateRefusedError("the chain has a private key in it: that belongs in a file of its own, --key")
    try:
        chain.decode()
        return x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise CertificateRefusedError("the chain is not PEM: the leaf's certificate first, then its issuers'") from None


def _check_key(leaf: x509.Certificate, private_key: bytes) -> None:
    if len(private_key) > MAX_KEY_BYTES:
        raise CertificateRefusedError(f"the private key is larger than {MAX_KEY_BYTES} bytes")
    try:
        private_key.decode()
        key = load_pem_private_key(private_key, None)
    except TypeError:
        raise CertificateRefusedError("the private key has a password: take it off first") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateRefusedError("the private key is not PEM, or of a kind that is not known") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise CertificateRefusedError("the private key is neither RSA's nor ECDSA's, which are what Fly.io serves")
    if key.public_key() != leaf.public_key():
        raise CertificateRefusedError("the private key is not that of the first certificate in the chain")


def _check_order(certificates: list[x509.Certificate]) -> None:
    for issued, issuer in pairwise(certificates):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise CertificateRefusedError(
                "the chain is not in order: each certificate is followed by that of its issuer"
            ) from None


def host_names(leaf: x509.Certificate) -> list[str]:
    """What a certificate stands for: its DNS names, which may begin with `*`."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
