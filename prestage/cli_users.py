"""`prestage users`: who owns apps."""

from typing import Annotated

import typer

from prestage.changes import Change
from prestage.cli_options import DEFAULT_STACK, StackName, checking
from prestage.cli_output import show_rows
from prestage.stack import Stack
from prestage_contracts.operators import UserAdded, UserChangeData, UserRemoved
from records.users import NoSuchUserError, User, UserHasAppsError

app = typer.Typer(help="Who owns apps.", no_args_is_help=True)

ID_RULE = "lower-case letters, digits, '.', '_' and '-', not '.', '_' or '-' first, at most 64"
UserReference = Annotated[str, typer.Argument(metavar="USER", help=f"The id: {ID_RULE}.")]


@app.command()
def add(
    user: UserReference,
    name: Annotated[str | None, typer.Option(help="Their name; the id where it is left out.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Add a user, or a team."""
    found = Stack.named(stack)
    with checking({"id": f"USER: {ID_RULE}", "name": "--name: 1 to 200 characters"}):
        added = User(id=user, name=user if name is None else name, created_at=found.clock())
    with found.changes.stated(Change(UserAdded, _change(found, added))) as also:
        found.users.add(added, also)
    typer.echo(f"added the user {user}")


@app.command("list")
def list_(stack: StackName = DEFAULT_STACK) -> None:
    """List the users."""
    show_rows(("user", "name"), ((user.id, user.name) for user in Stack.named(stack).users.list_all()))


@app.command()
def show(user: UserReference, stack: StackName = DEFAULT_STACK) -> None:
    """List the apps of a user."""
    found = Stack.named(stack)
    if found.users.get(user) is None:
        raise _no_such_user(user)
    owned = found.apps.list_by_user(user)
    show_rows(("repository", "app", "id"), ((app.repository.full_name, app.name, app.id) for app in owned))


@app.command()
def remove(user: UserReference, stack: StackName = DEFAULT_STACK) -> None:
    """Remove a user who owns no apps."""
    found = Stack.named(stack)
    removed = found.users.get(user)
    if removed is None:
        raise _no_such_user(user)
    change = Change(UserRemoved, _change(found, removed))
    with found.changes.intended(change, refusals=(NoSuchUserError, UserHasAppsError)) as also:
        found.users.remove(user, also)
    typer.echo(f"removed the user {user}")


def _change(stack: Stack, user: User) -> UserChangeData:
    return UserChangeData(changed_by=stack.caller, user_id=user.id, name=user.name)


def _no_such_user(user: str) -> NoSuchUserError:
    return NoSuchUserError(f"there is no user {user}: see `prestage users list`")
