"""GitHub, stood in for: a REST API that checks what it is asked, real git repositories behind it, and signed webhooks.

What there is: github_repositories.py and github_git.py. What is asked of it: github_api.py, with a module for each
subject. What happens on it: github_happenings.py. How it is told: github_shapes.py, github_events.py, github_hook.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from choreography.clock import Clock, utc_now
from prestage.stage import github_events as events
from prestage.stage.faults import Faulty
from prestage.stage.github_api import RestApi
from prestage.stage.github_happenings import Happenings, written
from prestage.stage.github_hook import Delivery, Hook
from prestage.stage.github_registration import Registration
from prestage.stage.github_repositories import Account, Deployment, Installation, IssueComment, Repositories, Repository
from prestage.stage.github_shapes import PERMISSIONS
from prestage.stage.github_tokens import Credentials


class GitHubStandIn(Happenings):
    """A pretended GitHub on which one App is installed wherever there is a repository.

    What it can't pretend: visibility (every repository is private), people who must not do what they do here, branches'
    protection, commits' statuses, submodules, LFS, and rate limits (plant them with `fail`). What is committed in a
    repository is there to be asked for at once, and told of when it is pushed. What the App itself does, such as
    comment, is not told to it.

    Args:
        app_id: the App's id, digits.
        slug: the App's name in URLs; it comments as `<slug>[bot]`.
        public_key_pem: to check its JWTs with; empty where the App is yet to be registered by a manifest.
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
        keys = [public_key_pem] if public_key_pem else []
        self.app = Registration(app_id, slug, keys, webhook_url, webhook_secret)
        self._repositories = Repositories(clock)
        self._credentials = Credentials(app_id, self.app.public_keys, clock)
        self._hook = Hook(self.app, clock)
        api = RestApi(self._repositories, self._credentials, self._hook, self.app, self.install)
        self._api = Faulty(api.application())

    @property
    def tokens_issued(self) -> list[str]:
        """Every installation token that there ever was, to look for where none belongs."""
        return list(self._credentials.issued)

    def revoke_tokens(self) -> None:
        """Take no installation token that was issued until now."""
        self._credentials.revoke()

    def add_repository(self, full_name: str, path: Path, *, installed: bool = True) -> int:
        """Put the git repository at `path` on GitHub, with the App or without; the branch checked out is the default.

        Gives GitHub's id of it, which depends only on how many there were.
        """
        return self._repositories.add(full_name, path, installed=installed).id

    def rename_repository(self, full_name: str, new_name: str) -> None:
        """Give the repository another `owner/name`; the one that it had redirects."""
        self._repositories.rename(self._repositories.named(full_name), new_name)

    def grant(self, full_name: str, login: str, permission: str) -> None:
        """Let somebody be `admin`, `maintain`, `write`, `triage` or `read` in a repository, or `none` of it."""
        if permission not in PERMISSIONS:
            raise ValueError(f"{permission} is none of {', '.join(PERMISSIONS)}")
        self._repositories.named(full_name).roles[login.lower()] = permission

    def delete_fork(self, full_name: str, number: int) -> None:
        """Delete the fork that a pull request came from: from now on it is told to come from nowhere."""
        self._pull_request(full_name, number).head = None

    def uninstall(self, owner: str) -> Delivery:
        """Take the App from all of an owner's repositories, for good: added ones get another installation."""
        installation = self._installation(owner)
        repositories = self._repositories.installed(installation)
        installation.deleted = True
        return self._tell_installation("deleted", installation, repositories)

    def suspend(self, owner: str) -> Delivery:
        """Have the App do and hear nothing of an owner's repositories for a while."""
        installation = self._installation(owner)
        installation.suspended_at = self._repositories.now()
        return self._tell_installation("suspend", installation)

    def unsuspend(self, owner: str) -> Delivery:
        """Let the App do and hear of all that again."""
        installation = self._installation(owner)
        installation.suspended_at = None
        return self._tell_installation("unsuspend", installation)

    def install(self) -> None:
        """Install the App wherever there is a repository without it."""
        for place in self._repositories:
            if not place.installed:
                self.add_to_installation(place.full_name)

    def remove_from_installation(self, full_name: str) -> Delivery:
        """Take the App from one repository."""
        return self._select(full_name, installed=False)

    def add_to_installation(self, full_name: str) -> Delivery:
        """Give the App a repository that was taken from it."""
        return self._select(full_name, installed=True)

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhook's deliveries, in the order in which they were answered."""
        return self._hook.deliveries

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Deliver it again, under the same GUID, as the button in the App's settings does."""
        return self._hook.redeliver(delivery)

    def deliver(
        self, body: bytes | Mapping[str, Any], *, event: str = "pull_request", guid: str | None = None
    ) -> Delivery:
        """Deliver anything, well signed, under a new GUID unless one is given."""
        return self._hook.deliver(event, body if isinstance(body, bytes) else written(body), guid=guid)

    def lose_deliveries(self, times: int = 1) -> None:
        """Let the next deliveries reach nobody. They are remembered as failed, and can be had again."""
        self._hook.lose(times)

    def deployments(self, full_name: str) -> tuple[Deployment, ...]:
        """The repository's deployments, oldest first, with what they were said to be."""
        return tuple(self._repositories.named(full_name).deployments.values())

    def comments(self, full_name: str, number: int) -> tuple[IssueComment, ...]:
        """The pull request's comments, oldest first."""
        comments = self._pull_request(full_name, number).comments
        return tuple(comments[key] for key in sorted(comments))

    def plant_comment(
        self, full_name: str, number: int, body: str, *, author: str = "mallory", author_type: str = "User"
    ) -> int:
        """Comment as somebody else, and deliver nothing. Gives the comment's id."""
        pull_request = self._pull_request(full_name, number)
        return self._repositories.comment(pull_request, Account(author, author_type), body).id

    def delete_comment(self, full_name: str, number: int, comment_id: int) -> None:
        """Delete a comment, as a maintainer may; KeyError if there is none."""
        del self._pull_request(full_name, number).comments[comment_id]

    def _installation(self, owner: str) -> Installation:
        found = self._repositories.installation_of(owner)
        if found is None:
            raise KeyError(owner)
        return found

    def _tell_installation(
        self, action: str, installation: Installation, repositories: list[Repository] | None = None
    ) -> Delivery:
        told = events.installation(action, installation, repositories, self.app)
        return self._hook.deliver("installation", written(told))

    def _select(self, full_name: str, *, installed: bool) -> Delivery:
        place = self._repositories.named(full_name)
        place.installed = installed
        action = "added" if installed else "removed"
        told = events.installation_repositories(action, place, self.app)
        return self._hook.deliver("installation_repositories", written(told))
