"""Write the one comment: the one that is known, else the one that is found, else a new one."""

from collections.abc import Callable
from dataclasses import dataclass

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from comments.body import MARKER
from github_app.access import Access, Place
from github_app.client import Comment, GitHub, GitHubNotFoundError

PERMISSIONS = {"pull_requests": "write"}

_REFUSAL = (
    "comment_refused",
    "GitHub takes no comment there: is it locked, or does the App lack the permission pull_requests: write?",
)

logger = Logger()


@dataclass(frozen=True)
class Writer:
    """Writes comments as the GitHub App, whose slug `slug` gives."""

    access: Access
    slug: Callable[[], str]

    def write(self, place: Place, number: int, body: str, known: int | None, *, create: bool = True) -> Comment | None:
        """Make the comment say `body`; gives it, None if there is none and none is to be created.

        Args:
            place: the pull request's repository.
            number: the pull request's.
            body: Markdown that begins with the marker.
            known: the comment's id, if it was written before.
            create: whether to create one where none is found.

        Raises:
            RetryLaterError: GitHub does not take it now.
            BrokenError: an operator has to mend it, see `Access.call`.
            RefusedError: GitHub refuses it.
        """

        def do(github: GitHub, token: SecretStr, repository: str) -> Comment | None:
            there = _There(github, token, repository, number)
            if known is not None and (comment := there.update(known, body)):
                return comment
            found = there.find(f"{self.slug()}[bot]")
            if found is not None and (comment := there.update(found, body)):
                return comment
            return github.create_comment(token, repository, number, body) if create else None

        return self.access.call(place, PERMISSIONS, do, _REFUSAL)


@dataclass(frozen=True)
class _There:
    """The pull request on GitHub."""

    github: GitHub
    token: SecretStr
    repository: str
    number: int

    def update(self, comment_id: int, body: str) -> Comment | None:
        """The comment as it is now, None if somebody deleted it."""
        try:
            return self.github.update_comment(self.token, self.repository, comment_id, body)
        except GitHubNotFoundError:
            logger.info("the comment was deleted", comment_id=comment_id)
            return None

    def find(self, author: str) -> int | None:
        """The id of the oldest comment that is ours. Anybody can paste a marker, so the author counts too."""
        comments = self.github.list_comments(self.token, self.repository, self.number)
        return next((comment.id for comment in comments if _is_by(author, comment)), None)


def _is_by(author: str, comment: Comment) -> bool:
    is_author = comment.author_type == "Bot" and comment.author_login == author
    return is_author and comment.body.startswith(MARKER)
