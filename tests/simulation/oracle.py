"""What has to hold once everything rests, whatever happened before; worked out from the policies, not from the code."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from comments.body import MARKER, render
from comments.rows import checks_below, rows
from prestage_contracts import EnvironmentClosed, EnvironmentCreated, EnvironmentUpdated, RuntimeLost, RuntimeRemoved
from prestage_contracts.checks import Check, CheckRecorded
from records.apps import App
from records.checks import Checks
from records.environments import Environment
from records.life import MOVES, Status
from records.skips import Skip, Skips
from tests.simulation.actors import SECRET, Report
from tests.simulation.fly_world import App as FlyApp
from tests.simulation.functions import fly_app
from tests.simulation.github_world import SLUG, Pull, Repository
from tests.simulation.simulation import Simulation

RAISING: dict[str, Any] = {"begin": EnvironmentCreated, "update": EnvironmentUpdated, "close": EnvironmentClosed}
_STATES = {"ready": "success", "failed": "failure"}


class Oracle:
    """Looks at a simulation that rests."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._github, self._fly = simulation.github, simulation.fly
        self._said = simulation.actors.said
        self._apps = {app.id: app for app in simulation.actors.apps.list_all()}
        self._environments = simulation.actors.environments.list_all()
        self._checks = Checks(simulation.tables.records)

    def complaints(self) -> list[str]:
        """What does not hold, in words; none if all does."""
        return [
            *self._about_queues(),
            *self._about_pull_requests(),
            *(one for environment in self._environments for one in self._about(environment)),
            *self._about_fly(),
            *self._about_caps(),
            *self._about_comments(),
            *self._about_checks(),
            *self._about_facts(),
            *self._about_secrets(),
        ]

    # ---- Messages

    def _about_queues(self) -> Iterator[str]:
        for message in self._simulation.queues.dead_letters():
            yield f"a dead letter in {message.queue}: {message.attributes.get('ReasonMessage')}"
        for message in self._simulation.queues.waiting():
            yield f"{message.id} still waits in {message.queue}"
        yield from (f"the bus was given what is against the contract: {one}" for one in self._simulation.bus.violations)
        yield from (f"{one.id} ran out in {one.queue}" for one in self._simulation.queues.expired)

    # ---- Pull requests and what their apps owe them

    def _about_pull_requests(self) -> Iterator[str]:
        for repository in self._github.repositories.values():
            for pull in repository.pulls.values():
                for app in self._apps.values():
                    if app.repository.id == repository.id:
                        yield from self._about_preview(repository, pull, app)

    def _about_preview(self, repository: Repository, pull: Pull, app: App) -> Iterator[str]:
        name = f"{app.name} of #{pull.number} ({pull.state})"
        environment = next((one for one in self._environments if _is_of(one, app, pull)), None)
        live = environment is not None and environment.is_live
        skip = self._skip(repository, pull, app)
        wishes = {self._wish(app, pull, command) for command in self._commands(repository, pull)}
        if live and "" not in wishes:
            yield f"{name} is live, and should not be: {wishes}"
        if not live and wishes == {""} and not (skip and skip.reason.code == "cap"):
            why = skip.reason if skip else environment.reason if environment else None
            yield f"{name} is not live, and should be: {why}"
        if skip and skip.reason.code == "cap" and self._could_have(repository, app) <= self._said.lowest_caps[app.id]:
            yield f"{name} is refused for the cap, which never can have been reached"
        if skip and live:
            yield f"{name} is live and has a skip: {skip.reason.code}"
        if skip and pull.state == "open" and skip.reason.code != "cap" and skip.reason.code not in wishes:
            yield f"{name} is skipped for {skip.reason.code}, and not for {wishes}"
        if live and environment is not None and environment.sha != pull.sha:
            yield f"{name} is at {environment.sha[:7]}, and should be at {pull.sha[:7]}"
        if live and environment is not None and environment.with_secrets != _is_trusted(app, pull, repository):
            yield f"{name} has secrets: {environment.with_secrets}"

    def _could_have(self, repository: Repository, app: App) -> int:
        """How many previews the app can ever have had at once."""
        of_branches = [one for one in self._environments if one.app_id == app.id and one.pull_request is None]
        return len(repository.pulls) + len(of_branches)

    def _commands(self, repository: Repository, pull: Pull) -> set[str]:
        """What may have been asked for last; closing forgets it, unless the comment is read later."""
        key = repository.id, pull.number
        said = self._said.commands.get(key, [])
        possible = set(said[-1:]) or {""}
        return possible | {"", *said} if key in self._said.closed_since else possible

    def _wish(self, app: App, pull: Pull, command: str) -> str:
        """Why there is to be no preview; empty if there is to be one. By docs/policies.md."""
        fork = pull.head_repository != app.repository.id
        if pull.state == "closed":
            return "closed"
        if fork and app.forks == "ignore":
            return "fork"
        if command:
            return "stop_requested" if command == "stop" else ""
        reasons = {
            "bot": pull.author_type == "Bot" and app.bots == "ignore",
            "draft": pull.draft and app.drafts == "ignore",
            "label": app.previews == "label" and "preview" not in pull.labels,
            "command": app.previews == "command",
        }
        return next((name for name, holds in reasons.items() if holds), "")

    def _skip(self, repository: Repository, pull: Pull, app: App) -> Skip | None:
        return Skips(self._simulation.tables.records).get(repository.id, pull.number, app.id)

    # ---- One environment

    def _about(self, environment: Environment) -> Iterator[str]:
        name = f"environment {environment.app_name} {_tracks(environment)}"
        if environment.status in {"deploying", "closing"}:
            yield f"{name} is still {environment.status}"
        found = self._fly.apps.get(environment.fly_app)
        if not environment.is_live:
            if found is not None:
                yield f"{name} is {environment.status}, and its Fly app is there"
        elif found is None:
            yield f"{name} is {environment.status}, and its Fly app is not there"
        else:
            yield from self._about_runtime(name, environment, found)
        yield from self._about_deployments(name, environment)
        if environment.type == "production":
            yield from self._about_production(name, environment)

    def _about_runtime(self, name: str, environment: Environment, found: FlyApp) -> Iterator[str]:
        if len(found.machines) != 1 or sorted(found.ips) != ["shared_v4", "v6"]:
            yield f"{name} has {len(found.machines)} machines and the addresses {found.ips}"
            return
        [machine] = found.machines.values()
        if (machine.sha, machine.generation) != (environment.sha, environment.generation):
            said = f"{machine.sha[:7]} of generation {machine.generation}"
            yield f"{name} runs {said}, and should {environment.sha[:7]} of {environment.generation}"
        expected = "failed" if machine.fails else "ready"
        late = environment.reason is not None and environment.reason.code == "not_ready"
        if environment.status != expected and not late:
            yield f"{name} is {environment.status}, its machine is {expected}"
        if not environment.with_secrets and found.secrets:
            yield f"{name} is not trusted, and has secrets"
        if environment.with_secrets and found.secrets not in self._secrets_since(environment):
            yield f"{name} has secrets that were not the app's since it was wanted"

    def _secrets_since(self, environment: Environment) -> list[dict[str, str]]:
        kept = self._said.secrets[environment.app_id, environment.type]
        after = [values for at, values in kept if at >= environment.intended_at]
        before = [values for at, values in kept if at < environment.intended_at]
        return [*before[-1:], *after]

    def _about_deployments(self, name: str, environment: Environment) -> Iterator[str]:
        repository = self._github.repositories[environment.repository.id]
        of = [one for one in repository.deployments if one.payload.get("environment") == environment.id]
        counted = Counter(one.payload["generation"] for one in of)
        yield from (f"{name} has {n} deployments of generation {g}" for g, n in counted.items() if n > 1)
        for one in of:
            current = one.payload["generation"] == environment.generation and environment.is_live
            wanted = self._state_of(environment) if current else "inactive"
            if one.state != wanted:
                yield f"{name}: the deployment of generation {one.payload['generation']} is {one.state}, not {wanted}"
        if environment.is_live and environment.generation not in counted:
            yield f"{name} has no deployment of its generation"

    def _state_of(self, environment: Environment) -> str:
        """What GitHub is to know of the deployment that is current: that of the checks, where some are required."""
        if environment.status != "ready" or not environment.required_checks:
            return _STATES.get(environment.status, "")
        found = {one.check.name.casefold(): one.check.state for one in self._checks.of(environment).checks}
        states = {found.get(name, "pending") for name in environment.required_checks}
        return "failure" if "failure" in states else "in_progress" if "pending" in states else "success"

    def _about_checks(self) -> Iterator[str]:
        """A check is by whom its name belongs to, who was the first to report it, and as they reported it last."""
        for environment in self._environments:
            owners = {one.name.casefold(): one.account for one in self._checks.owners(environment.app_id)}
            for one in self._checks.of(environment).checks:
                check = one.check
                name = f"the check {check.name} of {environment.app_name} {_tracks(environment)}"
                if owners.get(check.name.casefold()) != check.account:
                    yield f"{name} is by somebody whose it is not"
                said = [report for report in self._said.reports if _is_report_of(report, environment, check)]
                if (one.reported_at, check.state) not in {(report.at, report.state) for report in said}:
                    yield f"{name} is {check.state}, which nobody reported so"
        yield from self._about_names()

    def _about_names(self) -> Iterator[str]:
        """Nobody gives a name back here."""
        accounts: dict[tuple[str, str], set[str]] = defaultdict(set)
        for stated in self._simulation.bus.stated:
            if isinstance(stated.event, CheckRecorded):
                about, check = stated.event.data.environment, stated.event.data.check
                accounts[about.app_id, check.name.casefold()].add(check.account)
                if stated.event.metadata.group != str(about.repository.id):
                    yield f"the check {check.name} goes on as another repository's"
        yield from (f"the name {name} is of {len(of)} accounts" for (_, name), of in accounts.items() if len(of) > 1)

    def _about_production(self, name: str, environment: Environment) -> Iterator[str]:
        repository = self._github.repositories[environment.repository.id]
        if environment.is_live and environment.sha != repository.branches[repository.default_branch]:
            yield f"{name} is not at the head of {repository.default_branch}"
        causes = {str(one.event.metadata.event_id): one.event.name() for one in self._simulation.bus.stated}
        for mark in environment.marks:
            if causes[mark.cause].startswith(("PullRequest", "Preview")):
                yield f"{name} was touched by {causes[mark.cause]}"

    # ---- Fly

    def _about_fly(self) -> Iterator[str]:
        live = {one.fly_app for one in self._environments if one.is_live}
        yield from (f"the Fly app {name} serves nothing that is wanted" for name in self._fly.apps if name not in live)
        served = defaultdict(list)
        for one in sorted(self._fly.served, key=lambda one: one.at):
            served[one.app].append(one.generation)
        for app, generations in served.items():
            if any(later < earlier for earlier, later in pairwise(generations)):
                yield f"{app} served an older generation after a newer one: {generations}"
        for stated in self._simulation.bus.stated:
            data: Any = stated.event.data
            if isinstance(stated.event, RuntimeLost) and fly_app(data.environment.id) not in self._fly.removed_by_hand:
                yield f"the runtime of {data.environment.app_name} was lost, and nobody had removed it"
        yield from self._untrue_removals()
        yield from (f"{one.id} is called otherwise" for one in self._environments if one.fly_app != fly_app(one.id))

    def _untrue_removals(self) -> Iterator[str]:
        """What was said to be removed, and was there as it was when it was closed."""
        closed: dict[tuple[str, int], datetime] = {}
        for stated in self._simulation.bus.stated:
            data: Any = stated.event.data
            if isinstance(stated.event, EnvironmentClosed):
                closed.setdefault((data.environment.id, data.environment.generation), stated.at)
            if isinstance(stated.event, RuntimeRemoved) and stated.made is not None:
                since = closed.get((data.environment.id, data.environment.generation))
                if since is not None and stated.made < since:
                    yield f"the runtime of {data.environment.app_name} was said to be removed, and was there"

    def _about_caps(self) -> Iterator[str]:
        for app in self._apps.values():
            of = [one for one in self._environments if one.app_id == app.id and one.type == "preview" and one.is_live]
            counted = self._simulation.actors.environments.count_live(app.id)
            if counted != len(of):
                yield f"{app.name} counts {counted} live previews, and has {len(of)}"
            if len(of) > self._said.caps[app.id]:
                yield f"{app.name} has {len(of)} live previews, and may have {self._said.caps[app.id]}"

    # ---- Comments

    def _about_comments(self) -> Iterator[str]:
        skips = Skips(self._simulation.tables.records)
        for repository in self._github.repositories.values():
            for pull in repository.pulls.values():
                ours = [one for one in repository.comments.get(pull.number, []) if one.login == f"{SLUG}[bot]"]
                of = [one for one in self._environments if _tracks_pull(one, repository, pull)]
                kept = skips.list_by_pull_request(repository.id, pull.number)
                silent = {skip.app_id for skip in kept if skip.reason.code not in {"fork", "cap"}}
                told = any(one.is_live or one.app_id not in silent for one in of) or len(silent) < len(kept)
                if len(ours) > 1 or (told and not ours):
                    yield f"#{pull.number} has {len(ours)} comments of ours"
                if ours and not ours[0].body.startswith(MARKER):
                    yield f"the comment on #{pull.number} has no marker"
                now = rows(of, kept)
                if ours and (of or kept) and ours[0].body != render(now, checks_below(now, self._checks)):
                    yield f"the comment on #{pull.number} does not show what is:\n{ours[0].body}"

    # ---- Facts

    def _about_facts(self) -> Iterator[str]:
        said: dict[str, str] = {}
        for stated in self._simulation.bus.stated:
            event_id, data = str(stated.event.metadata.event_id), stated.event.data.model_dump_json()
            if said.setdefault(event_id, data) != data:
                yield f"{stated.event.name()} {event_id} was stated with two contents:\n  {said[event_id]}\n  {data}"
        for environment in self._environments:
            yield from self._about_history(environment)

    def _about_history(self, environment: Environment) -> Iterator[str]:
        moves: dict[int, set[str]] = defaultdict(set)
        for stated in self._simulation.bus.stated:
            for move, event in RAISING.items():
                data: Any = stated.event.data
                if isinstance(stated.event, event) and data.environment.id == environment.id:
                    moves[data.environment.generation].add(move)
        name = f"environment {environment.app_name} {_tracks(environment)}"
        if sorted(moves) != list(range(1, environment.generation + 1)) or any(len(one) > 1 for one in moves.values()):
            yield f"{name} is at generation {environment.generation}; stated were {dict(moves)}"
            return
        status: Status | None = None
        for generation in sorted(moves):
            [move] = moves[generation]
            candidates = [MOVES[key] for key in MOVES if key == (status, move)]
            if not candidates:
                yield f"{name}: {move} does not follow from {status}"
                return
            status = candidates[0]

    def _about_secrets(self) -> Iterator[str]:
        told = [json.dumps(one.event.model_dump(mode="json")) for one in self._simulation.bus.stated]
        bodies = [
            comment.body
            for repository in self._github.repositories.values()
            for comments in repository.comments.values()
            for comment in comments
        ]
        if any(SECRET in text for text in (*told, *bodies)):
            yield "a secret's value is told"


def check(simulation: Simulation) -> Sequence[str]:
    """Run the simulation; gives what does not hold."""
    try:
        simulation.run()
    except AssertionError as error:
        return [str(error)]
    return Oracle(simulation).complaints()


def _is_of(environment: Environment, app: App, pull: Pull) -> bool:
    of = environment.pull_request
    return environment.app_id == app.id and of is not None and of.number == pull.number


def _tracks_pull(environment: Environment, repository: Repository, pull: Pull) -> bool:
    of = environment.pull_request
    return environment.repository.id == repository.id and of is not None and of.number == pull.number


def _tracks(environment: Environment) -> str:
    if environment.pull_request:
        return f"#{environment.pull_request.number}"
    return environment.branch if environment.type == "preview" else "production"


def _is_trusted(app: App, pull: Pull, repository: Repository) -> bool:
    if pull.author_type == "Bot" and app.bots != "trusted":
        return False
    may_write = repository.permissions.get(pull.author) in {"write", "admin"}
    return pull.head_repository == repository.id or (app.forks == "trusted" and may_write)


def _is_report_of(report: Report, environment: Environment, check: Check) -> bool:
    about = report.environment_id, report.generation, report.name, report.account
    return about == (environment.id, environment.generation, check.name, check.account)
