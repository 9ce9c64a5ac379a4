"""A simulated GitHub: repositories, pull requests, what people do to them, and the webhooks that this sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from tests.simulation.clock import SimulatedClock

INSTALLATION = 7
SLUG = "prestage-sim"


@dataclass
class Pull:
    """A pull request."""

    number: int
    branch: str
    sha: str
    author: str
    author_type: str
    head_repository: int | None
    draft: bool
    labels: set[str]
    updated_at: str
    state: str = "open"
    merged: bool = False
    base: str = "main"


@dataclass
class Comment:
    """A comment of an issue."""

    id: int
    body: str
    login: str
    type: str


@dataclass
class Deployment:
    """A deployment with the states that it was said to be in."""

    id: int
    ref: str
    environment: str
    payload: Mapping[str, Any]
    transient: bool
    production: bool
    states: list[dict[str, Any]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """What it was last said to be."""
        return str(self.states[-1]["state"]) if self.states else "pending"


@dataclass
class Delivery:
    """A webhook to be delivered, or that was: `at` that time, with what was answered; None before that."""

    id: int
    guid: str
    event: str
    body: bytes
    at: str
    redelivery: bool = False
    status: int | None = None


@dataclass
class Repository:
    """A repository, with what people may do in it by login."""

    id: int
    full_name: str
    default_branch: str = "main"
    branches: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, list[Comment]] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=dict)


class GitHubWorld:
    """Everything there is on GitHub. What people do is written down at once; its webhook waits in `outbox`."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.repositories: dict[int, Repository] = {}
        self.outbox: list[Delivery] = []
        self.delivered: list[Delivery] = []
        self._ids = count(1000)
        self._commits = count(1)

    def add(self, repository_id: int, full_name: str) -> Repository:
        """A repository with a first commit on its default branch."""
        repository = Repository(repository_id, full_name, branches={"main": self.commit()})
        repository.permissions.update({"writer": "write", "admin": "admin", "reader": "read"})
        self.repositories[repository_id] = repository
        return repository

    def named(self, full_name: str) -> Repository | None:
        """The repository of that name."""
        return next((one for one in self.repositories.values() if one.full_name == full_name), None)

    def commit(self) -> str:
        """The SHA of a new commit."""
        return sha256(f"commit {next(self._commits)}".encode()).hexdigest()[:40]

    def next_id(self) -> int:
        """An id that nothing has."""
        return next(self._ids)

    # ---- What people do

    def open(self, repository: Repository, **how: Any) -> Pull:
        """Open a pull request."""
        number = len(repository.pulls) + 1
        pull = Pull(number=number, sha=self.commit(), updated_at=self._now(), **how)
        if pull.head_repository == repository.id:
            repository.branches[pull.branch] = pull.sha
        repository.pulls[number] = pull
        self._tell_pull("opened", repository, pull)
        return pull

    def push_to_pull(self, repository: Repository, pull: Pull) -> None:
        """A new commit on a pull request's branch."""
        before, pull.sha = pull.sha, self.commit()
        if pull.head_repository == repository.id:
            repository.branches[pull.branch] = pull.sha
            self._tell_push(repository, pull.branch, before, pull.sha)
        self.change(repository, pull, "synchronize", before=before, after=pull.sha)

    def push(self, repository: Repository, branch: str) -> None:
        """A new commit on a branch, which may be new."""
        before = repository.branches.get(branch, "0" * 40)
        repository.branches[branch] = self.commit()
        self._tell_push(repository, branch, before, repository.branches[branch])
        for pull in repository.pulls.values():
            if (pull.branch, pull.head_repository, pull.state) == (branch, repository.id, "open"):
                pull.sha = repository.branches[branch]
                self.change(repository, pull, "synchronize", before=before, after=pull.sha)

    def delete_branch(self, repository: Repository, branch: str) -> None:
        """The branch is gone, and its open pull requests are closed."""
        before = repository.branches.pop(branch)
        self._tell_push(repository, branch, before, "0" * 40)
        for pull in repository.pulls.values():
            if (pull.branch, pull.head_repository, pull.state) == (branch, repository.id, "open"):
                self.close(repository, pull)

    def close(self, repository: Repository, pull: Pull, *, merged: bool = False) -> None:
        """Close a pull request."""
        pull.state, pull.merged = "closed", merged
        self.change(repository, pull, "closed")

    def reopen(self, repository: Repository, pull: Pull) -> None:
        """Open a pull request again that was closed and not merged."""
        pull.state = "open"
        self.change(repository, pull, "reopened")

    def label(self, repository: Repository, pull: Pull, name: str) -> None:
        """Put a label on, or take it off if it is there."""
        action = "unlabeled" if name in pull.labels else "labeled"
        pull.labels ^= {name}
        self.change(repository, pull, action, label={"name": name})

    def turn_draft(self, repository: Repository, pull: Pull) -> None:
        """To a draft, or back."""
        pull.draft = not pull.draft
        self.change(repository, pull, "converted_to_draft" if pull.draft else "ready_for_review")

    def change(self, repository: Repository, pull: Pull, action: str, **more: Any) -> None:
        """Something changed about a pull request, and is told."""
        pull.updated_at = self._now()
        self._tell_pull(action, repository, pull, **more)

    def command(self, repository: Repository, pull: Pull, by: str, text: str) -> None:
        """Somebody comments on a pull request. GitHub takes that for a change of it."""
        comment = Comment(self.next_id(), text, by, "User")
        repository.comments.setdefault(pull.number, []).append(comment)
        pull.updated_at = self._now()
        told = {"id": comment.id, "body": text, "user": _user(by, "User"), "created_at": self._now()}
        issue = {"number": pull.number, "pull_request": {}, "state": pull.state}
        self._send("issue_comment", {"action": "created", "issue": issue, "comment": told}, repository)

    # ---- What is sent

    def attempt(self, delivery: Delivery, status: int) -> None:
        """Write down what became of a delivery."""
        delivery.status, delivery.at = status, self._now()
        self.delivered.append(delivery)

    def redeliver(self, delivery_id: int) -> bool:
        """Have a delivery made once more; False if there is none of that id."""
        found = next((one for one in self.delivered if one.id == delivery_id), None)
        if found is not None:
            again = Delivery(self.next_id(), found.guid, found.event, found.body, self._now(), redelivery=True)
            self.outbox.append(again)
        return found is not None

    def described(self, repository: Repository, pull: Pull) -> dict[str, Any]:
        """A pull request, as webhooks and the API tell it."""
        head = None if pull.head_repository is None else {"id": pull.head_repository}
        return {
            "number": pull.number,
            "title": f"Change {pull.number}",
            "html_url": f"https://github.com/{repository.full_name}/pull/{pull.number}",
            "state": pull.state,
            "merged": pull.merged,
            "draft": pull.draft,
            "user": _user(pull.author, pull.author_type),
            "head": {"ref": pull.branch, "sha": pull.sha, "repo": head},
            "base": {"ref": pull.base, "sha": repository.branches.get("main", "0" * 40), "repo": _told(repository)},
            "labels": [{"name": name} for name in sorted(pull.labels)],
            "updated_at": pull.updated_at,
        }

    def _tell_pull(self, action: str, repository: Repository, pull: Pull, **more: Any) -> None:
        said = {"action": action, "number": pull.number, "pull_request": self.described(repository, pull), **more}
        self._send("pull_request", said, repository)

    def _tell_push(self, repository: Repository, branch: str, before: str, after: str) -> None:
        said = {"ref": f"refs/heads/{branch}", "before": before, "after": after, "deleted": after == "0" * 40}
        self._send("push", said, repository)

    def _send(self, event: str, said: Mapping[str, Any], repository: Repository) -> None:
        number = self.next_id()
        body = {**said, "repository": _told(repository), "installation": {"id": INSTALLATION}}
        guid = f"00000000-0000-4000-8000-{number:012d}"
        self.outbox.append(Delivery(number, guid, event, json.dumps(body).encode(), self._now()))

    def _now(self) -> str:
        return f"{self.clock.second:%Y-%m-%dT%H:%M:%SZ}"


def _told(repository: Repository) -> dict[str, Any]:
    owner, _, _ = repository.full_name.partition("/")
    return {
        "id": repository.id,
        "full_name": repository.full_name,
        "default_branch": repository.default_branch,
        "private": True,
        "owner": {"login": owner, "type": "Organization"},
    }


def _user(login: str, kind: str) -> dict[str, str]:
    return {"login": login, "type": kind}
