"""`prestage certificates`: what own domains are served with. Private keys are sealed, and never shown."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr, TypeAdapter, ValidationError

from prestage.certificate_files import CertificateRefusedError, read_certificate
from prestage.changes import Change
from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.cli_output import show_rows
from prestage.stack import Stack
from prestage_contracts.operators import CertificateImported, CertificateImportedData
from records.apps import App
from records.domains import Domain

app = typer.Typer(help="TLS certificates for own domains.", no_args_is_help=True)

_MAX_FILE = 64 * 1024


@app.command("import")
def import_(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="What it covers: names one label below this.")],
    chain: Annotated[Path, typer.Option("--chain", help="A PEM file: the certificate, then its issuers'.")],
    key: Annotated[Path, typer.Option("--key", help="A PEM file: its private key, without a password.")],
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Import a certificate for *.DOMAIN, or the next one. Environments get it with their next generation."""
    try:
        TypeAdapter(Domain).validate_python(domain)
    except ValidationError:
        raise CertificateRefusedError(f"{domain} is no domain: in lower case, such as previews.example.com") from None
    found = Stack.named(stack)
    private_key = _read(key, "--key")
    certificate = read_certificate(domain, _read(chain, "--chain"), private_key, found.clock())
    data = CertificateImportedData(
        changed_by=found.caller,
        domain=domain,
        fingerprint=certificate.fingerprint,
        not_after=certificate.not_after,
    )
    with found.changes.intended(Change(CertificateImported, data)):
        found.private_keys.keep(certificate, SecretStr(private_key.decode()))  # first: what is on record has its key
        found.certificates.keep(certificate)
        found.private_keys.forget_others(certificate)
    typer.echo(f"imported *.{domain}, valid until {certificate.not_after:%Y-%m-%d}")
    for environment in found.environments.list_all():
        if environment.is_live and environment.own_host and certificate.covers(environment.own_host):
            typer.echo(f"note: {environment.address} gets it with `prestage environments retry`", err=True)


@app.command("list")
def list_(stack: StackName = DEFAULT_STACK) -> None:
    """List the certificates, with the apps that use them."""
    found = Stack.named(stack)
    apps = found.apps.list_all()
    rows = (
        (
            certificate.domain,
            f"{certificate.not_after:%Y-%m-%d}" + " (expired)" * (certificate.not_after <= found.clock()),
            ", ".join(using.name for using in apps if _uses(using, certificate.domain)),
        )
        for certificate in found.certificates.list_all()
    )
    show_rows(("domain", "expires", "apps"), rows)


def _uses(used: App, domain: str) -> bool:
    production = used.production_domain
    return used.domain == domain or (production is not None and production.partition(".")[2] == domain)


def _read(file: Path, option: str) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_FILE)
    except OSError as error:
        raise CertificateRefusedError(f"{option} can't be read: {error.strerror}") from None
