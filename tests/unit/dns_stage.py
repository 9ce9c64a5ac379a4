"""A zone of Route 53 in moto, and the steps that keep names in it; a test says what happens between two calls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError

from choreography.reaction import Fact
from dns.follow_runtime import FollowRuntime
from dns.zone import Zone
from prestage.stage.dns import LocalZone
from records.domain_names import DomainName, DomainNames
from records.environments import Environment, Environments
from tests.unit.dynamodb import REGION, Local
from tests.unit.github_stage import Now
from tests.unit.record_examples import app
from tests.unit.steps import begin, close, closed, requested

DOMAIN = "example.com"
HOST = "prestage-3.previews.example.com"
TARGET = "prestage-3.fly.dev"
SHOP = app("storefront")

type Call = tuple[str, str]
"""The action and the name, or GET and the change."""


class CrashError(BaseException):
    """The function was stopped."""


@dataclass
class Wire:
    """Route 53's client, with what comes before and after its calls. `pending` changes take that many looks more."""

    client: Any
    calls: list[Call] = field(default_factory=list)
    before: dict[int, Callable[[], object]] = field(default_factory=dict)
    after: dict[int, Callable[[], object]] = field(default_factory=dict)
    pending: int = 0
    refusal: str | None = None

    def change_resource_record_sets(self, **request: Any) -> Mapping[str, Any]:
        [change] = request["ChangeBatch"]["Changes"]
        call = (change["Action"], change["ResourceRecordSet"]["Name"])
        return self._asked(call, lambda: self.client.change_resource_record_sets(**request))

    def get_change(self, **request: Any) -> Mapping[str, Any]:
        answer = self._asked(("GET", request["Id"]), lambda: self.client.get_change(**request))
        if self.pending:
            self.pending -= 1
            return {"ChangeInfo": {**answer["ChangeInfo"], "Status": "PENDING"}}
        return answer

    def forget(self) -> None:
        self.calls.clear()
        self.before.clear()
        self.after.clear()

    def _asked(self, call: Call, ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        self.calls.append(call)
        number = len(self.calls)
        self.before.pop(number, lambda: None)()
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "the zone has another one"}}, call[0])
        answer = ask()
        self.after.pop(number, lambda: None)()
        return answer


@dataclass
class World:
    local: Local
    wire: Wire
    zone: LocalZone
    now: Now = field(default_factory=Now)

    @property
    def step(self) -> FollowRuntime:
        """A process of its own."""
        zone = Zone(self.wire, self.zone.id)
        return FollowRuntime(self.environments, self.names, zone, "https://{fly_app}.fly.dev", self.now)

    @property
    def environments(self) -> Environments:
        return Environments(self.local.table)

    @property
    def names(self) -> DomainNames:
        return DomainNames(self.local.table, self.now)

    def begin(self, intent: int = 1, *, host: str | None = HOST, **facts: Any) -> Environment:
        address = f"https://{host or TARGET}"
        return begin(self.local.table, intent, of=SHOP, address=address, own_host=host, **facts)

    def close(self, environment: Environment, intent: int = 50) -> Environment:
        return close(self.local.table, environment, intent)

    def point(self, environment: Environment) -> Sequence[Fact]:
        return self.step.requested(requested(environment))

    def release(self, environment: Environment) -> Sequence[Fact]:
        return self.step.closed(closed(environment))

    def on_record(self, environment: Environment) -> DomainName | None:
        return self.names.get(environment.id)


@contextmanager
def zone_in(local: Local) -> Iterator[World]:
    client = boto3.Session("testing", "testing", region_name=REGION).client("route53")
    try:
        yield World(local, Wire(client), LocalZone(client, DOMAIN))
    finally:
        client.close()
