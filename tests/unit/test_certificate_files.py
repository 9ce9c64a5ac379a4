"""Which certificates and keys are taken, and in what words others are refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from prestage.certificate_files import CertificateRefusedError, read_certificate
from tests.unit.fly_certificate import EXPIRES, issue

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DOMAIN = "previews.example.com"


def refused(chain: str | bytes, key: str | bytes, now: datetime = NOW) -> str:
    chain_bytes, key_bytes = (part.encode() if isinstance(part, str) else part for part in (chain, key))
    with pytest.raises(CertificateRefusedError) as raised:
        read_certificate(DOMAIN, chain_bytes, key_bytes, now)
    told = f"{raised.value} {raised.value.__cause__!r} {raised.value.__suppress_context__}"
    for line in key.splitlines()[1:-1] if isinstance(key, str) else ():
        assert line not in told
    return str(raised.value)


def issued_by(issuer: str, key: ec.EllipticCurvePrivateKey) -> tuple[str, str]:
    """A certificate for the previews, signed by that authority."""
    own = ec.generate_private_key(ec.SECP256R1())
    by, to = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (issuer, "made up"))
    builder = x509.CertificateBuilder(by, to, own.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(EXPIRES)
    names = x509.SubjectAlternativeName([x509.DNSName(f"*.{DOMAIN}")])
    signed = builder.add_extension(names, critical=False).sign(key, SHA256())
    return signed.public_bytes(Encoding.PEM).decode(), pem(own)


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_certificate_is_told_by_its_leaf() -> None:
    chain, key = issue(f"*.{DOMAIN}", "www.example.com")
    found = read_certificate(DOMAIN, chain.encode(), key.encode(), NOW)
    assert (found.domain, found.names, found.chain) == (DOMAIN, (f"*.{DOMAIN}", "www.example.com"), chain)
    assert (found.not_after, found.imported_at) == (EXPIRES, NOW)
    assert found.fingerprint == x509.load_pem_x509_certificate(chain.encode()).fingerprint(SHA256()).hex()
    assert key not in found.model_dump_json()


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        (f"a.{DOMAIN}", True),
        ("www.example.com", True),
        (f"a.b.{DOMAIN}", False),
        (DOMAIN, False),
        ("example.com", False),
        (f"a.x{DOMAIN}", False),
    ],
)
def test_a_wildcard_covers_one_label(host: str, covered: bool) -> None:
    chain, key = issue(f"*.{DOMAIN}", "www.example.com")
    assert read_certificate(DOMAIN, chain.encode(), key.encode(), NOW).covers(host) == covered


def test_a_chain_is_followed_from_the_leaf() -> None:
    authority, authority_key = issue()
    loaded = load_pem_private_key(authority_key.encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    leaf, key = issued_by("made up", loaded)
    assert read_certificate(DOMAIN, (leaf + authority).encode(), key.encode(), NOW).chain == leaf + authority
    assert "is not in order" in refused(leaf + issue()[0], key)
    assert "not that of the first certificate" in refused(authority + leaf, key)


def test_a_key_that_does_not_fit_is_refused() -> None:
    assert "not that of the first certificate" in refused(issue(f"*.{DOMAIN}")[0], issue(f"*.{DOMAIN}")[1])


@pytest.mark.parametrize(
    "names", [("previews.example.com",), ("*.example.com",), ("*.a.previews.example.com",), ("x.previews.example.com",)]
)
def test_a_certificate_for_other_names_is_refused(names: tuple[str, ...]) -> None:
    assert refused(*issue(*names)) == f"the certificate is for {', '.join(names)}, and has to be for *.{DOMAIN}"


def test_a_certificate_for_no_name_is_refused() -> None:
    assert "is for no name" in refused(*issue())


def test_an_expired_certificate_is_refused() -> None:
    assert "expired on 2026-10-31" in refused(*issue(f"*.{DOMAIN}", expires=NOW - timedelta(hours=1)))
    assert "expired" in refused(*issue(f"*.{DOMAIN}", expires=NOW))


def test_a_certificate_of_the_future_is_refused() -> None:
    assert "not valid before 2017" in refused(*issue(f"*.{DOMAIN}"), now=datetime(2016, 1, 1, tzinfo=UTC))


CHAIN, KEY = issue(f"*.{DOMAIN}")


def locked() -> bytes:
    key = load_pem_private_key(KEY.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"planted"))


@pytest.mark.parametrize(
    ("chain", "key", "words"),
    [
        ("", lambda: KEY, "not PEM"),
        (b"\xff" + CHAIN.encode(), lambda: KEY, "not PEM"),
        (CHAIN + KEY, lambda: KEY, "has a private key in it"),
        (CHAIN + " " * 33000, lambda: KEY, "larger than 32768 bytes"),
        (CHAIN, lambda: "", "private key is not PEM"),
        (CHAIN, lambda: CHAIN, "private key is not PEM"),
        (CHAIN, lambda: b"\xff" + KEY.encode(), "private key is not PEM"),
        (CHAIN, lambda: KEY + " " * 17000, "private key is larger"),
        (CHAIN, locked, "has a password"),
        (CHAIN, lambda: pem(ed25519.Ed25519PrivateKey.generate()), "neither RSA's nor ECDSA's"),
    ],
)
def test_what_is_no_certificate_or_key_is_refused(
    chain: str | bytes, key: Callable[[], str | bytes], words: str
) -> None:
    assert words in refused(chain, key())
