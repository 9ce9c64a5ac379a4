"""A fact in one line: when it was stated, by which function, and what it says that its name does not."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from prestage_contracts import Event, MalformedEventError, Unknown, parse

_SAYS: Mapping[str, Callable[[Any], str]] = {
    "PullRequestOpened": lambda data: f"#{data.pull_request.number} “{data.pull_request.title}” at {data.head.sha[:7]}",
    "PullRequestUpdated": lambda data: f"#{data.pull_request.number} is at {data.head.sha[:7]}",
    "PullRequestClosed": lambda data: f"#{data.pull_request.number} is {'merged' if data.merged else 'closed'}",
    "BranchPushed": lambda data: f"{data.branch} is at {(data.sha or 'nothing')[:7]}",
    "SecretsResolved": lambda data: f"{', '.join(data.names) or 'none'} (by name, not by value)",
    "PrCommented": lambda data: f"comment {data.comment_id} is {'written' if data.created else 'rewritten'}",
    "RuntimeRequested": lambda data: f"machine {data.runtime.machine_id} in {data.runtime.region}",
    "RuntimeReady": lambda data: f"machine {data.runtime.machine_id} is healthy",
    "CheckReported": lambda data: f"{data.name}: {data.state}",
    "CheckRecorded": lambda data: f"{data.check.name}: {data.check.state}",
    "DeploymentReported": lambda data: f"deployment {data.deployment_id} is {data.state}",
}


def show_fact(console: Console, seconds: float, fact: Mapping[str, Any]) -> None:
    """Print it, `seconds` after the happening that it follows from; what the line does not hold is left out."""
    name, owner = fact["detail-type"], fact["source"].removeprefix("prestage.")
    line = Text.assemble(
        (f"{seconds:5.2f} s", "green"), "  ", (f"{name:<19}", "bold"), " ", (f"{owner:<12}", "dim"), " ", _gist(fact)
    )
    console.print(line, no_wrap=True, overflow="ellipsis")


def _read(fact: Mapping[str, Any]) -> Event | None:
    """The fact, None if somebody else's is none that the contract knows."""
    try:
        found = parse(fact)
    except MalformedEventError:
        return None
    return None if isinstance(found, Unknown) else found


def _gist(fact: Mapping[str, Any]) -> str:
    name = fact["detail-type"]
    event = _read(fact)
    if event is None:
        return ""
    data: Any = event.data
    if name in _SAYS:
        return _SAYS[name](data)
    if hasattr(data, "reason"):
        return str(data.reason.message)
    environment = getattr(data, "environment", None)
    return f"{environment.app_name}, generation {environment.generation}" if environment else str(data.subject)
