"""GitHub's REST API: https://docs.github.com/en/rest. One attempt per call; trying again is the caller's."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from choreography.clock import Clock
from github_app.answers import (
    Base,
    Branch,
    Collaborator,
    Comment,
    Delivery,
    Deployment,
    DeploymentState,
    DeploymentStatus,
    Head,
    Installation,
    InstallationToken,
    Page,
    PullRequest,
    Repository,
)
from github_app.connection import (
    LONGEST_WAIT,
    ODD,
    REDIRECTS,
    TIMEOUT_SECONDS,
    Connection,
    GitHubNotFoundError,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
    build_http,
)

__all__ = [
    "LONGEST_DESCRIPTION",
    "LONGEST_WAIT",
    "TIMEOUT_SECONDS",
    "Base",
    "Comment",
    "Delivery",
    "Deployment",
    "DeploymentState",
    "DeploymentStatus",
    "GitHub",
    "GitHubNotFoundError",
    "GitHubRefusedError",
    "GitHubUnauthorizedError",
    "GitHubUnavailableError",
    "Head",
    "InstallationToken",
    "PullRequest",
    "Repository",
    "build_http",
]

LONGEST_DESCRIPTION = 140
"""Characters of what is said about a deployment's state."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_NO_SEGMENTS = frozenset({"", ".", ".."})
"""What in a path would mean another path."""


class GitHub:
    """The REST API, of github.com or of an enterprise's own server.

    Every method raises `GitHubUnavailableError` (no answer, 429, 5xx, or a 403 that is a rate limit) or
    `GitHubRefusedError`. Redirects of a renamed repository are followed where they stay on the API's own origin, so no
    credential ever goes elsewhere. A credential is an installation token, or the App's JWT where it is called that.

    Args:
        http: from `build_http`.
        api_url: such as `https://api.github.com`.
        clock: the time, against which GitHub says when a limit ends.
    """

    def __init__(self, http: httpx.Client, api_url: str, *, clock: Clock) -> None:
        self._api = Connection(http, api_url, clock=clock)

    def repository_installation(self, jwt: SecretStr, full_name: str) -> int:
        """The id of the App's installation in the repository.

        Raises:
            GitHubNotFoundError: the App is not installed there.
        """
        answer = self._api.send("GET", f"{_repository(full_name)}/installation", jwt)
        return self._api.read(Installation, answer).id

    def create_installation_token(
        self,
        jwt: SecretStr,
        installation_id: int,
        *,
        repository_id: int | None = None,
        repository_name: str | None = None,
        permissions: Mapping[str, str],
    ) -> InstallationToken:
        """A token for no more than the repository, by its id or its name without the owner, and the permissions."""
        body: dict[str, Any] = {"permissions": dict(permissions)}
        if repository_id is not None:
            body["repository_ids"] = [repository_id]
        if repository_name is not None:
            body["repositories"] = [repository_name]
        answer = self._api.send("POST", f"/app/installations/{installation_id}/access_tokens", jwt, body)
        return self._api.read(InstallationToken, answer)

    def failed_deliveries(self, jwt: SecretStr, since: datetime) -> Iterator[Delivery]:
        """The attempts to deliver a webhook that failed, newest first, of those made at `since` or later.

        GitHub keeps them for three days. What failed here may have been taken at a later attempt, which has the same
        `guid` and is not among these.
        """
        for one in self._api.pages(Page[Delivery], "/app/hook/deliveries?status=failure&per_page=100", jwt):
            if one.delivered_at < since:
                return
            if not one.succeeded:
                yield one

    def redeliver(self, jwt: SecretStr, delivery_id: int) -> None:
        """Have GitHub deliver it once more, under the same `guid`, soon: the outcome is another attempt in the list."""
        answer = self._api.send("POST", f"/app/hook/deliveries/{delivery_id}/attempts", jwt)
        self._api.expect(answer)
        if answer.status_code != HTTPStatus.ACCEPTED:
            raise self._api.refusal(answer, ODD)

    def repository(self, token: SecretStr, full_name: str) -> Repository:
        """The repository, whether that is its name or was."""
        return self._api.read(Repository, self._api.send("GET", _repository(full_name), token))

    def branch_head(self, token: SecretStr, full_name: str, branch: str) -> str | None:
        """The SHA of the branch's newest commit, None if the repository has no branch of that name.

        Takes `contents: read`. GitHub redirects from a branch that was renamed, and from `master` where there is none,
        to another branch: that one is not meant here.

        Raises:
            GitHubNotFoundError: the repository itself is not there, or not for the token.
        """
        if not _NO_SEGMENTS.isdisjoint(branch.split("/")):
            return None
        answer = self._api.send("GET", f"{_repository(full_name)}/branches/{quote(branch)}", token)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            self.repository(token, full_name)
            return None
        found = self._api.read(Branch, answer)
        return found.commit.sha if found.name == branch else None

    def permission(self, token: SecretStr, full_name: str, login: str) -> str:
        """What somebody may do in the repository: `admin`, `write`, `read` or `none`.

        Takes `metadata: read`, which every token has. Roles in between count as the lower one: `maintain` as `write`,
        `triage` as `read`. Who is not known to GitHub may do nothing.
        """
        if login in _NO_SEGMENTS:
            return "none"
        path = f"{_repository(full_name)}/collaborators/{quote(login, safe='')}/permission"
        answer = self._api.send("GET", path, token)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return "none"
        return self._api.read(Collaborator, answer).permission

    def archive_link(self, token: SecretStr, full_name: str, sha: str) -> str:
        """GitHub's link to the commit's `tar.gz`, for anyone who has it and for five minutes."""
        path = f"{_repository(full_name)}/tarball/{quote(sha, safe='')}"
        answer = self._api.send("GET", path, token, follow=REDIRECTS)
        if answer.status_code != HTTPStatus.FOUND:
            self._api.expect(answer)
            raise self._api.refusal(answer, ODD)
        location: str = answer.headers.get("Location", "")
        if not _is_trusted(location):
            raise self._api.refusal(answer, "the archive's location is no https URL")
        return location

    def pull_request(self, token: SecretStr, full_name: str, number: int) -> PullRequest:
        """The pull request. Takes `pull_requests: read`.

        Raises:
            GitHubNotFoundError: there is none of that number.
        """
        return self._api.read(PullRequest, self._api.send("GET", f"{_repository(full_name)}/pulls/{number}", token))

    def list_comments(self, token: SecretStr, full_name: str, number: int) -> Iterator[Comment]:
        """The comments of a pull request, oldest first. A page is asked for when it is come to."""
        url = f"{_repository(full_name)}/issues/{number}/comments?per_page=100"
        return self._api.pages(Page[Comment], url, token)

    def create_comment(self, token: SecretStr, full_name: str, number: int, body: str) -> Comment:
        """Comment on a pull request. Asking twice gives two: after a lost answer, list first."""
        path = f"{_repository(full_name)}/issues/{number}/comments"
        return self._api.read(Comment, self._api.send("POST", path, token, {"body": body}))

    def update_comment(self, token: SecretStr, full_name: str, comment_id: int, body: str) -> Comment:
        """Replace what a comment says.

        Raises:
            GitHubNotFoundError: it was deleted.
        """
        path = f"{_repository(full_name)}/issues/comments/{comment_id}"
        return self._api.read(Comment, self._api.send("PATCH", path, token, {"body": body}))

    def create_deployment(
        self,
        token: SecretStr,
        full_name: str,
        *,
        ref: str,
        environment: str,
        payload: Mapping[str, Any],
        description: str,
        transient_environment: bool,
        production_environment: bool,
    ) -> Deployment:
        """Say that a ref is being deployed, whatever its commit's checks say and however old its base is.

        Takes `deployments: write`. Asking twice gives two: after a lost answer, list first, and find it by its payload.

        Args:
            token: the credential.
            full_name: the repository's.
            ref: a branch or a SHA. A pull request shows the deployment of its own branch or newest commit.
            environment: the environment's name.
            payload: given back with the deployment.
            description: a short one.
            transient_environment: it will be gone one day; its end is to be told as `inactive`.
            production_environment: people use it directly.
        """
        asked = {
            "ref": ref,
            "task": "deploy",
            "auto_merge": False,
            "required_contexts": [],
            "environment": environment,
            "payload": dict(payload),
            "description": description,
            "transient_environment": transient_environment,
            "production_environment": production_environment,
        }
        answer = self._api.send("POST", f"{_repository(full_name)}/deployments", token, asked)
        if answer.status_code == HTTPStatus.ACCEPTED:
            raise self._api.refusal(answer, "GitHub merged another branch into the ref, and made no deployment")
        return self._api.read(Deployment, answer)

    def list_deployments(
        self, token: SecretStr, full_name: str, environment: str | None = None
    ) -> Iterator[Deployment]:
        """The repository's deployments, or those to the environment of that name, newest first."""
        wanted = "" if environment is None else f"&environment={quote(environment, safe='')}"
        url = f"{_repository(full_name)}/deployments?per_page=100{wanted}"
        return self._api.pages(Page[Deployment], url, token)

    def create_deployment_status(
        self,
        token: SecretStr,
        full_name: str,
        deployment_id: int,
        state: DeploymentState,
        *,
        environment_url: str | None,
        log_url: str | None,
        description: str,
    ) -> DeploymentStatus:
        """Say how a deployment stands now. Other deployments stay as they are. Takes `deployments: write`.

        Args:
            token: the credential.
            full_name: the repository's.
            deployment_id: which one.
            state: how it stands.
            environment_url: where "View deployment" leads; it is shown while the newest status has one.
            log_url: where it can be followed.
            description: cut to what GitHub takes, 140 characters.
        """
        urls = {"environment_url": environment_url, "log_url": log_url}
        told = {
            "state": state,
            **{name: url for name, url in urls.items() if url is not None},
            "description": _cut(description),
            "auto_inactive": False,
        }
        path = f"{_repository(full_name)}/deployments/{deployment_id}/statuses"
        return self._api.read(DeploymentStatus, self._api.send("POST", path, token, told))

    def list_deployment_statuses(
        self, token: SecretStr, full_name: str, deployment_id: int
    ) -> Iterator[DeploymentStatus]:
        """What the deployment was said to be, newest first.

        Raises:
            GitHubNotFoundError: there is no such deployment.
        """
        url = f"{_repository(full_name)}/deployments/{deployment_id}/statuses?per_page=100"
        return self._api.pages(Page[DeploymentStatus], url, token)


def _repository(full_name: str) -> str:
    """The API's path of the repository.

    Raises:
        GitHubNotFoundError: no repository can be called that, and in a path it would mean something else.
    """
    parts = full_name.split("/")
    if len(parts) != len(("owner", "name")) or not _NO_SEGMENTS.isdisjoint(parts):
        raise GitHubNotFoundError(HTTPStatus.NOT_FOUND, "a repository is called owner/name")
    return "/repos/" + "/".join(quote(part, safe="") for part in parts)


def _is_trusted(location: str) -> bool:
    try:
        url = httpx.URL(location)
    except httpx.InvalidURL:
        return False
    return not url.userinfo and ((url.scheme == "https" and url.host != "") or _is_loopback(url))


def _is_loopback(url: httpx.URL) -> bool:
    return url.scheme == "http" and url.host in _LOOPBACK


def _cut(description: str) -> str:
    if len(description) <= LONGEST_DESCRIPTION:
        return description
    return description[: LONGEST_DESCRIPTION - 1] + "…"
