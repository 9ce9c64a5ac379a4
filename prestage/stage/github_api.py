"""GitHub's REST API, for the repositories of a pretended GitHub. It takes what the real one takes, and no more."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

import flask
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from prestage.github_administration import covers
from prestage.stage import github_shapes as shapes
from prestage.stage.github_answers import (
    Answer,
    RefusalError,
    Route,
    Strict,
    explain,
    explain_body,
    explain_credentials,
    moved,
    not_found,
)
from prestage.stage.github_app_api import AppApi
from prestage.stage.github_comments import Comments, pull_request
from prestage.stage.github_deliveries import Deliveries
from prestage.stage.github_deployments import Deployments
from prestage.stage.github_hook import Hook
from prestage.stage.github_pages import PREFIXES, Pages
from prestage.stage.github_registration import Codes, Registration
from prestage.stage.github_repositories import Account, Installation, Repositories, Repository
from prestage.stage.github_tokens import BadCredentialsError, Credentials, Grant

_VERSIONS = frozenset({"2022-11-28", "2026-03-10"})
_ACCEPTED = frozenset({"application/vnd.github+json", "application/json"})
_ARCHIVES = "/codeload"
_ONCE_DEFAULT = "master"
"""A branch of which GitHub says that it moved to the default one wherever there is none."""


class _TokenRequest(Strict):
    repository_ids: list[int] | None = None
    repositories: list[str] | None = None
    permissions: dict[str, Literal["read", "write", "admin"]] | None = None


class RestApi:
    """The views. A request is authenticated before it is looked at, and a repository is looked up before the right.

    Args:
        repositories: all repositories.
        credentials: what is accepted.
        hook: the App's webhook.
        app: the App's registration; what it does is by `<slug>[bot]`.
        install: is called when somebody installs the App, on its page.
    """

    def __init__(
        self,
        repositories: Repositories,
        credentials: Credentials,
        hook: Hook,
        app: Registration,
        install: Callable[[], object],
    ) -> None:
        self._repositories = repositories
        self._credentials = credentials
        self._app = app
        self._comments = Comments(repositories, self._bot)
        self._deployments = Deployments(repositories, self._bot)
        codes = Codes(repositories.now)
        self._of_the_app = AppApi(app, repositories, codes)
        self._pages = Pages(app, codes, install)
        self._deliveries = Deliveries(hook)

    def application(self) -> flask.Flask:
        """The API, and the archives that it links to."""
        app = flask.Flask("github-api", static_folder=None)
        app.before_request(_check_headers)
        app.after_request(self._identify)
        app.register_error_handler(RefusalError, explain)
        app.register_error_handler(BadCredentialsError, explain_credentials)
        app.register_error_handler(ValidationError, explain_body)
        app.register_error_handler(HTTPException, lambda _: explain(not_found()))
        for method, rule, view in self._routes_of_the_app():
            self._add(app, method, f"/app{rule}", self._for_the_app(view))
        for method, rule, view in self._pages.routes():
            self._add(app, method, rule, view)
        self._add(app, "POST", "/app-manifests/<code>/conversions", self._of_the_app.convert)
        self._add(app, "GET", f"{_ARCHIVES}/<owner>/<name>/legacy.tar.gz/<sha>", self.get_archive)
        self._add_for_repository(app, "GET", "/installation", self._for_the_app(self._reached(self.get_installation)))
        for route in (*self._routes(), *self._comments.routes(), *self._deployments.routes()):
            self._add_for_repository(app, route.method, route.rule, self._for_tokens(route))
        return app

    def _bot(self) -> Account:
        return Account(f"{self._app.slug}[bot]", "Bot")

    @staticmethod
    def _add(app: flask.Flask, method: str, rule: str, view: Callable[..., Answer]) -> None:
        app.add_url_rule(rule, f"{method} {rule}", view, methods=[method])

    def _add_for_repository(self, app: flask.Flask, method: str, rule: str, view: Callable[..., Answer]) -> None:
        """Add the view by the repository's name, which may redirect, and by its id."""

        def by_name(owner: str, name: str, **rest: Any) -> Answer:
            place = self._repositories.find(f"{owner}/{name}")
            former = None if place else self._repositories.find_former(f"{owner}/{name}")
            return view(place or former, renamed=former is not None, **rest)

        def by_id(repository_id: int, **rest: Any) -> Answer:
            return view(self._repositories.get(repository_id), renamed=False, **rest)

        self._add(app, method, f"/repos/<owner>/<name>{rule}", by_name)
        self._add(app, method, f"/repositories/<int:repository_id>{rule}", by_id)

    def _routes_of_the_app(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            *self._of_the_app.routes(),
            ("POST", "/installations/<int:installation_id>/access_tokens", self.create_token),
            ("GET", "/hook/deliveries", self._deliveries.list),
            ("POST", "/hook/deliveries/<int:delivery_id>/attempts", self._deliveries.attempt),
        ]

    def _routes(self) -> list[Route]:
        return [
            Route("GET", "", self.get_repository, "metadata", "read"),
            Route("GET", "/collaborators/<login>/permission", self.get_permission, "metadata", "read"),
            Route("GET", "/branches/<path:branch>", self.get_branch, "contents", "read"),
            Route("GET", "/pulls/<int:number>", self.get_pull_request, "pull_requests", "read"),
            Route("GET", "/tarball/<ref>", self.link_archive, "contents", "read"),
        ]

    def _for_the_app(self, view: Callable[..., Answer]) -> Callable[..., Answer]:
        """The view, for the App's JWT."""

        def guarded(*args: Any, **named: Any) -> Answer:
            self._credentials.check_jwt(_bearer())
            return view(*args, **named)

        return guarded

    @staticmethod
    def _reached(view: Callable[[Repository], Answer]) -> Callable[..., Answer]:
        """The view, of a repository in which the App is installed."""

        def guarded(place: Repository | None, *, renamed: bool) -> Answer:
            if place is None or not place.reached:
                raise not_found()
            return _redirect(place) if renamed else view(place)

        return guarded

    def _for_tokens(self, route: Route) -> Callable[..., Answer]:
        """The view, for tokens that may see the repository and may do this in it."""

        def guarded(place: Repository | None, *, renamed: bool, **rest: Any) -> Answer:
            grant = self._grant()
            if place is None or not place.reached or place.id not in grant.repository_ids:
                raise not_found()
            if renamed:
                return _redirect(place)
            if not grant.allows(route.permission, route.level):
                headers = {"X-Accepted-GitHub-Permissions": f"{route.permission}={route.level}"}
                raise RefusalError(HTTPStatus.FORBIDDEN, "Resource not accessible by integration", headers=headers)
            return route.view(place, **rest)

        return guarded

    def _grant(self) -> Grant:
        """What the request's token may do. With the installation, its tokens end."""
        grant = self._credentials.grant(_bearer())
        installation = self._repositories.installation(grant.installation_id)
        if installation is None:
            raise BadCredentialsError("Bad credentials")
        _check_suspension(installation)
        return grant

    def create_token(self, installation_id: int) -> Answer:
        """A token for an installation, narrowed as asked."""
        installation = self._repositories.installation(installation_id)
        if installation is None:
            raise not_found()
        _check_suspension(installation)
        asked = _TokenRequest.model_validate_json(flask.request.get_data() or b"{}")
        chosen = _choose(self._repositories.installed(installation), asked)
        granted = installation.permissions or self._app.permissions
        permissions = granted if asked.permissions is None else {"metadata": "read", **asked.permissions}
        if not all(covers(granted, name, level) for name, level in permissions.items()):
            message = "The permissions requested are not granted to this installation."
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
        token, grant = self._credentials.issue(installation_id, frozenset(one.id for one in chosen), permissions)
        return {
            "token": token,
            "expires_at": shapes.moment(grant.expires_at),
            "permissions": dict(permissions),
            "repository_selection": "selected",
            "repositories": [shapes.repository(one) for one in chosen],
        }, HTTPStatus.CREATED

    def get_installation(self, place: Repository) -> Answer:
        """The App's installation in a repository."""
        return shapes.installation(place.installation, self._app), HTTPStatus.OK

    def get_repository(self, place: Repository) -> Answer:
        """A repository."""
        return shapes.full_repository(place), HTTPStatus.OK

    def get_permission(self, place: Repository, login: str) -> Answer:
        """What somebody may do in a repository."""
        role = place.role(login)
        if role is None:
            raise not_found(f"{login} is not a user")
        return shapes.collaborator(login, role), HTTPStatus.OK

    def get_branch(self, place: Repository, branch: str) -> Answer:
        """A branch, or where it is now: also for who asks for `master` where there is none."""
        sha = place.git.find_branch(branch)
        if sha is not None:
            return shapes.branch(branch, place.git.commit(sha), place), HTTPStatus.OK
        present = place.renamed.get(branch, place.default_branch if branch == _ONCE_DEFAULT else None)
        if present is None:
            raise not_found("Branch not found")
        return moved(f"repositories/{place.id}/branches/{quote(present)}")

    def get_pull_request(self, place: Repository, number: int) -> Answer:
        """A pull request."""
        return shapes.pull_request(pull_request(place, number), place), HTTPStatus.OK

    def link_archive(self, place: Repository, ref: str) -> Answer:
        """Redirect to a commit's archive."""
        if not place.git.has(ref):
            raise not_found()
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
            raise not_found()
        folder = f"{place.owner}-{place.name}-{sha[:7]}"
        answer = flask.Response(place.git.archive(sha, folder), content_type="application/x-gzip")
        answer.headers["Content-Disposition"] = f"attachment; filename={folder}.tar.gz"
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
    if flask.request.path.startswith((f"{_ARCHIVES}/", *PREFIXES)):
        return
    if not given.get("User-Agent"):
        raise RefusalError(HTTPStatus.FORBIDDEN, "Request forbidden by administrative rules: no User-Agent header")
    if given.get("Accept") not in _ACCEPTED:
        raise RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported 'Accept' header")
    if given.get("X-GitHub-Api-Version") not in _VERSIONS:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "X-GitHub-Api-Version is not a supported version")


def _check_suspension(installation: Installation) -> None:
    if installation.suspended_at is not None:
        raise RefusalError(HTTPStatus.FORBIDDEN, "This installation has been suspended")


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


def _redirect(place: Repository) -> Answer:
    """To the repository by its id, which no renaming changes."""
    rest = "/".join(quote(part) for part in flask.request.path.split("/")[4:])
    status = HTTPStatus.MOVED_PERMANENTLY if flask.request.method == "GET" else HTTPStatus.TEMPORARY_REDIRECT
    return moved(f"repositories/{place.id}{f'/{rest}' if rest else ''}", status)
