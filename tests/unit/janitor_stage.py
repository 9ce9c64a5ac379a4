"""What the janitor looks at: records in moto, a GitHub and a Fly.io whose answers are given, a bus that writes down."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from choreography.memory import Memory
from choreography.publisher import Publisher
from fly_io.client import Fly
from github_app.access import Access
from github_app.auth import AppCredentials, InstallationTokens
from github_app.client import GitHub
from janitor.drifted import Drifted
from janitor.expired import Expired
from janitor.finding import Finding, Look
from janitor.lost import Lost
from janitor.once import Once
from janitor.orphaned import Orphaned
from janitor.redelivered import Redelivered
from janitor.sweep import Sweep
from janitor.watch import Watch
from prestage_contracts import EVENTS
from prestage_contracts.envelope import Event, Reason
from records.apps import App, Apps
from records.environments import Environment, Environments
from records.pull_requests import PullRequests
from records.users import Users
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY, SHA, app, preview, tell, told, user
from tests.unit.steps import KEYED

ORGANIZATION = "previews"
PREFIX = "prestage"
SHOP = app()
CLOSED = Reason(code="pull_request_closed", message="The pull request was closed.")
PLENTY = timedelta(minutes=15)


def fly_app(environment_id: str, prefix: str = PREFIX) -> str:
    return KEYED.fly_app_name(prefix, environment_id)


@dataclass
class Now:
    """A clock that stands still."""

    moment: datetime = NOW

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


class Answers:
    """An API. What it answers by itself is in `answer`; requests are written down as `GET /path`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._failures: list[tuple[str, int | type[Exception], dict[str, str]]] = []
        self._before: list[tuple[str, Callable[[], object]]] = []

    def fail(self, match: str, how: int | type[Exception], times: int = 1, *, retry_after: int | None = None) -> None:
        """Answer the next requests that match with a status, or not at all."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._failures += [(match, how, headers)] * times

    def before(self, match: str, act: Callable[[], object]) -> None:
        """Do `act` while the next request that matches is on its way."""
        self._before.append((match, act))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = f"{request.method} {request.url.raw_path.decode()}"
        self.asked.append(asked)
        for one in [one for one in self._before if re.search(one[0], asked)][:1]:
            self._before.remove(one)
            one[1]()
        for failure in [one for one in self._failures if re.search(one[0], asked)][:1]:
            self._failures.remove(failure)
            if isinstance(failure[1], int):
                return httpx.Response(failure[1], text='{"message": "planted"}', headers=failure[2])
            raise failure[1]("planted")
        return self.answer(asked)

    def answer(self, asked: str) -> httpx.Response:
        raise NotImplementedError


def _json(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, text=json.dumps(body))


class FlyAnswers(Answers):
    """Fly.io with the machines of each app. `total` is how many apps it says that it has, if not as many as it has."""

    def __init__(self) -> None:
        super().__init__()
        self.machines: dict[str, list[dict[str, Any]]] = {}
        self.networks: dict[str, str | None] = {}
        self.total: int | None = None

    def run(self, name: str, *machines: dict[str, Any], network: str | None = "its own") -> None:
        self.machines[name] = list(machines)
        self.networks[name] = name if network == "its own" else network

    def answer(self, asked: str) -> httpx.Response:
        _, path = asked.split(" ")
        if path == f"/v1/apps?org_slug={ORGANIZATION}":
            apps = [self._app(name) for name in self.machines]
            return _json({"total_apps": len(apps) if self.total is None else self.total, "apps": apps})
        name, _, rest = path.removeprefix("/v1/apps/").partition("/")
        if name not in self.machines:
            return _json({"error": "not found"}, 404)
        return _json(self.machines[name] if rest == "machines" else self._app(name))

    def _app(self, name: str) -> dict[str, Any]:
        return {"id": f"id of {name}", "name": name, "network": self.networks[name], "status": "deployed"}


def machine(environment_id: str = "", state: str = "started") -> dict[str, Any]:
    metadata = {"environment": environment_id} if environment_id else {}
    return {"id": "3d8d9014b32d89", "name": "app", "state": state, "config": {"metadata": metadata}}


class GitHubAnswers(Answers):
    """GitHub with pull requests by number, and with webhook deliveries, the newest first."""

    def __init__(self) -> None:
        super().__init__()
        self.pull_requests: dict[int, dict[str, Any]] = {}
        self.deliveries: list[dict[str, Any]] = []

    def has(self, number: int = 3, *, sha: str = SHA, repository_id: int = REPOSITORY.id, **changes: Any) -> None:
        base = {"id": repository_id, "full_name": REPOSITORY.full_name, "default_branch": "main"}
        self.pull_requests[number] = {
            "number": number,
            "title": "Make it teal",
            "html_url": f"https://github.com/octo-org/shop/pull/{number}",
            "state": "open",
            "head": {"ref": "teal", "sha": sha, "repo": {"id": repository_id}},
            "base": {"ref": "main", "repo": base},
            "updated_at": NOW.isoformat(),
            **changes,
        }

    def failed(self, number: int, guid: str, at: datetime, **changes: Any) -> None:
        attempt = {
            "id": number,
            "guid": guid,
            "delivered_at": at.isoformat(),
            "redelivery": False,
            "status_code": 503,
            "event": "pull_request",
            **changes,
        }
        self.deliveries.insert(0, attempt)

    @property
    def redelivered(self) -> list[int]:
        found = (re.fullmatch(r"POST /app/hook/deliveries/(\d+)/attempts", asked) for asked in self.asked)
        return [int(match[1]) for match in found if match]

    @property
    def numbers(self) -> list[int]:
        found = (re.fullmatch(r"GET /repos/octo-org/shop/pulls/(\d+)", asked) for asked in self.asked)
        return [int(match[1]) for match in found if match]

    def answer(self, asked: str) -> httpx.Response:
        method, path = asked.split(" ")
        if path.endswith("/access_tokens"):
            return _json({"token": "ghs_planted", "expires_at": (NOW + timedelta(days=365)).isoformat()}, 201)
        if path.startswith("/app/hook/deliveries"):
            return _json({}, 202) if method == "POST" else _json(self.deliveries)
        found = self.pull_requests.get(int(path.rpartition("/")[2]))
        return _json(found) if found else _json({"message": "Not Found"}, 404)


@dataclass
class Bus:
    """Takes facts, if they are as promised."""

    facts: list[Event] = field(default_factory=list)
    away: int = 0

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        if self.away:
            self.away -= 1
            return {"Entries": [{"ErrorCode": "InternalFailure"} for _ in Entries]}
        for entry in Entries:
            kind = EVENTS[entry["DetailType"]]
            assert entry["Source"] == kind.SOURCE
            self.facts.append(kind.model_validate_json(entry["Detail"]))
        return {"Entries": [{"EventId": "x"} for _ in Entries]}


@cache
def credentials() -> AppCredentials:
    return AppCredentials("4711", "prestage", rsa.generate_private_key(public_exponent=65537, key_size=2048))


@dataclass
class World:
    """`now` is when a sweep begins, `left` how much time it has. Waits are written down in `pauses`."""

    local: Local
    now: Now = field(default_factory=Now)
    left: timedelta = PLENTY
    fly: FlyAnswers = field(default_factory=FlyAnswers)
    github: GitHubAnswers = field(default_factory=GitHubAnswers)
    bus: Bus = field(default_factory=Bus)
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        Users(self.local.table).add(user())
        Apps(self.local.table).add(SHOP)
        self.environments = Environments(self.local.table)
        self.once = Once(Memory(self.local.table, self.now))

    # ---- What is

    def begin(self, number: int = 3, *, cause: str = "event-1", of: App = SHOP, **facts: Any) -> Environment:
        """The preview of a pull request that GitHub told of now."""
        tell(
            self.local.table, f"{cause}-{number}", number=number, repository_id=of.repository.id, updated_at=self.now()
        )
        wanted = preview(of=of, number=number, now=self.now(), **facts)
        name = fly_app(wanted.id)
        return self.environments.deploy(wanted.model_copy(update={"fly_app": name}), f"{cause}-{number}")

    def ready(self, number: int = 3, **facts: Any) -> Environment:
        """A preview that is ready, with its machine."""
        begun = self.begin(number, **facts)
        self.fly.run(begun.fly_app, machine(begun.id))
        return self.report(begun, "ready")

    def report(self, environment: Environment, move: Any, **told: Any) -> Environment:
        cause = f"{move} {environment.id}"
        found = self.environments.report(environment.id, environment.generation, move, cause, self.now(), **told)
        assert found is not None
        return found

    def close(self, environment: Environment, cause: str = "event-close") -> Environment:
        closed = self.environments.close(environment.id, cause, CLOSED, self.now())
        assert closed is not None
        return closed

    def stop(self, environment: Environment) -> Environment:
        return self.report(self.close(environment), "remove")

    def tell(self, told_by: str, *, state: Any = "open", **changes: Any) -> None:
        word = told(**{"updated_at": self.now(), **changes})
        assert PullRequests(self.local.table).tell(word, state, told_by) == "told"

    # ---- The looks

    def expired(self) -> Expired:
        return Expired(self.environments, Apps(self.local.table), PullRequests(self.local.table))

    def orphaned(self) -> Orphaned:
        return Orphaned(self._fly(), self.environments, ORGANIZATION, PREFIX)

    def lost(self, **settings: Any) -> Lost:
        return Lost(self._fly(), self.environments, **settings)

    def drifted(self, **settings: Any) -> Drifted:
        github = self._github()
        access = Access(github, InstallationTokens(github, credentials, self.now))
        return Drifted(access, self.environments, PullRequests(self.local.table), self.pauses.append, **settings)

    def redelivered(self, **settings: Any) -> Redelivered:
        return Redelivered(self._github(), lambda: SecretStr("jwt"), self.once, self.pauses.append, **settings)

    def look(self, look: Look) -> list[Finding]:
        return list(look(self.watch()))

    def sweep(self, **looks: Look) -> dict[str, Any]:
        publisher = Publisher(cast("Any", self.bus), "bus", sleep=self.pauses.append)
        return Sweep(looks, self.once, publisher, self.now)(lambda: self.left)

    def watch(self) -> Watch:
        return Watch(self.now(), lambda: self.left)

    def _fly(self) -> Fly:
        http = httpx.Client(transport=httpx.MockTransport(self.fly))
        return Fly(http, "https://fly.example.com/v1", lambda: SecretStr("fm2_planted"), clock=self.now)

    def _github(self) -> GitHub:
        http = httpx.Client(transport=httpx.MockTransport(self.github))
        return GitHub(http, "https://api.example.com", clock=self.now)


def about(findings: Iterable[Finding]) -> list[str]:
    return [finding.data.subject for finding in findings]
