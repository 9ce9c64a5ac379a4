"""GitHub's events that lead to facts, by their names, and how each is read: any other leads to nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingress.payload import installation, installation_repositories, issue_comment, pull_request, push
from ingress.payload.parts import Told

BY_EVENT: Mapping[str, Callable[[Mapping[str, Any]], Sequence[Told]]] = {
    "pull_request": pull_request.told,
    "push": push.told,
    "issue_comment": issue_comment.told,
    "installation": installation.told,
    "installation_repositories": installation_repositories.told,
}
