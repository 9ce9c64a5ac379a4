"""An example of every event. Together they tell one story, and how each of its steps could have failed instead."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from prestage_contracts import (
    EVENTS,
    EnvironmentCreated,
    Event,
    PrCommented,
    PrCommentFailed,
    PreviewFailed,
    PreviewSkipped,
    PullRequestOpened,
    RuntimeFailed,
    RuntimeRequested,
    SecretsFailed,
    SecretsResolved,
)
from prestage_contracts.comments import PrCommentedData, Shown
from prestage_contracts.envelope import Data, Metadata, Reason, identify
from prestage_contracts.environments import EnvironmentCreatedData, PreviewFailedData, PreviewSkippedData
from prestage_contracts.ingress import Head, PullRequestOpenedData
from prestage_contracts.runtimes import Runtime, RuntimeRequestedData
from prestage_contracts.snapshot import EnvironmentProblem, EnvironmentSnapshot, PullRequestReference, Repository
from prestage_contracts.vault import BundleReference, SecretsResolvedData

_DELIVERY = "72d3162e-cc78-11f0-81ab-4c9367dc0958"
_PUSHED_AT = datetime(2026, 3, 2, 9, 14, 5, tzinfo=UTC)
_DELIVERIES = UUID("f3b1c6de-3c0e-4a1f-9d0c-5b8e2f7a6d14")
"""Names EventBridge's own ids, which on a real bus are random."""

_REPOSITORY = Repository(id=702_418_335, full_name="acme/shop")
_PULL_REQUEST = PullRequestReference(
    number=42,
    title="Show delivery costs in the cart",
    html_url="https://github.com/acme/shop/pull/42",
    author="maria-lindqvist",
)
_SHA = "5c1f0e9b7a3d4826f1b05e7c9d8a6432e0f7b1c4"
_INSTALLATION_ID = 48_113_902
_FLY_APP = "prestage-k4w7q2zt9m3x"
_ADDRESS = f"https://{_FLY_APP}.fly.dev"

_ENVIRONMENT = EnvironmentSnapshot(
    id="0d5be1a7-90f6-5c3c-8d2a-6f1b7c4e9a35",
    app_id="b7c9e2d4-1f3a-5e68-9b0d-2c4a6e8f1d73",
    app_name="storefront",
    type="preview",
    repository=_REPOSITORY,
    installation_id=_INSTALLATION_ID,
    branch="delivery-costs",
    sha=_SHA,
    pull_request=_PULL_REQUEST,
    generation=1,
    address=_ADDRESS,
    created_at=_PUSHED_AT + timedelta(seconds=3),
)


def examples() -> dict[str, Event]:
    """By name, in the order of the flow."""
    opened = _opened()
    created = _after(opened, EnvironmentCreated, EnvironmentCreatedData(environment=_ENVIRONMENT), 2)
    resolved = _after(created, SecretsResolved, _secrets(), 1)
    story = [
        opened,
        created,
        _after(opened, PreviewSkipped, _skipped(), 2),
        _after(opened, PreviewFailed, _undecided(), 610),
        resolved,
        _after(created, SecretsFailed, _problem("internal_error", _internal_error("vault")), 612),
        _after(created, PrCommented, _comment(), 2),
        _after(created, PrCommentFailed, _problem("internal_error", _internal_error("comments")), 615),
        _after(resolved, RuntimeRequested, _runtime(), 6),
        _after(resolved, RuntimeFailed, _problem("secrets_expired", "The resolved secrets have expired."), 4),
    ]
    by_name = {event.name(): event for event in story}
    return {name: by_name[name] for name in EVENTS}


def delivered(event: Event) -> dict[str, Any]:
    """The event as a rule delivers it."""
    return {
        "version": "0",
        "id": str(uuid5(_DELIVERIES, str(event.metadata.event_id))),
        "detail-type": event.name(),
        "source": event.SOURCE,
        "account": "123456789012",
        "time": event.metadata.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "eu-central-1",
        "resources": [],
        "detail": json.loads(event.model_dump_json()),
    }


def _opened() -> PullRequestOpened:
    """The story's first fact: GitHub's delivery is what caused it."""
    data = PullRequestOpenedData(
        action="opened",
        repository=_REPOSITORY,
        default_branch="main",
        installation_id=_INSTALLATION_ID,
        pull_request=_PULL_REQUEST,
        author_type="User",
        head=Head(branch=_ENVIRONMENT.branch, sha=_SHA, repository_id=_REPOSITORY.id),
        draft=False,
        updated_at=_PUSHED_AT,
    )
    metadata = Metadata(
        event_id=identify(_DELIVERY, PullRequestOpened, data.subject),
        correlation_id=_DELIVERY,
        causation_id=_DELIVERY,
        version=PullRequestOpened.VERSION,
        occurred_at=_PUSHED_AT + timedelta(seconds=1),
        hop=0,
        group=str(_REPOSITORY.id),
    )
    return PullRequestOpened(metadata=metadata, data=data)


def _after(cause: Event, event: type[Event], data: Data, seconds: int) -> Event:
    return event.state(data, cause=cause.metadata, now=cause.metadata.occurred_at + timedelta(seconds=seconds))


def _secrets() -> SecretsResolvedData:
    return SecretsResolvedData(
        environment=_ENVIRONMENT,
        names=("DATABASE_URL", "STRIPE_API_KEY"),
        bundle=BundleReference(environment_id=_ENVIRONMENT.id, generation=_ENVIRONMENT.generation),
    )


def _comment() -> PrCommentedData:
    return PrCommentedData(
        repository=_REPOSITORY,
        pull_request_number=_PULL_REQUEST.number,
        comment_id=2_691_304_478,
        comment_url=f"{_PULL_REQUEST.html_url}#issuecomment-2691304478",
        created=True,
        shows=(Shown(environment_id=_ENVIRONMENT.id, generation=1, revision=1),),
    )


def _runtime() -> RuntimeRequestedData:
    runtime = Runtime(provider="fly.io", fly_app=_FLY_APP, machine_id="3d8d9930b32189", region="fra", address=_ADDRESS)
    return RuntimeRequestedData(environment=_ENVIRONMENT, runtime=runtime)


def _skipped() -> PreviewSkippedData:
    """The repository's other app."""
    return PreviewSkippedData(
        repository=_REPOSITORY,
        pull_request=_PULL_REQUEST,
        app_id="e41d7a90-6b2c-5f85-a3d9-8c0e5b7f2146",
        app_name="back-office",
        reason=Reason(code="fork", message="Pull requests from forks get no preview of this app (its policy: ignore)."),
    )


def _undecided() -> PreviewFailedData:
    reason = Reason(code="internal_error", message=_internal_error("environments"))
    return PreviewFailedData(repository=_REPOSITORY, pull_request=_PULL_REQUEST, reason=reason)


def _problem(code: str, message: str) -> EnvironmentProblem:
    return EnvironmentProblem(environment=_ENVIRONMENT, reason=Reason(code=code, message=message))


def _internal_error(reaction: str) -> str:
    return f"An error in Prestage (ClientError); it is in the dead-letter queue of {reaction}"
