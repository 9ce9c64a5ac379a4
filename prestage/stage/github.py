"""GitHub, stood in for: a REST API that checks what it is asked, real git repositories behind it, and signed webhooks.

See github_repositories.py, github_shapes.py, github_tokens.py, github_api.py and github_hook.py.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from choreography.clock import Clock, utc_now
from prestage.stage.faults import Faulty, StandIn
from prestage.stage.github_api import RestApi
from prestage.stage.github_hook import Delivery, Hook
from prestage.stage.github_repositories import Account, IssueComment, PullRequest, Repositories, Repository
from prestage.stage.github_shapes import pull_request_event
from prestage.stage.github_tokens import Credentials

if TYPE_CHECKING:
    pass


class GitHubStandIn(StandIn):
    """A pretended GitHub on which one App is installed wherever there is a repository.

    What it can't pretend: visibility (every repository is private), people's permissions, branches' protection,
    submodules, LFS, and rate limits (plant them with `fail`).

    Args:
        app_id: the App's id, digits.
        slug: the App's name in URLs; it comments as `<slug>[bot]`.
        public_key_pem: to check its JWTs with.
        webhook_secret: what deliveries are signed with.
        webhook_url: where they go.
        clock: the time.
    """

    def __init__(
        self,
        *,
        app_id: str,
        slug: str,
        public_key_pem: str,
        webhook_secret: str,
        webhook_url: str,
        clock: Clock = utc_now,
    ) -> None:
        self._repositories = Repositories(clock)
        self._credentials = Credentials(app_id, public_key_pem, clock)
        self._hook = Hook(app_id=app_id, url=webhook_url, secret=webhook_secret)
        api = RestApi(self._repositories, self._credentials, app_id=app_id, slug=slug)
        self._api = Faulty(api.application())

    @property
    def tokens_issued(self) -> list[str]:
        """Every installation token that there ever was, to look for where none belongs."""
        return list(self._credentials.issued)

    def revoke_tokens(self) -> None:
        """Take no installation token that was issued until now."""
        self._credentials.revoke()

    def add_repository(self, full_name: str, path: Path) -> int:
        """Put the git repository at `path` on GitHub, with the App installed; the branch checked out is the default.

        Gives GitHub's id of it, which depends only on how many there were.
        """
        return self._repositories.add(full_name, path).id

    def rename_repository(self, full_name: str, new_name: str) -> None:
        """Give the repository another `owner/name`; the one that it had redirects."""
        self._repositories.rename(self._repositories.named(full_name), new_name)

    def open_pull_request(
        self,
        full_name: str,
        *,
        branch: str,
        title: str,
        author: str = "octocat",
        author_type: str = "User",
        fork: bool = False,
        draft: bool = False,
    ) -> int:
        """Open a pull request from the branch and deliver the webhook. Gives its number; see `deliveries`.

        With `fork`, the branch is told to be the author's fork's. KeyError if there is no such repository or branch.
        """
        place = self._repositories.named(full_name)
        by = Account(author, author_type)
        opened = self._repositories.open(place, branch=branch, title=title, author=by, fork=fork, draft=draft)
        self._tell("opened", place, opened)
        return opened.number

    def close_pull_request(self, full_name: str, number: int, *, merged: bool = False) -> Delivery:
        """Close or merge a pull request, at least a second after what was last done to it, and deliver the webhook."""

        def close(pull_request: PullRequest) -> None:
            pull_request.closed_at, pull_request.merged = pull_request.updated_at, merged

        return self._change("closed", full_name, number, close)

    def reopen_pull_request(self, full_name: str, number: int) -> Delivery:
        """Reopen a pull request at its branch's newest commit, a second later at least, and deliver the webhook."""
        place = self._repositories.named(full_name)

        def reopen(pull_request: PullRequest) -> None:
            pull_request.closed_at = None
            pull_request.sha = place.sha_of(pull_request.branch)

        return self._change("reopened", full_name, number, reopen)

    def delete_fork(self, full_name: str, number: int) -> None:
        """Delete the fork that a pull request came from: from now on it is told to come from nowhere."""
        self._pull_request(full_name, number).head = None

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhook's deliveries, in the order in which they were answered."""
        return self._hook.deliveries

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Deliver it again, under the same GUID, as the button in the App's settings does."""
        return self._hook.deliver(delivery.event, delivery.body, guid=delivery.guid, redelivery=True)

    def deliver(
        self, body: bytes | Mapping[str, Any], *, event: str = "pull_request", guid: str | None = None
    ) -> Delivery:
        """Deliver anything, well signed, under a new GUID unless one is given."""
        return self._hook.deliver(event, body if isinstance(body, bytes) else _json(body), guid=guid)

    def comments(self, full_name: str, number: int) -> tuple[IssueComment, ...]:
        """The pull request's comments, oldest first."""
        comments = self._pull_request(full_name, number).comments
        return tuple(comments[key] for key in sorted(comments))

    def plant_comment(
        self, full_name: str, number: int, body: str, *, author: str = "mallory", author_type: str = "User"
    ) -> int:
        """Comment as somebody else. Gives the comment's id."""
        pull_request = self._pull_request(full_name, number)
        return self._repositories.comment(pull_request, Account(author, author_type), body).id

    def delete_comment(self, full_name: str, number: int, comment_id: int) -> None:
        """Delete a comment, as a maintainer may; KeyError if there is none."""
        del self._pull_request(full_name, number).comments[comment_id]

    def _pull_request(self, full_name: str, number: int) -> PullRequest:
        return self._repositories.named(full_name).pull_requests[number]

    def _change(self, action: str, full_name: str, number: int, change: Callable[[PullRequest], None]) -> Delivery:
        place = self._repositories.named(full_name)
        pull_request = place.pull_requests[number]
        self._repositories.change(pull_request, change)
        return self._tell(action, place, pull_request)

    def _tell(self, action: str, place: Repository, pull_request: PullRequest) -> Delivery:
        return self._hook.deliver("pull_request", _json(pull_request_event(action, pull_request, place)))


def _json(payload: Mapping[str, Any]) -> bytes:
    """As GitHub writes it: without spaces, and UTF-8 as it is."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
