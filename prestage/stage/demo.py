"""`prestage demo`: the life of a preview from a signed webhook on, every fact shown as it is stated."""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.text import Text
from yaml import YAMLError

from prestage.ending import INTERRUPTED, disregard_signals, ending_on_signals
from prestage.stack import GitHubLookUpError
from prestage.stage.consumer import ConsumerError
from prestage.stage.demo_life import GREETING, Life
from prestage.stage.demo_story import DemoError
from prestage.stage.demo_ways import ways_in
from prestage.stage.execution import InvocationError
from prestage.stage.sample import GitError, SampleRepository
from prestage.stage.stage import Stage
from prestage.stage.subscriber import deploy_subscriber
from prestage.stage.template import TemplateError
from records.apps import App, new_app
from records.users import User

REPOSITORY = "octo-org/shop"
OWNER = "shop-team"

TROUBLE = (ConsumerError, DemoError, GitError, GitHubLookUpError, InvocationError, OSError, httpx.HTTPError)
"""What can keep the demo from being shown: told without a trace."""


def run(console: Console, *, template: Path, keep: bool) -> int:
    """Show the main job. Gives the exit status: 0 only if all of it held; Ctrl-C is how `keep` ends."""
    if not template.is_file() or not (template.resolve().parent / "services").is_dir():
        wanted = f"{template} with services/ beside it"
        console.print(
            f"error: there is no {wanted}: say where Prestage's is with --template", style="red", markup=False
        )
        return 1
    with ending_on_signals():
        return _run(console, template, keep=keep)


def _run(console: Console, template: Path, *, keep: bool) -> int:
    status = INTERRUPTED
    logged: list[tuple[str, str]] = []
    began = time.monotonic()
    try:
        with Stage(template, log=lambda function, line: logged.append((function, line))) as stage:
            try:
                status = attempt(console, logged, lambda: _start_and_perform(console, stage, began, keep=keep))
                if keep and status == 0:
                    _keep(console, stage)
            finally:
                disregard_signals()
    except (TemplateError, YAMLError, OSError) as error:
        console.print(f"the stage can't be set up: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        pass
    console.print("\n[dim]The stage is down: no process is left.[/dim]")
    return status


def attempt(console: Console, logged: Sequence[tuple[str, str]], show: Callable[[], None]) -> int:
    """Show something. Gives the exit status: 1 if it failed, and then says why.

    Args:
        console: what it is said on.
        logged: what the functions have logged until then, by logical id: their errors are told too.
        show: raises one of `TROUBLE` where something is not as promised.
    """
    try:
        show()
    except TROUBLE as error:
        console.print(Text.assemble("\n", ("the demo failed: ", "red"), str(error)), soft_wrap=True)
        _show_errors(console, logged)
        return 1
    return 0


def _start_and_perform(console: Console, stage: Stage, began: float, *, keep: bool) -> None:
    start(stage)
    took = f"{time.monotonic() - began:.1f} s"
    console.print(f"[bold]The stage is up[/bold] [dim]({took}): template.yaml, deployed here[/dim]", highlight=False)
    console.print("Another team's stack is beside it: examples/subscriber, with the wheel and no code of Prestage's")
    perform(console, stage, keep=keep)


def start(stage: Stage) -> None:
    """Have every function ready, and fed from its queue; another team's, too, which checks what is ready."""
    deploy_subscriber(stage)
    stage.lambdas.warm([function.logical_id for function in stage.deployment.functions])
    stage.poller.start()


def perform(console: Console, stage: Stage, name: str = REPOSITORY, *, keep: bool = False) -> None:
    """Show the life of a preview on a stage that was started, for a repository of that name that it does not have yet.

    With `keep`, another pull request is opened in the end.
    """
    repository, api_key = SampleRepository.create(stage.folder / name), secrets.token_urlsafe(24)
    app = register(stage, repository, api_key, name)
    given = "a secret API_KEY and a config value GREETING"
    console.print(f"{name} has the app [bold]{app.name}[/bold], with {given}", highlight=False, soft_wrap=True)
    life = Life(console, stage, repository, app, api_key=api_key)
    ready = life.open("teal", "Make the headline teal")
    again = life.push("teal")
    gone = life.merge()
    told = f"Opened → ready in {ready:.1f} s, pushed → ready in {again:.1f} s, merged → gone in {gone:.1f} s."
    console.print(f"\n[green bold]{told}[/green bold]", highlight=False)
    if keep:
        life.open("plum", "Make the headline plum")


def register(stage: Stage, repository: SampleRepository, api_key: str, name: str = REPOSITORY) -> App:
    """Put the sample application on record, as `prestage users|apps|config|secrets` do."""
    stage.github.add_repository(name, repository.path)
    told, installation_id = stage.stack.look_up(name)
    now = stage.stack.clock()
    if stage.stack.users.get(OWNER) is None:
        stage.stack.users.add(User(id=OWNER, name="The shop's team", created_at=now))
    app = new_app(
        repository=told,
        name="storefront",
        now=now,
        installation_id=installation_id,
        owner=OWNER,
        image="python:3.13-slim",
        start="exec python3 server.py",
    ).with_config("preview", "GREETING", GREETING)
    stage.stack.apps.add(app)
    stage.stack.secrets.set(app.id, "preview", "API_KEY", api_key)
    return app


def _show_errors(console: Console, logged: Sequence[tuple[str, str]]) -> None:
    told = [(function, line) for function, line in logged if '"level":"ERROR"' in line or "Traceback" in line]
    for function, line in told[-10:]:
        console.print(f"  {function}: {line}", markup=False, highlight=False, soft_wrap=True)


def _keep(console: Console, stage: Stage) -> None:
    console.print("\n[bold]The stage stays up.[/bold] In another terminal, here:\n")
    [environment] = [one for one in stage.stack.environments.list_all() if one.is_live]
    console.print("\n".join(ways_in(stage, environment)), markup=False, highlight=False, soft_wrap=True)
    console.print("\n[bold]Ctrl-C ends it.[/bold]")
    threading.Event().wait()
