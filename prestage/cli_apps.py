"""`prestage apps`: the deployable things in repositories."""

import json
from typing import Annotated, Literal

import typer

from prestage.cli_options import DEFAULT_STACK, AppReference, StackName, checking
from prestage.cli_output import show_rows
from prestage.cli_users import ID_RULE
from prestage.stack import Stack
from prestage_contracts.snapshot import Repository
from records.apps import new_app
from records.users import NoSuchUserError

app = typer.Typer(help="The deployable things in repositories.", no_args_is_help=True)

_OPTIONS = {
    "": "--memory-mb and --cpus: 256 to 2048 MB for each CPU",
    "name": "NAME: 1 to 100 characters",
    "full_name": "--repository: owner/name",
    "id": "--repository-id: a whole number above 0",
    "owner": f"--owner: {ID_RULE}",
    "image": "--image: a public image, such as node:22 or ghcr.io/acme/base:1",
    "health_path": "--health-path: a path that begins with /, without spaces",
    "region": "--region: three lower-case letters, such as iad",
}


@app.command()
def add(  # noqa: PLR0917  # typer turns each into an option of its own
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    repository: Annotated[str, typer.Option(help="owner/name on GitHub.")],
    owner: Annotated[str, typer.Option(help="The user whom it belongs to; see `prestage users`.")],
    image: Annotated[str, typer.Option(help="A public image with a shell, such as node:22 or python:3.13.")],
    start: Annotated[str, typer.Option(help="The command that serves HTTP on $PORT.")],
    build: Annotated[str | None, typer.Option(help="A command that is run once before that.")] = None,
    directory: Annotated[str, typer.Option(help="Where in the repository the commands are run.")] = ".",
    port: Annotated[int, typer.Option(help="What $PORT is.")] = 8080,
    health_path: Annotated[str, typer.Option(help="A path that answers 2xx once the app is ready.")] = "/",
    region: Annotated[str, typer.Option(help="The Fly.io region.")] = "iad",
    memory_mb: Annotated[int, typer.Option(help="256, 512, 1024 or 2048.")] = 512,
    cpus: Annotated[int, typer.Option(help="Shared CPUs: 1, 2, 4 or 8.")] = 1,
    forks: Annotated[
        Literal["ignore", "without_secrets"], typer.Option(help="What a fork's pull request gets.")
    ] = "ignore",
    repository_id: Annotated[int | None, typer.Option(help="GitHub's id; asked of GitHub where left out.")] = None,
    installation_id: Annotated[int | None, typer.Option(help="The App's there; asked of GitHub likewise.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Add an app: its pull requests get previews from now on."""
    found = Stack.named(stack)
    told, installation_id = _repository(found, repository, repository_id, installation_id)
    with checking(_OPTIONS):
        added = new_app(
            repository=told,
            name=name,
            now=found.clock(),
            installation_id=installation_id,
            owner=owner,
            image=image,
            start=start,
            build=build,
            directory=directory,
            port=port,
            health_path=health_path,
            region=region,
            memory_mb=memory_mb,
            cpus=cpus,
            forks=forks,
        )
    try:
        found.apps.add(added)
    except NoSuchUserError as error:
        raise NoSuchUserError(f"{error}: add them with `prestage users add {owner}`") from None
    found.secrets.purge(added.id)  # what a removal left that was interrupted is not the new app's
    typer.echo(f"added {added.repository.full_name}:{added.name} ({added.id})")


@app.command("list")
def list_(
    repository: Annotated[str | None, typer.Option(help="Of this owner/name only.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """List the apps."""
    apps = Stack.named(stack).apps.list_all()
    if repository is not None:
        apps = [listed for listed in apps if listed.repository.full_name.casefold() == repository.casefold()]
    rows = (
        (listed.repository.full_name, listed.name + " (being removed)" * listed.removing, listed.owner, listed.id)
        for listed in apps
    )
    show_rows(("repository", "app", "owner", "id"), rows)


@app.command()
def show(reference: AppReference, stack: StackName = DEFAULT_STACK) -> None:
    """Show an app with its environments and the names of its secrets, as JSON."""
    found = Stack.named(stack)
    shown = found.app(reference)
    environments = found.environments.list_by_app(shown.id)
    names = {kind: [info.name for info in found.secrets.list(shown.id, kind)] for kind in ("preview", "production")}
    told = {
        **shown.model_dump(mode="json"),
        "secrets": names,
        "environments": [environment.model_dump(mode="json") for environment in environments],
    }
    typer.echo(json.dumps(told, indent=2))


@app.command()
def remove(reference: AppReference, stack: StackName = DEFAULT_STACK) -> None:
    """Remove an app that has no live environments, with its secrets."""
    found = Stack.named(stack)
    removed = found.apps.remove(found.app(reference).id)
    found.secrets.purge(removed.id)
    typer.echo(f"removed {removed.repository.full_name}:{removed.name} and its secrets")


def _repository(
    stack: Stack, full_name: str, repository_id: int | None, installation_id: int | None
) -> tuple[Repository, int]:
    if repository_id is None and installation_id is None:
        return stack.look_up(full_name)
    if repository_id is None or installation_id is None:
        raise typer.BadParameter("--repository-id and --installation-id go together")
    with checking(_OPTIONS):
        return Repository(id=repository_id, full_name=full_name), installation_id
