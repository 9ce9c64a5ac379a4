"""`make bench`: how fast, how large, and how many calls, measured on the local stage.

Times are this machine's, with moto in the place of AWS: read them as ratios. Counts are exact.
"""

import hashlib
import hmac
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from prestage.stage.demo import REPOSITORY, register
from prestage.stage.faults import Request
from prestage.stage.sample import SampleRepository
from prestage.stage.stage import Stage

ROOT = Path(__file__).parents[2]
PULL_REQUESTS = 50
WARM = 200
COLD = 10
SECRETS = 20
BUDGET = {"KMS": 3, "GitHub": 5, "Fly.io": 7}
"""Calls for one opened pull request with one app, however many secrets it has."""

HOPS = ("PullRequestOpened", "EnvironmentCreated", "SecretsResolved", "RuntimeRequested")
_PATIENCE = 60
GITHUB_API = r"^[A-Z]+ /(app|repos|repositories)"
_RESOURCE = re.compile(r"(?<=/tarball)/.*|(?<=/apps)/[^/]+$")
"""What names one thing at the end of a path."""


@dataclass(frozen=True)
class Times:
    """Measured durations, in seconds."""

    seconds: Sequence[float]

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return f"p50 {statistics.median(ordered) * 1000:6.0f} ms   p95 {p95 * 1000:6.0f} ms   (n = {len(ordered)})"


def main() -> int:
    """Measure and print. The exit status is 1 if a count is over its budget."""
    console = Console(width=110)
    console.print(f"{_machine()}\n", highlight=False)
    _print_imports(console)
    with Stage(ROOT / "template.yaml") as stage:
        register(stage, SampleRepository.create(stage.folder / "shop"), "a key")
        stage.lambdas.warm([function.logical_id for function in stage.deployment.functions])
        counts = _count_calls(stage)
        _print_ingress(console, stage)
        _print_chain(console, stage)
    _print_counts(console, counts)
    _print_setup(console)
    return 1 if any(counts[name].total() > most for name, most in BUDGET.items()) else 0


def _machine() -> str:
    return f"{platform.system()} on {platform.machine()}, {os.cpu_count()} CPUs, CPython {platform.python_version()}"


# ---- Each handler alone


_MEASURE = """
import pathlib, re, resource, sys, time
began = time.perf_counter()
for name in sys.argv[1:]:
    __import__(name)
seconds = time.perf_counter() - began
status = pathlib.Path("/proc/self/status")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
if status.exists():  # on Linux, the other one is no less than what the process that started this one had
    peak = int(re.search("VmHWM:[^0-9]*([0-9]+)", status.read_text())[1])
print(seconds, peak / 1024)
"""


def _import(*modules: str) -> tuple[float, float]:
    """The seconds that it takes to import the modules in a new process, at best of five, and its peak MiB."""
    told = [_output([sys.executable, "-c", _MEASURE, *modules], cwd=ROOT / "services").split() for _ in range(5)]
    return min(float(seconds) for seconds, _ in told), min(float(peak) for _, peak in told)


def _print_imports(console: Console) -> None:
    table = Table("handler", "import, ms", "times boto3's", "peak, MiB", title="Import of each handler", box=None)
    base, peak = _import("boto3")
    table.add_row("(boto3 alone)", f"{base * 1000:.0f}", "1.0", f"{peak:.0f}")
    for module in _handlers():
        seconds, peak = _import(module)
        table.add_row(module, f"{seconds * 1000:.0f}", f"{seconds / base:.1f}", f"{peak:.0f}")
    console.print(table)
    console.print("A new process each, best of 5, byte code cached; peak resident memory after the import.\n")


def _handlers() -> list[str]:
    return sorted(
        ".".join(path.relative_to(ROOT / "services").with_suffix("").parts)
        for path in (ROOT / "services").glob("*/*.py")
        if "def handler(" in path.read_text(encoding="utf-8")
    )


# ---- Ingress alone


def _print_ingress(console: Console, stage: Stage) -> None:
    cold = Times([_timed(lambda: _cold_ingress(stage)) for _ in range(COLD)])
    warm = Times([_timed(lambda: _post(stage)) for _ in range(WARM)])
    console.print("[bold]Ingress alone[/bold], a signed webhook that nothing follows from the apps' side")
    console.print(f"  cold: a new process to its first 202   {cold}", highlight=False)
    console.print(f"  warm: invocation to 202                {warm}\n", highlight=False)
    stage.settle()


def _cold_ingress(stage: Stage) -> None:
    stage.lambdas.redeploy("IngressFunction")
    _post(stage)


def _post(stage: Stage) -> None:
    answer = stage.lambdas.invoke("IngressFunction", _webhook(stage))
    if answer["statusCode"] != 202:  # noqa: PLR2004  # Accepted
        raise RuntimeError(f"the webhook was answered {answer['statusCode']}")


def _webhook(stage: Stage) -> Mapping[str, Any]:
    """A pull request opened in a repository without apps; another one each time."""
    said = json.loads(stage.github.deliveries[-1].body)
    said["repository"]["id"] = 1
    said["pull_request"]["title"] = str(uuid4())
    body = json.dumps(said).encode()
    signature = hmac.new(stage.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "x-github-event": "pull_request",
        "x-github-delivery": str(uuid4()),
        "x-hub-signature-256": f"sha256={signature}",
    }
    return {"version": "2.0", "headers": headers, "body": body.decode(), "isBase64Encoded": False}


# ---- The chain


def _print_chain(console: Console, stage: Stage) -> None:
    heard: SimpleQueue[tuple[float, str]] = SimpleQueue()
    stage.bus.subscribe(lambda fact: heard.put((time.perf_counter(), fact["detail-type"])))
    stage.poller.start()
    runs = [_run(stage, heard) for _ in range(PULL_REQUESTS)]
    stage.poller.stop()
    console.print(
        f"[bold]Webhook sent → RuntimeRequested[/bold], {PULL_REQUESTS} pull requests, one after another, warm"
    )
    console.print(f"  {'all of it':<22} {Times([run[HOPS[-1]] for run in runs])}", highlight=False)
    before = "sent"
    for hop in HOPS:
        console.print(f"  … → {hop:<18} {Times([run[hop] - run[before] for run in runs])}", highlight=False)
        before = hop
    console.print(f"  {'PrCommented, beside it':<22} {Times([run['PrCommented'] for run in runs])}\n", highlight=False)


def _run(stage: Stage, heard: "SimpleQueue[tuple[float, str]]") -> Mapping[str, float]:
    began = time.perf_counter()
    _open(stage)
    moments = {"sent": 0.0}
    while not {*HOPS, "PrCommented"} <= moments.keys():
        moment, name = heard.get(timeout=_PATIENCE)
        moments[name] = moment - began
    return moments


def _open(stage: Stage) -> None:
    stage.github.open_pull_request(REPOSITORY, branch="main", title="A change")


# ---- Calls


def _count_calls(stage: Stage) -> Mapping[str, Counter[str]]:
    [app] = stage.stack.apps.list_all()
    for number in range(SECRETS - 1):
        stage.stack.secrets.set(app.id, "preview", f"SECRET_{number}", "a value")
    _open(stage)  # what is cached between invocations is cached; the pull request that counts has its own tokens
    stage.settle()
    stage.fetch(stage.stack.environments.list_by_app(app.id)[-1].address)
    stage.lambdas.redeploy()
    marks = (len(stage.aws.calls), len(stage.bus_calls.calls), len(stage.github.requests), len(stage.fly.requests))
    messages = len(stage.bus.events)
    _open(stage)
    stage.settle()
    stage.fetch(stage.stack.environments.list_by_app(app.id)[-1].address)
    asked = stage.aws.calls[marks[0] :] + stage.bus_calls.calls[marks[1] :]
    calls = [call for call in asked if call.access_key_id.startswith("stage-")]
    return {
        "DynamoDB": Counter(call.action for call in calls if call.service == "dynamodb"),
        "KMS": Counter(call.action for call in calls if call.service == "kms"),
        "EventBridge": Counter(call.action for call in calls if call.service == "events"),
        "SQS, by functions": Counter(call.action for call in calls if call.service == "sqs"),
        "Secrets Manager": Counter(call.action for call in calls if call.service == "secretsmanager"),
        "GitHub": Counter(_named(stage.github.requests[marks[2] :], GITHUB_API)),
        "Fly.io": Counter(_named(stage.fly.requests[marks[3] :], "")),
        "facts": Counter(fact["detail-type"] for fact in stage.bus.events[messages:]),
    }


def _named(requests: Sequence[Request], match: str) -> Iterator[str]:
    for request in requests:
        if re.search(match, f"{request.method} {request.path}"):
            yield f"{request.method} {_RESOURCE.sub('', request.path).rpartition('/')[2]}"


def _print_counts(console: Console, counts: Mapping[str, Counter[str]]) -> None:
    title = f"Calls for one opened pull request: 1 app, {SECRETS} secrets, every process new"
    table = Table("", "calls", "budget", "which", title=title, box=None)
    for name, counter in counts.items():
        which = ", ".join(f"{number} {action}" for action, number in sorted(counter.items()))
        table.add_row(name, str(counter.total()), str(BUDGET.get(name, "")), which)
    console.print(table)
    console.print(
        "GitHub's include the two that the machine's boot causes. SQS: a send, a receive and a delete a fact.\n"
    )


# ---- Set-up


def _print_setup(console: Console) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        _output(["git", "clone", "--quiet", str(ROOT), str(clone)], cwd=ROOT)
        seconds = _timed(lambda: _output(["make", "--silent", "setup"], cwd=clone))
    console.print(f"[bold]Set-up[/bold] of a fresh clone, package caches warm: {seconds:.0f} s", highlight=False)


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _output(command: Sequence[str], *, cwd: Path) -> str:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "VIRTUAL_ENV"}
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
