"""Comments on pull requests, in the API of a pretended GitHub."""

from collections.abc import Callable
from http import HTTPStatus

import flask

from prestage.stage import github_shapes as shapes
from prestage.stage.github_answers import Answer, Route, Strict, invalid, not_found, paged
from prestage.stage.github_repositories import Account, IssueComment, PullRequest, Repositories, Repository

LONGEST_BODY = 65_536
"""Characters of a comment."""


class _CommentRequest(Strict):
    body: str


class Comments:
    """The views.

    Args:
        repositories: all repositories.
        author: gives who comments here.
    """

    def __init__(self, repositories: Repositories, author: Callable[[], Account]) -> None:
        self._repositories = repositories
        self._author = author

    def routes(self) -> list[Route]:
        """What there is, and for whom."""
        comments, comment = "/issues/<int:number>/comments", "/issues/comments/<int:comment_id>"
        return [
            Route("GET", comments, self.list, "pull_requests", "read"),
            Route("POST", comments, self.create, "pull_requests", "write"),
            Route("PATCH", comment, self.update, "pull_requests", "write"),
            Route("DELETE", comment, self.delete, "pull_requests", "write"),
        ]

    def list(self, place: Repository, number: int) -> Answer:
        """A page of a pull request's comments, oldest first."""
        comments = sorted(pull_request(place, number).comments.values(), key=lambda one: one.id)
        path = f"repositories/{place.id}/issues/{number}/comments"  # GitHub's own links go by the repository's id
        return paged(path, comments, lambda one: shapes.comment(one, number, place))

    def create(self, place: Repository, number: int) -> Answer:
        """Comment as the App."""
        made = self._repositories.comment(pull_request(place, number), self._author(), _body())
        return shapes.comment(made, number, place), HTTPStatus.CREATED

    def update(self, place: Repository, comment_id: int) -> Answer:
        """Replace a comment, whoever wrote it."""
        about, found = _comment(place, comment_id)
        found.body = _body()
        found.updated_at = self._repositories.now()
        return shapes.comment(found, about.number, place), HTTPStatus.OK

    def delete(self, place: Repository, comment_id: int) -> Answer:
        """Delete a comment, whoever wrote it."""
        about, found = _comment(place, comment_id)
        about.comments.pop(found.id, None)
        return "", HTTPStatus.NO_CONTENT


def pull_request(place: Repository, number: int) -> PullRequest:
    """The pull request of that number.

    Raises:
        RefusalError: there is none.
    """
    found = place.pull_requests.get(number)
    if found is None:
        raise not_found()
    return found


def _comment(place: Repository, comment_id: int) -> tuple[PullRequest, IssueComment]:
    for about in tuple(place.pull_requests.values()):
        found = about.comments.get(comment_id)
        if found is not None:
            return about, found
    raise not_found()


def _body() -> str:
    body = _CommentRequest.model_validate_json(flask.request.get_data()).body
    if not body.strip():
        raise invalid("IssueComment", "body", "missing_field")
    if len(body) > LONGEST_BODY:
        message = f"Body is too long (maximum is {LONGEST_BODY} characters)"
        raise invalid("IssueComment", "data", "unprocessable", message)
    return body
