"""Which pull requests of an app get a preview, and whether with its secrets. For operators: docs/policies.md."""

from collections.abc import Callable, Iterator

from prestage_contracts.envelope import Reason
from prestage_contracts.ingress import PullRequestTold
from records.apps import App
from records.environments import Environment
from records.pull_requests import PullRequest

BOT = Reason(code="bot", message="Bots' pull requests get no preview of this app. Comment /preview for one.")
DRAFT = Reason(code="draft", message="Drafts get no preview of this app. Comment /preview for one.")
COMMAND = Reason(code="command", message="For a preview, comment /preview.")
STOPPED = Reason(code="stop_requested", message="Stopped by a comment. Comment /preview to have it again.")


def is_from_fork(word: PullRequestTold) -> bool:
    """Whether the commit comes from another repository; a deleted fork was one too."""
    return word.head.repository_id != word.repository.id


def reason_to_skip(app: App, pull_request: PullRequest) -> Reason | None:
    """Why the app gives the pull request no preview, None if it gives one.

    What somebody who may write asked for in a comment counts before drafts, labels and bots, but never before forks.
    """
    word, command = pull_request.word, pull_request.command
    if is_from_fork(word) and app.forks == "ignore":
        return Reason(code="fork", message="Pull requests from forks get no preview of this app (its policy: ignore).")
    if command is not None:
        return None if command.what == "start" else STOPPED
    return next((reason for holds, reason in _unless_asked_for(app, word) if holds), None)


def _unless_asked_for(app: App, word: PullRequestTold) -> Iterator[tuple[bool, Reason]]:
    """What keeps a pull request from a preview, until somebody asks for one."""
    yield app.bots == "ignore" and word.author_type == "Bot", BOT
    yield app.drafts == "ignore" and word.draft, DRAFT
    yield app.previews == "label" and app.preview_label not in word.labels, _label(app.preview_label)
    yield app.previews == "command", COMMAND


def _label(name: str) -> Reason:
    return Reason(code="label", message=f"For a preview, add the label {name}, or comment /preview.")


def under_policy(environment: Environment, app: App) -> Environment:
    """The environment with what the app's policy says of its visitors, and of what its deployment waits for."""
    policy = {"with_password": app.asks_for_password(environment.type), "required_checks": app.required_checks}
    return environment.model_copy(update=policy)


def over_cap(app: App) -> Reason:
    """Why one more preview of the app is refused."""
    previews = "preview" if app.max_previews == 1 else "previews"
    told = f"The app has {app.max_previews} live {previews}, which is all that it may have."
    return Reason(code="cap", message=f"{told} Close one, then comment /preview.")


def is_trusted_with_secrets(app: App, word: PullRequestTold, author_may_write: Callable[[], bool]) -> bool:
    """Whether what the pull request runs may see the app's secrets.

    Not a fork's code and not a bot's, unless the app's policy trusts them; a fork's only if its author may write to
    the repository, of which GitHub is asked by `author_may_write`.
    """
    if word.author_type == "Bot" and app.bots != "trusted":
        return False
    return not is_from_fork(word) or (app.forks == "trusted" and author_may_write())
