"""An environment's story in words: its facts in order, and what each says that its name does not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from prestage.change_words import WORDS, in_words
from prestage.cli_output import show_rows
from prestage_contracts import EVENTS, Event
from prestage_contracts.envelope import Reason
from prestage_contracts.operators import AppChangeData
from prestage_contracts.snapshot import AboutEnvironment
from records.journal import Entry

_SHORT_SHA = 7
_SECOND = timedelta(seconds=1)

_CHANGED: Mapping[str, Callable[[Any], str]] = {
    "synchronize": lambda data: f"new commits: {short(data.head.sha)}",
    "edited": lambda _: "another base branch",
    "ready_for_review": lambda _: "no draft any more",
    "converted_to_draft": lambda _: "a draft now",
    "labeled": lambda data: f"labels {', '.join(data.labels)}",
    "unlabeled": lambda data: f"labels {', '.join(data.labels) or 'no more'}",
}
_REVOKED = {
    "deleted": "uninstalled from",
    "suspended": "suspended for",
    "repositories_removed": "taken from repositories of",
}

_SAYS: Mapping[str, Callable[[Any], str]] = {
    "PullRequestOpened": lambda data: f"{_pull_request(data)} was {data.action} at {short(data.head.sha)}",
    "PullRequestUpdated": lambda data: f"#{data.pull_request.number}: {_CHANGED[data.action](data)}",
    "PullRequestClosed": lambda data: f"#{data.pull_request.number} was {'merged' if data.merged else 'closed'}",
    "PullRequestDrifted": lambda data: f"GitHub says something else of #{data.pull_request_number} than it told",
    "BranchPushed": lambda data: f"{data.branch} {f'is at {short(data.sha)}' if data.sha else 'was deleted'}",
    "PreviewRequested": lambda data: f"{data.by} commented /preview{' retry' * data.retry}",
    "PreviewStopRequested": lambda data: f"{data.by} commented /preview stop",
    "InstallationRevoked": lambda data: f"the GitHub App was {_REVOKED[data.why]} {data.account}",
    "DeployRequested": lambda data: f"{data.branch or 'production'}, by {data.requested_by}",
    "RetryRequested": lambda data: f"by {data.requested_by}",
    "StopRequested": lambda data: f"by {data.requested_by}",
    "PasswordRequested": lambda data: f"by {data.requested_by}",
    "EnvironmentCreated": lambda data: f"{short(data.environment.sha)} at {data.environment.address}",
    "EnvironmentUpdated": lambda data: short(data.environment.sha),
    "EnvironmentReady": lambda data: short(data.environment.sha),
    "EnvironmentFailed": lambda data: f"{data.stage}: {data.reason.message}",
    "EnvironmentExpired": lambda data: f"nothing happened to it for {data.idle_hours} hours",
    "PreviewSkipped": lambda data: f"{data.app_name}: {data.reason.message}",
    "SecretsResolved": lambda data: ", ".join(data.names) or "none",
    "RuntimeRequested": lambda data: f"machine {data.runtime.machine_id} in {data.runtime.region}",
    "RuntimeReady": lambda data: f"machine {data.runtime.machine_id} in {data.runtime.region}",
    "RuntimeFailed": lambda data: f"{_ended(data)}{data.reason.message}",
    "RuntimeOrphaned": lambda data: data.fly_app,
    "PrCommented": lambda data: f"{'a new comment' if data.created else 'comment'} {data.comment_id}",
    "DeploymentReported": lambda data: f"deployment {data.deployment_id}: {data.state}",
    "CheckRecorded": lambda data: f"{data.check.name}: {data.check.state}",
    "DomainPointed": lambda data: f"{data.host} leads to {data.target}",
    "DomainReleased": lambda data: data.host,
}


def show_story(story: Sequence[Entry]) -> None:
    """Print the facts: when each was stated, how long after the one before, of which generation, and what it says."""
    show_rows(("time (UTC)", "after", "generation", "fact", "what it says"), _rows(story))


def gist(entry: Entry) -> str:
    """What a fact says that its name does not. Of a fact that this version has not, its reason if it has one."""
    data = data_of(entry)
    if data is not None:
        return _said(entry.name, data)
    reason: Mapping[str, str] = entry.data.get("reason") or {}
    return reason.get("message", "")


def gist_of(event: Event) -> str:
    """What a fact says that its name does not."""
    return _said(event.name(), event.data)


def about(event: Event) -> str:
    """The environment or the repository that a fact is about, as people name it."""
    data = event.data
    if isinstance(data, AboutEnvironment):
        one = data.environment
        of = f"#{one.pull_request.number}" if one.pull_request else f"@{one.branch}"
        return f"{one.repository.full_name}:{one.app_name}{of}"
    if isinstance(data, AppChangeData):
        return f"{data.app.repository.full_name}:{data.app.name}"
    repository = getattr(data, "repository", None)
    return str(getattr(repository, "full_name", "-"))


def _said(name: str, data: Any) -> str:
    if name in _SAYS:
        return _SAYS[name](data)
    if name in WORDS:
        return f"{in_words(name, data)}, by {data.changed_by}"
    reason: Reason | None = getattr(data, "reason", None)
    return reason.message if reason else ""


def short(sha: str) -> str:
    """A commit as people name it."""
    return sha[:_SHORT_SHA]


def clock_time(moment: datetime) -> str:
    """To the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def elapsed(after: timedelta) -> str:
    """As people say it."""
    if after < timedelta(minutes=1):
        return f"{after / _SECOND:.1f} s"
    return str(timedelta(seconds=round(after / _SECOND)))


def _rows(story: Sequence[Entry]) -> Iterator[Sequence[str]]:
    before: datetime | None = None
    for entry in story:
        after = elapsed(entry.occurred_at - before) if before else ""
        generation = (entry.data.get("environment") or {}).get("generation", "")
        yield clock_time(entry.occurred_at), after, str(generation), entry.name, gist(entry)
        before = entry.occurred_at


def data_of(entry: Entry) -> Any:
    """What the fact says, None if it is of another shape than in this version."""
    kind = EVENTS.get(entry.name)
    if kind is None:
        return None
    shape: Any = kind.model_fields["data"].annotation
    try:
        return shape.model_validate(entry.data)
    except ValidationError:
        return None


def _pull_request(data: Any) -> str:
    """The pull request, with what counts for its app's policy."""
    of_fork = data.head.repository_id != data.repository.id
    told = [("a draft", data.draft), ("from a fork", of_fork), ("a bot's", data.author_type == "Bot")]
    special = ", ".join(what for what, holds in told if holds)
    about = data.pull_request
    return f"#{about.number} “{about.title}” by {about.author}{f' ({special})' if special else ''}"


def _ended(data: Any) -> str:
    stage = f"{data.stage}: " if data.stage else ""
    return stage if data.exit_status is None else f"{stage}exit status {data.exit_status}: "
