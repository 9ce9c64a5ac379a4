"""`prestage apps`: the deployable things in repositories."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from prestage.change_of_app import settings_changed
from prestage.changes import Change
from prestage.cli_domains import check_domains
from prestage.cli_options import DEFAULT_STACK, AppReference, StackName, checking
from prestage.cli_output import show_rows
from prestage.cli_users import ID_RULE
from prestage.stack import Stack
from prestage_contracts.operators import AppChangeData, AppRegistered, AppRemoved
from prestage_contracts.snapshot import Repository
from records.apps import App, AppInUseError, NoSuchAppError, new_app
from records.checks import check_key
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
    "preview_label": "--preview-label: 1 to 50 characters",
    "keep_label": "--keep-label: 1 to 50 characters",
    "max_previews": "--max-previews: 0 to 1000",
    "idle_hours": "--idle-hours: 1 to 8760",
    "domain": "--domain: in lower case, such as previews.example.com",
    "production_domain": "--production-domain: in lower case, such as www.example.com",
    "required_checks": "--require-check: at most 10 names of letters, digits, spaces and ._/-, 50 characters each",
    "region": "--region: three lower-case letters, such as iad",
}


ForksPolicy = Literal["ignore", "without_secrets", "trusted"]
BotsPolicy = Literal["ignore", "without_secrets", "trusted"]
DraftsPolicy = Literal["ignore", "preview"]
PreviewsPolicy = Literal["every", "label", "command"]
AuthenticationPolicy = Literal["none", "basic"]

_FORKS = typer.Option(help="What a fork's pull request gets.")
_BOTS = typer.Option(help="What a bot's pull request gets.")
_DRAFTS = typer.Option(help="What a draft gets.")
_PREVIEWS = typer.Option(help="Which pull requests get a preview: all, labelled ones, or those that ask by /preview.")
_PREVIEW_LABEL = typer.Option(help="The label that --previews label asks for.")
_MAX_PREVIEWS = typer.Option(help="Live previews at once, at most: 0 to 1000.")
_IDLE_HOURS = typer.Option(help="Hours that a preview is kept while nothing happens: 1 to 8760.")
_DOMAIN = typer.Option(help="What previews have their host names below; see docs/domains.md. Empty for none.")
_PRODUCTION_DOMAIN = typer.Option(help="Production's host name. Empty for none.")
_REQUIRE_CHECK = typer.Option(
    help="A check of another team that a deployment waits for, to count as successful. Repeatable; empty for none."
)
_KEEP_LABEL = typer.Option(help="A label that keeps a preview longer than that.")
_AUTHENTICATION = typer.Option(help="Whether visitors of previews have to give a password; see docs/policies.md.")


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
    forks: Annotated[ForksPolicy, _FORKS] = "ignore",
    bots: Annotated[BotsPolicy, _BOTS] = "without_secrets",
    drafts: Annotated[DraftsPolicy, _DRAFTS] = "preview",
    previews: Annotated[PreviewsPolicy, _PREVIEWS] = "every",
    preview_label: Annotated[str, _PREVIEW_LABEL] = "preview",
    max_previews: Annotated[int, _MAX_PREVIEWS] = 20,
    idle_hours: Annotated[int, _IDLE_HOURS] = 168,
    keep_label: Annotated[str, _KEEP_LABEL] = "keep-preview",
    authentication: Annotated[AuthenticationPolicy, _AUTHENTICATION] = "none",
    domain: Annotated[str | None, _DOMAIN] = None,
    production_domain: Annotated[str | None, _PRODUCTION_DOMAIN] = None,
    require_check: Annotated[list[str] | None, _REQUIRE_CHECK] = None,
    repository_id: Annotated[int | None, typer.Option(help="GitHub's id; asked of GitHub where left out.")] = None,
    installation_id: Annotated[int | None, typer.Option(help="The App's there; asked of GitHub likewise.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Add an app: its pull requests get previews from now on."""
    found = Stack.named(stack)
    told, installation_id = _repository(found, repository, repository_id, installation_id)
    added = checked(
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
        bots=bots,
        drafts=drafts,
        previews=previews,
        preview_label=preview_label,
        max_previews=max_previews,
        idle_hours=idle_hours,
        keep_label=keep_label,
        authentication=authentication,
        domain=domain or None,
        production_domain=production_domain or None,
        required_checks=_named(require_check or []),
    )
    register(found, added)


@app.command("set")
def set_(  # noqa: PLR0917  # typer turns each into an option of its own
    reference: AppReference,
    owner: Annotated[str | None, typer.Option(help="The user whom it belongs to from now on.")] = None,
    image: Annotated[str | None, typer.Option(help="A public image with a shell.")] = None,
    start: Annotated[str | None, typer.Option(help="The command that serves HTTP on $PORT.")] = None,
    build: Annotated[str | None, typer.Option(help="A command that is run once before that; empty for none.")] = None,
    directory: Annotated[str | None, typer.Option(help="Where in the repository the commands are run.")] = None,
    port: Annotated[int | None, typer.Option(help="What $PORT is.")] = None,
    health_path: Annotated[str | None, typer.Option(help="A path that answers 2xx once the app is ready.")] = None,
    memory_mb: Annotated[int | None, typer.Option(help="256, 512, 1024 or 2048.")] = None,
    cpus: Annotated[int | None, typer.Option(help="Shared CPUs: 1, 2, 4 or 8.")] = None,
    forks: Annotated[ForksPolicy | None, _FORKS] = None,
    bots: Annotated[BotsPolicy | None, _BOTS] = None,
    drafts: Annotated[DraftsPolicy | None, _DRAFTS] = None,
    previews: Annotated[PreviewsPolicy | None, _PREVIEWS] = None,
    preview_label: Annotated[str | None, _PREVIEW_LABEL] = None,
    max_previews: Annotated[int | None, _MAX_PREVIEWS] = None,
    idle_hours: Annotated[int | None, _IDLE_HOURS] = None,
    keep_label: Annotated[str | None, _KEEP_LABEL] = None,
    authentication: Annotated[AuthenticationPolicy | None, _AUTHENTICATION] = None,
    domain: Annotated[str | None, _DOMAIN] = None,
    production_domain: Annotated[str | None, _PRODUCTION_DOMAIN] = None,
    require_check: Annotated[list[str] | None, _REQUIRE_CHECK] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Change an app. It counts from the next word on a pull request, or the next deployment; see docs/policies.md."""
    given: dict[str, Any] = {name: value for name, value in locals().items() if name not in {"reference", "stack"}}
    asked = given.pop("require_check")
    given["required_checks"] = None if asked is None else _named(asked)
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise typer.BadParameter("name at least one thing to change")
    found = Stack.named(stack)
    shown = found.app(reference)
    none = {name: None for name in ("build", "domain", "production_domain") if changes.get(name) == ""}
    changes |= none
    with checking(_OPTIONS):
        changed = App.model_validate({**shown.model_dump(), **changes})
    check_domains(found, changed, set(changes))
    facts = settings_changed(shown, changed, found.caller)
    if not facts:
        typer.echo(f"nothing changed: {shown.repository.full_name}:{shown.name} is so already")
        return
    with found.changes.stated(*facts) as also, _adding(changed.owner):
        found.apps.update(changed, also)
    told = ", ".join(f"{name}={value!r}" for name, value in changes.items())
    typer.echo(f"changed {shown.repository.full_name}:{shown.name}: {told}")


@app.command("reconnect")
def reconnect(
    reference: AppReference,
    repository: Annotated[
        str | None, typer.Option(help="Its owner/name now, where GitHub does not lead there from the old one.")
    ] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Ask GitHub anew for the repository's name and the installation, as after a renaming or a new installation."""
    found = Stack.named(stack)
    shown = found.app(reference)
    told, installation_id = found.look_up(repository or shown.repository.full_name, shown.repository.id)
    if told.id != shown.repository.id:
        raise typer.BadParameter(f"{told.full_name} is another repository: name its own with --repository")
    changed = shown.model_copy(update={"repository": told, "installation_id": installation_id})
    with found.changes.stated(*settings_changed(shown, changed, found.caller)) as also:
        found.apps.update(changed, also)
    typer.echo(f"{shown.name} is in {told.full_name}, installation {installation_id}")


@app.command("list")
def list_(
    repository: Annotated[str | None, typer.Option(help="Of this owner/name only.")] = None,
    owner: Annotated[str | None, typer.Option(help="Of this user only.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """List the apps."""
    apps = Stack.named(stack).apps.list_all()
    if repository is not None:
        apps = [listed for listed in apps if listed.repository.full_name.casefold() == repository.casefold()]
    if owner is not None:
        apps = [listed for listed in apps if listed.owner == owner]
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
    removed = found.app(reference)
    change = Change(AppRemoved, _change(found, removed))
    with found.changes.intended(change, refusals=(AppInUseError, NoSuchAppError)) as also:
        found.apps.remove(removed.id, also)
        found.secrets.purge(removed.id)
    typer.echo(f"removed {removed.repository.full_name}:{removed.name} and its secrets")


def checked(*, repository: Repository, name: str, now: datetime, **settings: Any) -> App:
    """A new app with these settings, which is on no record yet.

    Raises:
        typer.BadParameter: one of them will not do.
    """
    if not name.isprintable():
        raise typer.BadParameter("NAME has characters that don't print")
    with checking(_OPTIONS):
        return new_app(repository=repository, name=name, now=now, **settings)


def register(found: Stack, added: App) -> None:
    """Put a new app on record, state that, and say so.

    Raises:
        AppExistsError: there is one of its name in its repository.
        DomainRefusedError: it can't have the domain that it says.
        NoSuchUserError: there is nobody of its owner's name.
    """
    check_domains(found, added, {"domain", "production_domain"})
    with found.changes.stated(Change(AppRegistered, _change(found, added))) as also, _adding(added.owner):
        found.apps.add(added, also)
    found.secrets.purge(added.id)  # what a removal left that was interrupted is not the new app's
    typer.echo(f"added {added.repository.full_name}:{added.name} ({added.id})")


@contextmanager
def _adding(owner: str) -> Iterator[None]:
    try:
        yield
    except NoSuchUserError as error:
        raise NoSuchUserError(f"{error}: add them with `prestage users add {owner}`") from None


def _change(stack: Stack, changed: App) -> AppChangeData:
    return AppChangeData(changed_by=stack.caller, app=changed.snapshot())


def _named(checks: list[str]) -> tuple[str, ...]:
    """Each check once; an empty name stands for none."""
    return tuple({check_key(name): name for name in checks if name}.values())


def _repository(
    stack: Stack, full_name: str, repository_id: int | None, installation_id: int | None
) -> tuple[Repository, int]:
    if repository_id is None and installation_id is None:
        return stack.look_up(full_name)
    if repository_id is None or installation_id is None:
        raise typer.BadParameter("--repository-id and --installation-id go together")
    with checking(_OPTIONS):
        return Repository(id=repository_id, full_name=full_name), installation_id
