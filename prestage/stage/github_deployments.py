"""Deployments, in the API of a pretended GitHub: https://docs.github.com/en/rest/deployments."""

import itertools
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

import flask
from pydantic import Field

from prestage.stage import github_shapes as shapes
from prestage.stage.github_answers import Answer, RefusalError, Route, Strict, invalid, not_found, paged
from prestage.stage.github_repositories import Account, Deployment, DeploymentStatus, Repositories, Repository

LONGEST_DESCRIPTION = 140
"""Characters of what is said about a deployment's state."""

_FIRST_STATUS_ID = 9_100_001


class _DeploymentRequest(Strict):
    ref: Annotated[str, Field(min_length=1)]
    task: str = "deploy"
    auto_merge: bool = True
    required_contexts: list[str] | None = None
    payload: dict[str, Any] | str = ""
    environment: str = "production"
    description: str | None = ""
    transient_environment: bool = False
    production_environment: bool | None = None


class _StatusRequest(Strict):
    state: Literal["error", "failure", "inactive", "in_progress", "queued", "pending", "success"]
    target_url: str = ""
    log_url: str = ""
    description: str = ""
    environment: str | None = None
    environment_url: str = ""
    auto_inactive: bool = True


class Deployments:
    """The views. No commit has a status here, so no context that is asked for is ever a success.

    Args:
        repositories: all repositories.
        creator: gives who deploys here.
    """

    def __init__(self, repositories: Repositories, creator: Callable[[], Account]) -> None:
        self._repositories = repositories
        self._creator = creator
        self._status_ids = itertools.count(_FIRST_STATUS_ID)

    def routes(self) -> list[Route]:
        """What there is, and for whom."""
        statuses = "/deployments/<int:deployment_id>/statuses"
        return [
            Route("GET", "/deployments", self.list, "deployments", "read"),
            Route("POST", "/deployments", self.create, "deployments", "write"),
            Route("GET", statuses, self.list_statuses, "deployments", "read"),
            Route("POST", statuses, self.create_status, "deployments", "write"),
        ]

    def list(self, place: Repository) -> Answer:
        """A page of the deployments that are asked for, newest first."""
        wanted = {name: flask.request.args.get(name) for name in ("sha", "ref", "task", "environment")}
        found = [
            one
            for one in reversed(tuple(place.deployments.values()))
            if all(value in {None, "none", getattr(one, name)} for name, value in wanted.items())
        ]
        return paged(f"repositories/{place.id}/deployments", found, lambda one: self._show(one, place))

    def create(self, place: Repository) -> Answer:
        """Deploy a ref, or merge the default branch into it: the merge itself is not made here."""
        asked = _DeploymentRequest.model_validate_json(flask.request.get_data())
        sha = place.git.resolve(asked.ref)
        if sha is None:
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, f"No ref found for: {asked.ref}")
        if asked.auto_merge and not place.git.contains(sha, place.git.sha_of(place.default_branch)):
            return {
                "message": f"Auto-merged {place.default_branch} into {asked.ref} on deployment."
            }, HTTPStatus.ACCEPTED
        if asked.required_contexts:
            raise _unchecked(asked.ref, asked.required_contexts)

        def make(identity: int, now: datetime) -> Deployment:
            return _deployment(asked, sha, identity, now)

        return self._show(self._repositories.deploy(place, make), place), HTTPStatus.CREATED

    def list_statuses(self, place: Repository, deployment_id: int) -> Answer:
        """A page of what a deployment was said to be, newest first."""
        found = _find(place, deployment_id)
        path = f"repositories/{place.id}/deployments/{deployment_id}/statuses"
        return paged(path, found.statuses[::-1], lambda one: self._show_status(one, found, place))

    def create_status(self, place: Repository, deployment_id: int) -> Answer:
        """Say how a deployment stands, and with `auto_inactive`, that earlier ones to the environment are over."""
        found = _find(place, deployment_id)
        asked = _StatusRequest.model_validate_json(flask.request.get_data())
        _check_status(asked)
        made = self._add(found, asked)
        if asked.state == "success" and asked.auto_inactive:
            for earlier in _superseded(place, found):
                self._add(earlier, _StatusRequest(state="inactive"))
        answer = flask.jsonify(self._show_status(made, found, place))
        answer.headers["Location"] = f"{_path(found, place)}/statuses/{made.id}"
        return answer, HTTPStatus.CREATED

    def _add(self, to: Deployment, asked: _StatusRequest) -> DeploymentStatus:
        made = DeploymentStatus(
            id=next(self._status_ids),
            state=asked.state,
            description=asked.description,
            environment=asked.environment or to.environment,
            environment_url=asked.environment_url,
            log_url=asked.log_url or asked.target_url,
            created_at=self._repositories.now(),
        )
        to.environment, to.updated_at = made.environment, made.created_at
        to.statuses.append(made)
        return made

    def _show(self, described: Deployment, place: Repository) -> dict[str, Any]:
        return {
            "url": _path(described, place),
            "id": described.id,
            "node_id": shapes.node_id("Deployment", described.id),
            "sha": described.sha,
            "ref": described.ref,
            "task": described.task,
            "payload": described.payload,
            "original_environment": described.original_environment,
            "environment": described.environment,
            "description": described.description,
            "creator": shapes.user(self._creator()),
            "created_at": shapes.moment(described.created_at),
            "updated_at": shapes.moment(described.updated_at),
            "statuses_url": f"{_path(described, place)}/statuses",
            "repository_url": f"{shapes.API}/repos/{place.full_name}",
            "transient_environment": described.transient,
            "production_environment": described.production,
            "performed_via_github_app": None,
        }

    def _show_status(self, described: DeploymentStatus, of: Deployment, place: Repository) -> dict[str, Any]:
        return {
            "url": f"{_path(of, place)}/statuses/{described.id}",
            "id": described.id,
            "node_id": shapes.node_id("DeploymentStatus", described.id),
            "state": described.state,
            "creator": shapes.user(self._creator()),
            "description": described.description,
            "environment": described.environment,
            "target_url": described.log_url,
            "log_url": described.log_url,
            "environment_url": described.environment_url,
            "created_at": shapes.moment(described.created_at),
            "updated_at": shapes.moment(described.created_at),
            "deployment_url": _path(of, place),
            "repository_url": f"{shapes.API}/repos/{place.full_name}",
            "performed_via_github_app": None,
        }


def _deployment(asked: _DeploymentRequest, sha: str, identity: int, now: datetime) -> Deployment:
    production = asked.production_environment
    return Deployment(
        id=identity,
        ref=asked.ref,
        sha=sha,
        task=asked.task,
        original_environment=asked.environment,
        environment=asked.environment,
        payload=asked.payload,
        description=asked.description,
        transient=asked.transient_environment,
        production=asked.environment == "production" if production is None else production,
        created_at=now,
        updated_at=now,
    )


def _find(place: Repository, deployment_id: int) -> Deployment:
    found = place.deployments.get(deployment_id)
    if found is None:
        raise not_found()
    return found


def _superseded(place: Repository, by: Deployment) -> list[Deployment]:
    """What GitHub makes inactive: earlier successes that are neither transient nor production's."""
    return [
        one
        for one in tuple(place.deployments.values())
        if one.id < by.id
        and one.environment == by.environment
        and one.state == "success"
        and not one.transient
        and not one.production
    ]


def _check_status(asked: _StatusRequest) -> None:
    for field in ("environment_url", "log_url", "target_url"):
        url: str = getattr(asked, field)
        if url and not url.startswith(("http://", "https://")):
            raise invalid("DeploymentStatus", field, "custom", f"{field} must use http(s) scheme")
    if len(asked.description) > LONGEST_DESCRIPTION:
        message = f"description is too long (maximum is {LONGEST_DESCRIPTION} characters)"
        raise invalid("DeploymentStatus", "description", "custom", message)


def _unchecked(ref: str, contexts: list[str]) -> RefusalError:
    missing = [{"context": one, "state": "missing"} for one in contexts]
    error = {"contexts": missing, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}
    message = f"Conflict: Commit status checks failed for {ref}."
    return RefusalError(HTTPStatus.CONFLICT, message, errors=[error])


def _path(described: Deployment, place: Repository) -> str:
    return f"{shapes.API}/repos/{place.full_name}/deployments/{described.id}"
