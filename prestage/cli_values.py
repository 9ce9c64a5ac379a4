"""`prestage config` and `prestage secrets`: what an app's machines get as environment variables."""

from pathlib import Path
from typing import Annotated

import typer

from prestage.change_of_app import variable_changed
from prestage.cli_input import ask, read_up_to
from prestage.cli_options import DEFAULT_STACK, AppReference, StackName, Type
from prestage.cli_output import show_rows
from prestage.stack import Stack
from prestage_contracts.operators import ConfigChanged, SecretChanged
from records.names import MAX_VALUE_BYTES, InvalidVariableError, check_variable

config = typer.Typer(help="Values that are not secret, by environment type.", no_args_is_help=True)
secrets = typer.Typer(help="Values that are secret, by environment type. Never shown.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The environment variable.")]


@config.command("set")
def set_config(
    app: AppReference,
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value; after `--` if it begins with a dash.")],
    environment_type: Type = "preview",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Set a config value; environments begun from now on get it."""
    found = Stack.named(stack)
    changed = found.app(app).with_config(environment_type, name, value)
    fact = variable_changed(
        ConfigChanged, changed, name, environment_type=environment_type, change="set", by=found.caller
    )
    with found.changes.stated(fact) as also:
        found.apps.update(changed, also)
    typer.echo(f"set {name} for {environment_type}")


@config.command("unset")
def unset_config(
    app: AppReference, name: Name, environment_type: Type = "preview", stack: StackName = DEFAULT_STACK
) -> None:
    """Unset a config value; environments begun from now on don't get it."""
    found = Stack.named(stack)
    changed = found.app(app)
    if name not in changed.config.get(environment_type, {}):
        raise InvalidVariableError(f"{changed.name} has no config value {name} for {environment_type}")
    fact = variable_changed(
        ConfigChanged, changed, name, environment_type=environment_type, change="deleted", by=found.caller
    )
    with found.changes.stated(fact) as also:
        found.apps.update(changed.with_config(environment_type, name, None), also)
    typer.echo(f"unset {name} for {environment_type}")


@config.command("list")
def list_config(app: AppReference, stack: StackName = DEFAULT_STACK) -> None:
    """List an app's config values."""
    by_type = sorted(Stack.named(stack).app(app).config.items())
    rows = ((environment_type, *one) for environment_type, values in by_type for one in sorted(values.items()))
    show_rows(("type", "name", "value"), rows)


@secrets.command("set", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def set_secret(  # noqa: PLR0917  # typer's parameters
    context: typer.Context,
    app: AppReference,
    name: Name,
    file: Annotated[Path | None, typer.Option("--file", help="Read the value from here, byte for byte.")] = None,
    environment_type: Type = "preview",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Set a secret, byte for byte from standard input or a file; at a terminal it is asked for."""
    if context.args:  # not quoted: it may be the value
        raise typer.BadParameter("no more than APP and NAME: the value comes on standard input or with --file")
    check_variable(name, "")  # before anybody is asked for the value
    value = read_value(name, file)
    found = Stack.named(stack)
    changed = found.app(app)
    fact = variable_changed(
        SecretChanged, changed, name, environment_type=environment_type, change="set", by=found.caller
    )
    with found.changes.stated(fact) as also:
        found.secrets.set(changed.id, environment_type, name, value, also)
    if value.endswith("\n") and file is None:
        typer.echo("note: the value ends with a line feed, which was kept (`printf %s` writes none)", err=True)
    typer.echo(f"set {name} for {environment_type} ({len(value.encode())} bytes)")


@secrets.command("list")
def list_secrets(app: AppReference, stack: StackName = DEFAULT_STACK) -> None:
    """List the names of an app's secrets."""
    found = Stack.named(stack)
    listed = found.app(app)
    rows = (
        (environment_type, info.name, str(info.size), f"{info.updated_at:%Y-%m-%d %H:%M:%S} UTC")
        for environment_type in ("preview", "production")
        for info in found.secrets.list(listed.id, environment_type)
    )
    show_rows(("type", "name", "bytes", "set at"), rows)


@secrets.command("delete")
def delete_secret(
    app: AppReference, name: Name, environment_type: Type = "preview", stack: StackName = DEFAULT_STACK
) -> None:
    """Delete a secret; environments begun from now on don't get it."""
    found = Stack.named(stack)
    named = found.app(app)
    fact = variable_changed(
        SecretChanged, named, name, environment_type=environment_type, change="deleted", by=found.caller
    )
    with found.changes.stated(fact) as also:
        if not found.secrets.delete(named.id, environment_type, name, also):
            raise InvalidVariableError(f"{named.name} has no secret {name} for {environment_type}")
    typer.echo(f"deleted {name} for {environment_type}")


def read_value(name: str, file: Path | None) -> str:
    """What is in the file, on standard input, or typed at a terminal, where it is not shown.

    Raises:
        InvalidVariableError: nothing is, or it is too large, or no text.
    """
    if (asked := ask("value", file)) is not None:
        return asked
    try:
        given = read_up_to(MAX_VALUE_BYTES, file)
    except OSError as error:
        raise InvalidVariableError(f"--file can't be read: {error.strerror}") from None
    if not given and file is None:
        raise InvalidVariableError(f"nothing came on standard input: for an empty {name} use --file /dev/null")
    if len(given) > MAX_VALUE_BYTES:
        raise InvalidVariableError(f"the value of {name} is larger than {MAX_VALUE_BYTES} bytes")
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise InvalidVariableError("the value is not UTF-8, and an environment variable is text: encode it") from None
