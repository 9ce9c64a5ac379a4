"""`prestage events`."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from prestage.stage.deployment import Rule, Target
from prestage_contracts.envelope import Event
from records.apps import App
from tests.unit.cli_stage import Shell
from tests.unit.journal_facts import DELIVERY, about, after, first
from tests.unit.steps import begin

QUEUE = "arn:aws:sqs:us-east-1:123456789012:qa"


@pytest.fixture
def shop(shell: Shell) -> App:
    return shell.at.have("storefront")


def keep(shell: Shell, *facts: Event) -> None:
    for fact in facts:
        shell.at.stack.journal.keep(fact)


def tell_a_life(shell: Shell, of: App) -> None:
    """A preview that took a minute to be ready."""
    said = about(begin(shell.at.records, of=of))
    opened = first("PullRequestOpened", **said)
    created = after(opened, "EnvironmentCreated", **said)
    resolved = after(created, "SecretsResolved", **said)
    requested = after(resolved, "RuntimeRequested", **said)
    ready = after(requested, "RuntimeReady", later=timedelta(minutes=1), **said)
    reported = after(created, "DeploymentReported", later=timedelta(seconds=2), **said)
    keep(shell, ready, opened, created, resolved, requested, reported)


def test_what_led_to_what_is_shown_as_a_tree(shell: Shell, shop: App) -> None:
    tell_a_life(shell, shop)
    told = shell.do("events", "show", DELIVERY)
    tree, _, longest = told.partition("\n\n")
    assert [line.split("\t")[0] for line in tree.splitlines()] == [
        "PullRequestOpened",
        "└ EnvironmentCreated",
        "  ├ SecretsResolved",
        "  │ └ RuntimeRequested",
        "  │   └ RuntimeReady",
        "  └ DeploymentReported",
    ]
    assert longest == "the longest hop: RuntimeRequested → RuntimeReady, 0:01:00\n"


def test_what_was_recorded_of_a_report_is_below_what_it_reports_on(shell: Shell, shop: App) -> None:
    """Between the two is the report itself, another team's, which the journal does not have."""
    said = about(begin(shell.at.records, of=shop))
    created = first("EnvironmentCreated", **said)
    ready = after(created, "EnvironmentReady", **said)
    report = ready.model_copy(update={"metadata": ready.metadata.model_copy(update={"event_id": uuid4()})})
    keep(shell, created, ready, after(report, "CheckRecorded", later=timedelta(seconds=4), **said))
    tree, _, longest = shell.do("events", "show", DELIVERY).partition("\n\n")
    assert [line.split("\t")[0] for line in tree.splitlines()] == [
        "EnvironmentCreated",
        "└ EnvironmentReady",
        "  └ CheckRecorded",
    ]
    assert longest == "the longest hop: EnvironmentReady → CheckRecorded, 4.0 s\n"


@pytest.mark.parametrize("said", ["storefront#3", "the id"])
def test_no_report_takes_the_place_of_an_environment_s_story(shell: Shell, shop: App, said: str) -> None:
    """A report brings whatever it likes as its correlation_id."""
    tell_a_life(shell, shop)
    environment = shell.at.stack.environment("storefront#3")
    said = environment.id if said == "the id" else said
    keep(shell, first("CheckRecorded", story=said, **about(environment)))
    assert "PullRequestOpened" in shell.do("events", "show", said)


def test_the_facts_of_a_pull_requests_environment_are_shown(shell: Shell, shop: App) -> None:
    tell_a_life(shell, shop)
    facts = json.loads(shell.do("events", "show", "storefront#3", "--json"))
    assert facts[0]["name"] == "PullRequestOpened"
    assert {fact["correlation_id"] for fact in facts} == {DELIVERY}


def test_a_fact_whose_cause_is_not_known_stands_by_itself(shell: Shell, shop: App) -> None:
    said = about(begin(shell.at.records, of=shop))
    opened = first("PullRequestOpened", **said)
    keep(shell, after(opened, "EnvironmentCreated", **said))
    assert shell.do("events", "show", DELIVERY).startswith("EnvironmentCreated\t")


@pytest.mark.usefixtures("shop")
def test_what_is_nothing_is_told_so(shell: Shell) -> None:
    shell.run("events", "show", "storefront#9").refused("there is no environment storefront#9")
    shell.run("events", "show", "6d0f").refused("there is no app 6d0f")


# ---- Replaying


def subscribe(shell: Shell, name: str = "qa") -> None:
    """Another team's rule, on every fact."""
    bus = shell.at.bus
    target = Target(arn=QUEUE, message_group=None, dead_letter_arn=None)
    bus.put_rule(
        Rule(name, f"{bus.arn}/{name}", bus.name, {"source": [{"prefix": "prestage."}]}, (target,), enabled=True)
    )


def state(shell: Shell) -> None:
    """Have an operator's fact, an hour before."""
    shell.at.have("storefront")
    shell.do("environments", "deploy", "storefront")
    shell.at.delivered.clear()


def test_what_was_archived_is_replayed_to_one_subscriber_alone(shell: Shell) -> None:
    subscribe(shell)
    subscribe(shell, "finance")
    state(shell)
    today = f"{shell.at.stack.clock():%Y-%m-%d}"
    told = shell.do("events", "replay", "--from", today, "--subscriber", "qa")
    again = [delivery for delivery in shell.at.delivered if "replay-name" in delivery.body]
    assert {delivery.queue_arn for delivery in again} == {QUEUE}
    replayed = [json.loads(delivery.body) for delivery in again]
    assert {event["detail-type"] for event in replayed} == {"DeployRequested"}
    [name] = {event["replay-name"] for event in replayed}
    assert told.endswith(f"aws events describe-replay --replay-name {name}\n")


def test_nothing_is_replayed_to_what_is_prestages_own(shell: Shell) -> None:
    subscribe(shell)
    for rule in shell.at.bus.rules:
        if rule.name not in {"qa", "finance"}:
            ran = shell.run("events", "replay", "--from", "2026-11-01", "--subscriber", rule.name)
            ran.refused("there is no subscriber's rule", "those of subscribers are", "qa")
    assert shell.at.delivered == []


def test_a_time_that_is_none_is_refused(shell: Shell) -> None:
    subscribe(shell)
    shell.run("events", "replay", "--from", "2026-11-02", "--to", "2026-11-01", "--subscriber", "qa").refused(
        "--from is not before --to", status=2
    )
