"""`prestage rotate`: other credentials for a stack that goes on working meanwhile."""

import time
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from fly_io import client as fly_io
from fly_io.client import Fly
from github_app.client import GitHub, build_http
from prestage.changes import Change
from prestage.cli_credentials import read_credential
from prestage.cli_input import is_typed
from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.credentials import Credential, CredentialError
from prestage.github_administration import Administration, web_url
from prestage.rotation import REREAD, RotationError, WebhookRotation, check_fly_token, rotate_key
from prestage.stack import Stack
from prestage_contracts.operators import CredentialChanged, CredentialChangedData

app = typer.Typer(help="Other credentials, while the stack goes on working.", no_args_is_help=True)

_MINUTES = REREAD / timedelta(minutes=1)


def changing(
    stack: Stack, *credentials: Credential, refusals: tuple[type[Exception], ...] = (CredentialError, RotationError)
) -> AbstractContextManager[object]:
    """State that the caller changes these credentials, by what is done within it; see `Changes.intended`."""
    said = [CredentialChangedData(changed_by=stack.caller, credential=one) for one in credentials]
    return stack.changes.intended(*(Change(CredentialChanged, one) for one in said), refusals=refusals)


def wait(duration: timedelta) -> None:
    """Let time pass."""
    try:
        time.sleep(duration.total_seconds())
    except KeyboardInterrupt:
        raise RotationError("broken off: nothing is lost, and run again it goes on from here") from None


@app.command()
def webhook_secret(stack: StackName = DEFAULT_STACK) -> None:
    """Have GitHub sign webhooks with a new secret. None is lost. It takes five minutes."""
    found = Stack.named(stack)
    with build_http() as http, changing(found, "webhook_secret", refusals=(CredentialError,)):
        WebhookRotation(
            found.credentials,
            Administration(http, found.outputs["GitHubApiUrl"], clock=found.clock),
            GitHub(http, found.outputs["GitHubApiUrl"], clock=found.clock),
            clock=found.clock,
            wait=wait,
            tell=typer.echo,
        )()


@app.command()
def github_key(
    file: Annotated[Path | None, typer.Option("--file", help="The PEM; standard input where it is left out.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Use another private key of the GitHub App, which you generate in its settings."""
    found = Stack.named(stack)
    if is_typed(file):
        raise typer.BadParameter("--file: the PEM that GitHub had you download, or give it on standard input")
    pem = read_credential("key", file)
    with build_http() as http, changing(found, "github_key"):
        administration = Administration(http, found.outputs["GitHubApiUrl"], clock=found.clock)
        old = rotate_key(found.credentials, administration, found.clock, pem)
    typer.echo("GitHub takes the new key, and the stack has it")
    slug = (found.credentials.app_identity() or ("", ""))[1]
    which = "the old one" if old is None else f"the key {old}"
    typer.echo(
        f"in {_MINUTES:.0f} minutes every function has read it: then delete {which} in the settings of the App {slug} "
        f"({web_url(found.outputs['GitHubApiUrl'])}/apps/{slug}, App settings, Private keys)"
    )


@app.command()
def fly_token(
    file: Annotated[
        Path | None,
        typer.Option("--file", help="The token; standard input where it is left out."),
    ] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Use another token of Fly.io, which you make with `fly tokens create org`."""
    found = Stack.named(stack)
    token = read_token(file)
    if token == found.credentials.fly_token():
        raise CredentialError("that is the token that is in use: make another one with `fly tokens create org`")
    change_fly_token(found, token)
    typer.echo("Fly.io takes the new token, and the stack has it")
    typer.echo(
        f"in {_MINUTES:.0f} minutes every function has read it: then revoke the old one, `fly tokens list --org "
        f"{found.outputs['FlyOrganization']}` and `fly tokens revoke ID`"
    )


def read_token(file: Path | None, option: str = "--file") -> SecretStr:
    """A token of Fly.io, without the line feed that it may end with; see `read_credential`."""
    return SecretStr(read_credential("token of Fly.io", file, option).get_secret_value().strip())


def change_fly_token(stack: Stack, token: SecretStr) -> None:
    """Have the stack use a token, once it is tried; raises what `try_fly_token` does."""
    with changing(stack, "fly_token"):
        try_fly_token(stack, token)
        stack.credentials.put_fly_token(token)


def try_fly_token(stack: Stack, token: SecretStr) -> None:
    """See that a token will do for the stack.

    Raises:
        CredentialError: it will not.
        RotationError: Fly.io does not say.
    """
    with fly_io.build_http() as http:
        fly = Fly(http, stack.outputs["FlyApiUrl"], lambda: token)
        check_fly_token(fly, stack.outputs["FlyOrganization"], stack.outputs["FlyAppPrefix"])
