"""Who gets a preview, and whether with secrets."""

from prestage_contracts.envelope import Reason
from prestage_contracts.ingress import PullRequestOpenedData
from records.apps import App


def is_from_fork(opened: PullRequestOpenedData) -> bool:
    """Whether the commit comes from another repository; a deleted fork was one too."""
    return opened.head.repository_id != opened.repository.id


def reason_to_skip(opened: PullRequestOpenedData, app: App) -> Reason | None:
    """Why the app gets no preview of the pull request, None if it gets one."""
    if is_from_fork(opened) and app.forks == "ignore":
        return Reason(code="fork", message="Pull requests from forks get no preview of this app (its policy: ignore).")
    return None


def is_trusted_with_secrets(opened: PullRequestOpenedData) -> bool:
    """Whether what the pull request runs may see the app's secrets: not a fork's code, and not a bot's."""
    return not is_from_fork(opened) and opened.author_type != "Bot"
