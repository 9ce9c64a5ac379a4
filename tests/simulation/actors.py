"""What people do: authors, reviewers, operators. Each of it is written down for the oracle."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from choreography.publisher import Publisher, Statement
from prestage_contracts.envelope import Data, Event
from prestage_contracts.operators import (
    DeployRequested,
    DeployRequestedData,
    OperatorRequestData,
    RetryRequested,
    StopRequested,
)
from prestage_contracts.reports import CheckReported, CheckReportedData
from prestage_contracts.snapshot import Repository as Named
from records.apps import App, Apps, new_app
from records.environments import Environment, Environments
from records.users import User, Users
from tests.simulation.github_world import INSTALLATION, Pull, Repository
from vault.secrets import Secrets

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

OWNER = "team"
MOST_PULLS = 4
TEAMS = ("210987654321", "333322221111")
SECRET = "hush-"  # what every secret of the simulation begins with


@dataclass
class Said:
    """What the oracle has to know that no state tells: commands by pull request, and whether a policy changed."""

    commands: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    reports: list["Report"] = field(default_factory=list)
    closed_since: dict[tuple[int, int], datetime] = field(default_factory=dict)
    """The second of a close that may have come after the last command: GitHub's times tell no more."""
    disturbed: bool = False
    caps: dict[str, int] = field(default_factory=dict)
    lowest_caps: dict[str, int] = field(default_factory=dict)
    secrets: dict[tuple[str, str], list[tuple[Any, dict[str, str]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A check as some team reported it."""

    account: str
    environment_id: str
    generation: int
    name: str
    state: Any
    at: datetime
    event_id: str

    def entry(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """It as an entry of PutEvents, with changes that no model takes."""
        data = CheckReportedData(
            environment_id=self.environment_id,
            generation=self.generation,
            name=self.name,
            state=self.state,
            summary=f"of {self.account}",
            link="https://quality.example/run",
        )
        event = CheckReported.begin(data, cause="run", correlation_id="run 1", now=self.at, group="0")
        detail = event.model_dump(mode="json")
        detail["metadata"]["event_id"] = self.event_id
        detail["data"] |= changes
        return {"Source": "acme.quality", "DetailType": event.name(), "Detail": json.dumps(detail)}


class Actors:
    """Everybody."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._random = simulation.random
        self._github = simulation.github
        self.said = Said()
        records = simulation.tables.records
        self.apps, self.environments = Apps(records), Environments(records)
        self._users = Users(records)
        self.secrets = Secrets(simulation.tables.secrets, simulation.outside.keys, simulation.clock)

    def begin(self) -> None:
        """Repositories with their apps."""
        now = self._simulation.clock()
        self._users.add(User(id=OWNER, name="The team", created_at=now))
        for number in range(self._random.choice((1, 1, 2))):
            repository = self._github.add(100 + number, f"octo-org/repo-{number}")
            for name in ("web", "api")[: self._random.choice((1, 1, 2))]:
                self._add(repository, name)

    def act(self) -> None:
        """Somebody does something."""
        acts: tuple[tuple[int, Callable[[Repository], None]], ...] = (
            (6, self._open),
            (7, self._push_pull),
            (4, self._close),
            (4, self._reopen),
            (2, self._label),
            (1, self._draft),
            (3, self._command),
            (2, self._push_branch),
            (1, self._delete_branch),
            (2, self._deploy),
            (1, self._order),
            (1, self._change_policy),
            (1, self._change_secret),
            (6, self._report),
        )
        weights, choices = zip(*acts, strict=True)
        [chosen] = self._random.choices(choices, weights)
        chosen(self._random.choice(list(self._github.repositories.values())))

    def rest(self) -> None:
        """Where a policy changed, or an operator stopped something, each open pull request is told of once more."""
        if not self.said.disturbed:
            return
        self._simulation.clock.advance(timedelta(seconds=2))
        for repository in self._github.repositories.values():
            for pull in repository.pulls.values():
                if pull.state == "open":
                    self._github.label(repository, pull, "poke")

    # ---- Authors and reviewers

    def _open(self, repository: Repository) -> None:
        if len(repository.pulls) >= MOST_PULLS:
            self._push_pull(repository)
            return
        fork = self._random.random() < 0.25
        author = self._random.choice(("writer", "reader", "stranger"))
        bot = not fork and self._random.random() < 0.15
        branch = self._random.choice(("main", "topic")) if fork else f"topic-{len(repository.pulls)}"
        pull = self._github.open(
            repository,
            branch=branch,
            author="renovate[bot]" if bot else author,
            author_type="Bot" if bot else "User",
            head_repository=self._random.choice((None, 999)) if fork else repository.id,
            draft=self._random.random() < 0.15,
            labels={"preview"} if self._random.random() < 0.3 else set(),
        )
        self._note(f"opens {_name(repository, pull)}{' from a fork' * fork} at {pull.sha[:7]}")

    def _push_pull(self, repository: Repository) -> None:
        if pull := self._one(repository, "open"):
            self._github.push_to_pull(repository, pull)
            self._note(f"pushes to {_name(repository, pull)}: {pull.sha[:7]}")

    def _close(self, repository: Repository) -> None:
        if pull := self._one(repository, "open"):
            self._github.close(repository, pull, merged=self._random.random() < 0.4)
            self.said.closed_since[repository.id, pull.number] = self._second()
            self._note(f"{'merges' if pull.merged else 'closes'} {_name(repository, pull)}")

    def _reopen(self, repository: Repository) -> None:
        pull = self._one(repository, "closed")
        if pull and not pull.merged:
            self._github.reopen(repository, pull)
            self._note(f"reopens {_name(repository, pull)}")

    def _label(self, repository: Repository) -> None:
        if pull := self._one(repository, "open"):
            self._github.label(repository, pull, self._random.choice(("preview", "other")))
            self._note(f"labels {_name(repository, pull)}: {sorted(pull.labels)}")

    def _draft(self, repository: Repository) -> None:
        if pull := self._one(repository, "open"):
            self._github.turn_draft(repository, pull)
            self._note(f"{_name(repository, pull)} is {'a draft' if pull.draft else 'no draft'}")

    def _command(self, repository: Repository) -> None:
        pull = self._one(repository, "open")
        if pull is None:
            return
        by = self._random.choice(("writer", "reader", "stranger"))
        text = self._random.choice(("/preview", "/preview retry", "/preview stop"))
        self._github.command(repository, pull, by, text)
        if by == "writer":
            key = repository.id, pull.number
            self.said.commands.setdefault(key, []).append("stop" if text.endswith("stop") else "start")
            if self.said.closed_since.get(key) != self._second():
                self.said.closed_since.pop(key, None)
        self._note(f"{by} comments {text} on {_name(repository, pull)}")

    def _push_branch(self, repository: Repository) -> None:
        branch = self._random.choice(("main", "main", "release", *repository.branches))
        self._github.push(repository, branch)
        self._note(f"pushes to {branch}: {repository.branches[branch][:7]}")

    def _delete_branch(self, repository: Repository) -> None:
        if branches := [name for name in repository.branches if name != "main"]:
            branch = self._random.choice(branches)
            closed = [one.number for one in repository.pulls.values() if one.branch == branch and one.state == "open"]
            self.said.closed_since.update({(repository.id, number): self._second() for number in closed})
            self._github.delete_branch(repository, branch)
            self._note(f"deletes the branch {branch}")

    def _second(self) -> datetime:
        return self._simulation.clock().replace(microsecond=0)

    # ---- Operators

    def _add(self, repository: Repository, name: str) -> None:
        choose = self._random.choice
        app = new_app(
            repository=Named(id=repository.id, full_name=repository.full_name),
            name=name,
            now=self._simulation.clock(),
            installation_id=INSTALLATION,
            owner=OWNER,
            image="python:3.13",
            start="serve",
            forks=choose(("ignore", "without_secrets", "trusted")),
            bots=choose(("ignore", "without_secrets", "trusted")),
            drafts=choose(("ignore", "preview", "preview")),
            previews=choose(("every", "every", "every", "label", "command")),
            max_previews=choose((1, 2, 20, 20)),
            idle_hours=8760,
            required_checks=choose(((), (), ("smoke",), ("smoke", "load"))),
        )
        self.apps.add(app)
        self.said.caps[app.id] = self.said.lowest_caps[app.id] = app.max_previews
        for kind in ("preview", "production"):
            self._set_secret(app, kind)
        told = f"forks={app.forks} bots={app.bots} drafts={app.drafts} previews={app.previews} cap={app.max_previews}"
        self._note(f"adds {repository.full_name}:{name} {told}")

    def _deploy(self, repository: Repository) -> None:
        app = self._app(repository)
        branch = self._random.choice((None, None, *repository.branches))
        data = DeployRequestedData(
            app_id=app.id, app_name=app.name, repository=app.repository, branch=branch, requested_by="arn:operator"
        )
        self._state(DeployRequested, data, app)
        self._note(f"asks for {app.name} {branch or 'production'}")

    def _order(self, repository: Repository) -> None:
        app = self._app(repository)
        found = self.environments.list_by_app(app.id)
        if not found:
            return
        about: Environment = self._random.choice(found)
        event: type[Event] = self._random.choice((RetryRequested, StopRequested))
        self.said.disturbed |= event is StopRequested and about.pull_request is not None
        self._state(event, OperatorRequestData(environment=about.snapshot(), requested_by="arn:operator"), app)
        self._note(f"{event.name()} for {app.name} {about.pull_request.number if about.pull_request else about.type}")

    def _change_policy(self, repository: Repository) -> None:
        app, choose = self._app(repository), self._random.choice
        changes: dict[str, Any] = choose(
            (
                {"forks": choose(("ignore", "without_secrets", "trusted"))},
                {"bots": choose(("ignore", "without_secrets", "trusted"))},
                {"drafts": choose(("ignore", "preview"))},
                {"previews": choose(("every", "label", "command"))},
                {"max_previews": choose((1, 3, 20))},
            )
        )
        self.apps.update(app.model_copy(update=changes))
        cap = changes.get("max_previews", app.max_previews)
        self.said.caps[app.id] = max(self.said.caps[app.id], cap)
        self.said.lowest_caps[app.id] = min(self.said.lowest_caps[app.id], cap)
        self.said.disturbed = True
        self._note(f"changes the policy of {app.name}: {changes}")

    def _change_secret(self, repository: Repository) -> None:
        app = self._app(repository)
        self._set_secret(app, self._random.choice(("preview", "production")))
        self._note(f"changes a secret of {app.name}")

    def _set_secret(self, app: App, kind: Any) -> None:
        value = f"{SECRET}{self._github.next_id()}"
        self.secrets.set(app.id, kind, "TOKEN", value)
        values = {"TOKEN": value}
        self.said.secrets.setdefault((app.id, kind), []).append((self._simulation.clock(), values))

    def _app(self, repository: Repository) -> App:
        return self._random.choice(self.apps.list_by_repository(repository.id))

    # ---- Other teams

    def _report(self, repository: Repository) -> None:
        """A team reports a check of an environment: as it should, out of order, or with bad intent."""
        of_app = self.environments.list_by_app(self._app(repository).id)
        found = [one for one in of_app if one.is_live] or of_app
        if not found:
            return
        choose, about = self._random.choice, self._random.choice(found)
        report = Report(
            account=choose(TEAMS),
            environment_id=about.id,
            generation=max(1, about.generation + choose((0, 0, 0, 0, -1, 1))),
            name=choose(("smoke", "load", "Smoke", "lint")),
            state=choose(("pending", "success", "failure")),
            at=self._simulation.clock() - timedelta(seconds=choose((0, 0, 0, 30))),
            event_id=choose(
                (str(UUID(int=self._random.getrandbits(128))), *(one.event_id for one in self.said.reports[-2:]))
            ),
        )
        hostile = self._random.random() < 0.2
        if hostile:
            changes = choose(
                ({"summary": "| x |\n@everyone"}, {"name": "<b>"}, {"state": "ready"}, {"link": "http://e"})
            )
        else:
            changes = {}
            self.said.reports.append(report)
        for _ in range(choose((1, 1, 2))):
            self._simulation.bus.report(report.entry(changes), report.account)
        self._note(f"{report.account} reports {report.name} {report.state} {'with bad intent' * hostile}")

    def _state(self, event: type[Event], data: Data, app: App) -> None:
        cause = f"operator {self._github.next_id()}"
        now = self._simulation.clock()
        fact = event.begin(data, cause=cause, correlation_id=cause, now=now, group=str(app.repository.id))
        publisher: Any = self._simulation.bus
        Publisher(publisher, "bus").publish([Statement.of(fact)])

    def _one(self, repository: Repository, state: str) -> Pull | None:
        found = [pull for pull in repository.pulls.values() if pull.state == state]
        return self._random.choice(found) if found else None

    def _note(self, text: str) -> None:
        self._simulation.note(f"* {text}")


def _name(repository: Repository, pull: Pull) -> str:
    return f"{repository.full_name}#{pull.number}"
