"""`prestage events tail`: facts as they are stated, by a queue and a rule that are gone afterwards."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import boto3
import pytest

from prestage.contract_examples import delivered, examples
from prestage.stack import Stack
from prestage.stage.event_pattern import compile_pattern
from prestage.tail import Tail, Wanted
from prestage_contracts.environments import EnvironmentReady
from tests.unit.cli_stage import SHOP, STACK, Shell
from tests.unit.record_examples import preview
from tests.unit.test_cli_environments import deploy

READY, COMMENTED = (delivered(examples()[name]) for name in ("EnvironmentReady", "PrCommented"))
ABOUT = examples()["EnvironmentReady"]
assert isinstance(ABOUT, EnvironmentReady)
ENVIRONMENT = ABOUT.data.environment


def temporary(shell: Shell) -> list[str]:
    """The queues and rules that only tails have."""
    queues = shell.at.aws.client("sqs").list_queues(QueueNamePrefix="prestage-tail-").get("QueueUrls", [])
    rules = [rule.name for rule in shell.at.bus.rules if "-tail-" in rule.name]
    return [*(url.rpartition("/")[2] for url in queues), *rules]


BOTH = ["EnvironmentReady", "PrCommented"]


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), BOTH),
        (Wanted(names=("EnvironmentReady",)), ["EnvironmentReady"]),
        (Wanted(names=("EnvironmentReady", "PrCommented")), BOTH),
        (Wanted(names=("EnvironmentFailed",)), []),
        (Wanted(app_id=ENVIRONMENT.app_id), ["EnvironmentReady"]),
        (Wanted(app_id="another"), []),
        (Wanted(environment_id=ENVIRONMENT.id), ["EnvironmentReady"]),
        (Wanted(environment_id="another"), []),
        (Wanted(repository_id=ENVIRONMENT.repository.id), BOTH),
        (Wanted(repository_id=1), []),
        (Wanted(pull_request=COMMENTED["detail"]["data"]["pull_request_number"]), BOTH),
        (Wanted(pull_request=10**9), []),
    ],
)
def test_facts_are_chosen_by_what_they_are_about(wanted: Wanted, taken: list[str]) -> None:
    pattern = compile_pattern(wanted.pattern)
    assert [one["detail-type"] for one in (READY, COMMENTED) if pattern.matches(one) and wanted.takes(one)] == taken


def test_what_was_changed_of_an_app_is_about_it() -> None:
    changed = delivered(examples()["SecretChanged"])
    app_id = changed["detail"]["data"]["app"]["id"]
    assert Wanted(app_id=app_id).takes(changed)
    assert not Wanted(app_id="another").takes(changed)
    assert not Wanted(app_id=app_id).takes({"detail": {"data": {"app": "x"}}})


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"detail": {}},
        {"detail": []},
        {"detail": {"data": "x"}},
        {"detail": {"data": None}},
        {"detail": {"data": []}},
        {"detail": {"data": {"environment": "x"}}},
        {"detail": {"data": {"pull_request": 7}}},
    ],
)
def test_what_is_no_fact_is_about_nothing(event: dict[str, Any]) -> None:
    assert Wanted().takes(event)
    assert not Wanted(environment_id="one").takes(event)


def test_a_tail_that_is_over_leaves_nothing(shell: Shell) -> None:
    ran = shell.run("events", "tail", "--for", "0")
    assert (ran.status, ran.out, ran.err) == (0, "", "listening; Ctrl-C ends it\n")
    assert temporary(shell) == []


def test_while_it_lasts_only_its_own_rule_may_send_to_its_queue(shell: Shell) -> None:
    with Stack.named(STACK).tail(Wanted()):
        [queue, rule] = temporary(shell)
        sqs = shell.at.aws.client("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        [statement] = json.loads(policy)["Statement"]
        found = shell.at.bus.rule(rule)
        assert found is not None
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": found.arn}}
        assert [target.arn for target in found.targets] == [statement["Resource"]]
    assert temporary(shell) == []


def test_its_rule_is_no_subscriber_s(shell: Shell) -> None:
    with Stack.named(STACK).tail(Wanted()):
        [_, rule] = temporary(shell)
        shell.run("events", "replay", "--from", "2026-11-24", "--subscriber", rule).refused("no subscriber's rule")


def test_a_tail_that_raises_leaves_nothing(shell: Shell) -> None:
    with pytest.raises(ZeroDivisionError), Stack.named(STACK).tail(Wanted()):
        raise ZeroDivisionError
    assert temporary(shell) == []


def test_a_tail_that_could_not_be_made_leaves_nothing(shell: Shell) -> None:
    bad: Any = object()
    with pytest.raises(TypeError), Stack.named(STACK).tail(Wanted(names=(bad,))):
        pass
    assert temporary(shell) == []


def test_what_another_that_was_killed_left_is_removed_after_a_day(shell: Shell) -> None:
    now = shell.at.stack.clock()

    def tail(hours: int) -> Tail:
        at = now + timedelta(hours=hours)
        return Tail(boto3.client("events"), boto3.client("sqs"), shell.at.outputs, Wanted(), lambda: at)

    tail(0).__enter__()
    with tail(23):
        assert len(temporary(shell)) == 4
    with tail(25):
        assert len(temporary(shell)) == 2
    assert temporary(shell) == []


def test_a_tail_that_is_told_to_end_removes_its_queue_and_rule(shell: Shell) -> None:
    program = "import sys; from prestage.cli import main; sys.exit(main(['events', 'tail']))"
    running = subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ), stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    assert next(line for line in running.stderr if "listening" in line)
    assert temporary(shell)
    running.send_signal(signal.SIGTERM)
    _, after = running.communicate(timeout=60)
    assert (running.returncode, after) == (0, "")
    assert temporary(shell) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--name", "EnvironmentRead"), ("no fact EnvironmentRead",)),
        (("--pull-request", "7"), ("APP#NUMBER",)),
        (("--count", "0"), ("--count",)),
    ],
)
def test_what_can_t_be_chosen_is_refused(shell: Shell, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    shell.run("events", "tail", *options).refused(*words, status=2)


@pytest.mark.parametrize("option", ["--app", "--environment"])
def test_what_is_unknown_is_refused(shell: Shell, option: str) -> None:
    shell.run("events", "tail", option, "nothing").refused("nothing")


def test_what_is_chosen_is_known_by_its_name(shell: Shell) -> None:
    shop = shell.at.have("storefront", repository=SHOP)
    deploy(shell, preview(of=shop))
    chosen = ("--app", "storefront", "--environment", "storefront#3", "--pull-request", "storefront#3")
    assert shell.run("events", "tail", *chosen, "--for", "0").status == 0
