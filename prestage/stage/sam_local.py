"""`make sam-local`: AWS, GitHub and Fly.io for functions that `sam local` runs in containers. See docs/sam-local.md."""

import json
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from prestage.ending import INTERRUPTED, disregard_signals, ending_on_signals
from prestage.sample_events import SECRET
from prestage.stage.built import BuiltFunction, architectures, built_functions
from prestage.stage.closing import Closing
from prestage.stage.container_engine import HOST, LOOPBACK, Engine, NoEngineError, find
from prestage.stage.demo import register
from prestage.stage.deployment import Deployment
from prestage.stage.github_hook import Delivery
from prestage.stage.sample import SampleRepository
from prestage.stage.stage import Stage

ROOT = Path(__file__).parents[2]
BUILT = Path(".aws-sam/build/template.yaml")
FOLDER = Path(".aws-sam/local")
TEMPLATE = "template.json"
REPOSITORY = "octo-org/shop"
BRANCH = "teal"
PORT = 3131

ENDPOINT = "AWS_ENDPOINT_URL"
"""The variable that tells which stage a container is for."""

_CALLED = (
    ENDPOINT,
    "AWS_ENDPOINT_URL_EVENTBRIDGE",
    "GITHUB_API_URL",
    "FLY_API_URL",
    "QUEUE_URL",
    "DEAD_LETTER_QUEUE_URL",
)
"""The variables with addresses that a function calls itself. The others are for machines and people on this machine."""

_LAMBDAS_OWN = ("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "LANG", "PATH", "TZ")
"""What the container's runtime sets itself."""


class NotBuiltError(Exception):
    """The package is missing, or for another processor; the text says what to do."""


def package_for(engine: Engine, built: Path) -> Mapping[str, BuiltFunction]:
    """The built functions, by logical id.

    Raises:
        NotBuiltError: there are none that the engine's containers can run.
    """
    if not built.is_file():
        raise NotBuiltError(f"{built} is missing; run: make package ARCHITECTURE={engine.architecture}")
    functions = built_functions(built)
    packed = set[str]().union(*(architectures(folder) for folder in {one.folder for one in functions.values()}))
    if packed != {engine.architecture}:
        told = ", ".join(sorted(packed)) or "no processor"
        raise NotBuiltError(
            f"the package is for {told}, the engine's containers are {engine.architecture}; "
            f"run: make package ARCHITECTURE={engine.architecture}"
        )
    return functions


def seen_from_container(environment: Mapping[str, str]) -> dict[str, str]:
    """A function's variables on the stage, as a container needs them: this machine has another name there."""
    kept = {name: value for name, value in environment.items() if name not in _LAMBDAS_OWN}
    called = {name: kept[name].replace("//127.0.0.1:", f"//{HOST}:") for name in _CALLED if name in kept}
    return {**kept, **called}


def template(
    deployment: Deployment,
    environment: Callable[[str], Mapping[str, str]],
    built: Mapping[str, BuiltFunction],
    architecture: str,
) -> dict[str, Any]:
    """What `sam local` is given: the built functions with the stage's settings in place of AWS's.

    Args:
        deployment: of the same template, on the stage.
        environment: a function's variables on the stage, by its logical id.
        built: the packages.
        architecture: of the containers, in Lambda's words.
    """
    functions = {
        one.logical_id: {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Handler": one.handler,
                "Runtime": built[one.logical_id].runtime,
                "CodeUri": str(built[one.logical_id].folder.resolve()),
                "Architectures": [architecture],
                "MemorySize": one.memory_mb,
                "Timeout": one.timeout,
                "LoggingConfig": {"LogFormat": "JSON"},
                "Environment": {"Variables": seen_from_container(environment(one.logical_id))},
                "Events": {
                    f"Route{number}": {"Type": "HttpApi", "Properties": {"Method": route.method, "Path": route.path}}
                    for number, route in enumerate(deployment.routes)
                    if route.function == one.logical_id
                },
            },
        }
        for one in deployment.functions
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": functions,
    }


def sam_settings(*, pull: bool) -> str:
    """The samconfig.toml that sam finds beside the template."""
    shared = f'add_host = ["{HOST}:host-gateway"]\nskip_pull_image = {json.dumps(not pull)}\n'
    sections = (
        f"[default.local_invoke.parameters]\n{shared}",
        f'[default.local_start_api.parameters]\n{shared}port = {PORT}\nwarm_containers = "LAZY"\n',
    )
    return "\n".join(["version = 0.1\n", *sections])


def curl_options(webhook: Delivery, body: Path) -> str:
    """What `curl -K` reads to send a webhook whose body is in that file."""
    headers = [f'header = "{name}: {value}"' for name, value in webhook.headers.items()]
    return "\n".join([*headers, f'data-binary = "@{body}"', ""])


class SamLocal(Closing):
    """A stage for containers, and the folder that points `sam local` at it, from construction until `close`.

    A pull request is open on its GitHub, and nobody has heard of it yet: its webhook is in the folder.

    Args:
        engine: where the containers are.
        built: the template that `sam build` wrote.
        folder: is made, and removed at the end.

    Raises:
        NotBuiltError: there is no package for the engine.
        OSError: a port of the stage's is taken at the engine's address.
    """

    def __init__(self, engine: Engine, built: Path, folder: Path) -> None:
        functions = package_for(engine, built)
        self._engine = engine
        with ExitStack() as parts:
            self.stage = parts.enter_context(Stage(ROOT / "template.yaml", webhook_secret=SECRET))
            parts.callback(self._remove_containers)
            if engine.address != LOOPBACK:
                self.stage.listen_also_at(engine.address)
            self.webhook = self._open_unheard()
            shutil.rmtree(folder, ignore_errors=True)
            parts.callback(shutil.rmtree, folder, ignore_errors=True)
            self._write(folder, functions)
            self._parts = parts.pop_all()

    def start(self) -> None:
        """Have the stage's own functions ready, and fed from their queues, as the demo's."""
        self.stage.lambdas.warm([function.logical_id for function in self.stage.deployment.functions])
        self.stage.poller.start()

    def containers(self) -> list[str]:
        """The ids of the containers that are pointed at this stage, whoever started them."""
        endpoint = seen_from_container({ENDPOINT: self.stage.aws.endpoint})[ENDPOINT]
        return self._engine.containers_with(ENDPOINT, endpoint)

    def close(self) -> None:
        """End the stage, and remove its containers and the folder."""
        self._parts.close()

    def _open_unheard(self) -> Delivery:
        """Open a pull request whose webhook reaches nobody. Gives that webhook."""
        repository = SampleRepository.create(self.stage.folder / REPOSITORY)
        register(self.stage, repository, secrets.token_urlsafe(24), REPOSITORY)
        repository.branch(BRANCH, {"headline.txt": "A teal headline\n", "colour.txt": "teal\n"})
        self.stage.github.lose_deliveries()
        self.stage.github.open_pull_request(REPOSITORY, branch=BRANCH, title="Make the headline teal")
        return self.stage.github.deliveries[-1]

    def _write(self, folder: Path, functions: Mapping[str, BuiltFunction]) -> None:
        folder.mkdir(parents=True)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        image = f"public.ecr.aws/lambda/python:{version}-{self._engine.architecture}"
        stage = self.stage
        written = template(stage.deployment, stage.lambdas.environment, functions, self._engine.architecture)
        (folder / TEMPLATE).write_text(json.dumps(written, indent=2), encoding="utf-8")
        settings = sam_settings(pull=not self._engine.has_image(image))
        (folder / "samconfig.toml").write_text(settings, encoding="utf-8")
        (folder / "webhook.json").write_bytes(self.webhook.body)
        (folder / "webhook.curl").write_text(curl_options(self.webhook, folder / "webhook.json"), encoding="utf-8")

    def _remove_containers(self) -> None:
        """Remove those that are pointed at this stage: a warm one of `sam local start-api` would be left."""
        with suppress(NoEngineError):  # an engine that is gone has none
            for container in self.containers():
                self._engine.remove(container)


def ways_in(folder: Path = FOLDER) -> list[str]:
    """What to type in other terminals, and before each what it does."""
    sam = os.path.relpath(Path(sys.executable).with_name("sam"))
    at = f"--template {folder / TEMPLATE}"
    return [
        "One function in a container; events/ has what each can be given:",
        f"{sam} local invoke IngressFunction {at} -e events/ingress/pull_request-opened.json",
        f"{sam} local invoke IngressFunction {at} -e events/ingress/bad-signature.json",
        f"{sam} local invoke JanitorFunction {at} -e events/janitor/schedule.json",
        "\nThe API, until Ctrl-C:",
        f"{sam} local start-api {at}",
        "\nTo it, GitHub's webhook of a pull request that is open on the stage: a preview follows, shown below.",
        f"curl -i -K {folder / 'webhook.curl'} http://127.0.0.1:{PORT}/webhooks/github",
    ]


def main(console: Console) -> int:
    """Serve until Ctrl-C, which is how it ends. Gives the exit status."""
    try:
        with ending_on_signals():
            return _serve(console)
    except (NoEngineError, NotBuiltError, OSError) as error:
        console.print(f"sam-local: {error}", style="red", markup=False, soft_wrap=True)
        return 1


def _serve(console: Console) -> int:
    engine, status = find(), INTERRUPTED
    try:
        with SamLocal(engine, BUILT, FOLDER) as local:
            try:
                local.start()
                _tell(console, local, engine)
                status = 0
                threading.Event().wait()
            finally:
                disregard_signals()
    except KeyboardInterrupt:
        pass
    console.print("\nThe stage is down: no process and no container of its is left.")
    return status


def _tell(console: Console, local: SamLocal, engine: Engine) -> None:
    stage = local.stage
    console.print("[bold]The stage is up.[/bold] In another terminal, here:\n")
    console.print("\n".join(ways_in()), markup=False, highlight=False, soft_wrap=True)
    if engine.address != LOOPBACK:
        told = f"It listens at {engine.address} too, the container engine's bridge: every container here can reach it."
        console.print(f"\n{told}", highlight=False, soft_wrap=True)
    console.print("\n[bold]Ctrl-C ends it.[/bold] What is stated on its bus:\n")
    stage.bus.subscribe(lambda fact: _show(console, fact))


def _show(console: Console, fact: Mapping[str, Any]) -> None:
    data = fact["detail"].get("data") or {}
    address = (data.get("environment") or {}).get("address", "") if fact["detail-type"] == "EnvironmentReady" else ""
    line = f"{fact['detail-type']:<20} {fact['source']:<22} {address}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(Console()))
