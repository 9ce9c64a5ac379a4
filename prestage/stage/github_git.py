"""The git repository behind a repository of a pretended GitHub."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "GitHub",
    "GIT_AUTHOR_EMAIL": "noreply@github.com",
    "GIT_COMMITTER_NAME": "GitHub",
    "GIT_COMMITTER_EMAIL": "noreply@github.com",
}
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_FIELDS = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
_CHANGES = {"A": "added", "D": "removed", "M": "modified"}


class ConflictError(Exception):
    """A branch can't be merged into another without somebody's help."""


@dataclass(frozen=True)
class Signature:
    """Who made a commit, and when."""

    name: str
    email: str
    at: datetime


@dataclass(frozen=True)
class Commit:
    """A commit."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True)
class GitRepository:
    """A git repository at `path`. What is committed in it has been pushed."""

    path: Path

    def checked_out(self) -> str:
        """The branch that is checked out."""
        return self._run("symbolic-ref", "--short", "HEAD")

    def heads(self) -> dict[str, str]:
        """The newest commit of every branch."""
        listed = self._run("for-each-ref", "--format=%(refname:lstrip=2)%00%(objectname)", "refs/heads/")
        return dict(line.split("\0", 1) for line in listed.splitlines())

    def sha_of(self, branch: str) -> str:
        """The branch's newest commit; KeyError if there is no such branch."""
        found = self.find_branch(branch)
        if found is None:
            raise KeyError(branch)
        return found

    def find_branch(self, branch: str) -> str | None:
        """The branch's newest commit, None if there is no such branch."""
        return self._find(f"refs/heads/{branch}^{{commit}}")

    def resolve(self, ref: str) -> str | None:
        """The commit that a branch, a tag or a SHA stands for, None if it stands for none."""
        return self.find_branch(ref) or self._find(f"refs/tags/{ref}^{{commit}}") or (ref if self.has(ref) else None)

    def has(self, sha: str) -> bool:
        """Whether that is the whole SHA of a commit that is there."""
        return _SHA.fullmatch(sha) is not None and self._find(f"{sha}^{{commit}}") == sha

    def contains(self, newer: str, older: str) -> bool:
        """Whether one commit comes after another, or is it."""
        return self._git("merge-base", "--is-ancestor", older, newer).returncode == 0

    def commit(self, sha: str) -> Commit:
        """The commit."""
        shown = self._run("show", "--no-patch", f"--format={_FIELDS}", sha)
        found, tree, parents, *people, message = shown.split("\0")
        author, committer = (
            Signature(name, email, datetime.fromisoformat(at)) for name, email, at in (people[:3], people[3:])
        )
        return Commit(found, tree, tuple(parents.split()), author, committer, message.strip())

    def changes(self, sha: str) -> dict[str, list[str]]:
        """The files that a commit `added`, `removed` and `modified`."""
        found: dict[str, list[str]] = {kind: [] for kind in _CHANGES.values()}
        listed = self._run("diff-tree", "-r", "--root", "--no-commit-id", "--no-renames", "--name-status", "-z", sha)
        parts = listed.rstrip("\0").split("\0")
        for kind, path in zip(parts[::2], parts[1::2], strict=False):
            found[_CHANGES.get(kind, "modified")].append(path)
        return found

    def archive(self, sha: str, folder: str) -> bytes:
        """The commit's tar.gz, in one folder."""
        done = self._git("archive", "--format=tar.gz", f"--prefix={folder}/", sha)
        done.check_returncode()
        return done.stdout

    def rename_branch(self, branch: str, name: str) -> None:
        """Give a branch another name."""
        self._run("branch", "--move", branch, name)

    def delete_branch(self, branch: str) -> None:
        """Delete a branch that is not checked out."""
        self._run("branch", "--quiet", "--delete", "--force", branch)

    def merge(self, sha: str, into: str, message: str) -> str:
        """Merge a commit into a branch, with a merge commit. Gives its SHA.

        Raises:
            ConflictError: both changed the same.
        """
        with tempfile.TemporaryDirectory() as folder:
            place = GitRepository(Path(folder) / "merge")
            self._run("worktree", "add", "--quiet", "--detach", str(place.path), f"refs/heads/{into}")
            try:
                if place._git("merge", "--quiet", "--no-ff", "--message", message, sha).returncode:
                    raise ConflictError(f"{sha} can't be merged into {into}")
                merged = place._run("rev-parse", "HEAD")
            finally:
                self._run("worktree", "remove", "--force", str(place.path))
        self._run("update-ref", f"refs/heads/{into}", merged)
        if into == self.checked_out():
            self._run("reset", "--quiet", "--hard")
        return merged

    def _find(self, what: str) -> str | None:
        found = self._git("rev-parse", "--verify", "--quiet", what)
        return None if found.returncode else found.stdout.decode().strip()

    def _run(self, *arguments: str) -> str:
        done = self._git(*arguments)
        done.check_returncode()
        return done.stdout.decode().strip()

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.run(command, env=_ENVIRONMENT, capture_output=True, check=False)
