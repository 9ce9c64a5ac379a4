"""`prestage checks`: whose the names of other teams' checks are."""

from typing import Annotated

import typer

from prestage.changes import Change
from prestage.cli_options import DEFAULT_STACK, AppReference, StackName
from prestage.cli_output import show_rows
from prestage.cli_story import clock_time
from prestage.stack import Stack
from prestage_contracts.operators import CheckReleased, CheckReleasedData
from records.checks import check_key

app = typer.Typer(help="Whose the names of other teams' checks are.", no_args_is_help=True)


class NobodysNameError(Exception):
    """No account has reported a check of that name for the app."""


@app.command("list")
def list_(reference: AppReference, stack: StackName = DEFAULT_STACK) -> None:
    """List the names of an app's checks, each with the AWS account that it belongs to."""
    found = Stack.named(stack)
    shown = found.app(reference)
    required = {check_key(name): name for name in shown.required_checks}
    rows = []
    for one in found.checks.owners(shown.id):
        is_required = required.pop(check_key(one.name), None) is not None
        rows.append((one.name, one.account, clock_time(one.since), "yes" if is_required else ""))
    rows += [(name, "nobody yet", "", "yes") for name in required.values()]
    show_rows(("check", "account", "since (UTC)", "required"), rows)


@app.command()
def release(
    reference: AppReference,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The check's name.")],
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Give a check's name back: it is the next account's that reports it."""
    found = Stack.named(stack)
    shown = found.app(reference)
    owner = found.checks.owner(shown.id, name)
    if owner is None:
        raise NobodysNameError(f"{name} of {shown.name} is nobody's: see `prestage checks list`")
    data = CheckReleasedData(changed_by=found.caller, app=shown.snapshot(), name=owner.name, account=owner.account)
    with found.changes.stated(Change(CheckReleased, data)) as also:
        if not found.checks.release(owner, also):
            raise NobodysNameError(f"{name} of {shown.name} is {owner.account}'s no more: see `prestage checks list`")
    typer.echo(f"{owner.name} of {shown.name} was {owner.account}'s, and is the next account's that reports it")
