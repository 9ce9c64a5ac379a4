"""The repositories of a pretended GitHub, with their pull requests, comments and deployments."""

import itertools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from choreography.clock import Clock
from prestage.stage.github_git import GitRepository

FIRST_REPOSITORY_ID = 700_001
FIRST_INSTALLATION_ID = 51_001
_FIRST_COMMENT_ID = 3_900_001
_FIRST_DEPLOYMENT_ID = 6_200_001
_FORK_IDS = 1_000_000


@dataclass(frozen=True)
class Account:
    """A user, a bot or an organisation."""

    login: str
    type: str


@dataclass
class IssueComment:
    """A comment on a pull request."""

    id: int
    body: str
    author_login: str
    author_type: str
    created_at: datetime
    updated_at: datetime


@dataclass
class PullRequest:
    """A pull request. `head` is the repository that its branch is in, None for a fork that was deleted."""

    number: int
    title: str
    author: Account
    branch: str
    sha: str
    base: str
    base_sha: str
    head: "Head | None"
    draft: bool
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    merged: bool = False
    merge_sha: str | None = None
    labels: list[str] = field(default_factory=list)
    comments: dict[int, IssueComment] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """`open` or `closed`."""
        return "open" if self.closed_at is None else "closed"

    @property
    def of_this_repository(self) -> bool:
        """Whether its branch is in the repository that it goes to."""
        return self.head is not None and not self.head.fork


@dataclass(frozen=True)
class Head:
    """The repository of a pull request's branch."""

    id: int
    full_name: str
    fork: bool


@dataclass
class DeploymentStatus:
    """What a deployment was said to be."""

    id: int
    state: str
    description: str
    environment: str
    environment_url: str
    log_url: str
    created_at: datetime


@dataclass
class Deployment:
    """A deployment, with what it was said to be: oldest first."""

    id: int
    ref: str
    sha: str
    task: str
    original_environment: str
    environment: str
    payload: dict[str, Any] | str
    description: str | None
    transient: bool
    production: bool
    created_at: datetime
    updated_at: datetime
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> str | None:
        """What it was last said to be."""
        return self.statuses[-1].state if self.statuses else None


@dataclass
class Installation:
    """The App, where an owner has it; with fewer `permissions` than it asks for while that is not approved."""

    id: int
    owner: str
    created_at: datetime
    suspended_at: datetime | None = None
    deleted: bool = False
    permissions: Mapping[str, str] | None = None

    @property
    def works(self) -> bool:
        """Whether the App is told of anything, and may do anything."""
        return not self.deleted and self.suspended_at is None


@dataclass(frozen=True)
class Push:
    """A branch's newest commit before and after a push; None where there was no such branch, or is none now."""

    branch: str
    before: str | None
    after: str | None
    forced: bool


@dataclass
class Repository:
    """A private repository of an organisation, and the git repository that is behind it.

    `heads` is what pushes were told of; `roles` is by login, in lower case; `renamed` has the present names of branches
    by those that they had.
    """

    id: int
    full_name: str
    git: GitRepository
    installation: Installation
    default_branch: str
    created_at: datetime
    pushed_at: datetime
    installed: bool = True
    heads: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    deployments: dict[int, Deployment] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The organisation's login."""
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        """The name without the owner."""
        return self.full_name.partition("/")[2]

    @property
    def installation_id(self) -> int:
        """The id of the App's installation."""
        return self.installation.id

    @property
    def reached(self) -> bool:
        """Whether the App is installed here, and may look at it if it is not suspended."""
        return self.installed and not self.installation.deleted

    def role(self, login: str) -> str | None:
        """What somebody is here, `none` for whom nothing was granted; None for whom nobody has heard of."""
        if login.lower() == self.owner.lower():
            return "admin"
        return self.roles.get(login.lower(), "none" if login.lower() in self._people() else None)

    def _people(self) -> set[str]:
        comments = (comment for one in self.pull_requests.values() for comment in one.comments.values())
        authors = {one.author.login for one in self.pull_requests.values()}
        return {login.lower() for login in authors | {comment.author_login for comment in comments}}


class Repositories:
    """All repositories. The App is installed once for each owner, in every repository of theirs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_id: dict[int, Repository] = {}
        self._former: dict[str, int] = {}
        self._installations: dict[int, Installation] = {}
        self._comment_ids = itertools.count(_FIRST_COMMENT_ID)
        self._deployment_ids = itertools.count(_FIRST_DEPLOYMENT_ID)

    def __iter__(self) -> Iterator[Repository]:
        return iter(tuple(self._by_id.values()))

    def add(self, full_name: str, path: Path, *, installed: bool = True) -> Repository:
        """Make the git repository at `path` known under that name; its branch that is checked out is the default."""
        git, now = GitRepository(path), self.now()
        with self._lock:
            repository = Repository(
                id=FIRST_REPOSITORY_ID + len(self._by_id),
                full_name=full_name,
                git=git,
                installation=self._install(full_name.partition("/")[0]),
                default_branch=git.checked_out(),
                created_at=now,
                pushed_at=now,
                heads=git.heads(),
                installed=installed,
            )
            self._by_id[repository.id] = repository
        return repository

    def _install(self, owner: str) -> Installation:
        found = self.installation_of(owner)
        if found is None:
            found = Installation(FIRST_INSTALLATION_ID + len(self._installations), owner, self.now())
            self._installations[found.id] = found
        return found

    def rename(self, repository: Repository, full_name: str) -> None:
        """Give the repository another name; the one that it had leads to it."""
        with self._lock:
            self._former[repository.full_name.lower()] = repository.id
            repository.full_name = full_name

    def get(self, repository_id: int) -> Repository | None:
        """The repository with that id."""
        return self._by_id.get(repository_id)

    def find(self, full_name: str) -> Repository | None:
        """The repository that has the name now; case does not count."""
        return next((one for one in self if one.full_name.lower() == full_name.lower()), None)

    def find_former(self, full_name: str) -> Repository | None:
        """The repository that had the name."""
        return self._by_id.get(self._former.get(full_name.lower(), 0))

    def named(self, full_name: str) -> Repository:
        """The repository that has the name; KeyError if there is none."""
        found = self.find(full_name)
        if found is None:
            raise KeyError(full_name)
        return found

    def installation_of(self, owner: str) -> Installation | None:
        """The owner's installation; None if there is none, or none any more."""
        theirs = (one for one in self._installations.values() if one.owner.lower() == owner.lower())
        return next((one for one in theirs if not one.deleted), None)

    def installation(self, installation_id: int) -> Installation | None:
        """The installation; None if there is none, or none any more."""
        found = self._installations.get(installation_id)
        return None if found is None or found.deleted else found

    def installations(self) -> list[Installation]:
        """Those that reach a repository."""
        return [one for one in self._installations.values() if self.installed(one)]

    def installed(self, installation: Installation) -> list[Repository]:
        """The repositories that an installation reaches."""
        return [one for one in self if one.installation is installation and one.reached]

    def open(
        self,
        repository: Repository,
        *,
        branch: str,
        title: str,
        author: Account,
        fork: bool,
        draft: bool,
        labels: Collection[str],
    ) -> PullRequest:
        """Open a pull request from the branch, or from a fork's branch that has the same commits."""
        sha, base_sha = repository.git.sha_of(branch), repository.git.sha_of(repository.default_branch)
        now = self.now()
        fork_name = f"{author.login}/{repository.name}"
        with self._lock:
            opened = PullRequest(
                number=len(repository.pull_requests) + 1,
                title=title,
                author=author,
                branch=branch,
                sha=sha,
                base=repository.default_branch,
                base_sha=base_sha,
                head=Head(repository.id + _FORK_IDS, fork_name, fork=True)
                if fork
                else Head(repository.id, repository.full_name, fork=False),
                draft=draft,
                created_at=now,
                updated_at=now,
                labels=list(labels),
            )
            repository.pull_requests[opened.number] = opened
            if not fork:
                repository.heads[branch] = sha
        return opened

    def change(self, pull_request: PullRequest, change: Callable[[PullRequest], None]) -> None:
        """Change a pull request, at least a second after its last change: GitHub tells of whole seconds."""
        with self._lock:
            pull_request.updated_at = max(self.now(), pull_request.updated_at + timedelta(seconds=1))
            change(pull_request)

    def push(self, repository: Repository, branch: str) -> Push | None:
        """What became of the branch since it was last told of, None if nothing did; KeyError if there never was one."""
        with self._lock:
            before = repository.heads.get(branch)
            after = repository.git.find_branch(branch)
            if before is None and after is None:
                raise KeyError(branch)
            if before == after:
                return None
            repository.pushed_at = self.now()
            if after is None:
                del repository.heads[branch]
            else:
                repository.heads[branch] = after
        forced = before is not None and after is not None and not repository.git.contains(after, before)
        return Push(branch, before, after, forced)

    def comment(self, pull_request: PullRequest, author: Account, body: str) -> IssueComment:
        """Comment on a pull request, which is a change of it, though maybe in the same second as the last one."""
        now = self.now()
        with self._lock:
            made = IssueComment(next(self._comment_ids), body, author.login, author.type, now, now)
            pull_request.comments[made.id] = made
            pull_request.updated_at = max(now, pull_request.updated_at)
        return made

    def deploy(self, repository: Repository, make: Callable[[int, datetime], Deployment]) -> Deployment:
        """Keep the deployment that `make` gives for an id and a moment."""
        with self._lock:
            made = make(next(self._deployment_ids), self.now())
            repository.deployments[made.id] = made
        return made

    def now(self) -> datetime:
        """The present second."""
        return self._clock().replace(microsecond=0)
