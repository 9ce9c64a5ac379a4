"""Whatever is pushed, renamed, deleted or asked for, in whatever order: branches' environments agree with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from prestage_contracts.envelope import Event
from records.environments import Environment, Environments, environment_id
from tests.unit.environment_asks import deploy, opened, pushed
from tests.unit.environments_history import History, assert_every_generation_was_told
from tests.unit.environments_stage import SHOP, after, commit
from tests.unit.interleaved import Turns

type Acts = Sequence[tuple[str, int]]

ACTS = ["push", "push", "push_teal", "push_teal", "rename", "switch", "delete_teal", "deploy", "deploy_teal", "fork"]

histories = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 2)), max_size=7)


@dataclass
class Repository:
    """The repository on GitHub, and what operators asked for; each change is told of at once."""

    history: History
    at: int = 0
    default: str = "main"
    heads: dict[str, str] = field(default_factory=lambda: {"main": commit(0), "teal": commit(1)})

    def begins(self) -> None:
        """Both branches are deployed."""
        self._say(deploy(self.history.number(), 0))
        self._say(deploy(self.history.number(), 0, branch="teal"))

    def lives(self, acts: Acts) -> None:
        """One thing after another; those that can't happen don't."""
        for act, seconds in acts:
            self.history.turns.pause()
            self.at = max(self.at + seconds, self.history.seconds)
            getattr(self, act)()

    def push(self) -> None:
        self._move(self.default, commit(self.history.number()))

    def push_teal(self) -> None:
        if self.default != "teal":
            self._move("teal", commit(self.history.number()))

    def delete_teal(self) -> None:
        if "teal" in self.heads and self.default != "teal":
            self._move("teal", None)

    def rename(self) -> None:
        """The default branch; GitHub tells of the new one as of a push."""
        self._as_before()
        old, self.default = self.default, f"trunk-{self.history.number()}"
        sha = self.heads.pop(old)
        self._move(self.default, sha)
        self._say(self._pushed(old, sha, None))

    def switch(self) -> None:
        """Another branch is the default one from now on; the old one stays, and is pushed to."""
        old = self.default
        self._as_before()
        self.default = f"next-{self.history.number()}"
        self._move(self.default, commit(self.history.number()))
        self._move(old, commit(self.history.number()))

    def deploy(self) -> None:
        if not self.history.lag:  # what it says of a branch that nobody deployed yet has to be so
            self._say(deploy(self.history.number(), self.at))

    def deploy_teal(self) -> None:
        if not self.history.lag:
            self._say(deploy(self.history.number(), self.at, branch="teal"))

    def fork(self) -> None:
        """A pull request from a fork's branch of the default one's name."""
        number = self.history.number()
        self._say(opened(number, self.at, number=100 + number, branch=self.default, head=9, sha=commit(number)))

    def _move(self, branch: str, sha: str | None) -> None:
        self._as_before()
        before = self.heads.get(branch)
        self.heads.pop(branch, None)
        if sha is not None:
            self.heads[branch] = sha
        self._say(self._pushed(branch, before, sha))

    def _pushed(self, branch: str, before: str | None, sha: str | None) -> Event:
        return pushed(
            self.history.number(), self.at, branch=branch, sha=sha, before=before, default_branch=self.default
        )

    def _as_before(self) -> None:
        self.history.github.changes()

    def _say(self, event: Event) -> None:
        github, now = self.history.github, self.history.world.now
        now.moment = max(now.moment, after(self.at))
        github.heads = dict(self.heads)
        github.home = github.home.model_copy(update={"default_branch": self.default})
        self.history.tell(event)


def lived(seed: int, acts: Acts, deaths: int, lag: int) -> Repository:
    history = History(Turns(Random(seed), deaths), lag)  # noqa: S311  # not a secret
    repository = Repository(history)
    repository.begins()
    history.turns.run()
    history.turns.add(lambda: repository.lives(acts), is_mortal=False)
    history.turns.run()
    return repository


def found(repository: Repository, branch: str | None) -> Environment | None:
    of = environment_id(SHOP.id, "production" if branch is None else "preview", branch)
    return Environments(repository.history.world.table).get(of)


@settings(max_examples=200)
@given(
    acts=histories,
    seed=st.integers(0, 2**32),
    deaths=st.integers(0, 3),
    lag=st.sampled_from([0, 0, 1, 4, 14]),
)
def test_environments_of_branches_end_where_github_says_that_the_branches_are(
    acts: Acts, seed: int, deaths: int, lag: int
) -> None:
    repository = lived(seed, acts, deaths, lag)
    production, teal = found(repository, None), found(repository, "teal")
    assert production is not None
    assert (production.status, production.branch) == ("ready", repository.default)
    assert production.sha == repository.heads[repository.default]
    assert_every_generation_was_told(repository.history, production)
    if teal is not None:
        assert_every_generation_was_told(repository.history, teal)
        assert not teal.is_live or teal.sha == repository.heads.get("teal")
