"""`make bench`: how fast, how large, and how many calls, measured on the local stage.

Times are this machine's, with moto in the place of AWS: read them as ratios. Counts are exact.
"""

import hashlib
import hmac
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from prestage.stage.bench_lives import ENDS, HOPS, Heard, happenings_of, listen, time_hops
from prestage.stage.bench_subscribers import print_side_by_side
from prestage.stage.bench_times import Times
from prestage.stage.counting import Counting, Counts
from prestage.stage.demo import register
from prestage.stage.sample import SampleRepository
from prestage.stage.stage import Stage

ROOT = Path(__file__).parents[2]
LIVES = 10
WARM = 200
COLD = 10
SECRETS = 20

BUDGET: Mapping[str, Mapping[str, int]] = {
    "Opened": {"KMS": 3, "GitHub": 10, "Fly.io": 8, "DynamoDB": 95, "DynamoDB, journal": 60},
    "Pushed": {"KMS": 3, "GitHub": 10, "Fly.io": 8, "DynamoDB": 105, "DynamoDB, journal": 70},
    "Closed": {"KMS": 0, "GitHub": 5, "Fly.io": 3, "DynamoDB": 90, "DynamoDB, journal": 45},
}
"""Calls for one pull request with one app, however many secrets it has, with nothing cached."""

_SETTLING = timedelta(minutes=5)


def main() -> int:
    """Measure and print. The exit status is 1 if a count is over its budget."""
    console = Console(width=110)
    console.print(f"{_machine()}\n", highlight=False)
    _print_imports(console)
    with Stage(ROOT / "template.yaml", warm_imports=False) as stage:
        sample = SampleRepository.create(stage.folder / "shop")
        register(stage, sample, "a key")
        counts = _count_calls(stage, sample)
        stage.lambdas.warm([function.logical_id for function in stage.deployment.functions])
        _print_ingress(console, stage)
        _print_lives(console, stage, sample)
    print_side_by_side(console)
    _print_counts(console, counts)
    _print_setup(console)
    return 1 if any(over_budget(name, counted) for name, counted in counts.items()) else 0


def over_budget(happening: str, counted: Counts) -> Mapping[str, int]:
    """The calls that are too many."""
    totals = {what: counter.total() for what, counter in counted.items()}
    return {what: totals[what] for what, most in BUDGET[happening].items() if totals[what] > most}


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
    console.print(f"  cold: a bare interpreter to its first 202  {cold}", highlight=False)
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
    said = json.loads(stage.github.deliveries[0].body)
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


def _print_lives(console: Console, stage: Stage, sample: SampleRepository) -> None:
    heard = listen(stage)
    stage.poller.start()
    lives = [_live(stage, sample, heard) for _ in range(LIVES)]
    stage.poller.stop()
    for name, hops in HOPS.items():
        runs = [life[name] for life in lives]
        console.print(f"[bold]{name} → {ENDS[name]}[/bold], {LIVES} lives, one after another, warm", highlight=False)
        console.print(f"  {'all of it':<24} {Times([run[hops[-1]] for run in runs])}", highlight=False)
        for before, hop in pairwise(("sent", *hops)):
            console.print(f"  … → {hop:<20} {Times([run[hop] - run[before] for run in runs])}", highlight=False)
        console.print()


def _live(stage: Stage, sample: SampleRepository, heard: Heard) -> Mapping[str, Mapping[str, float]]:
    """A pull request's life: for each happening, the seconds from it to each hop."""
    happenings = happenings_of(stage, sample)
    return {name: time_hops(happenings[name], hops, heard) for name, hops in HOPS.items()}


# ---- Calls


def _count_calls(stage: Stage, sample: SampleRepository) -> Mapping[str, Counts]:
    [app] = stage.stack.apps.list_all()
    for number in range(SECRETS - 1):
        stage.stack.secrets.set(app.id, "preview", f"SECRET_{number}", "a value")
    return {name: _count(stage, happen) for name, happen in happenings_of(stage, sample).items()}


def _count(stage: Stage, happen: Callable[[], object]) -> Counts:
    stage.lambdas.redeploy()  # with nothing cached
    counting = Counting(stage)
    happen()
    stage.settle_through(_SETTLING)
    return counting.taken()


def _print_counts(console: Console, counts: Mapping[str, Counts]) -> None:
    for name, counted in counts.items():
        title = f"Calls for a pull request, {name.lower()}: 1 app, {SECRETS} secrets, every process new"
        table = Table("", "calls", "budget", "which", title=title, box=None)
        for what, counter in counted.items():
            which = ", ".join(f"{number} {action}" for action, number in sorted(counter.items()))
            table.add_row(what, str(counter.total()), str(BUDGET[name].get(what, "")), which)
        console.print(table)
    console.print(
        "GitHub's include the two that a machine's boot causes. SQS: a send, a receive and a delete a fact.\n"
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
