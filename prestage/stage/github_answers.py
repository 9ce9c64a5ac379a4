"""How a pretended GitHub answers: lists in pages, and refusals in GitHub's shape."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

import flask
from pydantic import BaseModel, ConfigDict, ValidationError

from prestage.stage.github_tokens import BadCredentialsError

DOCUMENTATION = "https://docs.github.com/rest"
_PAGE, _LARGEST_PAGE = 30, 100

type Answer = flask.Response | tuple[Any, HTTPStatus]
type Headers = Mapping[str, str]


class Route(NamedTuple):
    """A view of a repository, and the permission that a token needs for it."""

    method: str
    rule: str
    view: Callable[..., Answer]
    permission: str
    level: str


class Strict(BaseModel):
    """A request's body, with nothing in it that GitHub does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RefusalError(Exception):
    """The request is refused, in GitHub's shape of an error."""

    def __init__(
        self, status: HTTPStatus, message: str, *, errors: list[Any] | None = None, headers: Headers | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": str(int(status)),
        }
        if errors:
            self.body["errors"] = errors


def not_found(message: str = "Not Found") -> RefusalError:
    """It is not there, or not for who asks."""
    return RefusalError(HTTPStatus.NOT_FOUND, message)


def invalid(resource: str, field: str, code: str, message: str | None = None) -> RefusalError:
    """What was sent does not do, in one field."""
    error = {"resource": resource, "code": code, "field": field}
    if message is not None:
        error["message"] = message
    return RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation Failed", errors=[error])


def page_size() -> int:
    """How many a page is asked to have."""
    return min(max(flask.request.args.get("per_page", _PAGE, int), 1), _LARGEST_PAGE)


def paged[T](path: str, things: Sequence[T], show: Callable[[T], Any]) -> flask.Response:
    """The page of things that was asked for, with links to the next and the last; `path` begins without a slash."""
    size, page = page_size(), max(flask.request.args.get("page", 1, int), 1)
    answer = flask.jsonify([show(one) for one in things[(page - 1) * size : page * size]])
    last = max(1, -(-len(things) // size))
    if page < last:
        link(answer, path, next={"page": page + 1}, last={"page": last})
    return answer


def link(answer: flask.Response, path: str, **pages: Mapping[str, Any]) -> None:
    """Say where other pages are: by relation, what their query has instead of this one's."""
    asked = {**flask.request.args, "per_page": page_size()}
    links = (
        f'<{flask.request.host_url}{path}?{urlencode({**asked, **query})}>; rel="{relation}"'
        for relation, query in pages.items()
    )
    answer.headers["Link"] = ", ".join(links)


def moved(path: str, status: HTTPStatus = HTTPStatus.MOVED_PERMANENTLY) -> Answer:
    """A redirect to another path of the API, which begins without a slash, with the same query."""
    target, query = f"{flask.request.host_url}{path}", flask.request.query_string.decode()
    answer = flask.jsonify({"message": status.phrase, "url": target, "documentation_url": DOCUMENTATION})
    answer.headers["Location"] = f"{target}?{query}" if query else target
    return answer, status


def explain(error: RefusalError) -> Answer:
    """The answer to what is refused."""
    answer = flask.jsonify(error.body)
    answer.headers.update(error.headers)
    return answer, error.status


def explain_credentials(error: BadCredentialsError) -> Answer:
    """The answer to whom nobody knows."""
    return explain(RefusalError(HTTPStatus.UNAUTHORIZED, str(error)))


def explain_body(error: ValidationError) -> Answer:
    """The answer to a body that is no JSON, or of another shape."""
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        return explain(RefusalError(HTTPStatus.BAD_REQUEST, "Problems parsing JSON"))
    where = ".".join(str(part) for part in first["loc"])
    return explain(RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, f"Invalid request. {where}: {first['msg']}"))
