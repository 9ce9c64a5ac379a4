"""What operators do: a command for each thing that can be changed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prestage.bus_policy import Subscriber
from prestage.stack import Stack
from prestage.stage.deployment import Rule, Target
from prestage_contracts import EVENTS
from records.apps import check_names_key
from records.checks import Owner
from records.environments import Environments
from records.users import User
from tests.unit.cli_stage import STACK, Ran, Shell, add_app
from tests.unit.fly_certificate import issue
from tests.unit.record_examples import preview
from tests.unit.test_cli_dead_letters import Letters, message

ARN = "arn:aws:sts::123456789012:user/moto"
SECRET, CONFIG, COMMAND = "planted-secret-7f31", "planted-config-2b90", "serve --token planted-command-c4"
DOMAIN = "previews.example.com"

READ_ONLY = {
    "apps list",
    "apps show",
    "audit",
    "certificates list",
    "checks list",
    "config list",
    "dead-letters list",
    "dead-letters show",
    "demo",  # a stage of its own
    "doctor",
    "environments list",
    "environments show",
    "environments trace",
    "events show",
    "events tail",  # its queue and its rule are gone when it ends
    "secrets list",
    "subscribers list",
    "users list",
    "users show",
}
"""What changes nothing. Whoever adds a command says here that it doesn't, or below what it states."""

ELSEWHERE = {
    "rotate fly-token": "test_rotation.py",
    "rotate github-key": "test_rotation.py",
    "rotate webhook-secret": "test_rotation.py",
    "setup": "test_first_run.py",
}
"""What changes something on GitHub or Fly.io too, and where it is seen to state that."""


@dataclass(frozen=True)
class Act:
    """A command that changes something: what it takes, what it states, and what `audit` says of it."""

    states: tuple[str, ...]
    arguments: tuple[str, ...]
    words: str
    given: bytes = b""


ACTS: Mapping[str, Act] = {
    "apps add": Act(("AppRegistered",), add_app("api")[2:], "added the app api, owned by shop-team"),
    "apps set": Act(
        ("PolicyChanged", "AppChanged"),
        ("storefront", "--forks", "trusted", "--start", COMMAND, "--owner", "web-team"),
        "changed storefront: owner shop-team → web-team, start",
    ),
    "apps reconnect": Act(("AppChanged",), ("moved",), "changed moved: installation_id 7 → "),
    "apps remove": Act(("AppRemoved",), ("storefront",), "removed the app storefront, and its secrets"),
    "certificates import": Act(("CertificateImported",), (DOMAIN,), f"imported *.{DOMAIN}, valid until 2038-01-01"),
    "checks release": Act(
        ("CheckReleased",),
        ("storefront", "Smoke"),
        "gave the check smoke of storefront back, which was 222222222222's",
    ),
    "config set": Act(
        ("ConfigChanged",),
        ("storefront", "GREETING", CONFIG),
        "set the config value GREETING of storefront for preview",
    ),
    "config unset": Act(
        ("ConfigChanged",), ("storefront", "OLD"), "deleted the config value OLD of storefront for preview"
    ),
    "dead-letters discard": Act(
        ("DeadLetterDiscarded",),
        ("--yes",),
        "discarded a dead letter of runtimes (SecretsResolved: provider_unauthorized)",
    ),
    "dead-letters redrive": Act(
        ("DeadLetterRedriven",),
        ("--all",),
        "redrove a dead letter of runtimes (SecretsResolved: provider_unauthorized)",
    ),
    "environments deploy": Act(
        ("DeployRequested",), ("storefront",), "asked for storefront's production to be deployed"
    ),
    "environments password": Act(("PasswordRequested",), ("storefront#3",), "asked for the password of storefront#3"),
    "environments retry": Act(("RetryRequested",), ("storefront#3",), "asked for storefront#3 to be deployed afresh"),
    "environments stop": Act(("StopRequested",), ("storefront#3",), "asked for storefront#3 to stop"),
    "events replay": Act(
        ("EventsReplayed",),
        ("--from", "2026-11-01", "--to", "2026-11-02", "--subscriber", "qa"),
        "replayed 2026-11-01 00:00 to 2026-11-02 00:00 for qa",
    ),
    "secrets set": Act(
        ("SecretChanged",),
        ("storefront", "API_KEY"),
        "set the secret API_KEY of storefront for preview",
        given=SECRET.encode(),
    ),
    "secrets delete": Act(
        ("SecretChanged",), ("storefront", "GONE"), "deleted the secret GONE of storefront for preview"
    ),
    "subscribers allow": Act(
        ("SubscriberAllowed",),
        ("222222222222", "--facts", "EnvironmentReady", "--reports-as", "qa.smoke"),
        "let 222222222222 subscribe to EnvironmentReady, and report as qa.smoke",
    ),
    "subscribers revoke": Act(("SubscriberRevoked",), ("333333333333",), "let 333333333333 subscribe to nothing more"),
    "users add": Act(("UserAdded",), ("qa-team",), "added the user qa-team (qa-team)"),
    "users remove": Act(("UserRemoved",), ("nobody",), "removed the user nobody (nobody)"),
}


class Operator:
    """Somebody who does each of these things to a stack that is made for it."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.shell = shell
        self.letters = Letters(shell)
        self._chain, self._key = folder / "chain.pem", folder / "key.pem"
        chain, self.private_key = issue(f"*.{DOMAIN}", expires=datetime(2038, 1, 1, tzinfo=UTC))
        self._chain.write_text(chain)
        self._key.write_text(self.private_key)

    def prepare(self) -> None:
        """Have something to change, about which nothing was stated."""
        at = self.shell.at
        shop = at.have("moved", "storefront")
        moved = at.stack.app("moved")
        at.stack.apps.update(moved.model_copy(update={"installation_id": 7}))
        at.stack.apps.update(shop.with_config("preview", "OLD", CONFIG))
        at.stack.secrets.set(shop.id, "preview", "GONE", SECRET)
        for user in ("web-team", "nobody"):
            at.stack.users.add(User(id=user, name=user, created_at=at.stack.clock()))
        owner = Owner(app_id=shop.id, name="smoke", account="222222222222", since=at.stack.clock())
        at.records.put({**owner.model_dump(mode="json"), "pk": check_names_key(shop.id), "sk": "NAME#smoke"})

    def do(self, name: str) -> None:
        """Do it; it succeeds without a word on standard error."""
        ran = self.run(name)
        assert (ran.status, ran.err) == (0, "")

    def run(self, name: str, *options: str) -> Ran:
        act, more = ACTS[name], tuple[str, ...]()
        if name.startswith("environments") and name != "environments deploy":
            self._deploy()
        if name.startswith("dead-letters"):
            self.letters.bury("Runtimes", message("SecretsResolved"))
        if name == "dead-letters discard":
            more = (self.shell.at.stack.dead_letters.list_all()[0].id,)
        if name == "certificates import":
            more = ("--chain", str(self._chain), "--key", str(self._key))
        if name == "events replay":
            self._subscribe()
        if name == "subscribers revoke":
            Stack.named(STACK).bus_policy.allow(Subscriber(principal="333333333333", facts=("EnvironmentReady",)))
        return self.shell.run(*name.split(), *act.arguments, *more, *options, given=act.given)

    def planted_in(self, text: str) -> set[str]:
        """Those values that are in it."""
        return {value for value in (SECRET, CONFIG, COMMAND, self.private_key.splitlines()[1]) if value in text}

    def _deploy(self) -> None:
        shop = self.shell.at.stack.app("storefront")
        Environments(self.shell.at.records).deploy(preview(of=shop, with_password=True), "event-1")

    def _subscribe(self) -> None:
        bus = self.shell.at.bus
        target = Target(arn="arn:aws:sqs:us-east-1:123456789012:qa", message_group=None, dead_letter_arn=None)
        pattern = {"source": [{"prefix": "prestage."}]}
        bus.put_rule(Rule("qa", f"{bus.arn}/qa", bus.name, pattern, (target,), enabled=True))


WITH_VALUES = ("apps set", "config set", "config unset", "secrets set", "secrets delete", "certificates import")


@contextmanager
def operator_at(shell: Shell, folder: Path) -> Iterator[Operator]:
    """Whoever has prepared the stack; after that, its bus and its queues are as they were."""
    before, rules = shell.at.bus.policy.text, {rule.name for rule in shell.at.bus.rules}
    made = Operator(shell, folder)
    made.prepare()
    yield made
    shell.at.bus.policy.replace(before)
    for rule in {rule.name for rule in shell.at.bus.rules} - rules:
        shell.at.bus.remove_rule(rule)
    for queue in ("RuntimesQueue", "RuntimesDeadLetterQueue"):
        made.letters.bodies(queue)


def stated(shell: Shell, before: int) -> list[Mapping[str, Any]]:
    """The whole events that were stated since."""
    return [event for event in shell.at.bus.events[before:] if event["source"] == "prestage.operators"]


def keep(shell: Shell, events: list[Mapping[str, Any]]) -> None:
    """As the journal's function does."""
    for event in events:
        shell.at.stack.journal.keep(EVENTS[event["detail-type"]].model_validate(event["detail"]))


def contents(shell: Shell, *outputs: str) -> str:
    """Everything in these tables."""
    client = shell.at.aws.client("dynamodb")
    return json.dumps([client.scan(TableName=shell.at.outputs[output])["Items"] for output in outputs], default=repr)
