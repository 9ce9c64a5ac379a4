"""Certificates for names that nobody has."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

EXPIRES = datetime(2037, 1, 1, tzinfo=UTC)


def issue(*hostnames: str, expires: datetime = EXPIRES) -> tuple[str, str]:
    """A certificate that its own key has signed, and the key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made up")])
    certificate = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = certificate.not_valid_before(expires - timedelta(days=7300)).not_valid_after(expires)
    if hostnames:
        names = x509.SubjectAlternativeName([x509.DNSName(hostname) for hostname in hostnames])
        certificate = certificate.add_extension(names, critical=False)
    chain = certificate.sign(key, SHA256()).public_bytes(Encoding.PEM)
    return chain.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
