"""The simulated GitHub's REST API, as the client asks it."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from tests.simulation.github_world import SLUG, Comment, Deployment, GitHubWorld, Repository

type Answer = tuple[int, Any]

_REPOSITORY = r"/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)"


class GitHubAnswers:
    """Answers requests. An unknown one is an error of the simulation."""

    def __init__(self, world: GitHubWorld) -> None:
        self._world = world
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(f"^{path}$"), view)
            for method, path, view in (
                ("POST", r"/app/installations/\d+/access_tokens", self._token),
                ("GET", r"/app/hook/deliveries", self._deliveries),
                ("POST", r"/app/hook/deliveries/(?P<number>\d+)/attempts", self._redeliver),
                ("GET", _REPOSITORY, self._repository),
                ("GET", _REPOSITORY + r"/pulls/(?P<number>\d+)", self._pull),
                ("GET", _REPOSITORY + r"/branches/(?P<branch>.+)", self._branch),
                ("GET", _REPOSITORY + r"/collaborators/(?P<login>[^/]+)/permission", self._permission),
                ("GET", _REPOSITORY + r"/issues/(?P<number>\d+)/comments", self._comments),
                ("POST", _REPOSITORY + r"/issues/(?P<number>\d+)/comments", self._comment),
                ("PATCH", _REPOSITORY + r"/issues/comments/(?P<number>\d+)", self._edit),
                ("GET", _REPOSITORY + r"/deployments", self._deployments),
                ("POST", _REPOSITORY + r"/deployments", self._deploy),
                ("GET", _REPOSITORY + r"/deployments/(?P<number>\d+)/statuses", self._statuses),
                ("POST", _REPOSITORY + r"/deployments/(?P<number>\d+)/statuses", self._status),
            )
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer."""
        path = request.url.path
        for method, pattern, view in self._routes:
            found = pattern.match(path) if method == request.method else None
            if found is None:
                continue
            given = found.groupdict()
            if "owner" in given:
                repository = self._world.named(f"{given.pop('owner')}/{given.pop('name')}")
                if repository is None:
                    return httpx.Response(404, json={"message": "Not Found"})
                given["repository"] = repository
            status, body = view(request, **given)
            return httpx.Response(status, json=body)
        raise AssertionError(f"the simulated GitHub knows no {request.method} {path}")

    def _token(self, _request: httpx.Request) -> Answer:
        expires = self._world.clock() + timedelta(hours=1)
        token = f"ghs_{self._world.next_id():036d}"
        return 201, {"token": token, "expires_at": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}

    def _deliveries(self, _request: httpx.Request) -> Answer:
        failed = [one for one in reversed(self._world.delivered) if one.status is None or one.status >= 400]
        return 200, [
            {
                "id": one.id,
                "guid": one.guid,
                "delivered_at": one.at,
                "redelivery": one.redelivery,
                "status": "failed",
                "status_code": one.status,
                "event": one.event,
            }
            for one in failed
        ]

    def _redeliver(self, _request: httpx.Request, number: str) -> Answer:
        return (202, {}) if self._world.redeliver(int(number)) else (404, {"message": "Not Found"})

    def _repository(self, _request: httpx.Request, repository: Repository) -> Answer:
        return 200, _told(repository)

    def _pull(self, _request: httpx.Request, repository: Repository, number: str) -> Answer:
        pull = repository.pulls.get(int(number))
        return (404, {"message": "Not Found"}) if pull is None else (200, self._world.described(repository, pull))

    def _branch(self, _request: httpx.Request, repository: Repository, branch: str) -> Answer:
        sha = repository.branches.get(branch)
        return (404, {"message": "Not Found"}) if sha is None else (200, {"name": branch, "commit": {"sha": sha}})

    def _permission(self, _request: httpx.Request, repository: Repository, login: str) -> Answer:
        return 200, {"permission": repository.permissions.get(login, "none")}

    def _comments(self, _request: httpx.Request, repository: Repository, number: str) -> Answer:
        return 200, [_shown(repository, number, one) for one in repository.comments.get(int(number), [])]

    def _comment(self, request: httpx.Request, repository: Repository, number: str) -> Answer:
        comment = Comment(self._world.next_id(), json.loads(request.content)["body"], f"{SLUG}[bot]", "Bot")
        repository.comments.setdefault(int(number), []).append(comment)
        return 201, _shown(repository, number, comment)

    def _edit(self, request: httpx.Request, repository: Repository, number: str) -> Answer:
        for where, comments in repository.comments.items():
            for comment in comments:
                if comment.id == int(number):
                    comment.body = json.loads(request.content)["body"]
                    return 200, _shown(repository, str(where), comment)
        return 404, {"message": "Not Found"}

    def _deployments(self, request: httpx.Request, repository: Repository) -> Answer:
        wanted = request.url.params.get("environment")
        found = [one for one in repository.deployments if wanted in {None, one.environment}]
        return 200, [_deployment(one) for one in reversed(found)]

    def _deploy(self, request: httpx.Request, repository: Repository) -> Answer:
        said = json.loads(request.content)
        deployment = Deployment(
            id=self._world.next_id(),
            ref=said["ref"],
            environment=said["environment"],
            payload=said["payload"],
            transient=said["transient_environment"],
            production=said["production_environment"],
        )
        repository.deployments.append(deployment)
        return 201, _deployment(deployment)

    def _statuses(self, _request: httpx.Request, repository: Repository, number: str) -> Answer:
        found = next((one for one in repository.deployments if one.id == int(number)), None)
        return (404, {"message": "Not Found"}) if found is None else (200, found.states[::-1])

    def _status(self, request: httpx.Request, repository: Repository, number: str) -> Answer:
        found = next((one for one in repository.deployments if one.id == int(number)), None)
        if found is None:
            return 404, {"message": "Not Found"}
        said = json.loads(request.content)
        told = {"id": self._world.next_id(), "created_at": "2026-03-02T09:00:00Z", "creator": _bot()}
        found.states.append({**said, **told})
        return 201, found.states[-1]


def _told(repository: Repository) -> dict[str, Any]:
    return {"id": repository.id, "full_name": repository.full_name, "default_branch": repository.default_branch}


def _bot() -> dict[str, str]:
    return {"login": f"{SLUG}[bot]", "type": "Bot"}


def _shown(repository: Repository, number: str, comment: Comment) -> dict[str, Any]:
    return {
        "id": comment.id,
        "html_url": f"https://github.com/{repository.full_name}/pull/{number}#issuecomment-{comment.id}",
        "body": comment.body,
        "user": {"login": comment.login, "type": comment.type},
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "sha": deployment.ref,
        "ref": deployment.ref,
        "environment": deployment.environment,
        "payload": deployment.payload,
        "creator": _bot(),
        "created_at": "2026-03-02T09:00:00Z",
    }
