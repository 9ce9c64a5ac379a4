"""How a machine's boot goes, by what Fly.io tells of it, and in words where it ended."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, NamedTuple

from fly_io.client import Machine
from fly_io.shapes import Exit
from prestage_contracts.envelope import Reason
from prestage_contracts.snapshot import Stage
from records.apps import App

type Progress = Literal["booting", "ready", "stopped", "ended"]
"""`stopped` by somebody, such as Fly's proxy for want of visitors; `ended` for good, by itself."""

_STAGES: Mapping[int, Stage] = {81: "fetch", 82: "unpack", 83: "build", 85: "fetch"}
"""What boot.sh ends with where it fails; and 84, when there is nothing to start. Any other status is the app's own."""

_FAILED = frozenset({"failed", "launch_failed"})
_BOOTS = frozenset({"launch", "start", "update", "restart"})
_LONGEST_QUOTE = 80


class Ending(NamedTuple):
    """Why a boot failed, how far it had come, and the exit status where there is one."""

    stage: Stage
    exit_status: int | None
    reason: Reason


def progress(machine: Machine) -> Progress:
    """How far the machine's latest boot is. A started one is ready once all its checks pass, and it has any."""
    if machine.state == "started":
        passing = machine.checks and all(check.status == "passing" for check in machine.checks)
        return "ready" if passing else "booting"
    if machine.state == "suspended":
        return "stopped"
    end = last_end(machine)
    if machine.state in _FAILED:
        return "ended"
    if machine.state != "stopped" or end is None or end.restarting:
        return "booting"
    return "stopped" if end.requested_stop else "ended"


def last_end(machine: Machine) -> Exit | None:
    """How the latest boot ended, None if it did not. Of two events at one time, Fly tells the later one first."""
    for event in sorted(machine.events, key=lambda event: event.timestamp, reverse=True):
        if event.exit is not None or event.type in _BOOTS:
            return event.exit
    return None


def explain(machine: Machine, app: App | None) -> Ending:
    """Why the machine's latest boot ended. The words may quote the app's commands, and no value that it was given."""
    end = last_end(machine)
    if end is None:
        image = f" {app.image}" if app else ""
        told = f"Fly.io could not start the machine: see that the image{image} is public and has /bin/sh"
        return Ending("provision", None, Reason(code="launch_failed", message=told))
    status = end.exit_code if end.exit_code in range(256) else None
    stage = "start" if status is None else _STAGES.get(status, "start")
    if end.oom_killed:
        return Ending(stage, status, Reason(code="out_of_memory", message=_out_of_memory(stage, app)))
    return Ending(stage, status, Reason(code=f"{stage}_failed", message=_words(status, app)))


def not_ready(machine: Machine, app: App | None, within: timedelta) -> Ending:
    """Why a machine that is neither ready nor at an end is given up."""
    minutes = _minutes(within)
    at = f" on port {app.port} at {_quoted(app.health_path, '')}" if app else ""
    if machine.state == "started":
        told = f"The app did not answer with 2xx{at} within {minutes}: it may still be building, or listen elsewhere"
    else:
        told = f"The machine did not start within {minutes}"
    return Ending("health", None, Reason(code="not_ready", message=told))


def not_served(host: str, within: timedelta) -> Ending:
    """Why a machine that is ready is given up: nobody reaches it by the environment's own host name."""
    told = f"Fly.io did not serve {host} within {_minutes(within)}: does DNS lead there, and is its certificate valid?"
    return Ending("health", None, Reason(code="not_served", message=told))


def _minutes(duration: timedelta) -> str:
    return f"{duration.total_seconds() / 60:.0f} minutes"


def _words(status: int | None, app: App | None) -> str:
    build = _quoted(app.build if app else None, "its command")
    start = _quoted(app.start if app else None, "its command")
    folder = _quoted(app.directory if app else None, "of that name")
    not_run = f"The app could not be started: {start} was not found, or is nothing that can be run"
    words = {
        None: "The app ended before it was ready, and Fly.io does not say how",
        81: "The commit could not be fetched: the image needs curl, wget, Python or Node.js, and the internet",
        82: "The commit could not be unpacked: the image needs tar with gzip, and room on the disk",
        83: f"The build failed: {build} did not succeed",
        85: "What asks visitors for the password could not be had or started: the image needs sha512sum and env",
        84: f"The app could not be started: the commit has no folder {folder}",
        126: not_run,
        127: not_run,
    }
    return words.get(status, f"The app ended before it was ready: {start} ended with exit status {status}")


def _out_of_memory(stage: Stage, app: App | None) -> str:
    what = "build" if stage == "build" else "app"
    has = f": the machine has {app.memory_mb} MB" if app else ""
    return f"The {what} ran out of memory{has}"


def _quoted(text: str | None, otherwise: str) -> str:
    if not text:
        return otherwise
    line = " ".join(text.replace("`", "'").split())
    return f"`{line}`" if len(line) <= _LONGEST_QUOTE else f"`{line[: _LONGEST_QUOTE - 1]}…`"
