"""Environments: three records each, written together: every key reads strongly consistent. See docs/adr/0003."""

import json
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from boto3.dynamodb.conditions import Attr, ConditionBase
from pydantic import AwareDatetime, Field

from prestage_contracts.envelope import EnvironmentType, Frozen, Text
from prestage_contracts.snapshot import (
    EnvironmentSnapshot,
    GitHubId,
    Identifier,
    PullRequestReference,
    Repository,
    Sha,
    Url,
)
from records.apps import STANDING, app_key
from records.table import ABSENT, Check, ConditionFailedError, ConflictError, Item, Put, Table

_NAMESPACE = UUID("d2f0a0f4-6f0e-5c4e-8a56-5a1f7f0b6c21")
_TRIES = 3


class Environment(Frozen):
    """An environment as it is now.

    `generation` counts intents; `intent` is the id of the event that raised it. `with_secrets` says whether what runs
    here is trusted with the app's secrets. `revision` rises with every write.
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
    intent: Text
    status: Literal["deploying", "closed"] = "deploying"
    with_secrets: bool
    fly_app: Text
    address: Url
    created_at: AwareDatetime
    updated_at: AwareDatetime
    revision: Annotated[int, Field(ge=1)] = 1

    def snapshot(self) -> EnvironmentSnapshot:
        """What facts about it say."""
        return EnvironmentSnapshot.model_validate(self.model_dump())

    def following(self, now: Self) -> Self:
        """`now`, as the next generation of this environment: same name, same address."""
        kept = {name: getattr(self, name) for name in ("fly_app", "address", "created_at")}
        counted = {"generation": self.generation + 1, "revision": self.revision + 1}
        return now.model_copy(update={**kept, **counted})


class SupersededError(Exception):
    """What the environment was wanted for no longer holds: a newer word on the pull request, or the app is going."""


class Environments:
    """The environments on record."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, environment_id: str) -> Environment | None:
        """The environment, or None."""
        item = self._table.get(**environment_key(environment_id))
        return Environment.model_validate(item) if item else None

    def live_at(self, environment_id: str, generation: int) -> Environment | None:
        """The environment, if that is its current generation and it is not closed; otherwise None."""
        found = self.get(environment_id)
        return found if found and found.generation == generation and found.status != "closed" else None

    def list_by_pull_request(self, repository_id: int, number: int) -> list[Environment]:
        """The environments of a pull request, by app name."""
        items = self._table.query(f"REPOSITORY#{repository_id}", begins_with=f"TRACKS#PULL_REQUEST#{number}#")
        return sorted((Environment.model_validate(item) for item in items), key=lambda found: found.app_name)

    def list_by_app(self, app_id: str) -> list[Environment]:
        """The environments of an app, the oldest first."""
        items = self._table.query(f"APP#{app_id}", begins_with="ENVIRONMENT#")
        return sorted((Environment.model_validate(item) for item in items), key=lambda found: found.created_at)

    def begin(self, wanted: Environment, while_holds: Check) -> Environment:
        """Create the environment, or begin its next generation; as it is if `wanted.intent` began it already.

        Raises:
            SupersededError: `while_holds` no longer does, or the app is being removed.
            ConflictError: others keep writing it; try again.
        """
        for _ in range(_TRIES):
            current = self.get(wanted.id)
            if current and current.intent == wanted.intent:
                return current
            following = current.following(wanted) if current else wanted
            if self._write(following, current, while_holds):
                return following
        raise ConflictError

    def _write(self, environment: Environment, current: Environment | None, while_holds: Check) -> bool:
        unchanged = Attr("revision").eq(current.revision) if current else ABSENT
        app = app_key(environment.app_id)
        checks = [while_holds, Check(app["pk"], app["sk"], condition=STANDING)]
        try:
            self._table.transact([*checks, *_puts(environment, unchanged)])
        except ConditionFailedError as error:
            if any(error.failed[: len(checks)]):
                raise SupersededError from None
            return False
        except ConflictError:
            return False
        return True


def environment_id(app_id: str, environment_type: EnvironmentType, tracks: int | str | None) -> str:
    """The id of the app's environment for a pull request's number or a branch; production tracks None.

    Derived, so that creating it twice is creating it once.
    """
    return str(uuid5(_NAMESPACE, json.dumps([app_id, environment_type, tracks])))


def environment_key(environment_id: str) -> dict[str, str]:
    """The key of an environment's record."""
    return {"pk": f"ENVIRONMENT#{environment_id}", "sk": "ENVIRONMENT"}


def new_preview(
    *, app_id: str, app_name: str, pull_request: PullRequestReference, now: datetime, **facts: object
) -> Environment:
    """A pull request's environment that is not on record yet."""
    given = {"app_id": app_id, "app_name": app_name, "pull_request": pull_request, "created_at": now, **facts}
    found = environment_id(app_id, "preview", pull_request.number)
    return Environment.model_validate({**given, "id": found, "type": "preview", "updated_at": now})


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
