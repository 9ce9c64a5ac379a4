"""A pull request on record, and the steps that comment on it, with a pretended writer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from choreography.reaction import Fact, RetryLaterError
from comments.render_comment import steps
from comments.sticky import Stickies, Sticky
from comments.write import Writer
from github_app.access import Place
from github_app.client import Comment
from prestage_contracts.comments import PrCommented, PrCommentedData
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.environments import PreviewSkipped, PreviewSkippedData
from prestage_contracts.snapshot import Repository
from records.apps import App
from records.environments import Environment, Environments
from records.life import Report
from records.skips import Skip, Skips
from tests.unit.dynamodb import Local
from tests.unit.github_stage import Now
from tests.unit.record_examples import NOW, REPOSITORY, app, pull_request, tell
from tests.unit.steps import created, event_id, metadata

API, SHOP, WEB = app("api"), app("storefront"), app("web")
CAUSE, ANOTHER, THIRD = 101, 102, 103


@dataclass
class GitHub:
    """Writes comments. `acts` says what happens meanwhile, one for each write: None for nothing."""

    acts: list[Callable[[], object] | None] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    known: list[int | None] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    comment_id: int | None = None

    def write(self, place: Place, _number: int, body: str, known: int | None, *, create: bool) -> Comment | None:
        self.places.append(place)
        self.known.append(known)
        if self.acts and (act := self.acts.pop(0)):
            act()
        if self.comment_id is None and not create:
            return None
        self.comment_id = self.comment_id or 5 + len(self.bodies)
        self.bodies.append(body)
        return Comment(id=self.comment_id, html_url=f"https://github.com/c/{self.comment_id}")


@dataclass
class World:
    local: Local
    github: GitHub = field(default_factory=GitHub)
    now: Now = field(default_factory=Now)

    @property
    def stickies(self) -> Stickies:
        return Stickies(self.local.table, self.now)

    @property
    def environments(self) -> Environments:
        return Environments(self.local.table)

    def react(
        self, event: Event, writer: Callable[[], object] | None = None, stickies: Stickies | None = None
    ) -> Sequence[Fact]:
        build = writer or (lambda: self.github)
        made = steps(self.local.table, stickies or self.stickies, cast("Callable[[], Writer]", build))
        return made[type(event)].do(event)

    def tell(self, event: Event, writer: Callable[[], object] | None = None) -> PrCommentedData:
        [fact] = self.react(event, writer)
        assert fact.event is PrCommented
        assert isinstance(fact.data, PrCommentedData)
        return fact.data

    def render(self, environment: Environment, number: int = CAUSE) -> PrCommentedData:
        return self.tell(created(environment, number))

    def sticky(self) -> Sticky:
        return self.stickies.get(REPOSITORY.id, 3)

    def is_free(self) -> bool:
        try:
            self.stickies.release(self.stickies.claim(REPOSITORY.id, 3))
        except RetryLaterError:
            return False
        return True

    def change(self, environment: Environment) -> None:
        """Write the environment's records anew, as a change of any of it does."""
        for item in self.local.items():
            if item.get("id", {}).get("S") == environment.id:
                found = self.local.item(item["pk"]["S"], item["sk"]["S"])
                self.local.table.put({**found, "revision": found["revision"] + 1})

    def report(self, environment: Environment, move: Report, number: int = 61, **told: Any) -> Environment:
        moved = self.environments.report(environment.id, environment.generation, move, event_id(number), NOW, **told)
        assert moved is not None
        return moved

    def end(self, environment: Environment, code: str, intent: int = 40) -> Environment:
        reason = Reason(code=code, message="The App is gone.")
        found = self.environments.close(environment.id, event_id(intent), reason, NOW)
        assert found is not None
        return found

    def skip(self, of: App, code: str = "fork", intent: int = 30, message: str = "Not for this one.") -> Skip:
        """By the app's policy, and the event with that number, which is the last word on the pull request."""
        last_word = tell(self.local.table, event_id(intent), updated_at=NOW.replace(minute=intent))
        made = Skip(
            repository_id=REPOSITORY.id,
            number=3,
            app_id=of.id,
            app_name=of.name,
            reason=Reason(code=code, message=message),
            decided_by=event_id(intent),
        )
        assert Skips(self.local.table).keep(made, last_word)
        return made


def skipped(skip: Skip, number: int = 107, repository: Repository = REPOSITORY) -> PreviewSkipped:
    about = {"repository": repository, "pull_request": pull_request(skip.number), "reason": skip.reason}
    data = PreviewSkippedData.model_validate({**about, "app_id": skip.app_id, "app_name": skip.app_name})
    return PreviewSkipped(metadata=metadata(number), data=data)
