"""The facts that lead to steps, as their producers state them, and what steps log."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast
from uuid import UUID

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from prestage_contracts.envelope import Metadata, Reason
from prestage_contracts.environments import (
    EnvironmentClosed,
    EnvironmentClosedData,
    EnvironmentCreated,
    EnvironmentCreatedData,
    EnvironmentUpdated,
    EnvironmentUpdatedData,
)
from prestage_contracts.ingress import PullRequestOpened, PullRequestOpenedData
from prestage_contracts.janitor import RuntimeOrphaned, RuntimeOrphanedData
from prestage_contracts.runtimes import RuntimeRequested, RuntimeRequestedData
from prestage_contracts.snapshot import EnvironmentSnapshot, Repository
from prestage_contracts.vault import BundleReference, SecretsResolved, SecretsResolvedData
from records.apps import App, Apps
from records.environments import Environment, Environments
from records.table import Table
from records.users import Users
from sealing.keyed import Keyed
from tests.unit.record_examples import NOW, REPOSITORY, preview, pull_request, tell, told, user

KEYED = Keyed(SecretStr("k" * 64))
STRANGE_SHA = "f" * 40
CLOSED = Reason(code="pull_request_closed", message="The pull request was closed.")


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


def opened(number: int = 1, *, action: str = "opened", **changes: Any) -> PullRequestOpened:
    """Pull request 3 as the event with that number tells it; the rest is as in `told`."""
    data = {"action": action, **told(**changes).model_dump()}
    return PullRequestOpened(metadata=metadata(number), data=PullRequestOpenedData.model_validate(data))


def created(environment: Environment | EnvironmentSnapshot, number: int = 101) -> EnvironmentCreated:
    return EnvironmentCreated(
        metadata=metadata(number), data=EnvironmentCreatedData(environment=_snapshot(environment))
    )


def updated(environment: Environment | EnvironmentSnapshot, number: int = 102) -> EnvironmentUpdated:
    return EnvironmentUpdated(
        metadata=metadata(number), data=EnvironmentUpdatedData(environment=_snapshot(environment))
    )


def closed(environment: Environment | EnvironmentSnapshot, number: int = 103) -> EnvironmentClosed:
    data = EnvironmentClosedData(environment=_snapshot(environment), reason=CLOSED)
    return EnvironmentClosed(metadata=metadata(number), data=data)


def resolved(environment: Environment | EnvironmentSnapshot, number: int = 201) -> SecretsResolved:
    about = _snapshot(environment)
    bundle = BundleReference(environment_id=about.id, generation=about.generation)
    data = SecretsResolvedData(environment=about, names=("PLANTED",), bundle=bundle)
    return SecretsResolved(metadata=metadata(number), data=data)


def requested(environment: Environment | EnvironmentSnapshot, number: int = 301, **changes: Any) -> RuntimeRequested:
    """`changes` are what the fact says otherwise of the runtime."""
    about = _snapshot(environment)
    runtime = {
        "provider": "fly.io",
        "fly_app": "prestage-3",
        "machine_id": "3d8d9014b32d89",
        "region": "iad",
        "address": about.address,
        **changes,
    }
    data = RuntimeRequestedData.model_validate({"environment": about, "runtime": runtime})
    return RuntimeRequested(metadata=metadata(number), data=data)


def orphaned(fly_app: str, environment_id: str | None = None, number: int = 401) -> RuntimeOrphaned:
    data = RuntimeOrphanedData(fly_app=fly_app, environment_id=environment_id)
    return RuntimeOrphaned(metadata=metadata(number), data=data)


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
        "pull_request": pull_request(666),
        "address": "https://evil.example.com",
    }
    return environment.snapshot().model_copy(update=wrong)


def begin(table: Table, intent: int = 1, *, of: App, number: int = 3, **facts: Any) -> Environment:
    """The next generation of the app's environment for a pull request, by that event, which is the last word on it."""
    told_by = event_id(intent)
    last_word = tell(
        table, told_by, repository_id=of.repository.id, number=number, updated_at=NOW.replace(minute=intent)
    )
    return Environments(table).deploy(preview(of=of, number=number, **facts), told_by, [last_word], afresh=True)


def close(table: Table, environment: Environment, intent: int = 50) -> Environment:
    """The environment closed by that event, in its next generation."""
    found = Environments(table).close(environment.id, event_id(intent), CLOSED, NOW.replace(minute=intent))
    assert found is not None
    return found


def stop(table: Table, closing: Environment, report: int = 60) -> Environment:
    """The closed environment, as it is once that event said that its runtime is gone."""
    found = Environments(table).report(closing.id, closing.generation, "remove", event_id(report), NOW)
    assert found is not None
    return found


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
