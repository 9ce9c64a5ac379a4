"""The story that the examples of events are from: a pull request's preview from its opening to its end, the app's
production beside it, what the janitor finds, and how some steps could have failed instead.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from prestage import contract_cast as cast
from prestage.contract_cast import CANDIDATE, IDLE, OPENED_AT, PREVIEW, PRODUCTION, SHOP, at
from prestage.contract_operators import changes
from prestage_contracts import (
    BranchPushed,
    CheckRecorded,
    CheckReported,
    DeploymentFailed,
    DeploymentReported,
    DeployRequested,
    DomainFailed,
    DomainPointed,
    DomainReleased,
    EnvironmentClosed,
    EnvironmentCreated,
    EnvironmentExpired,
    EnvironmentFailed,
    EnvironmentReady,
    EnvironmentStopped,
    EnvironmentUpdated,
    Event,
    InstallationRevoked,
    PasswordRequested,
    PrCommented,
    PrCommentFailed,
    PreviewFailed,
    PreviewRequested,
    PreviewSkipped,
    PreviewStopRequested,
    PullRequestClosed,
    PullRequestDrifted,
    PullRequestOpened,
    PullRequestUpdated,
    RequestFailed,
    RetryRequested,
    RuntimeFailed,
    RuntimeLost,
    RuntimeOrphaned,
    RuntimeReady,
    RuntimeRemoved,
    RuntimeRequested,
    SecretsFailed,
    SecretsResolved,
    StopRequested,
)
from prestage_contracts.comments import PrCommentedData, Shown
from prestage_contracts.deployments import DeploymentReportedData
from prestage_contracts.dns import DomainReleasedData
from prestage_contracts.envelope import Data, Reason
from prestage_contracts.environments import (
    EnvironmentClosedData,
    EnvironmentCreatedData,
    EnvironmentFailedData,
    EnvironmentReadyData,
    EnvironmentStoppedData,
    EnvironmentUpdatedData,
    PreviewFailedData,
    PreviewSkippedData,
    RequestFailedData,
)
from prestage_contracts.ingress import (
    BranchPushedData,
    InstallationRevokedData,
    PreviewRequestedData,
    PreviewStopRequestedData,
    PullRequestClosedData,
    PullRequestOpenedData,
    PullRequestUpdatedData,
)
from prestage_contracts.janitor import EnvironmentExpiredData, PullRequestDriftedData, RuntimeOrphanedData
from prestage_contracts.operators import DeployRequestedData, OperatorRequestData
from prestage_contracts.runtimes import RuntimeFailedData, RuntimeReadyData, RuntimeRequestedData
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentProblem, EnvironmentSnapshot

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MERGED_AT = OPENED_AT + 2 * _DAY
_SWEEP = "janitor-2026-03-03T04Z"
_SWEPT_AT = datetime.fromisoformat("2026-03-03T04:02:11Z")


def story() -> list[Event]:
    """All of it, each chapter in the order in which it happened."""
    production = list(_production())
    return [
        *_opened(),
        *_pushed(),
        *_retried(),
        *_closed(),
        *production,
        *_orders(production[-1]),
        *_swept(),
        *_revoked(),
        *changes(),
    ]


def instead() -> list[Event]:
    """How steps of the story could have failed instead."""
    opened, created, *_ = list(_opened())
    [pushed, *_] = _merge()
    [named] = [event for event in _swept() if isinstance(event, RuntimeRequested)]
    unnamed = Reason(
        code="dns_refused",
        message=f"Route 53 refuses {cast.pointed(CANDIDATE).host}: the zone has another record of that name",
    )
    refused = Reason(
        code="deployment_refused",
        message="GitHub takes no deployment: does the App have the permission deployments: write, and is the commit"
        " there? (403): Resource not accessible by integration",
    )
    not_found = Reason(code="github_not_found", message="GitHub does not find it: is the App installed there?")
    undecided = PreviewFailedData(
        repository=SHOP, pull_request=cast.PULL_REQUEST, reason=cast.internal_error("environments")
    )
    unfollowed = RequestFailedData(
        repository=SHOP, pull_request_number=None, branch=cast.DEFAULT_BRANCH, reason=not_found
    )
    return [
        _after(opened, PreviewFailed, undecided, 610),
        _after(pushed, RequestFailed, unfollowed, 640),
        _after(created, SecretsFailed, _problem(cast.internal_error("vault")), 612),
        _after(created, PrCommentFailed, _problem(cast.internal_error("comments")), 615),
        _after(created, DeploymentFailed, _problem(refused), 2),
        _after(named, DomainFailed, EnvironmentProblem(environment=at(CANDIDATE, 3), reason=unnamed), 2),
    ]


def _opened() -> Iterator[Event]:
    """A pull request is opened; one app gets a preview."""
    data = PullRequestOpenedData.model_validate({**dict(cast.told(cast.OPENED_SHA)), "action": "opened"})
    opened = _begin(PullRequestOpened, data, "72d3162e-cc78-11f0-81ab-4c9367dc0958", OPENED_AT + timedelta(seconds=1))
    created = _after(opened, EnvironmentCreated, EnvironmentCreatedData(environment=PREVIEW), 2)
    skipped = PreviewSkippedData(
        repository=SHOP,
        pull_request=cast.PULL_REQUEST,
        app_id=cast.BACK_OFFICE,
        app_name="back-office",
        reason=Reason(code="label", message="For a preview, add the label preview, or comment /preview."),
    )
    comment = PrCommentedData(
        repository=SHOP,
        pull_request_number=cast.PULL_REQUEST.number,
        comment_id=2_691_304_478,
        comment_url=f"{cast.PULL_REQUEST.html_url}#issuecomment-2691304478",
        created=True,
        shows=(Shown(environment_id=PREVIEW.id, generation=1, revision=1),),
    )
    served = list(_served(created, PREVIEW))
    deployment = DeploymentReportedData(environment=PREVIEW, deployment_id=1_973_550_426, state="success")
    yield opened
    yield created
    yield _after(opened, PreviewSkipped, skipped, 2)
    yield _after(created, PrCommented, comment, 2)
    yield from served
    yield _after(served[-1], DeploymentReported, deployment, 2)
    yield from _checked(served[-1])


def _checked(ready: Event) -> Iterator[Event]:
    """Another team runs its tests against the preview."""
    passed = cast.check(PREVIEW, "success", "128 passed")
    reported = _after(ready, CheckReported, passed, 94)
    yield reported
    yield _after(reported, CheckRecorded, cast.taken(PREVIEW, passed), 1)


def _pushed() -> Iterator[Event]:
    """A commit is pushed to it that does not build."""
    after = 1.8 * _HOUR
    word = dict(cast.told(cast.PUSHED_SHA, after.total_seconds()))
    data = PullRequestUpdatedData.model_validate({**word, "action": "synchronize"})
    pushed = _begin(PullRequestUpdated, data, "0b6e93a2-cc88-11f0-9d24-7f31c05ab6e4", OPENED_AT + after)
    environment = at(PREVIEW, 2, cast.PUSHED_SHA)
    updated = _after(pushed, EnvironmentUpdated, EnvironmentUpdatedData(environment=environment), 1)
    resolved = _after(updated, SecretsResolved, cast.secrets(environment), 1)
    requested = _after(resolved, RuntimeRequested, _requested(environment), 4)
    why = {
        "environment": environment,
        "reason": Reason(code="build_failed", message="The build failed: `npm ci && npm run build` did not succeed"),
        "stage": "build",
        "log_url": cast.log_url(environment),
    }
    failed = _after(requested, RuntimeFailed, RuntimeFailedData.model_validate({**why, "exit_status": 83}), 71)
    yield from (pushed, updated, resolved, requested, failed)
    yield _after(failed, EnvironmentFailed, EnvironmentFailedData.model_validate(why), 1)


def _retried() -> Iterator[Event]:
    """Its author asks for the same commit afresh."""
    now = OPENED_AT + 2 * _HOUR
    data = PreviewRequestedData(
        repository=SHOP,
        installation_id=cast.INSTALLATION_ID,
        pull_request_number=cast.PULL_REQUEST.number,
        comment_id=2_691_471_903,
        by=cast.MARIA,
        requested_at=now,
        retry=True,
    )
    asked = _begin(PreviewRequested, data, "b41f7c08-cc89-11f0-8a5d-2ce90f67d135", now + timedelta(seconds=1))
    environment = at(PREVIEW, 3, cast.PUSHED_SHA)
    updated = _after(asked, EnvironmentUpdated, EnvironmentUpdatedData(environment=environment), 2)
    yield from (asked, updated, *_served(updated, environment))


def _closed() -> Iterator[Event]:
    """It is merged, and its preview goes."""
    word = dict(cast.told(cast.PUSHED_SHA, (_MERGED_AT - OPENED_AT).total_seconds()))
    data = PullRequestClosedData.model_validate({**word, "merged": True})
    merged = _begin(PullRequestClosed, data, "5e20d9b6-ce1b-11f0-9f7e-a8c3560b41d2", _MERGED_AT + timedelta(seconds=1))
    environment = at(PREVIEW, 4, cast.PUSHED_SHA)
    reason = Reason(code="pull_request_merged", message="The pull request was merged.")
    closed = _after(merged, EnvironmentClosed, EnvironmentClosedData(environment=environment, reason=reason), 1)
    removed = _after(closed, RuntimeRemoved, AboutEnvironment(environment=environment), 9)
    yield from (merged, closed, removed)
    yield _after(removed, EnvironmentStopped, EnvironmentStoppedData(environment=environment), 1)


def _production() -> Iterator[Event]:
    """Two weeks before, an operator had deployed production; the merge updates it."""
    data = DeployRequestedData(
        app_id=cast.STOREFRONT, app_name="storefront", repository=SHOP, branch=None, requested_by=cast.OPERATOR
    )
    at_first = PRODUCTION.created_at - timedelta(seconds=2)
    asked = _begin(DeployRequested, data, "9a7d4e12-56c3-4f08-b1e9-03d5c8726fa4", at_first)
    created = _after(asked, EnvironmentCreated, EnvironmentCreatedData(environment=PRODUCTION), 2)
    yield from (asked, created, *_served(created, PRODUCTION), *_merge())


def _merge() -> Iterator[Event]:
    data = BranchPushedData(
        repository=SHOP,
        default_branch=cast.DEFAULT_BRANCH,
        installation_id=cast.INSTALLATION_ID,
        branch=cast.DEFAULT_BRANCH,
        before=cast.RELEASED_SHA,
        sha=cast.MERGED_SHA,
    )
    pushed = _begin(BranchPushed, data, "5e0c81f4-ce1b-11f0-8b36-e41d7f92a05c", _MERGED_AT + timedelta(seconds=1))
    environment = at(PRODUCTION, 2, cast.MERGED_SHA)
    updated = _after(pushed, EnvironmentUpdated, EnvironmentUpdatedData(environment=environment), 1)
    yield from (pushed, updated, *_served(updated, environment))


def _orders(released: Event) -> Iterator[Event]:
    """People end what they no longer need, and have production deployed afresh."""
    production = at(PRODUCTION, 2, cast.MERGED_SHA)
    later = released.metadata.occurred_at
    again = OperatorRequestData(environment=production, requested_by=cast.OPERATOR)
    retry = _begin(RetryRequested, again, "c85f10b7-2e94-4d6a-8f03-71b9ad5e6c20", later + _HOUR)
    yield retry
    yield _after(retry, EnvironmentUpdated, EnvironmentUpdatedData(environment=at(production, 3)), 1)

    over = OperatorRequestData(environment=at(CANDIDATE, 3), requested_by=cast.OPERATOR)
    stop = _begin(StopRequested, over, "1d3e6f84-a72b-4c59-9e10-5f8c02d7b3a6", later + 2 * _HOUR)
    reason = Reason(code="stop_requested", message="An operator stopped it.")
    closed = _after(stop, EnvironmentClosed, EnvironmentClosedData(environment=at(CANDIDATE, 4), reason=reason), 1)
    host = cast.pointed(CANDIDATE).host
    yield from (stop, closed)
    yield _after(closed, DomainReleased, DomainReleasedData(environment=at(CANDIDATE, 4), host=host), 96)

    seen = OperatorRequestData(environment=PREVIEW, requested_by=cast.OPERATOR)
    yield _begin(PasswordRequested, seen, "f6b02a41-93ce-4d75-8a1f-6e20c4d9b583", OPENED_AT + _HOUR)

    asked = PreviewStopRequestedData(
        repository=SHOP,
        installation_id=cast.INSTALLATION_ID,
        pull_request_number=57,
        comment_id=2_704_118_236,
        by=cast.SEARCH.author,
        requested_at=later + 3 * _HOUR,
    )
    # That pull request has no preview, so nothing follows.
    yield _begin(PreviewStopRequested, asked, "e7a2c590-ce35-11f0-94bc-1f06d83e57a9", later + 3 * _HOUR)


def _swept() -> Iterator[Event]:
    """The janitor finds what should not be."""
    idle = EnvironmentExpiredData(environment=IDLE, idle_hours=171)
    expired = _begin(EnvironmentExpired, idle, _SWEEP, _SWEPT_AT)
    told = "Nothing happened to it for 171 hours. Push, or comment /preview, to have it again."
    reason = Reason(code="expired", message=told)
    yield expired
    yield _after(expired, EnvironmentClosed, EnvironmentClosedData(environment=at(IDLE, 4), reason=reason), 1)

    drifted = PullRequestDriftedData(repository=SHOP, installation_id=cast.INSTALLATION_ID, pull_request_number=29)
    yield _begin(PullRequestDrifted, drifted, _SWEEP, _SWEPT_AT + timedelta(seconds=5))
    orphaned = RuntimeOrphanedData(fly_app=cast.ORPHAN, environment_id=cast.FORGOTTEN)
    yield _begin(RuntimeOrphaned, orphaned, _SWEEP, _SWEPT_AT + timedelta(seconds=3), group=0)
    lost = _begin(RuntimeLost, AboutEnvironment(environment=CANDIDATE), _SWEEP, _SWEPT_AT + timedelta(seconds=4))
    yield from (lost, *_found_again(lost))


def _found_again(lost: Event) -> Iterator[Event]:
    """It has a host name of its own."""
    environment = at(CANDIDATE, 3)
    updated = _after(lost, EnvironmentUpdated, EnvironmentUpdatedData(environment=environment), 1)
    served = list(_served(updated, environment))
    yield from (updated, *served)
    yield _after(served[1], DomainPointed, cast.pointed(environment), 2)


def _revoked() -> Iterator[Event]:
    """The GitHub App is taken from repositories."""
    data = InstallationRevokedData(
        installation_id=cast.INSTALLATION_ID,
        account=cast.ACCOUNT,
        why="repositories_removed",
        repositories=cast.TAKEN_AWAY,
    )
    guid = "30c96e5a-d0f7-11f0-8e12-b7d4a15f8039"
    yield _begin(InstallationRevoked, data, guid, OPENED_AT + 5 * _DAY, group=cast.INSTALLATION_ID)


def _served(cause: Event, environment: EnvironmentSnapshot) -> Iterator[Event]:
    """From its secrets to its readiness."""
    resolved = _after(cause, SecretsResolved, cast.secrets(environment), 1)
    requested = _after(resolved, RuntimeRequested, _requested(environment), 6)
    about = RuntimeReadyData(environment=environment, runtime=cast.runtime(environment))
    ready = _after(requested, RuntimeReady, about, 48)
    yield from (resolved, requested, ready)
    yield _after(ready, EnvironmentReady, EnvironmentReadyData(environment=environment), 1)


def _requested(environment: EnvironmentSnapshot) -> RuntimeRequestedData:
    return RuntimeRequestedData(environment=environment, runtime=cast.runtime(environment))


def _problem(reason: Reason) -> EnvironmentProblem:
    return EnvironmentProblem(environment=PREVIEW, reason=reason)


def _begin(event: type[Event], data: Data, cause: str, now: datetime, group: int = SHOP.id) -> Event:
    return event.begin(data, cause=cause, correlation_id=cause, now=now, group=str(group))


def _after(cause: Event, event: type[Event], data: Data, seconds: int) -> Event:
    return event.state(data, cause=cause.metadata, now=cause.metadata.occurred_at + timedelta(seconds=seconds))
