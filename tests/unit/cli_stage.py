"""The command line against the template, deployed into moto, a bus, and the GitHub stand-in; no function runs."""

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from prestage.cli import main
from prestage.stack import Stack
from prestage.stage import bus_http, contract
from prestage.stage.aws import ACCOUNT, REGION, LocalAws
from prestage.stage.bus import Bus, Delivery
from prestage.stage.dns import LocalZone
from prestage.stage.github import GitHubStandIn
from prestage.stage.sample import SampleRepository
from prestage.stage.schedules import Schedules
from prestage.stage.serve import Server
from prestage.stage.session import CREDENTIALS
from prestage_contracts import EVENTS
from prestage_contracts.envelope import Event
from prestage_contracts.operators import DeployRequested
from records.apps import App
from records.table import Table
from tests.unit.github_stage import APP_ID, SLUG, pem, public_pem
from tests.unit.record_examples import app, user

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
STACK = "prestage"
SHOP, OTHER = "octo-org/shop", "octo-org/other"
RENAMED = "octo-org/before"
"""A repository that a test may rename."""

OWNER = "shop-team"
CREDENTIALS_TEXT = json.dumps({"app_id": APP_ID, "slug": SLUG, "private_key": pem()})


def add_app(name: str = "storefront", repository: str = SHOP, *more: str) -> tuple[str, ...]:
    settings = ("--owner", OWNER, "--image", "python:3.13", "--start", "python3 server.py")
    return ("apps", "add", name, "--repository", repository, *settings, *more)


@dataclass(frozen=True)
class Deployed:
    """A stack that the App's credentials are in, the GitHub that it asks, and a bus that takes what operators state."""

    aws: LocalAws
    bus: Bus
    bus_url: str
    github: GitHubStandIn
    stack: Stack
    outputs: dict[str, str]
    session: boto3.Session
    delivered: list[Delivery]
    """What the bus delivered."""

    def begin(self) -> None:
        """Have one user on record and nothing else."""
        client = self.aws.client("dynamodb")
        for name in ("RecordsTable", "SecretsTable", "JournalTable"):
            table = self.outputs[name]
            for item in client.scan(TableName=table)["Items"]:
                client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
        self.stack.users.add(user(OWNER))
        self.delivered.clear()

    def have(self, *names: str, repository: str = SHOP) -> App:
        """Have apps on record, as `apps add` puts them. Gives the last one."""
        told, installation_id = self.stack.look_up(repository)
        for name in names:
            added = app(name, repository=told, installation_id=installation_id, owner=OWNER)
            self.stack.apps.add(added)
        return added

    @property
    def records(self) -> Table:
        """The records, as functions reach them."""
        return Table(self.aws.client("dynamodb"), self.outputs["RecordsTable"])

    def stated(self) -> Event:
        """The fact that was stated last."""
        event = self.bus.events[-1]
        return EVENTS[event["detail-type"]].model_validate(event["detail"])

    def publish(self, name: str, **changes: str | None) -> None:
        """Tell of another stack, with these outputs but for changes; None leaves one out."""
        outputs = {**self.outputs, **changes}
        told = {output: {"Value": value} for output, value in outputs.items() if value is not None}
        body = json.dumps({"Resources": {}, "Outputs": told})
        self.aws.client("cloudformation").create_stack(StackName=name, TemplateBody=body)

    def secret(self, name: str, value: str | None) -> str:
        """Make a secret, without a value if that is None. Gives its ARN."""
        given = {} if value is None else {"SecretString": value}
        arn: str = self.aws.client("secretsmanager").create_secret(Name=name, **given)["ARN"]
        return arn


@contextmanager
def deployed_stack(
    folder: Path,
    *,
    zone: str | None = None,
    api_url: str = "http://127.0.0.1:9",
    parameters: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Iterator[Deployed]:
    """`zone` is the name of its DNS zone, if it has one; `secrets` are the operator's, by logical id."""
    github = GitHubStandIn(
        app_id=APP_ID,
        slug=SLUG,
        public_key_pem=public_pem(),
        webhook_secret="planted",
        webhook_url=f"{api_url}/webhooks/github",
    )
    sample = SampleRepository.create(folder / "shop")
    for name in (SHOP, OTHER, RENAMED):
        github.add_repository(name, sample.path)
    with LocalAws() as aws, Server(github.application()) as server, ExitStack() as parts:
        zone_id = LocalZone(aws.client("route53"), zone).id if zone else ""
        deployment = aws.deploy(
            TEMPLATE,
            {"GitHubApiUrl": server.url, "HostedZoneId": zone_id, **(parameters or {})},
            stack_name=STACK,
            api_url=api_url,
            secrets={"GitHubAppSecret": CREDENTIALS_TEXT, **(secrets or {})},
        )
        delivered: list[Delivery] = []
        bus = _bus(deployment.outputs["BusName"], delivered.append)
        for rule in deployment.rules:
            bus.put_rule(rule)
        for archive in deployment.archives:
            bus.put_archive(archive)
        bus.policy.have(deployment.statements)
        schedules = Schedules(deployment.schedules)
        bus_url = parts.enter_context(Server(bus_http.application(bus, schedules))).url
        stack = Stack.named(STACK, aws.client)
        yield Deployed(aws, bus, bus_url, github, stack, dict(deployment.outputs), boto3.Session(), delivered)


def _bus(name: str, deliver: Callable[[Delivery], None]) -> Bus:
    return Bus(
        name=name,
        account=ACCOUNT,
        region=REGION,
        deliver=deliver,
        may_publish=lambda _, source, _name: source == DeployRequested.SOURCE or not source.startswith("prestage."),
        violation=contract.violation,
    )


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    def refused(self, *words: str, status: int = 1) -> None:
        """It was refused: in one line, with these words in it, and without a trace."""
        assert (self.status, self.out) == (status, "")
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1
        for word in words:
            assert word in self.err


@dataclass(frozen=True)
class Shell:
    """Where commands are typed: its environment leads to the deployed stack."""

    at: Deployed
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *command: str, given: bytes | None = b"") -> Ran:
        """Run a command; `given` is its standard input, closed if that is None."""
        stdin = None if given is None else io.TextIOWrapper(io.BytesIO(given), encoding="utf-8")
        self.monkeypatch.setattr(sys, "stdin", stdin)
        self.capsys.readouterr()
        status = main(command)
        said = self.capsys.readouterr()
        return Ran(status, said.out, said.err)

    def log_in_afresh(self) -> None:
        """Forget what the AWS session knows: it is read from the environment, as by a new process."""
        self.monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    def do(self, *command: str, given: bytes = b"") -> str:
        """Run a command that has to succeed. Gives what it printed."""
        ran = self.run(*command, given=given)
        assert (ran.status, ran.err) == (0, "")
        return ran.out


@contextmanager
def shell_at(at: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "PRESTAGE_STACK", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    nothing = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    endpoints = {"AWS_ENDPOINT_URL": at.aws.endpoint, "AWS_ENDPOINT_URL_EVENTBRIDGE": at.bus_url}
    settings = {**CREDENTIALS, **nothing, **endpoints, "AWS_DEFAULT_REGION": REGION}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", at.session)
    at.begin()
    yield Shell(at, monkeypatch, capsys)
