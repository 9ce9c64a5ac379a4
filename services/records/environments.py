"""Environments: three records each, written together: every key reads strongly consistent. See docs/adr/0003."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID, uuid5

from boto3.dynamodb.conditions import Attr, ConditionBase
from pydantic import AwareDatetime, Field

from prestage_contracts.envelope import EnvironmentType, Frozen, Reason, Text
from prestage_contracts.reports import CheckName
from prestage_contracts.snapshot import (
    EnvironmentSnapshot,
    GitHubId,
    Identifier,
    PullRequestReference,
    Repository,
    Sha,
    Stage,
    Url,
)
from records.apps import STANDING, app_key
from records.life import LIVE, MOVES, Intent, Report, Status, is_legal
from records.revocations import not_revoked
from records.table import ABSENT, Check, ConditionFailedError, ConflictError, Item, Put, Table, Write

_NAMESPACE = UUID("d2f0a0f4-6f0e-5c4e-8a56-5a1f7f0b6c21")
_TRIES = 4

MOST_MARKS = 20
"""Generations whose cause is remembered. A step that was broken off finds its mark among them when it is repeated."""


class Mark(Frozen):
    """What raised a generation: the move, the event's id, and the commit. `reports` are the events that told of it."""

    generation: Annotated[int, Field(ge=1)]
    move: Intent
    cause: Text
    sha: Sha
    reason: Reason | None = None
    reports: tuple[Text, ...] = ()


class Environment(Frozen):
    """An environment as it is now.

    `generation` counts intents; `marks` has what raised the last of them. `reason`, `stage` and `log_url` say why it
    failed or was closed. `own_host` is the address's host name where that is of the application's owner, None where it
    is Fly.io's. By the app's policy when the generation began, `with_secrets` says whether what runs here is trusted
    with the app's secrets, `with_password` whether its visitors have to give a password, and `required_checks` which
    checks of other teams its deployment waits for. `intended_at` is when that was. `revision` rises with every write.
    """

    id: Identifier
    app_id: Identifier
    app_name: Text
    type: EnvironmentType
    repository: Repository
    installation_id: GitHubId
    branch: Text
    sha: Sha
    pull_request: PullRequestReference | None
    generation: Annotated[int, Field(ge=1)] = 1
    marks: tuple[Mark, ...] = ()
    status: Status = "deploying"
    reason: Reason | None = None
    stage: Stage | None = None
    log_url: Url | None = None
    with_secrets: bool
    with_password: bool = False
    fly_app: Text
    address: Url
    own_host: Text | None = None
    required_checks: tuple[CheckName, ...] = ()
    created_at: AwareDatetime
    intended_at: AwareDatetime
    updated_at: AwareDatetime
    revision: Annotated[int, Field(ge=1)] = 1

    @property
    def is_live(self) -> bool:
        """Whether it is wanted."""
        return self.status in LIVE

    def snapshot(self) -> EnvironmentSnapshot:
        """What facts about it say."""
        return EnvironmentSnapshot.model_validate(self.model_dump())

    def mark(self, cause: str) -> Mark | None:
        """What that event raised, None if it raised nothing that is still remembered."""
        return next((mark for mark in reversed(self.marks) if mark.cause == cause), None)

    def mark_of(self, generation: int) -> Mark | None:
        """What raised that generation, None if that is not remembered any more."""
        return next((mark for mark in self.marks if mark.generation == generation), None)

    def snapshot_at(self, mark: Mark) -> EnvironmentSnapshot:
        """What facts said of it when that mark was made."""
        return self.snapshot().model_copy(update={"generation": mark.generation, "sha": mark.sha})

    def raised(self, move: Intent, cause: str, now: datetime, reason: Reason | None = None) -> Self:
        """It, in its next generation."""
        generation = self.generation + 1
        mark = Mark(generation=generation, move=move, cause=cause, sha=self.sha, reason=reason)
        return self.model_copy(
            update={
                "generation": generation,
                "marks": (*self.marks, mark)[-MOST_MARKS:],
                "status": MOVES[self.status, move],
                "reason": reason,
                "stage": None,
                "log_url": None,
                "intended_at": now,
                "updated_at": now,
                "revision": self.revision + 1,
            }
        )

    def reported(self, move: Report, cause: str, now: datetime, told: Mapping[str, Any]) -> Self:
        """It, after a report on its generation."""
        cleared = {"reason": None, "stage": None, "log_url": None} if move == "ready" else {}
        *before, mark = self.marks
        marks = (*before, mark.model_copy(update={"reports": (*mark.reports, cause)}))
        moved = {"status": MOVES[self.status, move], "marks": marks, "updated_at": now}
        return self.model_copy(update={**cleared, **told, **moved, "revision": self.revision + 1})


class SupersededError(Exception):
    """What the environment was wanted for no longer holds: a newer word came, or the app is going."""


class CapReachedError(Exception):
    """The app has as many live previews as it may have."""


class Environments:
    """The environments on record."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, environment_id: str) -> Environment | None:
        """The environment, or None."""
        item = self._table.get(**environment_key(environment_id))
        return Environment.model_validate(item) if item else None

    def live_at(self, environment_id: str, generation: int) -> Environment | None:
        """The environment, if that is its current generation and it is live; otherwise None."""
        found = self.get(environment_id)
        return found if found and found.generation == generation and found.is_live else None

    def list_by_pull_request(self, repository_id: int, number: int) -> list[Environment]:
        """The environments of a pull request, by app name."""
        items = self._table.query(f"REPOSITORY#{repository_id}", begins_with=f"TRACKS#PULL_REQUEST#{number}#")
        return sorted((Environment.model_validate(item) for item in items), key=lambda found: found.app_name)

    def list_by_repository(self, repository_id: int) -> list[Environment]:
        """The environments of a repository, the oldest first."""
        items = self._table.query(f"REPOSITORY#{repository_id}", begins_with="TRACKS#")
        return sorted((Environment.model_validate(item) for item in items), key=lambda found: found.created_at)

    def list_by_app(self, app_id: str) -> list[Environment]:
        """The environments of an app, the oldest first."""
        items = self._table.query(f"APP#{app_id}", begins_with="ENVIRONMENT#")
        return sorted((Environment.model_validate(item) for item in items), key=lambda found: found.created_at)

    def list_all(self) -> list[Environment]:
        """Every environment, the oldest first. Reads the whole table: not for a step."""
        items = self._table.scan(sk="ENVIRONMENT")
        return sorted((Environment.model_validate(item) for item in items), key=lambda found: found.created_at)

    def count_live(self, app_id: str) -> int:
        """How many live previews the app has."""
        item = self._table.get(**_count_key(app_id))
        return int(item["live"]) if item else 0

    def deploy(
        self,
        wanted: Environment,
        cause: str,
        while_holds: Sequence[Check] = (),
        *,
        most_live: int | None = None,
        afresh: bool = False,
        seen_at: int | None = None,
    ) -> Environment:
        """Have the environment be what is wanted: begin it, or raise its generation.

        It stays as it is if `cause` did that already, or if it is live with the same commit (unless `afresh`): `mark`
        tells. `most_live` is how many live previews the app may have. `seen_at` is the revision that what is wanted
        was decided at, 0 for none.

        Raises:
            SupersededError: `while_holds` no longer does, the revision is another one, the app is being removed, or
                the GitHub App lost the repository.
            CapReachedError: there are as many live previews as there may be.
            ConflictError: others keep writing it; try again.
        """
        stands = Check(**app_key(wanted.app_id), condition=STANDING)
        checks = [*while_holds, stands, not_revoked(wanted.installation_id, wanted.repository.id)]

        def change(current: Environment | None) -> Environment | None:
            if current is not None and current.mark(cause):
                return None
            if seen_at is not None and seen_at != (current.revision if current else 0):
                raise SupersededError
            if current is None:
                return _begun(wanted, cause)
            if current.is_live and not afresh and _is_same(current, wanted):
                return None
            move: Intent = "update" if current.is_live else "begin"
            return _merged(current, wanted).raised(move, cause, wanted.updated_at)

        changed = self._change(wanted.id, change, checks, most_live)
        if changed is None:  # there is no environment, and nothing made one
            raise SupersededError
        return changed

    def close(
        self,
        environment_id: str,
        cause: str,
        reason: Reason,
        now: datetime,
        while_holds: Sequence[Check] = (),
        *,
        seen_at: int | None = None,
    ) -> Environment | None:
        """End the environment, if it is live; gives it as it is then, None if there never was one.

        `mark` tells whether `cause` did. `seen_at` is the revision that this was decided at.

        Raises:
            SupersededError: `while_holds` no longer does, or the revision is another one.
            ConflictError: others keep writing it; try again.
        """

        def change(current: Environment | None) -> Environment | None:
            if current is None or current.mark(cause) or not is_legal(current.status, "close"):
                return None
            if seen_at is not None and seen_at != current.revision:
                raise SupersededError
            return current.raised("close", cause, now, reason)

        return self._change(environment_id, change, while_holds)

    def report(
        self, environment_id: str, generation: int, move: Report, cause: str, now: datetime, **told: Any
    ) -> Environment | None:
        """Write down how a generation does; gives the environment, None if the report was not legal any more.

        Who reported already may do so again, also when the environment has moved on since: `mark_of` tells the
        generation.

        Args:
            environment_id: the environment.
            generation: which the report is about.
            move: what is reported.
            cause: the event that reports.
            now: the time.
            told: `reason`, `stage` and `log_url` of a failure.

        Raises:
            ConflictError: others keep writing it; try again.
        """

        def change(current: Environment | None) -> Environment | None:
            if current is None or current.generation != generation or not is_legal(current.status, move):
                return None
            return current.reported(move, cause, now, told)

        found = self._change(environment_id, change, ())
        mark = found.mark_of(generation) if found else None
        return found if mark and cause in mark.reports else None

    def _change(
        self,
        environment_id: str,
        change: Callable[[Environment | None], Environment | None],
        checks: Sequence[Check],
        most_live: int | None = None,
    ) -> Environment | None:
        """Write what `change` makes of the environment; as it is where that is None."""
        for _ in range(_TRIES):
            current = self.get(environment_id)
            following = change(current)
            if following is None:
                return current
            if self._write(following, current, checks, most_live):
                return following
        raise ConflictError

    def _write(
        self, environment: Environment, current: Environment | None, checks: Sequence[Check], most_live: int | None
    ) -> bool:
        unchanged = Attr("revision").eq(current.revision) if current else ABSENT
        counted = self._counted(environment, current, most_live)
        try:
            self._table.transact([*checks, *_puts(environment, unchanged), *counted])
        except ConditionFailedError as error:
            if any(error.failed[: len(checks)]):
                raise SupersededError from None
            return False
        except ConflictError:
            return False
        return True

    def _counted(self, environment: Environment, current: Environment | None, most_live: int | None) -> list[Write]:
        """The app's count of live previews, where it changes."""
        change = environment.is_live - (current is not None and current.is_live)
        if environment.type != "preview" or not change:
            return []
        key = _count_key(environment.app_id)
        item = self._table.get(**key)
        live = int(item["live"]) if item else 0
        if change > 0 and most_live is not None and live >= most_live:
            raise CapReachedError
        return [Put({**key, "live": live + change}, Attr("live").eq(live) if item else ABSENT)]


def environment_id(app_id: str, environment_type: EnvironmentType, tracks: int | str | None) -> str:
    """The id of the app's environment for a pull request's number or a branch; production tracks None.

    Derived, so that creating it twice is creating it once.
    """
    return str(uuid5(_NAMESPACE, json.dumps([app_id, environment_type, tracks])))


def environment_key(environment_id: str) -> dict[str, str]:
    """The key of an environment's record."""
    return {"pk": f"ENVIRONMENT#{environment_id}", "sk": "ENVIRONMENT"}


def new_environment(
    *,
    app_id: str,
    type: EnvironmentType,  # noqa: A002  # the record's own name for it
    branch: str,
    pull_request: PullRequestReference | None = None,
    now: datetime,
    **facts: object,
) -> Environment:
    """An environment that is not on record yet: a pull request's, production, or else a branch's."""
    tracks = pull_request.number if pull_request else None if type == "production" else branch
    given = {"app_id": app_id, "type": type, "branch": branch, "pull_request": pull_request, **facts}
    times = {"created_at": now, "intended_at": now, "updated_at": now}
    return Environment.model_validate({**given, **times, "id": environment_id(app_id, type, tracks)})


def _begun(wanted: Environment, cause: str) -> Environment:
    mark = Mark(generation=1, move="begin", cause=cause, sha=wanted.sha)
    return wanted.model_copy(update={"marks": (mark,), "status": MOVES[None, "begin"]})


def _is_same(current: Environment, wanted: Environment) -> bool:
    compared = ("sha", "branch", "with_secrets", "with_password", "installation_id")
    return all(getattr(current, name) == getattr(wanted, name) for name in compared)


def _merged(current: Environment, wanted: Environment) -> Environment:
    """What is wanted of the environment, with what it keeps: its Fly app, and while it is live its address."""
    tracked = ("app_name", "repository", "installation_id", "branch", "sha", "pull_request")
    told = (*tracked, "with_secrets", "with_password", "required_checks")
    changed = told if current.is_live else (*told, "address", "own_host")
    return current.model_copy(update={name: getattr(wanted, name) for name in changed})


def _puts(environment: Environment, condition: ConditionBase) -> list[Put]:
    item: Item = environment.model_dump(mode="json")
    return [Put({**item, **key}, condition) for key in _keys(environment)]


def _keys(environment: Environment) -> list[dict[str, str]]:
    repository = f"REPOSITORY#{environment.repository.id}"
    return [
        environment_key(environment.id),
        {"pk": f"APP#{environment.app_id}", "sk": f"ENVIRONMENT#{environment.id}"},
        {"pk": repository, "sk": f"TRACKS#{_tracks(environment)}"},
    ]


def _tracks(environment: Environment) -> str:
    if environment.pull_request:
        return f"PULL_REQUEST#{environment.pull_request.number}#{environment.app_id}"
    if environment.type == "production":
        return f"PRODUCTION#{environment.app_id}"
    return f"BRANCH#{environment.app_id}#{environment.branch}"


def _count_key(app_id: str) -> dict[str, str]:
    return {"pk": f"APP#{app_id}", "sk": "PREVIEWS"}
