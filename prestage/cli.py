"""The operator's command line."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from rich.console import Console

from prestage import (
    cli_apps,
    cli_audit,
    cli_certificates,
    cli_checks,
    cli_dead_letters,
    cli_doctor,
    cli_environments,
    cli_events,
    cli_rotate,
    cli_setup,
    cli_subscribers,
    cli_users,
    cli_values,
)
from prestage.aside import NoFolderError
from prestage.bus_policy import PolicyOverwrittenError, SubscriberRefusedError
from prestage.certificate_files import CertificateRefusedError
from prestage.changes import NotNotedError, NotStatedError
from prestage.cli_checks import NobodysNameError
from prestage.cli_domains import DomainRefusedError
from prestage.cli_environments import NotLiveError
from prestage.cli_output import tell_error
from prestage.credentials import CredentialError
from prestage.dead_letters import NoSuchLetterError
from prestage.references import UnknownAppError
from prestage.replays import NoSuchSubscriberError
from prestage.rotation import RotationError
from prestage.setup import UnfinishedError
from prestage.stack import (
    GitHubLookUpError,
    NoPasswordError,
    NoSuchStackError,
    NoZoneError,
    UnknownEnvironmentError,
    UnknownStoryError,
)
from records.apps import (
    AppChangedError,
    AppExistsError,
    AppInUseError,
    ConfigTooLargeError,
    NoSuchAppError,
)
from records.domains import DomainConflictError
from records.names import InvalidVariableError
from records.table import ConflictError
from records.users import NoSuchUserError, UserExistsError, UserHasAppsError
from vault.secrets import SecretsTooLargeError, SecretUnreadableError

EXPECTED = (
    AppChangedError,
    AppExistsError,
    AppInUseError,
    BotoCoreError,
    CertificateRefusedError,
    ClientError,
    ConfigTooLargeError,
    ConflictError,
    CredentialError,
    DomainConflictError,
    DomainRefusedError,
    GitHubLookUpError,
    InvalidVariableError,
    NoFolderError,
    NoPasswordError,
    NoSuchAppError,
    NoSuchLetterError,
    NoSuchStackError,
    NoSuchSubscriberError,
    NoSuchUserError,
    NoZoneError,
    NobodysNameError,
    NotLiveError,
    NotNotedError,
    NotStatedError,
    PolicyOverwrittenError,
    RotationError,
    SecretUnreadableError,
    SecretsTooLargeError,
    SubscriberRefusedError,
    UnfinishedError,
    UnknownAppError,
    UnknownEnvironmentError,
    UnknownStoryError,
    UserExistsError,
    UserHasAppsError,
)
"""What an operator can do something about: told in one line, without a trace."""

_REGION = "AWS_DEFAULT_REGION"

PIPED_WIDTH = 110
"""Columns of the demo where nobody says how many there are. An address and its commit fit."""

app = typer.Typer(
    name="prestage",
    help="A running copy of the application for every pull request.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they hold secrets
)
app.add_typer(cli_apps.app, name="apps")
app.add_typer(cli_certificates.app, name="certificates")
app.add_typer(cli_checks.app, name="checks")
app.add_typer(cli_dead_letters.app, name="dead-letters")
app.add_typer(cli_environments.app, name="environments")
app.add_typer(cli_events.app, name="events")
app.add_typer(cli_rotate.app, name="rotate")
app.add_typer(cli_subscribers.app, name="subscribers")
app.add_typer(cli_users.app, name="users")
app.add_typer(cli_values.config, name="config")
app.add_typer(cli_values.secrets, name="secrets")
app.command("setup")(cli_setup.setup)
app.command()(cli_audit.audit)
app.command()(cli_doctor.doctor)


@app.command()
def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stage up, and say how to reach each part.")] = False,
    template: Annotated[
        Path, typer.Option(help="The template that the stage deploys.", show_default="the project's own")
    ] = Path(__file__).parents[1] / "template.yaml",
) -> None:
    """Show the life of a preview, on this machine alone."""
    from prestage.stage.demo import run  # noqa: PLC0415  # moto is not for the commands that reach a real stack

    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, emoji=False)
    raise typer.Exit(run(console, template=template, keep=keep))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. An error is one line on standard error.

    Gives the exit status: 1 after an error, 2 if what was asked is no command.
    """
    if not os.environ.get(_REGION):
        os.environ.pop(_REGION, None)  # botocore takes an empty one for a region's name
    try:
        ended = app(None if arguments is None else list(arguments), prog_name="prestage", standalone_mode=False)
    except typer.TyperException as error:
        _tell_usage(error)
        return error.exit_code
    except typer.Abort:
        tell_error("ended before it was done")
    except ValidationError as error:
        shape = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors())
        tell_error(f"the stack has a record of another version's shape ({error.title}: {shape})")
    except EXPECTED as error:
        tell_error(str(error))
    else:
        return ended if isinstance(ended, int) else 0
    return 1


def _tell_usage(error: typer.TyperException) -> None:
    message = error.format_message().removeprefix("Invalid value: ").replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    if message:  # none where the help was printed instead
        tell_error(message + (f" (see {context.command_path} --help)" if context else ""))
