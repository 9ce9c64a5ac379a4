"""GitHub's REST API, for the repositories of a pretended GitHub. It takes what the real one takes, and no more."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Literal
from uuid import uuid4

import flask
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import HTTPException

from prestage.stage import github_shapes as shapes
from prestage.stage.github_repositories import Account, IssueComment, PullRequest, Repositories, Repository
from prestage.stage.github_tokens import BadCredentialsError, Credentials, covers

LONGEST_BODY = 65_536
"""Characters of a comment."""

_VERSIONS = frozenset({"2022-11-28", "2026-03-10"})
_ACCEPTED = frozenset({"application/vnd.github+json", "application/json"})
_DOCUMENTATION = "https://docs.github.com/rest"
_ARCHIVES = "/codeload"
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_PAGE, _LARGEST_PAGE = 30, 100

type Answer = flask.Response | tuple[Any, HTTPStatus]
type Headers = Mapping[str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _TokenRequest(_Strict):
    repository_ids: list[int] | None = None
    repositories: list[str] | None = None
    permissions: dict[str, Literal["read", "write", "admin"]] | None = None


class _CommentRequest(_Strict):
    body: str


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
            "documentation_url": _DOCUMENTATION,
            "status": str(int(status)),
        }
        if errors:
            self.body["errors"] = errors


class RestApi:
    """The views. A request is authenticated before it is looked at, and a repository is looked up before the right.

    Args:
        repositories: all repositories.
        credentials: what is accepted.
        app_id: the App's.
        slug: the App's; its comments are by `<slug>[bot]`.
    """

    def __init__(self, repositories: Repositories, credentials: Credentials, *, app_id: str, slug: str) -> None:
        self._repositories = repositories
        self._credentials = credentials
        self._app_id = app_id
        self._slug = slug

    def application(self) -> flask.Flask:
        """The API, and the archives that it links to."""
        app = flask.Flask("github-api", static_folder=None)
        app.before_request(_check_headers)
        app.after_request(self._identify)
        app.register_error_handler(RefusalError, _explain)
        app.register_error_handler(BadCredentialsError, _explain_credentials)
        app.register_error_handler(ValidationError, _explain_body)
        app.register_error_handler(HTTPException, lambda _: _explain(_not_found()))
        self._add(app, "POST", "/app/installations/<int:installation_id>/access_tokens", self.create_token)
        self._add(app, "GET", f"{_ARCHIVES}/<owner>/<name>/legacy.tar.gz/<sha>", self.get_archive)
        self._add_for_repository(app, "GET", "/installation", self._for_the_app(self.get_installation))
        for method, rule, view, permission, level in self._routes():
            self._add_for_repository(app, method, rule, self._for_tokens(view, permission, level))
        return app

    @staticmethod
    def _add(app: flask.Flask, method: str, rule: str, view: Callable[..., Answer]) -> None:
        app.add_url_rule(rule, f"{method} {rule}", view, methods=[method])

    def _add_for_repository(self, app: flask.Flask, method: str, rule: str, view: Callable[..., Answer]) -> None:
        """Add the view by the repository's name, which may redirect, and by its id."""

        def by_name(owner: str, name: str, **rest: Any) -> Answer:
            place = self._repositories.find(f"{owner}/{name}")
            moved = None if place else self._repositories.find_former(f"{owner}/{name}")
            return view(place or moved, moved=moved is not None, **rest)

        def by_id(repository_id: int, **rest: Any) -> Answer:
            return view(self._repositories.get(repository_id), moved=False, **rest)

        self._add(app, method, f"/repos/<owner>/<name>{rule}", by_name)
        self._add(app, method, f"/repositories/<int:repository_id>{rule}", by_id)

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer], str, str]]:
        comments, comment = "/issues/<int:number>/comments", "/issues/comments/<int:comment_id>"
        return [
            ("GET", "", self.get_repository, "metadata", "read"),
            ("GET", "/pulls/<int:number>", self.get_pull_request, "pull_requests", "read"),
            ("GET", comments, self.list_comments, "pull_requests", "read"),
            ("POST", comments, self.create_comment, "pull_requests", "write"),
            ("PATCH", comment, self.update_comment, "pull_requests", "write"),
            ("DELETE", comment, self.delete_comment, "pull_requests", "write"),
            ("GET", "/tarball/<ref>", self.link_archive, "contents", "read"),
        ]

    def _for_the_app(self, view: Callable[..., Answer]) -> Callable[..., Answer]:
        """The view, for the App's JWT."""

        def guarded(place: Repository | None, *, moved: bool, **rest: Any) -> Answer:
            self._credentials.check_jwt(_bearer())
            if place is None:
                raise _not_found()
            return _redirect(place) if moved else view(place, **rest)

        return guarded

    def _for_tokens(self, view: Callable[..., Answer], permission: str, level: str) -> Callable[..., Answer]:
        """The view, for tokens that may see the repository and may do this in it."""

        def guarded(place: Repository | None, *, moved: bool, **rest: Any) -> Answer:
            grant = self._credentials.grant(_bearer())
            if place is None or place.id not in grant.repository_ids:
                raise _not_found()
            if moved:
                return _redirect(place)
            if not grant.allows(permission, level):
                headers = {"X-Accepted-GitHub-Permissions": f"{permission}={level}"}
                raise RefusalError(HTTPStatus.FORBIDDEN, "Resource not accessible by integration", headers=headers)
            return view(place, **rest)

        return guarded

    def create_token(self, installation_id: int) -> Answer:
        """A token for an installation, narrowed as asked."""
        self._credentials.check_jwt(_bearer())
        installed = self._repositories.installed(installation_id)
        if not installed:
            raise _not_found()
        asked = _TokenRequest.model_validate_json(flask.request.get_data() or b"{}")
        chosen = _choose(installed, asked)
        permissions = shapes.GRANTED if asked.permissions is None else {"metadata": "read", **asked.permissions}
        if not all(covers(shapes.GRANTED, name, level) for name, level in permissions.items()):
            message = "The permissions requested are not granted to this installation."
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
        token, grant = self._credentials.issue(frozenset(one.id for one in chosen), permissions)
        return {
            "token": token,
            "expires_at": shapes.moment(grant.expires_at),
            "permissions": dict(permissions),
            "repository_selection": "selected",
            "repositories": [shapes.repository(one) for one in chosen],
        }, HTTPStatus.CREATED

    def get_installation(self, place: Repository) -> Answer:
        """The App's installation in a repository."""
        return shapes.installation(place, app_id=self._app_id, slug=self._slug), HTTPStatus.OK

    def get_repository(self, place: Repository) -> Answer:
        """A repository."""
        return shapes.full_repository(place), HTTPStatus.OK

    def get_pull_request(self, place: Repository, number: int) -> Answer:
        """A pull request."""
        return shapes.pull_request(_pull_request(place, number), place), HTTPStatus.OK

    def list_comments(self, place: Repository, number: int) -> Answer:
        """A page of a pull request's comments, oldest first."""
        comments = sorted(_pull_request(place, number).comments.values(), key=lambda one: one.id)
        size = min(max(flask.request.args.get("per_page", _PAGE, int), 1), _LARGEST_PAGE)
        page = max(flask.request.args.get("page", 1, int), 1)
        shown = comments[(page - 1) * size : page * size]
        answer = flask.jsonify([shapes.comment(one, number, place) for one in shown])
        last = max(1, -(-len(comments) // size))
        if page < last:
            # GitHub's own links go by the repository's id.
            path = f"{flask.request.host_url}repositories/{place.id}/issues/{number}/comments?per_page={size}"
            answer.headers["Link"] = f'<{path}&page={page + 1}>; rel="next", <{path}&page={last}>; rel="last"'
        return answer

    def create_comment(self, place: Repository, number: int) -> Answer:
        """Comment as the App."""
        pull_request = _pull_request(place, number)
        author = Account(f"{self._slug}[bot]", "Bot")
        made = self._repositories.comment(pull_request, author, _comment_body())
        return shapes.comment(made, number, place), HTTPStatus.CREATED

    def update_comment(self, place: Repository, comment_id: int) -> Answer:
        """Replace a comment, whoever wrote it."""
        pull_request, found = _comment(place, comment_id)
        found.body = _comment_body()
        found.updated_at = self._repositories.now()
        return shapes.comment(found, pull_request.number, place), HTTPStatus.OK

    def delete_comment(self, place: Repository, comment_id: int) -> Answer:
        """Delete a comment, whoever wrote it."""
        pull_request, found = _comment(place, comment_id)
        pull_request.comments.pop(found.id, None)
        return "", HTTPStatus.NO_CONTENT

    def link_archive(self, place: Repository, ref: str) -> Answer:
        """Redirect to a commit's archive."""
        if not _SHA.fullmatch(ref) or not place.has(ref):
            raise _not_found()
        token = self._credentials.link(place.id, ref)
        path = f"{_ARCHIVES}/{place.full_name}/legacy.tar.gz/{ref}?token={token}"
        return flask.Response(status=HTTPStatus.FOUND, headers={"Location": flask.request.host_url.rstrip("/") + path})

    def get_archive(self, owner: str, name: str, sha: str) -> Answer:
        """A commit's archive, for whoever has the link. Here a credential was sent to a host that is not the API's."""
        if "Authorization" in flask.request.headers:
            raise RefusalError(HTTPStatus.BAD_REQUEST, "No credential belongs here")
        place = self._repositories.find(f"{owner}/{name}")
        token = flask.request.args.get("token", "")
        if place is None or not self._credentials.opens(token, place.id, sha):
            raise _not_found()
        answer = flask.Response(place.archive(sha), content_type="application/x-gzip")
        name = f"{place.owner}-{place.name}-{sha[:7]}.tar.gz"
        answer.headers["Content-Disposition"] = f"attachment; filename={name}"
        return answer

    def _identify(self, response: flask.Response) -> flask.Response:
        reset = int(self._repositories.now().timestamp()) + 3600
        response.headers.update(
            {
                "x-github-request-id": uuid4().hex,
                "x-ratelimit-limit": "5000",
                "x-ratelimit-remaining": "4999",
                "x-ratelimit-reset": str(reset),
                "x-ratelimit-used": "1",
                "x-ratelimit-resource": "core",
            }
        )
        return response


def _check_headers() -> None:
    """What GitHub requires, and what it advises to send and Prestage always does."""
    given = flask.request.headers
    if flask.request.path.startswith(f"{_ARCHIVES}/"):
        return
    if not given.get("User-Agent"):
        raise RefusalError(HTTPStatus.FORBIDDEN, "Request forbidden by administrative rules: no User-Agent header")
    if given.get("Accept") not in _ACCEPTED:
        raise RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported 'Accept' header")
    if given.get("X-GitHub-Api-Version") not in _VERSIONS:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "X-GitHub-Api-Version is not a supported version")


def _bearer() -> str:
    scheme, _, credential = flask.request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not credential:
        raise BadCredentialsError("Requires authentication")
    return credential


def _choose(installed: list[Repository], asked: _TokenRequest) -> list[Repository]:
    if asked.repository_ids is None and asked.repositories is None:
        return installed
    ids, names = set(asked.repository_ids or ()), {name.lower() for name in asked.repositories or ()}
    chosen = [one for one in installed if one.id in ids or one.name.lower() in names]
    if not chosen or not ids <= {one.id for one in chosen} or not names <= {one.name.lower() for one in chosen}:
        message = (
            "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
        raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    return chosen


def _redirect(moved: Repository) -> Answer:
    rest = "/".join(flask.request.path.split("/")[4:])
    target = f"{flask.request.host_url}repositories/{moved.id}{f'/{rest}' if rest else ''}"
    query = flask.request.query_string.decode()
    status = HTTPStatus.MOVED_PERMANENTLY if flask.request.method == "GET" else HTTPStatus.TEMPORARY_REDIRECT
    answer = flask.jsonify({"message": status.phrase, "url": target, "documentation_url": _DOCUMENTATION})
    answer.headers["Location"] = f"{target}?{query}" if query else target
    return answer, status


def _pull_request(place: Repository, number: int) -> PullRequest:
    found = place.pull_requests.get(number)
    if found is None:
        raise _not_found()
    return found


def _comment(place: Repository, comment_id: int) -> tuple[PullRequest, IssueComment]:
    for pull_request in tuple(place.pull_requests.values()):
        found = pull_request.comments.get(comment_id)
        if found is not None:
            return pull_request, found
    raise _not_found()


def _comment_body() -> str:
    body = _CommentRequest.model_validate_json(flask.request.get_data()).body
    if not body.strip():
        raise _invalid({"resource": "IssueComment", "code": "missing_field", "field": "body"})
    if len(body) > LONGEST_BODY:
        message = f"Body is too long (maximum is {LONGEST_BODY} characters)"
        raise _invalid({"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": message})
    return body


def _invalid(error: dict[str, str]) -> RefusalError:
    return RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation Failed", errors=[error])


def _not_found() -> RefusalError:
    return RefusalError(HTTPStatus.NOT_FOUND, "Not Found")


def _explain(error: RefusalError) -> Answer:
    answer = flask.jsonify(error.body)
    answer.headers.update(error.headers)
    return answer, error.status


def _explain_credentials(error: BadCredentialsError) -> Answer:
    return _explain(RefusalError(HTTPStatus.UNAUTHORIZED, str(error)))


def _explain_body(error: ValidationError) -> Answer:
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        return _explain(RefusalError(HTTPStatus.BAD_REQUEST, "Problems parsing JSON"))
    where = ".".join(str(part) for part in first["loc"])
    return _explain(RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, f"Invalid request. {where}: {first['msg']}"))
