"""Write the one comment: the one that is known, else the one that is found, else a new one."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from comments.body import MARKER
from github_app.auth import InstallationTokens
from github_app.client import (
    Comment,
    GitHub,
    GitHubNotFoundError,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
)
from records.environments import Environment

PERMISSIONS = {"pull_requests": "write"}

_SETTLING = timedelta(seconds=10)
"""GitHub's list of comments may be behind by seconds, and a comment whose answer was lost is looked for there."""

logger = Logger()


@dataclass(frozen=True)
class Written:
    """A comment that was written."""

    id: int
    url: str
    created: bool


@dataclass(frozen=True)
class Writer:
    """Writes comments as the GitHub App, whose slug is `slug`."""

    github: GitHub
    tokens: InstallationTokens
    slug: str

    def write(self, about: Environment, number: int, body: str, known: int | None) -> Written:
        """Make the comment say `body`.

        Args:
            about: any environment of the pull request: its repository and installation.
            number: the pull request's.
            body: Markdown that begins with the marker.
            known: the comment's id, if it was written before.

        Raises:
            RetryLaterError: GitHub does not take it now.
            RefusedError: GitHub refuses it.
        """
        try:
            return self._write(about, number, body, known)
        except GitHubUnavailableError as error:
            raise RetryLaterError(f"GitHub: {error}", max(error.after, _SETTLING)) from None
        except GitHubUnauthorizedError:
            whose = about.installation_id, about.repository.id, PERMISSIONS
            if self.tokens.is_settling(*whose):
                raise RetryLaterError("GitHub does not know a new token everywhere yet", _SETTLING) from None
            self.tokens.forget(*whose)  # it was revoked, or our key is wrong
            raise BrokenError("github_unauthorized", "GitHub does not accept the App's credentials") from None
        except GitHubNotFoundError:  # GitHub tells of what is new before its API knows it everywhere
            raise BrokenError("github_not_found", "GitHub knows no such pull request: is the App installed?") from None
        except GitHubRefusedError as error:
            logger.error(  # noqa: TRY400  # where it came from says nothing: the answer is what counts
                "GitHub refused", status=error.status, explanation=error.message, github_request_id=error.request_id
            )
            raise RefusedError("comment_refused", _explain(error)) from None

    def _write(self, about: Environment, number: int, body: str, known: int | None) -> Written:
        token = self.tokens.token(about.installation_id, about.repository.id, PERMISSIONS)
        repository = about.repository.full_name
        if known is not None and (comment := self._update(token, repository, known, body)):
            return _written(comment, created=False)
        found = self._find(token, repository, number)
        if found is not None and (comment := self._update(token, repository, found.id, body)):
            return _written(comment, created=False)
        return _written(self.github.create_comment(token, repository, number, body), created=True)

    def _update(self, token: SecretStr, repository: str, comment_id: int, body: str) -> Comment | None:
        """The comment as it is now, None if somebody deleted it."""
        try:
            return self.github.update_comment(token, repository, comment_id, body)
        except GitHubNotFoundError:
            logger.info("the comment was deleted", comment_id=comment_id)
            return None

    def _find(self, token: SecretStr, repository: str, number: int) -> Comment | None:
        """The oldest comment that is ours. Anybody can paste a marker, so the author counts too."""
        ours = (comment for comment in self.github.list_comments(token, repository, number) if self._is_ours(comment))
        return next(ours, None)

    def _is_ours(self, comment: Comment) -> bool:
        is_author = comment.author_type == "Bot" and comment.author_login == f"{self.slug}[bot]"
        return is_author and comment.body.startswith(MARKER)


def _written(comment: Comment, *, created: bool) -> Written:
    return Written(id=comment.id, url=comment.html_url, created=created)


def _explain(error: GitHubRefusedError) -> str:
    if error.status == HTTPStatus.FORBIDDEN:
        return f"GitHub does not let the App comment (locked, or a permission is missing): {error.message}"
    return f"GitHub refused the comment ({error.status}): {error.message}"
