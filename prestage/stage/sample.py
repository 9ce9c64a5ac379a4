"""A small application in a real git repository, for the demo and the tests."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SERVER = Path(__file__).parent / "demo_app" / "server.py"
_AUTHOR = {
    "GIT_AUTHOR_NAME": "Octo Cat",
    "GIT_AUTHOR_EMAIL": "octocat@example.com",
    "GIT_COMMITTER_NAME": "Octo Cat",
    "GIT_COMMITTER_EMAIL": "octocat@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


class GitError(Exception):
    """git is not there, or did not do it; the text has its words."""


@dataclass(frozen=True)
class SampleRepository:
    """A git repository at `path`."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "SampleRepository":
        """Make it, with the sample application on the branch `main`."""
        path.mkdir(parents=True)
        created = cls(path)
        created.git("init", "--quiet", "--initial-branch=main")
        shutil.copy(_SERVER, path / "server.py")
        created.commit({"headline.txt": "Hello from main\n", "colour.txt": "black\n"}, "A page")
        return created

    def branch(self, name: str, files: Mapping[str, str]) -> str:
        """Make a branch off the one that is checked out with one commit that writes `files`. Gives its SHA."""
        return self._commit_on(files, "-B", name)

    def commit_to(self, branch: str, files: Mapping[str, str]) -> str:
        """Commit `files` to a branch that is there. Gives the SHA.

        Raises:
            GitError: it is not there, or says so already.
        """
        return self._commit_on(files, branch)

    def _commit_on(self, files: Mapping[str, str], *checkout: str) -> str:
        before = self.git("symbolic-ref", "--short", "HEAD")
        self.git("checkout", "--quiet", *checkout, "--")
        try:
            return self.commit(files, f"Change {', '.join(files)}")
        finally:
            self.git("checkout", "--quiet", before)

    def commit(self, files: Mapping[str, str], message: str) -> str:
        """Commit `files` and all else that changed to the branch that is checked out. Gives the SHA."""
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        """Run git here, without the configuration of this machine. Gives its output without the last line feed.

        Raises:
            GitError: it failed, or there is none.
        """
        try:
            done = subprocess.run(
                ["git", "-C", str(self.path), *arguments],
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.path), **_AUTHOR},
                capture_output=True,
                text=True,
                check=True,
            )
        except FileNotFoundError:
            raise GitError("git is not installed, or not in PATH") from None
        except subprocess.CalledProcessError as error:
            raise GitError(f"git {arguments[0]} failed: {error.stderr.strip()}") from None
        return done.stdout.strip()
