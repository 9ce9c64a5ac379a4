"""`prestage dead-letters`: each kind is told in words, and is redriven once its cause is gone."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from choreography.queue import Message, Queue
from prestage.cli_dead_letters import ADVICE
from prestage.contract_examples import delivered, examples
from prestage_contracts import EnvironmentCreated, PrCommented, PullRequestOpened, SecretsResolved
from tests.unit.cli_stage import Shell

SERVICES = Path(__file__).parents[2] / "services"
REASON = "Fly.io does not accept the stack's token"


def message(name: str) -> str:
    """An event as EventBridge puts it into a queue."""
    return json.dumps(delivered(examples()[name]))


def example() -> SecretsResolved:
    found = examples()["SecretsResolved"]
    assert isinstance(found, SecretsResolved)
    return found


class Letters:
    """Puts messages where reactions and EventBridge put them."""

    def __init__(self, shell: Shell) -> None:
        self.sqs = shell.at.aws.client("sqs")
        self.outputs = shell.at.outputs

    def bury(self, reaction: str, body: str, code: str = "provider_unauthorized", words: str = REASON) -> None:
        """As a reaction does that gives it up."""
        queue = Queue(self.sqs, self.url(f"{reaction}Queue"), self.url(f"{reaction}DeadLetterQueue"))
        told = {"Reaction": reaction.lower(), "ReasonCode": code, "ReasonMessage": words}
        queue.bury(Message(id="1", receipt_handle="1", body=body, group="9"), told)

    def send(self, queue: str, body: str, **attributes: str) -> None:
        told = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self.sqs.send_message(QueueUrl=self.url(queue), MessageBody=body, MessageAttributes=told)

    def url(self, queue: str) -> str:
        return self.outputs[f"{queue}Url"]

    def bodies(self, queue: str) -> list[str]:
        """What is in the queue, which is empty then."""
        url = self.url(queue)
        found = []
        asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}
        while received := self.sqs.receive_message(**asked).get("Messages"):
            found += [one["Body"] for one in received]
            for one in received:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return found


@pytest.fixture
def letters(shell: Shell) -> Iterator[Letters]:
    made = Letters(shell)
    yield made
    for output in made.outputs:
        if output.endswith("QueueUrl"):
            made.bodies(output.removesuffix("Url"))


@pytest.fixture
def buried(letters: Letters) -> Letters:
    letters.bury("Runtimes", message("SecretsResolved"))
    return letters


def test_where_nothing_was_given_up_there_is_nothing_to_see(shell: Shell, letters: Letters) -> None:
    assert shell.do("dead-letters", "list") == ""
    assert shell.do("dead-letters", "redrive", "--all") == "there are none\n"


def test_dead_letters_are_listed_with_what_they_are_about_and_stay(shell: Shell, buried: Letters) -> None:
    for _ in range(3):
        [[short, _, *told]] = shell.run("dead-letters", "list").rows
        about = example().data.environment
        assert about.pull_request is not None
        where = f"{about.repository.full_name}:{about.app_name}#{about.pull_request.number}"
        assert told == ["runtimes", "SecretsResolved", where, "provider_unauthorized"]
    assert shell.do("dead-letters", "show", short)


def test_those_of_one_reaction_can_be_listed(shell: Shell, buried: Letters) -> None:
    buried.bury("Vault", message("EnvironmentCreated"), "key_refused")
    assert [row[2] for row in shell.run("dead-letters", "list", "--reaction", "vault").rows] == ["vault"]
    shell.run("dead-letters", "list", "--reaction", "nobody").refused("one of checks, comments, deployments", status=2)


def test_more_than_one_receive_gives_are_listed(shell: Shell, letters: Letters) -> None:
    for _ in range(23):
        letters.bury("Runtimes", message("SecretsResolved"))
    assert len(shell.run("dead-letters", "list").rows) == 23


def test_one_tells_what_it_is_why_it_is_there_and_what_to_do(shell: Shell, buried: Letters) -> None:
    [[short, *_]] = shell.run("dead-letters", "list").rows
    told = shell.do("dead-letters", "show", short)
    fact = example()
    for words in (
        "the reaction runtimes",
        f"{REASON} (provider_unauthorized)",
        "put a token that Fly.io accepts",
        f"prestage events show {fact.metadata.correlation_id}",
        f"event_id {fact.metadata.event_id}",
        f"prestage dead-letters redrive {short}",
        '"detail-type": "SecretsResolved"',
    ):
        assert words in told


def test_one_is_redriven_to_its_reaction_and_is_gone(shell: Shell, buried: Letters) -> None:
    [[short, *_]] = shell.run("dead-letters", "list").rows
    assert "redriven to runtimes" in shell.do("dead-letters", "redrive", short)
    assert buried.bodies("RuntimesQueue") == [message("SecretsResolved")]
    assert shell.do("dead-letters", "list") == ""
    shell.run("dead-letters", "redrive", short).refused("there is no dead letter", "dead-letters list")


def test_all_are_redriven_but_what_no_reaction_could_do_anything_with(shell: Shell, buried: Letters) -> None:
    buried.bury("Vault", message("EnvironmentCreated"), "internal_error", "An error in Prestage")
    buried.bury("Vault", "{", "malformed", "Not as promised: the message (json_invalid)")
    told = shell.do("dead-letters", "redrive", "--all")
    assert (told.count("redriven to"), told.count("left:")) == (2, 1)
    assert [row[-1] for row in shell.run("dead-letters", "list").rows] == ["malformed"]
    assert buried.bodies("VaultQueue") == [message("EnvironmentCreated")]


def test_all_of_one_reaction_are_redriven(shell: Shell, buried: Letters) -> None:
    buried.bury("Vault", message("EnvironmentCreated"))
    shell.do("dead-letters", "redrive", "--all", "--reaction", "vault")
    assert [row[2] for row in shell.run("dead-letters", "list").rows] == ["runtimes"]


@pytest.mark.parametrize("wrong", [(), ("3d", "--all"), ("3d", "--reaction", "vault")])
def test_a_redrive_says_which(shell: Shell, wrong: tuple[str, ...]) -> None:
    shell.run("dead-letters", "redrive", *wrong).refused("an ID, or --all", status=2)


def test_what_no_reaction_could_do_anything_with_is_not_redriven(shell: Shell, letters: Letters) -> None:
    letters.bury("Vault", message("PrCommented"), "not_taken", "PrCommented does not lead to vault")
    [[short, *_]] = shell.run("dead-letters", "list").rows
    shell.run("dead-letters", "redrive", short).refused("can't be redriven (not_taken)")
    assert "mend the queue's rule" in shell.do("dead-letters", "show", short)
    assert letters.bodies("VaultQueue") == []
    assert PrCommented.name() in shell.do("dead-letters", "list")


def test_what_eventbridge_could_not_deliver_goes_to_the_reaction_it_was_for(shell: Shell, letters: Letters) -> None:
    told = {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "not authorized to send", "RULE_ARN": "arn"}
    letters.send("EnvironmentsDeliveryDeadLetterQueue", message("PullRequestOpened"), **told)
    [[short, *_]] = shell.run("dead-letters", "list").rows
    shown = shell.do("dead-letters", "show", short)
    assert "the reaction environments, which it never reached" in shown
    assert "NO_PERMISSIONS" in shown
    assert "let EventBridge send to it" in shown
    shell.do("dead-letters", "redrive", short)
    assert letters.bodies("EnvironmentsQueue") == [message(PullRequestOpened.name())]


def test_what_sqs_gave_up_is_told_to_be_unfinished(shell: Shell, letters: Letters) -> None:
    letters.send("VaultDeadLetterQueue", message(EnvironmentCreated.name()))
    [[short, *_, code]] = shell.run("dead-letters", "list").rows
    assert code == "unfinished"
    assert "never came to an end" in shell.do("dead-letters", "show", short)


@pytest.mark.parametrize("code", ["undelivered", "unfinished", "internal_error", "of_a_later_release"])
def test_what_this_release_cannot_read_is_not_said_to_be_redriven_by_it(
    shell: Shell, letters: Letters, code: str
) -> None:
    later = json.dumps(delivered(examples()["EnvironmentCreated"]) | {"detail-type": "OfALaterRelease"})
    letters.bury("Vault", later, code, "In words")
    [[short, *_]] = shell.run("dead-letters", "list").rows
    for told in (shell.do("dead-letters", "show", short), shell.do("dead-letters", "redrive", "--all")):
        assert "use the release that knows the fact to redrive it, or discard it" in told
        assert "then redrive it" not in told
    assert letters.bodies("VaultQueue") == []


def test_one_that_is_no_event_is_shown_as_it_is_without_moving_the_cursor(shell: Shell, letters: Letters) -> None:
    letters.bury("Vault", "not JSON \u202e", "malformed", "Not as promised: the message (json_invalid)")
    [[short, *_]] = shell.run("dead-letters", "list").rows
    shown = shell.do("dead-letters", "show", short)
    assert "not JSON \\u202e" in shown
    assert "nothing can be done with it" in shown
    assert "to redrive" not in shown


def test_a_fact_that_cannot_be_read_is_told_by_its_name(shell: Shell, letters: Letters) -> None:
    event = json.loads(message("SecretsResolved"))
    del event["detail"]["data"]["environment"]
    letters.bury("Vault", json.dumps(event), "malformed", "Not as promised: data.environment (missing)")
    [[short, _, _, name, *_]] = shell.run("dead-letters", "list").rows
    assert name == "SecretsResolved"
    assert "SecretsResolved (which can't be read)" in shell.do("dead-letters", "show", short)


def test_one_that_is_nested_too_deeply_is_shown_as_it_is(shell: Shell, letters: Letters) -> None:
    letters.bury("Vault", "[" * 50_000, "malformed")
    [[short, *_]] = shell.run("dead-letters", "list").rows
    assert "[" * 50_000 in shell.do("dead-letters", "show", short)


@pytest.mark.parametrize("command", [("show",), ("redrive",), ("discard", "--yes")])
def test_an_empty_id_is_no_letters(shell: Shell, buried: Letters, command: tuple[str, ...]) -> None:
    """As from a variable that is not set."""
    shell.run("dead-letters", command[0], "", *command[1:]).refused("empty", "prestage dead-letters list")
    assert len(shell.run("dead-letters", "list").rows) == 1


def test_more_than_go_at_once_are_looked_at_and_stay(shell: Shell, letters: Letters) -> None:
    for _ in range(23):
        letters.bury("Vault", message("PrCommented"))
        letters.bury("Runtimes", message("SecretsResolved"))
    for _ in range(2):
        assert len(shell.run("dead-letters", "list").rows) == 46


def test_a_discard_asks_first(shell: Shell, buried: Letters) -> None:
    [[short, *_]] = shell.run("dead-letters", "list").rows
    ran = shell.run("dead-letters", "discard", short, given=b"n\n")
    assert ran.status == 1
    assert len(shell.run("dead-letters", "list").rows) == 1
    assert "SecretsResolved for runtimes" in shell.run("dead-letters", "discard", short, given=b"y\n").out
    assert shell.do("dead-letters", "list") == ""


def test_a_discard_that_is_not_to_ask_does_not(shell: Shell, buried: Letters) -> None:
    [[short, *_]] = shell.run("dead-letters", "list").rows
    assert shell.do("dead-letters", "discard", short, "--yes").startswith("discarded ")
    assert shell.do("dead-letters", "list") == ""


def test_an_id_that_several_begin_with_is_asked_again(shell: Shell, letters: Letters) -> None:
    for _ in range(17):  # ids are hexadecimal
        letters.bury("Runtimes", message("SecretsResolved"))
    digits = Counter(short[0] for [short, *_] in shell.run("dead-letters", "list").rows)
    [(digit, number)] = digits.most_common(1)
    shell.run("dead-letters", "show", digit).refused(f"{number} dead letters begin with {digit}")
    assert digits.total() == 17


def test_every_reason_that_something_is_given_up_for_has_advice() -> None:
    sources = [path.read_text() for path in SERVICES.rglob("*.py")]
    given = {code for source in sources for code in re.findall(r'(?:BrokenError|_reason)\(\s*"(\w+)"', source)}
    assert given <= ADVICE.keys()
    assert len(given) > 10


def test_a_report_is_redriven_as_a_fact_is(shell: Shell, letters: Letters) -> None:
    letters.bury("Checks", message("CheckReported"), "internal_error", "An error in Prestage")
    [[short, _, _, name, *_]] = shell.run("dead-letters", "list").rows
    assert name == "CheckReported"
    assert "redriven to checks" in shell.do("dead-letters", "redrive", short)
    assert letters.bodies("ChecksQueue") == [message("CheckReported")]
