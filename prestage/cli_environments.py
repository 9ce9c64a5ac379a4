"""`prestage environments`: what runs, why, and on an operator's word."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer

from prestage.cli_options import DEFAULT_STACK, AppReference, StackName, checking
from prestage.cli_output import printable, show_rows
from prestage.cli_story import clock_time, gist, short, show_story
from prestage.references import naming
from prestage.stack import Stack
from prestage_contracts.envelope import Event
from prestage_contracts.operators import (
    DeployRequested,
    DeployRequestedData,
    OperatorRequestData,
    PasswordRequested,
    RetryRequested,
    StopRequested,
)
from records.environments import Environment, Mark
from records.journal import Entry
from runtimes.machine import VISITOR

app = typer.Typer(help="What runs, why, and on an operator's word.", no_args_is_help=True)

EnvironmentReference = Annotated[
    str,
    typer.Argument(
        metavar="ENVIRONMENT", help="Its id or address, APP#NUMBER, APP@BRANCH, or APP alone for production."
    ),
]

_RAISED = {"begin": "begun", "update": "updated", "close": "closed"}


class NotLiveError(Exception):
    """The environment is not live; the text says what to do instead."""


@app.command("list")
def list_(
    app_: Annotated[str | None, typer.Option("--app", help="Of this app only.")] = None,
    *,
    stopped: Annotated[bool, typer.Option("--stopped", help="Also those that are stopped.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """List the environments that are not stopped, by what the other commands take. Times are UTC."""
    found = Stack.named(stack)
    of = found.environments.list_all() if app_ is None else found.environments.list_by_app(found.app(app_).id)
    name = naming(found.apps.list_all())
    rows = (_row(environment, name) for environment in of if stopped or environment.status != "stopped")
    show_rows(("environment", "status", "branch", "commit", "since (UTC)", "address"), rows)


@app.command()
def show(
    reference: EnvironmentReference,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The record and the story as JSON.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show an environment, why it is so, and each fact of the last ninety days that led there. Times are UTC."""
    found = Stack.named(stack)
    environment = found.environment(reference)
    story = found.journal.story_of_environment(environment.id)
    if as_json:
        told = {"environment": environment.model_dump(mode="json"), "story": _plain(story)}
        typer.echo(json.dumps(told, indent=2))
        return
    for name, value in _described(environment, story):
        typer.echo(f"{name:<12}{printable(value)}")
    typer.echo()
    show_story(story)


@app.command()
def trace(
    correlation_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Of a delivery of GitHub's, an operator's request or a sweep of the janitor's."
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as JSON.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Show each fact that followed from one delivery, request or sweep, also where no environment came of it."""
    story = Stack.named(stack).story(correlation_id)
    if as_json:
        typer.echo(json.dumps(_plain(story), indent=2))
    else:
        show_story(story)


@app.command()
def deploy(
    reference: AppReference,
    branch: Annotated[str | None, typer.Option(help="A branch to give an environment of its own.")] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Deploy an app's production from the default branch, or a branch of it; again, if it is deployed already."""
    found = Stack.named(stack)
    wanted = found.app(reference)
    with checking({"branch": "--branch: 1 to 1024 characters"}):
        data = DeployRequestedData(
            app_id=wanted.id,
            app_name=wanted.name,
            repository=wanted.repository,
            branch=branch,
            requested_by=found.caller,
        )
    asked = found.state(DeployRequested, data, wanted.repository)
    _tell(reference if branch is None else f"{reference}@{branch}", "to be deployed", asked)


@app.command()
def retry(reference: EnvironmentReference, stack: StackName = DEFAULT_STACK) -> None:
    """Deploy the same commit of a live environment afresh, with secrets and config values as they are now."""
    found = Stack.named(stack)
    environment = found.environment(reference)
    if not environment.is_live:
        raise NotLiveError(f"{reference} is {environment.status}: {_how_to_begin(environment)}")
    _ask(found, RetryRequested, environment, reference, "to be deployed afresh")


@app.command()
def stop(reference: EnvironmentReference, stack: StackName = DEFAULT_STACK) -> None:
    """Stop an environment. A pull request's comes back with its next push; /preview stop in a comment keeps it away."""
    found = Stack.named(stack)
    environment = found.environment(reference)
    if not environment.is_live:
        raise NotLiveError(f"{reference} is {environment.status} already")
    _ask(found, StopRequested, environment, reference, "to stop")


@app.command()
def password(reference: EnvironmentReference, stack: StackName = DEFAULT_STACK) -> None:
    """Tell what visitors of a preview have to give, where its app asks them. It reads the stack's key.

    Who asked is stated before.
    """
    found = Stack.named(stack)
    environment = found.environment(reference)
    secret = found.password(environment)
    data = OperatorRequestData(environment=environment.snapshot(), requested_by=found.caller)
    found.state(PasswordRequested, data, environment.repository)
    for name, value in (("address", environment.address), ("user", VISITOR), ("password", secret)):
        typer.echo(f"{name:<12}{value}")


def _ask(stack: Stack, event: type[Event], environment: Environment, reference: str, what: str) -> None:
    data = OperatorRequestData(environment=environment.snapshot(), requested_by=stack.caller)
    _tell(reference, what, stack.state(event, data, environment.repository))


def _tell(reference: str, what: str, asked: str) -> None:
    typer.echo(printable(f"asked for {reference} {what}; what follows: `prestage environments trace {asked}`"))


def _how_to_begin(environment: Environment) -> str:
    if environment.pull_request:
        return "a push or /preview in a comment brings it back while the pull request is open"
    option = "" if environment.type == "production" else f" --branch {environment.branch}"
    return f"`prestage environments deploy {environment.app_name}{option}` brings it back"


def _row(environment: Environment, name: Callable[[Environment], str]) -> Sequence[str]:
    stage = f" ({environment.stage})" if environment.stage else ""
    return (
        name(environment),
        environment.status + stage,
        environment.branch,
        short(environment.sha),
        clock_time(environment.updated_at),
        environment.address,
    )


def _described(environment: Environment, story: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    yield "environment", environment.id
    yield "app", f"{environment.repository.full_name}:{environment.app_name}"
    yield "for", _what_for(environment)
    reason = f": {environment.reason.message}" if environment.reason else ""
    stage = f" ({environment.stage})" if environment.stage else ""
    yield "status", f"{environment.status}{stage} since {clock_time(environment.updated_at)}{reason}"
    yield from _why(environment, story)
    yield "commit", f"{environment.sha} of {environment.branch}"
    yield "generation", str(environment.generation)
    yield "secrets", f"the app's for {environment.type}" if environment.with_secrets else "none"
    yield "password", "asked of visitors" if environment.with_password else "none"
    yield "address", environment.address
    yield "Fly app", environment.fly_app
    if environment.log_url:
        yield "log", environment.log_url


def _what_for(environment: Environment) -> str:
    about = environment.pull_request
    if about:
        return f"pull request #{about.number} “{about.title}” by {about.author}, {about.html_url}"
    return f"branch {environment.branch}" if environment.type == "preview" else "production"


def _why(environment: Environment, story: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """What began it last, and what changed it last, as far as the record and the journal remember."""
    facts = {entry.event_id: entry for entry in story}
    begun = next((mark for mark in reversed(environment.marks) if mark.move == "begin"), None)
    latest = environment.marks[-1] if environment.marks else None
    told: list[Mark] = [begun] if begun else []
    if latest and latest != begun:
        told.append(latest)
    for mark in told:
        cause = facts.get(mark.cause)
        if cause:
            yield _RAISED[mark.move], f"{clock_time(cause.occurred_at)}, {cause.name}: {gist(cause)}"


def _plain(story: Sequence[Entry]) -> list[object]:
    return [entry.model_dump(mode="json") for entry in story]
