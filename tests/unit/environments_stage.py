"""What the environments function is tested on: its steps as they are wired, and a GitHub that says what it is to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from pydantic import SecretStr

from choreography.reaction import Fact, RetryLaterError
from environments.ask_github import AskGitHub
from environments.previews import Naming
from environments.reactions import steps
from github_app.access import Access
from github_app.answers import Base, PullRequest, Repository
from github_app.answers import Head as AnsweredHead
from github_app.client import GitHubNotFoundError
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.ingress import PullRequestTold
from records.apps import App, Apps
from records.environments import Environment, Environments
from records.pull_requests import PullRequest as Recorded
from records.pull_requests import PullRequests, State
from records.skips import Skip, Skips
from records.table import Table
from tests.simulation.calls import Call
from tests.simulation.watched import WatchedTable
from tests.unit.record_examples import NOW, REPOSITORY, SHA, app, told
from tests.unit.steps import KEYED, register

ADDRESS = "https://{fly_app}.fly.dev"
SHOP = app()
PATIENCE = 200
"""Waits after which a step that still waits never ends."""


def commit(number: int) -> str:
    return f"{number:040x}"


@dataclass
class Now:
    """A clock that stands still."""

    moment: datetime = NOW

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


@dataclass
class GitHub:
    """The calls of the GitHub client that steps make, for one repository. `asked` has them in order.

    `before` is called at each; `failing` has what the next calls of a name raise. `behind` has what its API says of a
    pull request for the next questions, instead of what is so, and `heads_behind` of a branch.
    """

    home: Repository = field(
        default_factory=lambda: Repository(id=REPOSITORY.id, full_name=REPOSITORY.full_name, default_branch="main")
    )
    pull_requests: dict[int, tuple[PullRequestTold, State]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=lambda: {"main": SHA})
    permissions: dict[str, str] = field(default_factory=lambda: {"octocat": "write"})
    is_installed: bool = True
    asked: list[str] = field(default_factory=list)
    before: Callable[[str], object] = lambda _call: None
    failing: dict[str, list[Exception]] = field(default_factory=dict)
    behind: list[tuple[PullRequestTold, State]] = field(default_factory=list)
    heads_behind: list[str | None] = field(default_factory=list)

    def fail(self, call: str, *errors: Exception) -> None:
        self.failing.setdefault(call, []).extend(errors)

    def has(self, word: PullRequestTold, state: State = "open") -> None:
        self.pull_requests[word.pull_request.number] = (word, state)

    def token(self, *_whose: Any) -> SecretStr:
        if not self.is_installed:
            raise GitHubNotFoundError(404, "Not Found")
        return SecretStr("ghs_planted")

    def pull_request(self, _token: SecretStr, name: str, number: int) -> PullRequest:
        self._answers("pull_request", f"{name}#{number}")
        if number not in self.pull_requests:
            raise GitHubNotFoundError(404, "Not Found")
        word, state = self.behind.pop(0) if self.behind else self.pull_requests[number]
        return self._answer(word, state)

    def branch_head(self, _token: SecretStr, name: str, branch: str) -> str | None:
        self._answers("branch_head", f"{name}:{branch}")
        return self.heads_behind.pop(0) if self.heads_behind else self.heads.get(branch)

    def repository(self, _token: SecretStr, name: str) -> Repository:
        self._answers("repository", name)
        return self.home

    def permission(self, _token: SecretStr, name: str, login: str) -> str:
        self._answers("permission", f"{name}@{login}")
        return self.permissions.get(login, "read")

    def is_settling(self, *_whose: Any) -> bool:
        return False

    def forget(self, *_whose: Any) -> None:
        pass

    def _answers(self, call: str, about: str) -> None:
        self.before(call)
        self.asked.append(f"{call} {about}")
        if self.failing.get(call):
            raise self.failing[call].pop(0)

    def _answer(self, word: PullRequestTold, state: State) -> PullRequest:
        head, of = word.head, word.pull_request
        return PullRequest.model_validate(
            {
                "number": of.number,
                "title": of.title,
                "html_url": of.html_url,
                "state": "open" if state == "open" else "closed",
                "merged": state == "merged",
                "draft": word.draft,
                "user": {"login": of.author, "type": word.author_type},
                "head": AnsweredHead.model_validate(
                    {
                        "ref": head.branch,
                        "sha": head.sha,
                        "repo": head.repository_id and {"id": head.repository_id},
                    }
                ),
                "base": Base(ref="main", repo=self.home),
                "labels": [{"name": label} for label in word.labels],
                "updated_at": word.updated_at,
            }
        )


@dataclass
class LaggingGitHub(GitHub):
    """Its API answers with what was so `lag` seconds ago, of pull requests and of branches."""

    now: Callable[[], datetime] = lambda: NOW
    lag: Callable[[], float] = lambda: 0
    _was: list[tuple[datetime, dict[str, str], dict[int, tuple[PullRequestTold, State]]]] = field(default_factory=list)

    def changes(self) -> None:
        """To be called before it does."""
        self._was.append((self.now(), dict(self.heads), dict(self.pull_requests)))

    def pull_request(self, token: SecretStr, name: str, number: int) -> PullRequest:
        self._answers("pull_request", f"{name}#{number}")
        word, state = self._past()[1].get(number, self.pull_requests[number])
        return self._answer(word, state)

    def branch_head(self, _token: SecretStr, name: str, branch: str) -> str | None:
        self._answers("branch_head", f"{name}:{branch}")
        return self._past()[0].get(branch)

    def _past(self) -> tuple[dict[str, str], dict[int, tuple[PullRequestTold, State]]]:
        seen = self.now() - timedelta(seconds=self.lag())
        return next(((heads, words) for at, heads, words in self._was if at > seen), (self.heads, self.pull_requests))


@dataclass
class World:
    """The function's steps over a table."""

    table: Table
    github: GitHub = field(default_factory=GitHub)
    now: Now = field(default_factory=Now)
    apps: Sequence[App] = (SHOP,)

    def __post_init__(self) -> None:
        register(self.table, *self.apps)
        self.steps = self.wired(self.table)

    def wired(self, table: Table) -> dict[type[Event], Any]:
        """The steps over that way to the table."""
        access = Access(cast("Any", self.github), cast("Any", self.github))
        naming = Naming(lambda one: KEYED.fly_app_name("prestage", one), ADDRESS)
        return steps(table, AskGitHub(access), naming, self.now)

    def does(self, event: Event) -> list[Fact]:
        """What the step for it states; raises what it raises."""
        return list(self.steps[type(event)].do(event))

    def ends(self, event: Event) -> list[Fact]:
        """What the step for it states, waiting for as long as it says."""
        for _ in range(PATIENCE):
            try:
                return self.does(event)
            except RetryLaterError as waiting:
                self.now.moment += waiting.after
        raise AssertionError("it waits for ever")

    def does_meeting(self, event: Event, nth: int, act: Callable[[], object]) -> list[Fact]:
        """What the step for it states if `act` comes before the nth of its calls, of the table and of GitHub."""
        calls = iter(range(1000))

        def meet() -> None:
            if next(calls) == nth:
                self.github.before = lambda _call: None
                act()

        def between[T](call: Call, act: Callable[[], T]) -> T:
            del call
            meet()
            return act()

        self.github.before = lambda _call: meet()
        facts = list(self.wired(WatchedTable(self.table, "records", between))[type(event)].do(event))
        self.github.before = lambda _call: None
        return facts

    def gives_up(self, event: Event, reason: Reason) -> Fact | None:
        """What is stated instead when the step is refused, or given up."""
        return cast("Fact | None", self.steps[type(event)].failed(event, reason))

    def says(self, event: Any, state: State = "open") -> Any:
        """The event; what it tells is how GitHub's API answers from now on."""
        self.github.has(PullRequestTold.model_validate(event.data.model_dump()), state)
        return event

    def environments(self, number: int = 3) -> list[Environment]:
        return Environments(self.table).list_by_pull_request(REPOSITORY.id, number)

    def environment(self, number: int = 3) -> Environment:
        [found] = self.environments(number)
        return found

    def recorded(self, number: int = 3) -> Recorded:
        found = PullRequests(self.table).get(REPOSITORY.id, number)
        assert found is not None
        return found

    def skips(self, number: int = 3) -> list[Skip]:
        return Skips(self.table).list_by_pull_request(REPOSITORY.id, number)

    def change(self, of: App = SHOP, **settings: Any) -> None:
        """Change the app, as `prestage apps set` does."""
        found = Apps(self.table).get(of.id)
        assert found is not None
        Apps(self.table).update(found.model_copy(update=settings))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def word(at: float = 0, **changes: Any) -> PullRequestTold:
    """Pull request 3 as GitHub has it that many seconds later."""
    return told(**{"updated_at": after(at), **changes})


def named(facts: Sequence[Fact]) -> list[str]:
    return [fact.event.name() for fact in facts]


def stated(facts: Sequence[Fact]) -> list[tuple[str, str]]:
    """What identifies the facts of one cause."""
    return sorted((fact.event.name(), fact.data.subject) for fact in facts)


def about(fact: Fact) -> dict[str, Any]:
    return fact.data.model_dump()
