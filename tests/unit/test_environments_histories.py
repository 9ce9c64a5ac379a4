"""Whatever happens to a pull request, in whatever order it is told, wherever a step dies: the records agree with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from prestage_contracts.envelope import Event
from prestage_contracts.environments import PreviewSkipped
from records.apps import App
from records.pull_requests import State
from tests.unit.environment_asks import asked_for, asked_to_stop, changed, ended, opened
from tests.unit.environments_history import History, assert_every_generation_was_told
from tests.unit.environments_stage import SHOP, after, commit, word
from tests.unit.interleaved import Turns

type Acts = Sequence[tuple[str, int]]

ACTS = ["push", "push", "close", "merge", "reopen", "draft_or_not", "label", "start", "stop", "retry", "stranger"]

histories = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 1)), max_size=7)
policies = st.fixed_dictionaries(
    {"drafts": st.sampled_from(["preview", "ignore"]), "previews": st.sampled_from(["every", "label", "command"])}
)


@dataclass
class PullRequest:
    """Pull request 3 on GitHub, and what somebody who may write asked for last; each change is told of at once."""

    history: History
    at: int = 0
    state: State = "open"
    sha: str = commit(0)
    draft: bool = False
    labels: tuple[str, ...] = ()
    asked: Event | None = None
    asked_at: int = 0
    closed_at: int = -1

    def lives(self, acts: Acts) -> None:
        """Opened, and then one thing after another; those that can't happen don't."""
        self._say(opened(self.history.number(), 0, **self._told()))
        for act, seconds in acts:
            self.history.turns.pause()
            self.at = max(self.at + seconds, self.history.seconds)
            getattr(self, act)()

    def is_wanted(self, app: App) -> bool:
        """The rule, in other words than the code's."""
        if self.state != "open":
            return False
        if self.is_asked_for():
            return self.asked is not None and self.asked.name() == "PreviewRequested"
        is_ready = app.drafts == "preview" or not self.draft
        return is_ready and (app.previews == "every" or (app.previews == "label" and "preview" in self.labels))

    def is_asked_for(self) -> bool:
        return self.asked is not None and self.asked_at > self.closed_at

    def push(self) -> None:
        self.sha = commit(self.history.number())
        self._change("synchronize")

    def close(self, state: State = "closed") -> None:
        if self.state == "open":
            self.state, self.closed_at = state, self.at
            self._say(ended(self.history.number(), self.at, merged=state == "merged", **self._told()))

    def merge(self) -> None:
        self.close("merged")

    def reopen(self) -> None:
        if self.state == "closed":
            self.state = "open"
            self._say(opened(self.history.number(), self.at, action="reopened", **self._told()))

    def draft_or_not(self) -> None:
        self.draft = not self.draft
        self._change("converted_to_draft" if self.draft else "ready_for_review")

    def label(self) -> None:
        self.labels = () if self.labels else ("preview",)
        self._change("labeled" if self.labels else "unlabeled")

    def start(self, *, retry: bool = False) -> None:
        self._ask(asked_for(self.history.number(), self.at, retry=retry))

    def retry(self) -> None:
        self.start(retry=True)

    def stop(self) -> None:
        self._ask(asked_to_stop(self.history.number(), self.at))

    def stranger(self) -> None:
        self._say(asked_to_stop(self.history.number(), self.at, by="mallory"))

    def _ask(self, event: Event) -> None:
        if self.state == "open":
            self.asked, self.asked_at = event, self.at
            self._say(event)

    def _change(self, action: str) -> None:
        if self.state == "open":
            self._say(changed(self.history.number(), self.at, action=action, **self._told()))

    def _told(self) -> dict[str, Any]:
        return {"sha": self.sha, "draft": self.draft, "labels": self.labels}

    def _say(self, event: Event) -> None:
        now = self.history.world.now
        self.history.github.changes()
        self.history.github.has(word(self.at, **self._told()), self.state)
        now.moment = max(now.moment, after(self.at))
        self.history.tell(event)


def lived(seed: int, acts: Acts, app: App, deaths: int, lag: int) -> PullRequest:
    """A pull request of the app's repository after all that, and after all that it led to."""
    history = History(Turns(Random(seed), deaths), lag, apps=(app,))  # noqa: S311  # not a secret
    pull_request = PullRequest(history)
    history.turns.add(lambda: pull_request.lives(acts), is_mortal=False)
    history.turns.run()
    return pull_request


@settings(max_examples=300)
@given(
    acts=histories,
    policy=policies,
    seed=st.integers(0, 2**32),
    deaths=st.integers(0, 3),
    lag=st.sampled_from([0, 0, 1, 4, 14]),
)
def test_the_records_agree_with_github_in_the_end_and_every_generation_was_told(
    acts: Acts, policy: dict[str, Any], seed: int, deaths: int, lag: int
) -> None:
    app = SHOP.model_copy(update=policy)
    found = lived(seed, acts, app, deaths, lag)
    world, is_wanted = found.history.world, found.is_wanted(app)
    assert world.recorded().state == found.state
    environments = world.environments()
    if is_wanted:
        assert [(one.status, one.sha) for one in environments] == [("ready", found.sha)]
    assert all(one.status == "stopped" for one in environments if not is_wanted)
    for environment in environments:
        assert_every_generation_was_told(found.history, environment)
    assert_skips_were_told(found, is_wanted=is_wanted)
    if is_wanted and found.is_asked_for() and found.asked == with_retry(found.asked):
        assert any(event == found.asked for event, _ in found.history.facts)


def assert_skips_were_told(found: PullRequest, *, is_wanted: bool) -> None:
    told = [(str(event.metadata.event_id), about["reason"]) for event, about in found.history.told(PreviewSkipped)]
    skips = found.history.world.skips()
    assert not (skips and is_wanted)
    assert skips or is_wanted or found.state != "open"
    assert all((skip.decided_by, skip.reason.model_dump()) in told for skip in skips)


def with_retry(event: Event | None) -> Event | None:
    """The event, if it asks for the same commit afresh: then something follows from it, whatever is deployed."""
    return event if event is not None and event.data.model_dump().get("retry") else None
