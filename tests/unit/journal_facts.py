"""Facts as their producers state them: what each is about, and stories of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from prestage_contracts import EVENTS
from prestage_contracts.envelope import Data, Event, Metadata, identify
from records.environments import Environment
from tests.unit.record_examples import NOW, REPOSITORY, SHA, preview, pull_request, told

DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
ENVIRONMENT = preview()
REASON = {"code": "fork", "message": "Pull requests from forks get no preview."}
SECOND = timedelta(seconds=1)

_RUNTIME = {
    "provider": "fly.io",
    "fly_app": "prestage-3",
    "machine_id": "3d8d9014b32d89",
    "region": "iad",
    "address": ENVIRONMENT.address,
}
_SAID: Mapping[str, Any] = {
    **told().model_dump(),
    "action": "opened",
    "merged": False,
    "branch": "teal",
    "before": None,
    "sha": SHA,
    "pull_request_number": 3,
    "comment_id": 5,
    "comment_url": "https://github.com/octo-org/shop/pull/3#issuecomment-5",
    "created": True,
    "shows": (),
    "by": "octocat",
    "retry": False,
    "requested_at": NOW,
    "requested_by": "arn:aws:iam::111122223333:user/maria",
    "account": "octo-org",
    "why": "suspended",
    "repositories": None,
    "app_id": ENVIRONMENT.app_id,
    "app_name": ENVIRONMENT.app_name,
    "idle_hours": 168,
    "fly_app": "prestage-3",
    "environment_id": ENVIRONMENT.id,
    "environment": ENVIRONMENT.snapshot(),
    "reason": REASON,
    "stage": "build",
    "names": ("A_KEY",),
    "bundle": {"environment_id": ENVIRONMENT.id, "generation": 1},
    "runtime": _RUNTIME,
    "check": {"name": "smoke", "state": "success", "summary": "", "link": None, "account": "210987654321"},
    "changed_by": "arn:aws:iam::111122223333:user/maria",
    "app": {"id": ENVIRONMENT.app_id, "name": ENVIRONMENT.app_name, "repository": REPOSITORY, "owner": "shop-team"},
    "changes": ({"setting": "forks", "before": "ignore", "after": "trusted"},),
    "environment_type": "preview",
    "name": "A_KEY",
    "change": "set",
    "user_id": "shop-team",
    "domain": "previews.example.com",
    "fingerprint": "a" * 64,
    "not_after": NOW,
    "credential": "fly_token",
    "principal": "210987654321",
    "facts": ("EnvironmentReady",),
    "reports_as": None,
    "letter_id": "5f2c81d0-6b9e-4a37-91c4-e8d02f7a3b56",
    "reaction": "runtimes",
    "reason_code": "gave_up",
    "fact": None,
    "subscriber": "qa",
    "since": NOW,
    "until": NOW,
    "deployment_id": 6,
    "state": "success",
}


def data(name: str, **changes: Any) -> Data:
    """What the event of that name says."""
    kind: Any = EVENTS[name].model_fields["data"].annotation
    said: Data = kind.model_validate({**_SAID, **changes})
    return said


def first(name: str, *, story: str = DELIVERY, at: datetime = NOW, **changes: Any) -> Event:
    """A fact that begins a story."""
    kind, said = EVENTS[name], data(name, **changes)
    metadata = Metadata(
        event_id=identify(story, kind, said.subject),
        correlation_id=story,
        causation_id=story,
        version="1.0",
        occurred_at=at,
        hop=0,
        group=str(REPOSITORY.id),
    )
    return kind.model_validate({"metadata": metadata, "data": said})


def after(cause: Event, name: str, *, later: timedelta = SECOND, **changes: Any) -> Event:
    """What followed from a fact."""
    return EVENTS[name].state(data(name, **changes), cause=cause.metadata, now=cause.metadata.occurred_at + later)


def about(environment: Environment, generation: int = 1) -> dict[str, Any]:
    """What a fact about the environment says."""
    snapshot = environment.snapshot().model_copy(update={"generation": generation})
    number = environment.pull_request.number if environment.pull_request else None
    return {"environment": snapshot, "pull_request": pull_request(number) if number else None}
