"""`prestage setup`: from a deployed stack to the first app, asking before each step."""

import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from github_app.client import build_http
from prestage import cli_apps, cli_rotate, cli_users
from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.credentials import CredentialError
from prestage.github_administration import Administration
from prestage.manifest import LONGEST_NAME
from prestage.setup import Dialogue, GitHubSetup
from prestage.stack import Stack

_PORT = typer.Option(min=0, max=65535, help="Of the page on 127.0.0.1 that leads to GitHub and back; 0 for a free one.")
_ORGANIZATION = typer.Option("--github-organization", help="Whose the GitHub App will be; your own account's if empty.")
_NAME = typer.Option("--github-app", help="What it is to be called; nobody else's App on GitHub may be called so.")
_TOKEN = typer.Option("--fly-token", help="A file with the Fly.io token; asked for at a terminal where left out.")


def setup(  # noqa: PLR0917  # typer turns each into an option of its own
    github_organization: Annotated[str, _ORGANIZATION] = "",
    github_app: Annotated[str | None, _NAME] = None,
    port: Annotated[int, _PORT] = 0,
    browser: Annotated[bool, typer.Option(help="Open pages in a browser, beside saying where they are.")] = True,
    fly_token: Annotated[Path | None, _TOKEN] = None,
    app: Annotated[str | None, typer.Option(help="The first app's name; see `prestage apps add`.")] = None,
    repository: Annotated[str | None, typer.Option(help="Its repository: owner/name.")] = None,
    owner: Annotated[str | None, typer.Option(help="The team that it belongs to.")] = None,
    image: Annotated[str | None, typer.Option(help="The public image that it runs in, such as node:22.")] = None,
    build: Annotated[str | None, typer.Option(help="A command that is run once, before it is started.")] = None,
    start: Annotated[str | None, typer.Option(help="The command that serves HTTP on $PORT.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do each step without asking.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Give a stack its GitHub App, its Fly.io token and its first app. What is done already is left as it is."""
    found = Stack.named(stack)
    name = github_app or f"{stack}-{github_organization}"[:LONGEST_NAME].strip("-")
    if len(name) > LONGEST_NAME:
        raise typer.BadParameter(f"--github-app: {LONGEST_NAME} characters at most")
    token = None if fly_token is None else cli_rotate.read_token(fly_token, "--fly-token")
    dialogue = Dialogue(
        tell=typer.echo,
        go_on=lambda question: yes or typer.confirm(question, default=True),
        retry=lambda question: not yes and typer.confirm(question, default=True),
        open=_browse if browser else lambda _: None,
        wait=cli_rotate.wait,
    )
    with build_http() as http:
        url = found.outputs["GitHubApiUrl"]
        github = GitHubSetup(
            found.credentials,
            Administration(http, url, clock=found.clock),
            url,
            found.outputs["WebhookUrl"],
            lambda credentials: cli_rotate.changing(found, *credentials),
            dialogue,
            found.clock,
        )
        typer.echo(f"1. the GitHub App of the stack {stack}")
        github.register(github_organization, name, port)
        typer.echo("2. its webhooks")
        github.point()
        typer.echo("3. the token of Fly.io")
        _fly_token(found, token, dialogue)
        typer.echo("4. where the App is installed")
        github.install()
    typer.echo("5. the first app")
    first_app(
        found, stack, {"name": app, "repository": repository, "owner": owner, "image": image, "start": start}, build
    )
    typer.echo("open a pull request: its preview is announced there. `prestage doctor` looks at all of this")


def _fly_token(found: Stack, given: SecretStr | None, dialogue: Dialogue) -> None:
    kept = found.credentials.fly_token()
    if kept is not None and given in {None, kept}:
        try:
            cli_rotate.try_fly_token(found, kept)
        except CredentialError as error:
            raise CredentialError(f"the token that the stack has: {error}; give it with --fly-token") from None
        dialogue.tell("   done already: it may make and delete apps")
        return
    organization = found.outputs["FlyOrganization"]
    dialogue.tell(
        f"   make one with `fly tokens create org --org {organization}`; it is tried by an app made and deleted"
    )
    token = cli_rotate.read_token(None, "--fly-token") if given is None else given
    cli_rotate.change_fly_token(found, token)
    dialogue.tell(f"   it may make and delete apps in {organization}")


def first_app(found: Stack, stack: str, said: Mapping[str, str | None], build: str | None) -> None:
    """Add the team and the first app, unless there is one.

    Args:
        found: the stack.
        stack: its name.
        said: name, repository, owner, image and start; what is None is asked for.
        build: the command that is run once before the app is started, if any.

    Raises:
        GitHubLookUpError: GitHub tells nothing of the repository.
        typer.BadParameter: something that was said will not do; nothing was added.
    """
    if apps := found.apps.list_all():
        names = sorted(app.name for app in apps)
        typer.echo(f"   done already: {', '.join(names)}")
        if said["name"] not in {None, *names}:
            typer.echo(f"   {said['name']} is not the first one: add it with `prestage apps add`")
        return
    asked = {
        "name": "   What it is called",
        "repository": "   Its repository (owner/name)",
        "owner": "   The team that it belongs to",
        "image": "   The public image that it runs in (such as node:22)",
        "start": "   The command that serves HTTP on $PORT",
    }
    told = {name: said[name] or str(typer.prompt(question)) for name, question in asked.items()}
    name, repository, owner, image, start = told.values()
    # All of it before the team is added, which would stay.
    seen, installation_id = found.look_up(repository)
    added = cli_apps.checked(
        repository=seen,
        name=name,
        now=found.clock(),
        installation_id=installation_id,
        owner=owner,
        image=image,
        start=start,
        build=build,
    )
    if found.users.get(owner) is None:
        cli_users.add(owner, stack=stack)
    cli_apps.register(found, added)


def _browse(page: str) -> None:
    webbrowser.open(page)
