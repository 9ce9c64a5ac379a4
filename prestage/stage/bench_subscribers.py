"""What a subscriber of another team's costs everybody else: previews side by side with ones that fail, or are slow."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from prestage.contract_files import ROOT
from prestage.stage.bench_lives import HOPS, Heard, happenings_of, listen, time_hops
from prestage.stage.bench_times import Times
from prestage.stage.demo import register
from prestage.stage.sample import SampleRepository
from prestage.stage.stage import Stage
from prestage.stage.subscriber import EXAMPLE, deploy_subscriber

ROUNDS = 6
"""Pull requests of each kind, in turns."""

_SLOW = 5
"""Seconds."""

_VISIT = "    state, answered = _visit("
_KINDS: Mapping[str, str] = {
    "that works": "",
    "that fails": "    raise KeyError\n",
    "that is slow": f"    import time; time.sleep({_SLOW})\n",
}
"""What is planted before the subscriber visits."""


def print_side_by_side(console: Console) -> None:
    """Measure opened → ready with no subscriber, and with each kind; print each against none."""
    with Stage(ROOT / "template.yaml") as stage:
        code = stage.folder / "team"
        shutil.copytree(EXAMPLE / "smoke", code)
        deploy_subscriber(stage, code)
        sample = SampleRepository.create(stage.folder / "shop")
        register(stage, sample, "a key")
        _begin_anew(stage)
        stage.poller.start()
        measure = partial(_measure, stage, sample, listen(stage))
        measure()  # nobody's first
        ways: dict[str, Callable[[], AbstractContextManager[None]]] = {"none": partial(_without, stage)}
        ways |= {kind: partial(_with, stage, code, planted) for kind, planted in _KINDS.items()}
        seconds: dict[str, list[float]] = {kind: [] for kind in ways}
        for _ in range(ROUNDS):
            for kind, way in ways.items():
                with way():
                    seconds[kind].append(measure())
    alone = Times(seconds["none"]).median
    console.print(f"[bold]Opened → ready beside a subscriber[/bold], {ROUNDS} previews of each, in turns, warm")
    for kind, measured in seconds.items():
        times = Times(measured)
        console.print(f"  {kind:<14} {times}   {times.median / alone:4.2f} times none's p50", highlight=False)
    console.print()


def _measure(stage: Stage, sample: SampleRepository, heard: Heard) -> float:
    """Open a pull request, and close it: gives the seconds until its preview was ready."""
    happenings = happenings_of(stage, sample)
    ready = time_hops(happenings["Opened"], HOPS["Opened"], heard)[HOPS["Opened"][-1]]
    happenings["Closed"]()
    return ready


@contextmanager
def _without(stage: Stage) -> Iterator[None]:
    """Nobody subscribes."""
    [rule] = [rule for rule in stage.bus.rules if rule.name.startswith("smoke-")]
    stage.bus.remove_rule(rule.name)
    _begin_anew(stage)
    yield
    stage.bus.put_rule(rule)


@contextmanager
def _with(stage: Stage, code: Path, planted: str) -> Iterator[None]:
    """That subscriber does."""
    app = (EXAMPLE / "smoke/app.py").read_text(encoding="utf-8")
    (code / "app.py").write_text(app.replace(_VISIT, planted + _VISIT), encoding="utf-8")
    _begin_anew(stage)
    yield


def _begin_anew(stage: Stage) -> None:
    """With the code as it is now, and each process as new as with every other kind."""
    stage.redeploy()
    stage.lambdas.warm([function.logical_id for function in stage.deployment.functions])
