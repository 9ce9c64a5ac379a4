"""The repositories of a pretended GitHub, with their pull requests and comments."""

import itertools
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from choreography.clock import Clock

FIRST_REPOSITORY_ID = 700_001
FIRST_INSTALLATION_ID = 51_001
_FIRST_COMMENT_ID = 3_900_001
_FORK_IDS = 1_000_000
_GIT_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


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
    comments: dict[int, IssueComment] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """`open` or `closed`."""
        return "open" if self.closed_at is None else "closed"


@dataclass(frozen=True)
class Head:
    """The repository of a pull request's branch."""

    id: int
    full_name: str
    fork: bool


@dataclass
class Repository:
    """A private repository of an organisation, and the git repository at `path` that is behind it."""

    id: int
    full_name: str
    path: Path
    installation_id: int
    default_branch: str
    created_at: datetime
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The organisation's login."""
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        """The name without the owner."""
        return self.full_name.partition("/")[2]

    def sha_of(self, branch: str) -> str:
        """The branch's newest commit; KeyError if there is no such branch."""
        found = self._git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
        if found.returncode:
            raise KeyError(branch)
        return found.stdout.decode().strip()

    def has(self, sha: str) -> bool:
        """Whether the commit is there."""
        return self._git("cat-file", "-e", f"{sha}^{{commit}}").returncode == 0

    def archive(self, sha: str) -> bytes:
        """The commit's tar.gz, in one folder, as GitHub names it."""
        prefix = f"--prefix={self.owner}-{self.name}-{sha[:7]}/"
        done = self._git("archive", "--format=tar.gz", prefix, sha)
        done.check_returncode()
        return done.stdout

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.run(command, env=_GIT_ENVIRONMENT, capture_output=True, check=False)


class Repositories:
    """All repositories. The App is installed once for each owner, in every repository of theirs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_id: dict[int, Repository] = {}
        self._former: dict[str, int] = {}
        self._installations: dict[str, int] = {}
        self._comment_ids = itertools.count(_FIRST_COMMENT_ID)

    def __iter__(self) -> Iterator[Repository]:
        return iter(tuple(self._by_id.values()))

    def add(self, full_name: str, path: Path) -> Repository:
        """Make the git repository at `path` known under that name; its branch that is checked out is the default."""
        with self._lock:
            owner = full_name.partition("/")[0].lower()
            installation_id = self._installations.setdefault(owner, FIRST_INSTALLATION_ID + len(self._installations))
            repository = Repository(
                id=FIRST_REPOSITORY_ID + len(self._by_id),
                full_name=full_name,
                path=path,
                installation_id=installation_id,
                default_branch=_checked_out(path),
                created_at=self.now(),
            )
            self._by_id[repository.id] = repository
        return repository

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

    def installed(self, installation_id: int) -> list[Repository]:
        """The repositories of an installation; none if there is no such installation."""
        return [one for one in self if one.installation_id == installation_id]

    def open(
        self, repository: Repository, *, branch: str, title: str, author: Account, fork: bool, draft: bool
    ) -> PullRequest:
        """Open a pull request from the branch, or from a fork's branch that has the same commits."""
        sha, base_sha = repository.sha_of(branch), repository.sha_of(repository.default_branch)
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
            )
            repository.pull_requests[opened.number] = opened
        return opened

    def change(self, pull_request: PullRequest, change: Callable[[PullRequest], None]) -> None:
        """Change a pull request, at least a second after its last change: GitHub tells of whole seconds."""
        with self._lock:
            pull_request.updated_at = max(self.now(), pull_request.updated_at + timedelta(seconds=1))
            change(pull_request)

    def comment(self, pull_request: PullRequest, author: Account, body: str) -> IssueComment:
        """Comment on a pull request."""
        now = self.now()
        with self._lock:
            made = IssueComment(next(self._comment_ids), body, author.login, author.type, now, now)
            pull_request.comments[made.id] = made
        return made

    def now(self) -> datetime:
        """The present second."""
        return self._clock().replace(microsecond=0)


def _checked_out(path: Path) -> str:
    command = ["git", "-C", str(path), "symbolic-ref", "--short", "HEAD"]
    return subprocess.run(command, env=_GIT_ENVIRONMENT, capture_output=True, check=True, text=True).stdout.strip()
