"""`prestage demo`: a signed webhook becomes a live preview, every fact shown as it is stated."""

import hashlib
import os
import queue
import re
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import httpx
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from yaml import YAMLError

from github_app.auth import AppCredentials, InstallationTokens
from github_app.client import GitHub, build_http
from prestage.stack import GitHubLookUpError
from prestage.stage.aws import CREDENTIALS, REGION
from prestage.stage.lambdas import InvocationError
from prestage.stage.sample import GitError, SampleRepository
from prestage.stage.stage import STACK_NAME, Stage
from prestage.stage.template import TemplateError
from prestage_contracts import EVENTS
from records.apps import App, new_app
from records.users import User

REPOSITORY = "octo-org/shop"
OWNER = "shop-team"
GREETING = "Good morning"
EXPECTED = ("PullRequestOpened", "EnvironmentCreated", "SecretsResolved", "PrCommented", "RuntimeRequested")
"""The facts of the main job. Each is stated once."""

PATIENCE = timedelta(seconds=20)

INTERRUPTED = 130
"""The exit status of what Ctrl-C ended, as shells have it."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

type Fact = Mapping[str, Any]


class DemoError(Exception):
    """Something that the demo is to show did not happen; the text says what."""


TROUBLE = (DemoError, GitError, GitHubLookUpError, InvocationError, OSError, httpx.HTTPError)
"""What can keep the demo from being shown: told without a trace."""


@dataclass
class Story:
    """The facts about one repository as they are stated, each with the moment (`time.monotonic`).

    `group` is what facts about it have in their metadata.
    """

    group: str
    began: float
    patience: timedelta = PATIENCE
    facts: list[Fact] = field(default_factory=list)
    _arrived: "queue.SimpleQueue[tuple[float, Fact]]" = field(default_factory=queue.SimpleQueue)

    def hear(self, fact: Fact) -> None:
        """The bus's subscriber."""
        if fact["detail"].get("metadata", {}).get("group") == self.group:
            self._arrived.put((time.monotonic(), fact))

    def follow(self, wanted: tuple[str, ...]) -> Iterator[tuple[float, Fact]]:
        """The facts with the seconds since the beginning, until all that are wanted were stated.

        Raises:
            DemoError: they were not, in time, or a failure was stated.
        """
        missing = list(wanted)
        deadline = self.began + self.patience.total_seconds()
        while missing:
            try:
                moment, fact = self._arrived.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                within = f"{self.patience.total_seconds():.0f} s"
                raise DemoError(f"not stated within {within}: {', '.join(missing)}") from None
            self.facts.append(fact)
            yield moment - self.began, fact
            name = fact["detail-type"]
            if name.endswith("Failed"):
                raise DemoError(f"{name}: {fact['detail']['data']['reason']['message']}")
            if name in missing:
                missing.remove(name)

    def data(self, name: str) -> Mapping[str, Any]:
        """What the first fact of that name says."""
        found: Mapping[str, Any] = next(fact for fact in self.facts if fact["detail-type"] == name)["detail"]["data"]
        return found


def run(console: Console, *, template: Path, keep: bool) -> int:
    """Show the main job. Gives the exit status: 0 only if all of it held; Ctrl-C is how `keep` ends."""
    if not template.is_file() or not (template.resolve().parent / "services").is_dir():
        wanted = f"{template} with services/ beside it"
        console.print(
            f"error: there is no {wanted}: say where Prestage's is with --template", style="red", markup=False
        )
        return 1
    with _ending_on_signals():
        return _run(console, template, keep=keep)


def _run(console: Console, template: Path, *, keep: bool) -> int:
    status = INTERRUPTED
    logged: list[tuple[str, str]] = []
    began = time.monotonic()
    try:
        with Stage(template, log=lambda function, line: logged.append((function, line))) as stage:
            try:
                status = attempt(console, logged, lambda: _start_and_perform(console, stage, began))
                if keep and status == 0:
                    _keep(console, stage)
            finally:
                _disregard_signals()
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


def _start_and_perform(console: Console, stage: Stage, began: float) -> None:
    start(stage)
    took = f"{time.monotonic() - began:.1f} s"
    console.print(f"[bold]The stage is up[/bold] [dim]({took}): template.yaml, deployed here[/dim]", highlight=False)
    perform(console, stage)


def start(stage: Stage) -> None:
    """Have every function ready, and fed from its queue."""
    stage.lambdas.warm([function.logical_id for function in stage.deployment.functions])
    stage.poller.start()


def perform(console: Console, stage: Stage, name: str = REPOSITORY) -> None:
    """Show the main job on a stage that was started, for a repository of that name that it does not have yet."""
    api_key = secrets.token_urlsafe(24)
    repository = SampleRepository.create(stage.folder / name)
    app = register(stage, repository, api_key, name)
    sha = repository.branch("teal", {"headline.txt": "A teal headline\n", "colour.txt": "teal\n"})
    given = "a secret API_KEY and a config value GREETING"
    console.print(f"{name} has the app [bold]{app.name}[/bold], {given}\n", highlight=False, soft_wrap=True)

    story = Story(group=str(app.repository.id), began=time.monotonic())
    stage.bus.subscribe(story.hear)
    number = stage.github.open_pull_request(name, branch="teal", title="Make the headline teal")
    delivery = stage.github.deliveries[-1]
    console.print(f"[bold]A pull request is opened[/bold]: GitHub's webhook is answered {delivery.status}\n")
    for seconds, fact in story.follow(EXPECTED):
        _show_fact(console, seconds, fact)
    comments = stage.github.comments(name, number)
    if len(comments) != 1:
        raise DemoError(f"the pull request has {len(comments)} comments, and not one")
    show_comment(console, comments[0].author_login, comments[0].body)
    page = _fetch(console, stage, story)
    check_page(console, page, sha, api_key)
    total = time.monotonic() - story.began
    console.print(f"\n[green bold]From webhook to live page in {total:.1f} s.[/green bold]")


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


def _show_fact(console: Console, seconds: float, fact: Fact) -> None:
    name, source = fact["detail-type"], fact["source"]
    told = escape(_gist(name, fact))
    console.print(
        f"[green]{seconds * 1000:6.0f} ms[/green]  [bold]{name:<19}[/bold] [dim]{source:<22}[/dim] {told}",
        highlight=False,
        soft_wrap=True,
    )


def _gist(name: str, fact: Fact) -> str:
    event = EVENTS[name].model_validate(fact["detail"])
    data: Any = event.data
    match name:
        case "PullRequestOpened":
            return f"#{data.pull_request.number} “{data.pull_request.title}” at {data.head.sha[:7]}"
        case "EnvironmentCreated":
            return f"{data.environment.app_name}, generation {data.environment.generation}"
        case "SecretsResolved":
            return f"{', '.join(data.names) or 'none'} (names and a reference, no value)"
        case "PrCommented":
            return f"comment {data.comment_id} shows {len(data.shows)} environment"
        case "RuntimeRequested":
            return f"machine {data.runtime.machine_id} in {data.runtime.region}: {data.runtime.address}"
        case _:
            return str(data.reason.message if hasattr(data, "reason") else data.subject)


def show_comment(console: Console, author: str, body: str) -> None:
    """Show a comment's Markdown as a person would see it."""
    shown = re.sub(r"<!--.*?-->\n", "", body)
    title = Text(f"{author} commented")  # in text, [bot] is no markup
    console.print()
    console.print(Panel(_Comment(shown), title=title, title_align="left"))


def _fetch(console: Console, stage: Stage, story: Story) -> str:
    address = story.data("RuntimeRequested")["runtime"]["address"]
    answer = stage.fetch(address)
    console.print(f"\nGET {address} → {answer.status_code}", highlight=False, soft_wrap=True)
    if not answer.is_success:
        machine_id = story.data("RuntimeRequested")["runtime"]["machine_id"]
        raise DemoError(f"the preview answers {answer.status_code}; its machine said:\n{stage.fly.log(machine_id)}")
    return answer.text


def check_page(console: Console, page: str, sha: str, api_key: str) -> None:
    """See that the page shows what its machine was to be given.

    Raises:
        DemoError: it does not.
    """
    shown = dict(re.findall(r'<dd id="(\w+)">([^<]*)</dd>', page))
    promises = {
        f"it shows the commit {sha[:7]}": shown.get("commit") == sha and "A teal headline" in page,
        f"the config value arrived: {GREETING}": shown.get("greeting") == GREETING,
        "the secret arrived (by its SHA-256)": shown.get("secret") == hashlib.sha256(api_key.encode()).hexdigest(),
    }
    for promise, holds in promises.items():
        console.print(f"  {'[green]✓[/green]' if holds else '[red]✗[/red]'} {promise}", highlight=False)
    if not all(promises.values()):
        raise DemoError("the page is not what was promised")


def _show_errors(console: Console, logged: Sequence[tuple[str, str]]) -> None:
    told = [(function, line) for function, line in logged if '"level":"ERROR"' in line or "Traceback" in line]
    for function, line in told[-10:]:
        console.print(f"  {function}: {line}", markup=False, highlight=False, soft_wrap=True)


def _keep(console: Console, stage: Stage) -> None:
    console.print("\n[bold]The stage stays up.[/bold] In another terminal, here:\n")
    console.print("\n".join(_ways_in(stage)), markup=False, highlight=False, soft_wrap=True)
    console.print("\n[bold]Ctrl-C ends it.[/bold]")
    threading.Event().wait()


def _ways_in(stage: Stage) -> list[str]:
    """What to type in a shell, and before each what it reaches; the first part is needed by all others."""
    outputs, fly_app = stage.deployment.outputs, stage.fly.apps()[0].name
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), REGION)
    endpoints = {"AWS_ENDPOINT_URL": stage.aws.endpoint, "AWS_ENDPOINT_URL_EVENTBRIDGE": stage.bus_server.url}
    settings = {**CREDENTIALS, **region, **endpoints, "PRESTAGE_STACK": STACK_NAME, "NO_PROXY": "127.0.0.1,.localhost"}
    source = stage.fly.machines()[0].config.env["PRESTAGE_SOURCE_URL"]
    secret = f"aws secretsmanager get-secret-value --secret-id {outputs['FlySecretArn']}"
    token = f"$({secret} --query SecretString --output text)"
    entry = f"Source=my.test,DetailType=Hello,Detail='{{}}',EventBusName={outputs['BusName']}"
    prestage = os.path.relpath(Path(sys.executable).with_name("prestage"))
    return [
        *(f"export {name}={value}" for name, value in settings.items()),
        "\nThe preview, and its machine as Fly.io tells of it:",
        f"curl http://{fly_app}.fly.localhost:{stage.fly_edge.port}/",
        f'curl -H "Authorization: Bearer {token}" {stage.fly_server.url}/v1/apps/{fly_app}/machines',
        "\nThe pull request's comment, as the GitHub App reads it:",
        f"curl -K {_as_the_app(stage)} {stage.github_server.url}/repos/{REPOSITORY}/issues/1/comments",
        "\nThe webhook: 401 without a signature, 202 for GitHub's delivery once more:",
        f"curl -i {outputs['WebhookUrl']} -d '{{}}'",
        f"curl -i -K {_as_delivered(stage)} {outputs['WebhookUrl']}",
        "\nThe source, as the machine asks for it (302 to the archive):",
        f"curl -i {source}",
        "\nThe records, the queues, the bus, the stack:",
        f"aws dynamodb scan --table-name {outputs['RecordsTable']}",
        f"aws sqs list-queues --endpoint-url {stage.aws.endpoint}",  # version 1 asks AWS itself otherwise
        f"aws events list-rules --event-bus-name {outputs['BusName']} --endpoint-url {stage.bus_server.url}",
        f'aws events put-events --endpoint-url {stage.bus_server.url} --entries "{entry}"',
        f"aws cloudformation describe-stacks --stack-name {STACK_NAME}",
        "\nThe command line:",
        f"{prestage} apps list",
        f"{prestage} apps show storefront",
        f"printf %s hush | {prestage} secrets set storefront TOKEN",
    ]


def _as_the_app(stage: Stage) -> Path:
    """A file of curl options: what the App sends with each request."""
    [app] = stage.stack.apps.list_all()
    credentials = AppCredentials.parse(stage.secrets["GitHubAppSecret"])
    with build_http() as http:
        github = GitHub(http, stage.github_server.url, clock=stage.stack.clock)
        tokens = InstallationTokens(github, lambda: credentials, stage.stack.clock)
        token = tokens.token(app.installation_id, app.repository.id, {"pull_requests": "read"})
    headers = {
        "Authorization": f"Bearer {token.get_secret_value()}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "prestage",
    }
    return _curl_options(stage.folder / "app.curl", headers)


def _as_delivered(stage: Stage) -> Path:
    """A file of curl options: GitHub's last delivery, with its signature."""
    delivery = stage.github.deliveries[-1]
    body = stage.folder / "delivery.json"
    body.write_bytes(delivery.body)
    return _curl_options(stage.folder / "delivery.curl", delivery.headers, f'data-binary = "@{body}"')


def _curl_options(path: Path, headers: Mapping[str, str], *more: str) -> Path:
    lines = [f'header = "{name}: {value}"' for name, value in headers.items()]
    path.write_text("\n".join([*lines, *more, ""]), encoding="utf-8")
    return path


class _FoldingTable(TableElement):
    """A table that cuts no address, however narrow the terminal."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            if isinstance(table, Table):
                for column in table.columns:
                    column.overflow = "fold"
            yield table


class _Comment(Markdown):
    elements: ClassVar = {**Markdown.elements, "table_open": _FoldingTable}


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """SIGTERM, or a terminal that is closed, ends the demo as Ctrl-C does, so that nothing is left behind."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _disregard_signals()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _disregard_signals() -> None:
    """Let nothing disturb the stage's going down."""
    for number in _ENDING:
        # Not SIG_IGN: Python complains of one that came and is not yet handled.
        signal.signal(number, lambda _number, _frame: None)
