"""The functions, made of the same parts as their handlers make them of, but for what is outside."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, cast

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from checks import record_check
from choreography.memory import Memory
from choreography.publisher import Publisher
from choreography.queue import Queue
from choreography.reaction import Reaction, Step
from choreography.reports import ReportReaction
from comments import render_comment
from comments.sticky import Stickies
from comments.write import Writer
from deployments import report_deployment
from deployments.tell import Teller
from environments import reactions as environments
from environments.ask_github import AskGitHub
from environments.previews import Naming
from fly_io.client import Fly
from github_app.access import Access
from github_app.auth import AppCredentials, InstallationTokens
from github_app.client import GitHub
from ingress.webhook import Ingress, WebhookSecret
from janitor.drifted import Drifted
from janitor.expired import Expired
from janitor.finding import Look
from janitor.lost import Lost
from janitor.once import Once
from janitor.orphaned import Orphaned
from janitor.redelivered import Redelivered
from janitor.sweep import Sweep
from journal import keep_facts
from prestage_contracts.envelope import Event
from records.apps import Apps
from records.certificates import Certificates
from records.environments import Environments
from records.journal import Journal
from records.pull_requests import PullRequests
from records.table import Table
from runtimes import reactions as runtimes
from runtimes.machine import Gate
from sealing.bundles import Bundles
from sealing.keyed import Keyed
from sealing.seal import DataKeys
from tests.simulation.calls import Between, Call
from tests.simulation.clock import SimulatedClock
from tests.simulation.events import Bus
from tests.simulation.fly_world import ORGANIZATION
from tests.simulation.github_world import SLUG
from tests.simulation.queues import Queues
from tests.simulation.topology import topology
from tests.simulation.watched import WatchedKeys, WatchedTable
from vault import resolve_secrets
from vault.private_keys import PrivateKeys
from vault.secrets import Secrets
from vault.tls_certificates import TlsCertificates

PREFIX = "sim"
WEBHOOK_SECRET = "the simulation's webhook secret"  # nobody's
_KEYED = Keyed(SecretStr("s" * 64))


@dataclass(frozen=True)
class Tables:
    """The four tables and the journal's."""

    records: Table
    secrets: Table
    bundles: Table
    memory: Table
    journal: Table


@dataclass(frozen=True)
class Outside:
    """All that functions reach: AWS, GitHub and Fly, and what comes between."""

    tables: Tables
    keys: DataKeys
    bus: Bus
    queues: Queues
    github: Callable[[httpx.Request], httpx.Response]
    fly: Callable[[httpx.Request], httpx.Response]
    clock: SimulatedClock
    between: Between


@dataclass(frozen=True)
class Functions:
    """Every function's process, just begun. `reactions` go by the name of their queue."""

    ingress: Ingress
    reactions: dict[str, Reaction]
    sweep: Sweep


@cache
def app_credentials() -> AppCredentials:
    """The App's, made once: keys take long."""
    return AppCredentials("4711", SLUG, rsa.generate_private_key(public_exponent=65537, key_size=2048))


def begin(outside: Outside) -> Functions:
    """Begin every process afresh: what one kept to itself before is lost."""
    clock, between = outside.clock, outside.between

    def watched(table: Table, name: str) -> Table:
        return WatchedTable(table, name, between)

    tables = outside.tables
    records, memory = watched(tables.records, "records"), Memory(watched(tables.memory, "memory"), clock)
    keys = WatchedKeys(outside.keys, between)
    bundles = Bundles(watched(tables.bundles, "bundles"), keys, clock)
    publisher = Publisher(cast("Any", outside.bus), "bus", sleep=lambda _: None)
    access = _access(outside)
    fly = Fly(_http(outside.fly, "fly", between), "https://fly.example/v1", lambda: SecretStr("fm2_sim"), clock=clock)
    steps: dict[str, dict[type[Event], Step[Any]]] = {
        "environments": environments.steps(records, AskGitHub(access), _naming(), clock),
        "vault": resolve_secrets.steps(
            Environments(records),
            Secrets(watched(tables.secrets, "secrets"), keys, clock),
            bundles,
            TlsCertificates(Certificates(records), PrivateKeys(watched(tables.secrets, "secrets"), keys), clock),
        ),
        "comments": render_comment.steps(
            records, Stickies(records, clock), lambda: Writer(access, lambda: SLUG), clock
        ),
        "deployments": report_deployment.steps(records, lambda: Teller(access, lambda: SLUG), clock),
        "checks": record_check.steps(records, clock),
        "runtimes": runtimes.steps(records, bundles, fly, _runtime_naming(), clock),
        "journal": keep_facts.steps(Journal(watched(tables.journal, "journal"), clock)),
    }
    reactions = {
        queue: (ReportReaction if name == "checks" else Reaction)(
            name,
            steps=steps[name],
            memory=memory,
            publisher=publisher,
            queue=Queue(cast("Any", outside.queues), queue, str(topology().queues[queue].dead_letters)),
            clock=clock,
            jitter=lambda wait: wait * 1.1,
        )
        for queue, name in _queues().items()
    }
    secret = WebhookSecret(lambda _afresh: SecretStr(WEBHOOK_SECRET), clock)
    once = Once(memory)
    looks: dict[str, Look] = {
        "expired": Expired(Environments(records), Apps(records), PullRequests(records)),
        "orphaned": Orphaned(fly, Environments(records), ORGANIZATION, PREFIX),
        "lost": Lost(fly, Environments(records)),
        "redelivered": Redelivered(access.github, lambda: SecretStr("jwt"), once, lambda _: None),
        "drifted": Drifted(access, Environments(records), PullRequests(records), lambda _: None),
    }
    return Functions(
        ingress=Ingress(secret, memory, publisher, clock),
        reactions=reactions,
        sweep=Sweep(looks, once, publisher, clock),
    )


@cache
def _queues() -> dict[str, str]:
    """The reaction that each queue feeds, by the folder of its handler."""
    return {queue: function.handler.partition(".")[0] for queue, function in topology().functions.items()}


def longest(queue: str) -> timedelta:
    """How long the function that a queue feeds may run."""
    return topology().functions[queue].timeout


@cache
def fly_app(environment_id: str) -> str:
    """What an environment's Fly app is called."""
    return _KEYED.fly_app_name(PREFIX, environment_id)


def _naming() -> Naming:
    return Naming(fly_app, "https://{fly_app}.fly.example")


@cache
def _runtime_naming() -> runtimes.Naming:
    gate = Gate("https://releases.example/caddy.tar.gz", "5a" * 64)
    return runtimes.Naming(ORGANIZATION, PREFIX, "https://logs/{fly_app}", _source_url, _KEYED.password, gate)


def _source_url(environment_id: str, generation: int) -> str:
    return f"https://source.example/{_KEYED.capability(environment_id, generation)}"


def _access(outside: Outside) -> Access:
    github = GitHub(_http(outside.github, "github", outside.between), "https://github.example", clock=outside.clock)
    return Access(github, InstallationTokens(github, app_credentials, outside.clock))


def _http(answer: Callable[[httpx.Request], httpx.Response], whom: str, between: Between) -> httpx.Client:
    def handle(request: httpx.Request) -> httpx.Response:
        call = Call(whom, request.method, request.url.path)
        return between(call, lambda: answer(request))

    return httpx.Client(transport=httpx.MockTransport(handle), trust_env=False)
