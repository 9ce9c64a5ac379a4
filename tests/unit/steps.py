"""The facts that lead to steps, as their producers state them, and what steps log."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast
from uuid import UUID

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from prestage_contracts.envelope import Metadata
from prestage_contracts.environments import EnvironmentCreated, EnvironmentCreatedData
from prestage_contracts.ingress import Head, PullRequestOpened, PullRequestOpenedData
from prestage_contracts.snapshot import EnvironmentSnapshot, Repository
from prestage_contracts.vault import BundleReference, SecretsResolved, SecretsResolvedData
from records.apps import App, Apps
from records.environments import Environment, Environments
from records.pull_requests import PullRequests, still_told_by
from records.table import Table
from records.users import Users
from sealing.keyed import Keyed
from tests.unit.record_examples import NOW, REPOSITORY, SHA, preview, told, user

KEYED = Keyed(SecretStr("k" * 64))
STRANGE_SHA = "f" * 40


def event_id(number: int) -> str:
    return str(UUID(int=number))


def metadata(number: int) -> Metadata:
    return Metadata(
        event_id=UUID(int=number),
        correlation_id="72d3162e-cc78-11e3-81ab-4c9367dc0958",
        causation_id="72d3162e-cc78-11e3-81ab-4c9367dc0958",
        version="1.0",
        occurred_at=NOW,
        hop=0,
        group=str(REPOSITORY.id),
    )


def opened(
    number: int = 1, *, head: int | None = REPOSITORY.id, branch: str = "teal", **changes: Any
) -> PullRequestOpened:
    """Pull request 3 as the event with that number tells it; `head` is the head repository's id."""
    given = {
        "action": "opened",
        "repository": REPOSITORY,
        "default_branch": "main",
        "installation_id": 7,
        "pull_request": preview().pull_request,
        "author_type": "User",
        "head": Head(branch=branch, sha=changes.pop("sha", SHA), repository_id=head),
        "draft": False,
        "updated_at": NOW,
        **changes,
    }
    return PullRequestOpened(metadata=metadata(number), data=PullRequestOpenedData.model_validate(given))


def created(environment: Environment | EnvironmentSnapshot, number: int = 101) -> EnvironmentCreated:
    return EnvironmentCreated(
        metadata=metadata(number), data=EnvironmentCreatedData(environment=_snapshot(environment))
    )


def resolved(environment: Environment | EnvironmentSnapshot, number: int = 201) -> SecretsResolved:
    about = _snapshot(environment)
    bundle = BundleReference(environment_id=about.id, generation=about.generation)
    data = SecretsResolvedData(environment=about, names=("PLANTED",), bundle=bundle)
    return SecretsResolved(metadata=metadata(number), data=data)


def forged(environment: Environment) -> EnvironmentSnapshot:
    """A snapshot that has the environment's id and generation, and is wrong in all else that it says."""
    wrong = {
        "app_id": "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2aff",
        "app_name": "somebody-elses",
        "type": "production",
        "repository": Repository(id=666, full_name="mallory/mine"),
        "installation_id": 666,
        "branch": "evil",
        "sha": STRANGE_SHA,
        "pull_request": preview(number=666).pull_request,
        "address": "https://evil.example.com",
    }
    return environment.snapshot().model_copy(update=wrong)


def begin(table: Table, intent: int = 1, *, of: App, number: int = 3, **facts: Any) -> Environment:
    """The app's environment for a pull request, begun by that event, which is GitHub's last word on it."""
    word = event_id(intent)
    at = NOW.replace(minute=intent)
    assert PullRequests(table).tell(told(word, repository_id=of.repository.id, number=number, updated_at=at))
    wanted = preview(word, of=of, number=number, **facts)
    return Environments(table).begin(wanted, still_told_by(of.repository.id, number, word))


def close(table: Table, environment: Environment) -> None:
    """As the step that closes will: in all three records."""
    closed = environment.model_copy(update={"status": "closed"}).model_dump(mode="json")
    number = environment.pull_request.number if environment.pull_request else 0
    for pk, sk in (
        (f"ENVIRONMENT#{environment.id}", "ENVIRONMENT"),
        (f"APP#{environment.app_id}", f"ENVIRONMENT#{environment.id}"),
        (f"REPOSITORY#{environment.repository.id}", f"TRACKS#PULL_REQUEST#{number}#{environment.app_id}"),
    ):
        table.put({**closed, "pk": pk, "sk": sk})


def register(table: Table, *apps: App) -> None:
    """Put the apps and their owner on record; GitHub has told nothing yet."""
    Users(table).add(user())
    for app in apps:
        Apps(table).add(app)


@contextmanager
def logged(logger: Logger) -> Iterator[io.StringIO]:
    """What the logger writes meanwhile."""
    stream = io.StringIO()
    handler = cast("Any", logger.registered_handler)
    before: TextIO = handler.setStream(stream) or sys.stdout
    try:
        yield stream
    finally:
        handler.setStream(before)


def _snapshot(environment: Environment | EnvironmentSnapshot) -> EnvironmentSnapshot:
    return environment.snapshot() if isinstance(environment, Environment) else environment
