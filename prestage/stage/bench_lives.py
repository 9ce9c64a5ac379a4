"""What happens to a pull request while it is measured, and how long each hop takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from uuid import uuid4

from prestage.stage.demo import REPOSITORY
from prestage.stage.sample import SampleRepository
from prestage.stage.stage import Stage

HOPS: Mapping[str, Sequence[str]] = {
    "Opened": (
        "PullRequestOpened",
        "EnvironmentCreated",
        "SecretsResolved",
        "RuntimeRequested",
        "RuntimeReady",
        "EnvironmentReady",
    ),
    "Pushed": (
        "PullRequestUpdated",
        "EnvironmentUpdated",
        "SecretsResolved",
        "RuntimeRequested",
        "RuntimeReady",
        "EnvironmentReady",
    ),
    "Closed": ("PullRequestClosed", "EnvironmentClosed", "RuntimeRemoved", "EnvironmentStopped"),
}
"""What happens to a pull request, and the facts that what people wait for comes by."""

ENDS = {"Opened": "ready", "Pushed": "ready", "Closed": "removed"}

_PATIENCE = 60

type Heard = SimpleQueue[tuple[float, str]]
"""The facts that were stated, each with its moment."""


def listen(stage: Stage) -> Heard:
    """Hear every fact from now on."""
    heard: Heard = SimpleQueue()
    stage.bus.subscribe(lambda fact: heard.put((time.perf_counter(), fact["detail-type"])))
    return heard


def time_hops(happen: Callable[[], object], hops: Sequence[str], heard: Heard) -> Mapping[str, float]:
    """Let it happen; gives the seconds from then to each hop, and 0 for `sent`."""
    began = time.perf_counter()
    happen()
    moments = {"sent": 0.0}
    while not moments.keys() >= {*hops}:
        moment, name = heard.get(timeout=_PATIENCE)
        moments[name] = moment - began
    return moments


def happenings_of(stage: Stage, sample: SampleRepository) -> Mapping[str, Callable[[], object]]:
    """What happens to a new pull request, in that order."""
    branch = f"change-{uuid4()}"
    sample.branch(branch, {"headline.txt": "A change\n"})
    sample.branch(f"{branch}-next", {"headline.txt": "Another change\n"})
    number = 0

    def opened() -> None:
        nonlocal number
        number = stage.github.open_pull_request(REPOSITORY, branch=branch, title="A change")

    def pushed() -> None:
        sample.git("branch", "--force", branch, f"{branch}-next")
        stage.github.push(REPOSITORY, branch)

    return {
        "Opened": opened,
        "Pushed": pushed,
        "Closed": lambda: stage.github.close_pull_request(REPOSITORY, number),
    }
