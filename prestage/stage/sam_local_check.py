"""`make check-sam-local`: functions in containers, by `sam local`, take part in a preview on the stage.

sam exits with 0 whatever became of a function, so it is judged by what it prints.
"""

import argparse
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from prestage.ending import INTERRUPTED, disregard_signals, ending_on_signals
from prestage.sample_events import FOLDER as EVENTS
from prestage.stage.container_engine import Engine, NoEngineError, find
from prestage.stage.own_engine import own_engine
from prestage.stage.sam_local import BUILT, FOLDER, ROOT, TEMPLATE, NotBuiltError, SamLocal

_BUILD_SECONDS = 600
_INVOKE_SECONDS = 180
_UP_SECONDS = 60.0
_READY_SECONDS = 60.0
_END_SECONDS = 20.0

type Fact = Mapping[str, Any]


class CheckError(Exception):
    """Something is not as promised; the text says what, and has the end of what sam said."""


class Check:
    """One run, on a stage that was started.

    Args:
        console: each promise is shown on it.
        local: what sam is pointed at.
        folder: where that is.
    """

    def __init__(self, console: Console, local: SamLocal, folder: Path) -> None:
        self._console = console
        self._stage = local.stage
        self._webhook = local.webhook
        self._template = folder / TEMPLATE
        self._log = folder / "sam.log"
        self._facts: queue.SimpleQueue[Fact] = queue.SimpleQueue()
        self._stage.bus.subscribe(self._facts.put)

    def run(self) -> None:
        """All of it.

        Raises:
            CheckError: something does not hold.
        """
        self._invoke_ingress()
        self._invoke_others()
        with self._api() as url:
            self._post(url)
        self._promise("nothing was asked of AWS that a role does not allow", self._stage.aws.refused == [])

    def _invoke_ingress(self) -> None:
        sample = "ingress/pull_request-opened.json"
        delivery = json.loads((ROOT / EVENTS / sample).read_text(encoding="utf-8"))["headers"]["x-github-delivery"]
        self._promise("sam local invoke: a signed pull_request is taken (202)", self._status(sample) == 202)  # noqa: PLR2004  # HTTP
        heard = self._hear("PullRequestOpened", _UP_SECONDS)
        correlated = heard["detail"]["metadata"]["correlation_id"] == delivery
        self._promise("the stage's bus has its PullRequestOpened", correlated)
        self._promise(
            "sam local invoke: a bad signature is not (401)",
            self._status("ingress/bad-signature.json") == 401,  # noqa: PLR2004  # HTTP
        )
        self._promise("and nothing is stated of it", self._facts.empty())

    def _status(self, sample: str) -> Any:
        return self._invoke("IngressFunction", sample).get("statusCode")

    def _invoke_others(self) -> None:
        for function in self._stage.deployment.functions:
            folder = function.handler.partition(".")[0]
            if folder == "ingress":
                continue
            sample = min((ROOT / EVENTS / folder).glob("*.json"))
            answer = self._invoke(function.logical_id, f"{folder}/{sample.name}")
            is_done = answer.get("batchItemFailures") == [] or answer.get("unfinished") == []
            self._promise(f"{function.logical_id} answers {sample.name}", is_done or answer.get("statusCode") == 404)  # noqa: PLR2004  # HTTP
        # A reaction that gives up on a fact hands nothing back either: it has put it into its dead-letter queue.
        self._promise("and none of them gave up", given_up(self._stage.aws.client("sqs")) == [])

    def _invoke(self, logical_id: str, sample: str) -> Mapping[str, Any]:
        """What the function gave, `{}` if there is no telling."""
        event = str(ROOT / EVENTS / sample)
        with self._sam("invoke", logical_id, "--event", event) as process:
            try:
                output, _ = process.communicate(timeout=_INVOKE_SECONDS)
            except subprocess.TimeoutExpired:
                raise self._error(f"{logical_id} gave no answer within {_INVOKE_SECONDS} s") from None
        try:
            answer = json.loads(output.strip().rpartition("\n")[2])
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}

    @contextmanager
    def _api(self) -> Iterator[str]:
        """The API that sam serves, with the functions in containers behind it. Gives its URL."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with self._sam("start-api", "--port", str(port)) as process:
            self._wait(lambda: _listens(port) or process.poll() is not None, _UP_SECONDS)
            if process.poll() is not None or not _listens(port):
                raise self._error("sam local start-api does not listen")
            yield f"http://127.0.0.1:{port}/webhooks/github"

    def _post(self, url: str) -> None:
        body, headers = self._webhook.body, self._webhook.headers
        bad = self._send(url, body + b" ", headers)
        self._promise("sam local start-api: a bad signature is not taken (401)", bad == httpx.codes.UNAUTHORIZED)
        good = self._send(url, body, headers)
        self._promise("sam local start-api: GitHub's webhook is taken (202)", good == httpx.codes.ACCEPTED)
        heard = self._hear("PullRequestOpened", _UP_SECONDS)
        correlated = heard["detail"]["metadata"]["correlation_id"] == self._webhook.guid
        self._promise("the stage's bus has its PullRequestOpened", correlated)
        ready = self._hear("EnvironmentReady", _READY_SECONDS)
        address = ready["detail"]["data"]["environment"]["address"]
        page = self._stage.fetch(address)
        self._promise(f"the preview is live at {address}", page.is_success and "A teal headline" in page.text)

    def _send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        try:
            answer = httpx.post(url, content=body, headers=dict(headers), timeout=_INVOKE_SECONDS, trust_env=False)
        except httpx.HTTPError as error:
            raise self._error(f"sam local start-api gave no answer ({type(error).__name__})") from None
        return answer.status_code

    @contextmanager
    def _sam(self, command: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """`sam local`, ended in order: it then ends its containers."""
        program = [str(Path(sys.executable).with_name("sam")), "local", command, *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "AWS_PROFILE"}
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [*program, "--template", str(self._template)],
                env={**environment, "SAM_CLI_TELEMETRY": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if command == "invoke" else log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            _end(process)

    def _hear(self, name: str, seconds: float) -> Fact:
        """The next fact of that name."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                fact = self._facts.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                raise self._error(f"no {name} was stated within {seconds:g} s") from None
            if fact["detail-type"] == name:
                return fact

    def _wait(self, holds: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _promise(self, promise: str, holds: bool) -> None:
        mark = "[green]✓[/green]" if holds else "[red]✗[/red]"
        self._console.print(f"  {mark} {promise}", highlight=False, soft_wrap=True)
        if not holds:
            raise self._error(f"not as promised: {promise}")

    def _error(self, what: str) -> CheckError:
        said = self._log.read_text(encoding="utf-8", errors="replace").strip() if self._log.exists() else ""
        return CheckError("\n".join([what, "sam said:", *said.splitlines()[-15:]]))


def given_up(sqs: Any) -> list[str]:
    """The URLs of those dead-letter queues that something is in, seen or not."""
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    urls = [url for url in sqs.list_queues().get("QueueUrls", []) if "DeadLetterQueue" in url.rpartition("/")[2]]
    if not urls:
        raise CheckError("the stage has no dead-letter queue")
    asked = {url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"] for url in urls}
    return [url for url, found in asked.items() if any(int(found[name]) for name in counts)]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[str]) -> None:
    """End sam as Ctrl-C does, and by force if it does not."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout:
        process.stdout.close()


def main(arguments: Sequence[str], console: Console) -> int:
    """The exit status: 0 if all holds, and where there is no engine to see it with."""
    parser = argparse.ArgumentParser(prog="make check-sam-local", description=__doc__)
    parser.add_argument("--engine", type=Path, help="a folder with engine.sh and build-image.sh (docs/sam-local.md)")
    scripts: Path | None = parser.parse_args(arguments).engine
    try:
        with ending_on_signals(), ExitStack() as parts:
            if scripts is not None:
                parts.enter_context(own_engine(scripts.resolve()))
            return _check_with_engine(console)
    except NoEngineError as error:
        told = f"no container engine ({error})"
        if scripts is not None:
            console.print(f"check-sam-local: failed: {told}", markup=False, highlight=False, soft_wrap=True)
            return 1
        console.print(
            f"check-sam-local: skipped: {told}; see docs/sam-local.md", markup=False, highlight=False, soft_wrap=True
        )
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


def _check_with_engine(console: Console) -> int:
    engine = find()
    try:
        _build(engine)
        return _check(console, engine)
    except (CheckError, NotBuiltError, OSError) as error:
        console.print(f"check-sam-local: failed: {error}", style="red", markup=False, soft_wrap=True)
        return 1


def _build(engine: Engine) -> None:
    """Have the package made for the engine's processor, whatever this machine's is."""
    process = subprocess.Popen(
        ["make", "--silent", "package", f"ARCHITECTURE={engine.architecture}"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        status = process.wait(_BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        _end(process)
    if status != 0:
        raise CheckError("the package could not be built")


def _check(console: Console, engine: Engine) -> int:
    folder = ROOT / FOLDER
    with ExitStack() as parts:
        local = parts.enter_context(SamLocal(engine, ROOT / BUILT, folder))
        parts.callback(disregard_signals)
        local.start()
        Check(console, local, folder).run()
    left = local.containers()
    console.print(f"  {len(left)} containers are left", highlight=False)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console()))
