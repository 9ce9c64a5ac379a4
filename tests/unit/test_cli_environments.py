"""`prestage environments`."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from choreography import publisher
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.operators import DeployRequested, RetryRequested, StopRequested
from records.apps import App
from records.environments import Environment, Environments
from records.skips import Skip, Skips
from tests.unit.cli_stage import OTHER, OWNER, SHOP, Shell
from tests.unit.journal_facts import DELIVERY, after, first
from tests.unit.record_examples import NOW, SHA, ad_hoc, app, preview, production, tell, told
from tests.unit.steps import begin, close, logged, stop

CALLER = "arn:aws:sts::123456789012:user/moto"
NEWER = "b" * 40


@pytest.fixture
def shop(shell: Shell) -> App:
    return shell.at.have("storefront")


def deploy(shell: Shell, wanted: Environment, cause: str = "event-1") -> Environment:
    """The environment, live for that event."""
    return Environments(shell.at.records).deploy(wanted, cause)


def add_app(shell: Shell, name: str) -> App:
    """An app of that name, of which GitHub is not asked."""
    added = app(name, owner=OWNER)
    shell.at.stack.apps.add(added)
    return added


def skip(shell: Shell, of: App, reason: Reason) -> None:
    """The app gives pull request 3 no preview."""
    last_word = tell(shell.at.records, repository_id=of.repository.id)
    written = Skip(
        repository_id=of.repository.id,
        number=3,
        app_id=of.id,
        app_name=of.name,
        reason=reason,
        decided_by="event-1",
    )
    assert Skips(shell.at.records).keep(written, last_word)


class Life:
    """A preview of pull request 3, with every fact in the journal, from a moment on that the journal still keeps."""

    def __init__(self, shell: Shell, of: App) -> None:
        self._shell = shell
        self._of = of
        self._now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        word = told(repository_id=of.repository.id, head=of.repository.id).model_dump()
        self._opened = first("PullRequestOpened", **{**word, "action": "opened", "at": self._now})
        self._keep(self._opened)
        self.environment = self._deploy(self._opened, SHA)
        self._follow(self._opened, "EnvironmentCreated", "SecretsResolved", "RuntimeRequested", "RuntimeReady")

    def push(self) -> None:
        """A commit is pushed, and its build fails."""
        word = told(repository_id=self._of.repository.id, head=self._of.repository.id, sha=NEWER).model_dump()
        at = self._now + timedelta(minutes=5)
        pushed = first("PullRequestUpdated", story="push", **{**word, "action": "synchronize", "at": at})
        self._keep(pushed)
        self.environment = self._deploy(pushed, NEWER)
        self._follow(pushed, "EnvironmentUpdated", "RuntimeFailed", "EnvironmentFailed")
        reason = Reason(code="build_failed", message="The build failed: `npm ci` did not succeed")
        failed = {"reason": reason, "stage": "build", "log_url": "https://fly.io/apps/prestage-3/monitoring"}
        reported = Environments(self._shell.at.records).report(
            self.environment.id, self.environment.generation, "fail", "event-9", NOW.replace(minute=9), **failed
        )
        assert reported is not None

    def _deploy(self, cause: Event, sha: str) -> Environment:
        told_by, updated_at = str(cause.metadata.event_id), NOW.replace(minute=int(sha == NEWER))
        repository_id = self._of.repository.id
        last_word = tell(self._shell.at.records, told_by, repository_id=repository_id, sha=sha, updated_at=updated_at)
        return Environments(self._shell.at.records).deploy(preview(of=self._of, sha=sha), told_by, [last_word])

    def _follow(self, cause: Event, *names: str) -> None:
        for name in names:
            cause = after(cause, name, environment=self.environment.snapshot())
            self._keep(cause)

    def _keep(self, event: Event) -> None:
        self._shell.at.stack.journal.keep(event)


# ---- Listing


def test_environments_are_listed_by_what_the_other_commands_take(shell: Shell, shop: App) -> None:
    begin(shell.at.records, of=shop)
    deploy(shell, ad_hoc("feature/plum", of=shop))
    deploy(shell, production(of=shop))
    rows = shell.run("environments", "list").rows
    listed = {row[0]: row[1:] for row in rows}
    assert listed.keys() == {"storefront#3", "storefront@feature/plum", "storefront"}
    assert listed["storefront#3"] == ["deploying", "teal", SHA[:7], "2026-11-01 10:00:05", "https://prestage-3.fly.dev"]
    for name in listed:
        shown = json.loads(shell.do("environments", "show", name, "--json"))["environment"]
        assert shown["branch"] == listed[name][1]


def test_of_two_apps_of_one_name_each_is_listed_with_its_repository(shell: Shell, shop: App) -> None:
    begin(shell.at.records, of=shop)
    other = shell.at.have("Storefront", repository=OTHER)
    deploy(shell, production(of=other))
    assert {row[0] for row in shell.run("environments", "list").rows} == {
        f"{SHOP}:storefront#3",
        f"{OTHER}:Storefront",
    }
    shell.do("environments", "show", f"{SHOP}:storefront#3")
    shell.run("environments", "show", "storefront#3").refused(f"say which of {OTHER}:Storefront, {SHOP}:storefront")


def test_a_failed_environment_is_listed_with_the_stage(shell: Shell, shop: App) -> None:
    Life(shell, shop).push()
    assert shell.run("environments", "list").rows[0][1] == "failed (build)"


def test_stopped_environments_are_listed_when_asked_for(shell: Shell, shop: App) -> None:
    stop(shell.at.records, close(shell.at.records, begin(shell.at.records, of=shop)))
    assert shell.do("environments", "list") == ""
    assert [row[:2] for row in shell.run("environments", "list", "--stopped").rows] == [["storefront#3", "stopped"]]


def test_environments_of_one_app_are_listed(shell: Shell, shop: App) -> None:
    deploy(shell, production(of=shop))
    deploy(shell, production(of=shell.at.have("api")))
    assert [row[0] for row in shell.run("environments", "list", "--app", "api").rows] == ["api"]
    shell.run("environments", "list", "--app", "nope").refused("there is no app nope", "`prestage apps list`")


# ---- Showing one


def test_an_environment_is_shown_with_what_began_it_and_what_changed_it_last(shell: Shell, shop: App) -> None:
    life = Life(shell, shop)
    life.push()
    head, _, story = shell.do("environments", "show", "storefront#3").partition("\n\n")
    shown = {line[:12].strip(): line[12:] for line in head.splitlines()}
    assert shown["app"] == f"{SHOP}:storefront"
    assert shown["for"] == "pull request #3 “Make it teal” by octocat, https://github.com/octo-org/shop/pull/3"
    failed = "failed (build) since 2026-11-01 10:09:05: The build failed: `npm ci` did not succeed"
    assert shown["status"] == failed
    assert shown["begun"].endswith(", PullRequestOpened: #3 “Make it teal” by octocat was opened at aaaaaaa")
    assert shown["updated"].endswith(", PullRequestUpdated: #3: new commits: bbbbbbb")
    assert shown["commit"] == f"{NEWER} of teal"
    assert (shown["generation"], shown["secrets"]) == ("2", "the app's for preview")
    assert shown["log"] == "https://fly.io/apps/prestage-3/monitoring"
    assert [line.split("\t")[2:4] for line in story.splitlines()] == [
        ["", "PullRequestOpened"],
        ["1", "EnvironmentCreated"],
        ["1", "SecretsResolved"],
        ["1", "RuntimeRequested"],
        ["1", "RuntimeReady"],
        ["", "PullRequestUpdated"],
        ["2", "EnvironmentUpdated"],
        ["2", "RuntimeFailed"],
        ["2", "EnvironmentFailed"],
    ]
    assert [line.split("\t")[1] for line in story.splitlines()][4:7] == ["1.0 s", "0:04:56", "1.0 s"]


def test_an_environment_that_the_journal_forgot_is_shown_all_the_same(shell: Shell, shop: App) -> None:
    deploy(shell, ad_hoc("plum", of=shop, with_secrets=False))
    head, _, story = shell.do("environments", "show", "storefront@plum").partition("\n\n")
    shown = {line[:12].strip(): line[12:] for line in head.splitlines()}
    assert (shown["for"], shown["secrets"], story) == ("branch plum", "none", "")
    assert not {"begun", "updated", "closed"} & shown.keys()


def test_an_environment_is_shown_as_json(shell: Shell, shop: App) -> None:
    life = Life(shell, shop)
    shown = json.loads(shell.do("environments", "show", "storefront#3", "--json"))
    assert shown["environment"]["id"] == life.environment.id
    assert shown["story"][0]["name"] == "PullRequestOpened"
    assert shown["story"][-1]["data"]["runtime"]["machine_id"] == "3d8d9014b32d89"


@pytest.mark.parametrize(
    "reference",
    [
        "{id}",
        "https://prestage-3.fly.dev",
        "https://prestage-3.fly.dev/",
        "prestage-3.fly.dev",
        "Storefront#3",
        "octo-org/shop:storefront#3",
        "{app}#3",
    ],
)
def test_an_environment_goes_by_its_id_its_address_or_its_app_and_pull_request(
    shell: Shell, shop: App, reference: str
) -> None:
    found = begin(shell.at.records, of=shop)
    begin(shell.at.records, 2, of=shop, number=4, address="https://prestage-4.fly.dev")
    said = reference.format(id=found.id, app=shop.id)
    assert json.loads(shell.do("environments", "show", said, "--json"))["environment"]["id"] == found.id


@pytest.mark.parametrize("branch", ["fix#3", "user@host", "3", "#3"])
def test_a_branch_may_be_called_as_a_reference_is_written(shell: Shell, shop: App, branch: str) -> None:
    found = deploy(shell, ad_hoc(branch, of=shop))
    shown = json.loads(shell.do("environments", "show", f"storefront@{branch}", "--json"))
    assert shown["environment"]["id"] == found.id


@pytest.mark.parametrize("name", ["web@2", "web#2"])
def test_an_app_may_be_called_as_a_reference_is_written(shell: Shell, name: str) -> None:
    found = deploy(shell, production(of=add_app(shell, name)))
    assert json.loads(shell.do("environments", "show", name, "--json"))["environment"]["id"] == found.id


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("nope", ("there is no app nope:", "`prestage apps list`")),
        ("nope#3", ("there is no app nope:",)),
        ("nope@main", ("there is no app nope:",)),
        ("storefront", ("storefront has no production yet", "`prestage environments deploy storefront`")),
        ("storefront#99", ("there is no environment storefront#99", "`prestage environments list`")),
        ("storefront@main", ("there is no environment storefront@main",)),
        ("storefront@", ("there is no app storefront@",)),
        ("storefront#", ("there is no app storefront#",)),
        ("#3", ("there is no app #3:",)),
        ("@main", ("there is no app @main:",)),
        ("https://elsewhere.fly.dev", ("there is no app https://elsewhere.fly.dev",)),
    ],
)
@pytest.mark.parametrize("command", ["show", "retry", "stop"])
def test_an_environment_that_is_not_there_is_told_with_what_to_do(
    shell: Shell, shop: App, command: str, said: str, words: tuple[str, ...]
) -> None:
    shell.run("environments", command, said).refused(*words)


def test_a_pull_request_without_a_preview_is_told_why(shell: Shell, shop: App) -> None:
    skip(shell, shop, Reason(code="draft", message="Drafts get no preview of this app. Comment /preview for one."))
    shell.run("environments", "show", "storefront#3").refused(
        "storefront#3 has no environment: Drafts get no preview of this app."
    )


# ---- Asking for something


def test_production_is_asked_for_by_an_operator(shell: Shell, shop: App) -> None:
    said = shell.do("environments", "deploy", "Storefront")
    fact = shell.at.stated()
    assert isinstance(fact, DeployRequested)
    assert (fact.data.app_id, fact.data.branch, fact.data.requested_by) == (shop.id, None, CALLER)
    assert fact.metadata.group == str(shop.repository.id)
    asked = fact.metadata.correlation_id
    assert said == f"asked for Storefront to be deployed; what follows: `prestage environments trace {asked}`\n"


def test_a_branch_is_asked_for(shell: Shell, shop: App) -> None:
    said = shell.do("environments", "deploy", "storefront", "--branch", "feature/plum")
    fact = shell.at.stated()
    assert isinstance(fact, DeployRequested)
    assert fact.data.branch == "feature/plum"
    assert said.startswith("asked for storefront@feature/plum to be deployed;")


def test_each_asking_is_another_fact(shell: Shell, shop: App) -> None:
    shell.do("environments", "deploy", "storefront")
    before = shell.at.stated().metadata
    shell.do("environments", "deploy", "storefront")
    after_that = shell.at.stated().metadata
    assert before.event_id != after_that.event_id
    assert before.correlation_id != after_that.correlation_id


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("storefront", "--branch", ""), ("--branch: 1 to 1024 characters",)),
        (("storefront", "--branch", "b" * 1025), ("--branch: 1 to 1024 characters",)),
        (("storefront", "--production"), ("No such option: --production",)),
        ((), ("Missing argument 'APP'",)),
    ],
)
def test_a_wrong_option_is_told_and_nothing_is_asked_for(
    shell: Shell, shop: App, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    before = len(shell.at.bus.events)
    shell.run("environments", "deploy", *options).refused(*words, "(see prestage environments deploy --help)", status=2)
    assert len(shell.at.bus.events) == before


def test_what_is_typed_is_not_said_so_that_it_moves_the_cursor(shell: Shell, shop: App) -> None:
    said = shell.do("environments", "deploy", "storefront", "--branch", "a\nb")
    assert said.startswith("asked for")
    assert "a\\nb" in said


def test_an_app_that_is_not_there_is_not_deployed(shell: Shell, shop: App) -> None:
    shell.run("environments", "deploy", "storefront#3").refused("there is no app storefront#3", "`prestage apps list`")


@pytest.mark.parametrize(
    ("command", "event", "words"),
    [("retry", RetryRequested, "to be deployed afresh"), ("stop", StopRequested, "to stop")],
)
def test_a_live_environment_is_asked_for_something(
    shell: Shell, shop: App, command: str, event: type[Event], words: str
) -> None:
    environment = begin(shell.at.records, of=shop)
    said = shell.do("environments", command, "storefront#3")
    fact = shell.at.stated()
    assert isinstance(fact, event)
    assert isinstance(fact, RetryRequested | StopRequested)
    assert (fact.data.environment, fact.data.requested_by) == (environment.snapshot(), CALLER)
    assert said.startswith(f"asked for storefront#3 {words}; what follows:")


def test_what_is_not_live_is_not_deployed_afresh_but_begun(shell: Shell, shop: App) -> None:
    table = shell.at.records
    close(table, begin(table, of=shop))
    shell.run("environments", "retry", "storefront#3").refused("storefront#3 is closing", "a push or /preview")
    for wanted in (production(of=shop), ad_hoc("plum", of=shop)):
        stop(table, close(table, deploy(shell, wanted)))
    shell.run("environments", "retry", "storefront").refused("stopped", "`prestage environments deploy storefront`")
    shell.run("environments", "retry", "storefront@plum").refused("deploy storefront --branch plum`")


def test_what_is_stopped_is_not_stopped_again(shell: Shell, shop: App) -> None:
    closing = close(shell.at.records, begin(shell.at.records, of=shop))
    shell.run("environments", "stop", "storefront#3").refused("storefront#3 is closing already")
    stop(shell.at.records, closing)
    shell.run("environments", "stop", "storefront#3").refused("storefront#3 is stopped already")


def test_a_bus_that_does_not_take_it_is_told_in_one_line(shell: Shell, shop: App) -> None:
    shell.at.publish("another-bus", BusName="no-such-bus")
    level = publisher.logger.log_level
    before = len(shell.at.bus.events)
    with logged(publisher.logger) as lines:
        ran = shell.run("environments", "deploy", "storefront", "--stack", "another-bus")
    assert lines.getvalue() == ""
    ran.refused("1 of 1 facts are not on the bus", "events:PutEvents on the bus no-such-bus")
    assert len(shell.at.bus.events) == before
    assert publisher.logger.log_level == level


# ---- What followed from a request


def test_what_followed_from_a_delivery_is_shown(shell: Shell, shop: App) -> None:
    Life(shell, shop)
    rows = shell.run("environments", "trace", DELIVERY).rows
    names = [row[3] for row in rows]
    assert names == ["PullRequestOpened", "EnvironmentCreated", "SecretsResolved", "RuntimeRequested", "RuntimeReady"]
    assert [one["name"] for one in json.loads(shell.do("environments", "trace", DELIVERY, "--json"))] == names


def test_what_came_of_a_request_without_an_environment_is_shown(shell: Shell, shop: App) -> None:
    asked = first("DeployRequested", story="asked", branch="nope", at=datetime.now(UTC))
    shell.at.stack.journal.keep(asked)
    reason = {"code": "no_such_branch", "message": "There is no branch nope in octo-org/shop"}
    shell.at.stack.journal.keep(after(asked, "RequestFailed", branch="nope", pull_request_number=None, reason=reason))
    assert [row[3:] for row in shell.run("environments", "trace", "asked").rows] == [
        ["DeployRequested", "nope, by arn:aws:iam::111122223333:user/maria"],
        ["RequestFailed", "There is no branch nope in octo-org/shop"],
    ]


def test_a_request_that_nothing_is_known_of_is_told(shell: Shell) -> None:
    shell.run("environments", "trace", "never").refused("the journal has nothing of never", "seconds behind")
