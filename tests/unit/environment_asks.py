"""What leads to steps of the environments function, as its producers state it; `number` is the event's."""

from collections.abc import Sequence
from typing import Any, Literal

from prestage_contracts.envelope import Metadata, Reason
from prestage_contracts.ingress import (
    BranchPushed,
    BranchPushedData,
    InstallationRevoked,
    InstallationRevokedData,
    PreviewRequested,
    PreviewRequestedData,
    PreviewStopRequested,
    PreviewStopRequestedData,
    PullRequestClosed,
    PullRequestClosedData,
    PullRequestOpened,
    PullRequestOpenedData,
    PullRequestUpdated,
    PullRequestUpdatedData,
)
from prestage_contracts.janitor import (
    EnvironmentExpired,
    EnvironmentExpiredData,
    PullRequestDrifted,
    PullRequestDriftedData,
    RuntimeLost,
)
from prestage_contracts.operators import (
    DeployRequested,
    DeployRequestedData,
    OperatorRequestData,
    RetryRequested,
    StopRequested,
)
from prestage_contracts.runtimes import (
    RuntimeFailed,
    RuntimeFailedData,
    RuntimeReady,
    RuntimeReadyData,
    RuntimeRemoved,
)
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentProblem, EnvironmentSnapshot, Repository
from prestage_contracts.vault import SecretsFailed
from records.apps import App
from records.environments import Environment
from tests.unit.environments_stage import SHOP, after, word
from tests.unit.record_examples import REPOSITORY
from tests.unit.steps import metadata, requested

BROKEN = Reason(code="exited", message="It exited with 83.")
BY = "arn:aws:sts::123456789012:assumed-role/operator/ada"


def opened(number: int = 1, at: float = 0, /, *, action: str = "opened", **changes: Any) -> PullRequestOpened:
    data = {"action": action, **word(at, **changes).model_dump()}
    return PullRequestOpened(metadata=_metadata(number, at), data=PullRequestOpenedData.model_validate(data))


def reopened(number: int, at: float, /, **changes: Any) -> PullRequestOpened:
    return opened(number, at, action="reopened", **changes)


def changed(number: int, at: float, /, *, action: str = "synchronize", **changes: Any) -> PullRequestUpdated:
    data = {"action": action, **word(at, **changes).model_dump()}
    return PullRequestUpdated(metadata=_metadata(number, at), data=PullRequestUpdatedData.model_validate(data))


def ended(number: int, at: float, /, *, merged: bool = False, **changes: Any) -> PullRequestClosed:
    data = {"merged": merged, **word(at, **changes).model_dump()}
    return PullRequestClosed(metadata=_metadata(number, at), data=PullRequestClosedData.model_validate(data))


def drifted(number: int, at: float = 0, *, pull_request: int = 3) -> PullRequestDrifted:
    data = PullRequestDriftedData(repository=REPOSITORY, installation_id=7, pull_request_number=pull_request)
    return PullRequestDrifted(metadata=_metadata(number, at), data=data)


def asked_for(
    number: int, at: float, *, retry: bool = False, by: str = "octocat", pull_request: int = 3
) -> PreviewRequested:
    """Comment /preview, or /preview retry."""
    data = {**_command(number, at, by, pull_request), "retry": retry}
    return PreviewRequested(metadata=_metadata(number, at), data=PreviewRequestedData.model_validate(data))


def asked_to_stop(number: int, at: float, *, by: str = "octocat", pull_request: int = 3) -> PreviewStopRequested:
    """Comment /preview stop."""
    data = PreviewStopRequestedData.model_validate(_command(number, at, by, pull_request))
    return PreviewStopRequested(metadata=_metadata(number, at), data=data)


def pushed(
    number: int,
    at: float = 0,
    *,
    branch: str = "main",
    sha: str | None,
    before: str | None = None,
    default_branch: str = "main",
    **changes: Any,
) -> BranchPushed:
    given = {"repository": REPOSITORY, "default_branch": default_branch, "installation_id": 7, **changes}
    data = BranchPushedData.model_validate({**given, "branch": branch, "before": before, "sha": sha})
    return BranchPushed(metadata=_metadata(number, at), data=data)


def revoked(
    number: int,
    at: float = 0,
    *,
    why: Literal["deleted", "suspended", "repositories_removed"] = "deleted",
    repositories: Sequence[Repository] | None = None,
    installation_id: int = 7,
) -> InstallationRevoked:
    of = None if repositories is None else tuple(repositories)
    data = InstallationRevokedData(installation_id=installation_id, account="octo-org", why=why, repositories=of)
    return InstallationRevoked(metadata=_metadata(number, at), data=data)


def deploy(number: int, at: float = 0, *, of: App = SHOP, branch: str | None = None) -> DeployRequested:
    data = DeployRequestedData(app_id=of.id, app_name=of.name, repository=of.repository, branch=branch, requested_by=BY)
    return DeployRequested(metadata=_metadata(number, at), data=data)


def retry(number: int, environment: Environment, at: float = 0) -> RetryRequested:
    data = OperatorRequestData(environment=environment.snapshot(), requested_by=BY)
    return RetryRequested(metadata=_metadata(number, at), data=data)


def stop(number: int, environment: Environment, at: float = 0) -> StopRequested:
    data = OperatorRequestData(environment=environment.snapshot(), requested_by=BY)
    return StopRequested(metadata=_metadata(number, at), data=data)


def runtime_ready(number: int, environment: Environment | EnvironmentSnapshot) -> RuntimeReady:
    data = requested(environment).data
    return RuntimeReady(
        metadata=metadata(number), data=RuntimeReadyData(environment=data.environment, runtime=data.runtime)
    )


def runtime_failed(
    number: int, environment: Environment | EnvironmentSnapshot, reason: Reason = BROKEN, **told: Any
) -> RuntimeFailed:
    data = {"environment": _snapshot(environment), "reason": reason, **told}
    return RuntimeFailed(metadata=metadata(number), data=RuntimeFailedData.model_validate(data))


def secrets_failed(number: int, environment: Environment | EnvironmentSnapshot) -> SecretsFailed:
    data = EnvironmentProblem(environment=_snapshot(environment), reason=BROKEN)
    return SecretsFailed(metadata=metadata(number), data=data)


def runtime_removed(number: int, environment: Environment | EnvironmentSnapshot) -> RuntimeRemoved:
    return RuntimeRemoved(metadata=metadata(number), data=AboutEnvironment(environment=_snapshot(environment)))


def runtime_lost(number: int, environment: Environment | EnvironmentSnapshot) -> RuntimeLost:
    return RuntimeLost(metadata=metadata(number), data=AboutEnvironment(environment=_snapshot(environment)))


def expired(number: int, environment: Environment, at: float, *, idle_hours: int = 168) -> EnvironmentExpired:
    data = EnvironmentExpiredData(environment=environment.snapshot(), idle_hours=idle_hours)
    return EnvironmentExpired(metadata=_metadata(number, at), data=data)


def _metadata(number: int, at: float) -> Metadata:
    return metadata(number).model_copy(update={"occurred_at": after(at)})


def _command(number: int, at: float, by: str, pull_request: int) -> dict[str, Any]:
    return {
        "repository": REPOSITORY,
        "installation_id": 7,
        "pull_request_number": pull_request,
        "comment_id": number,
        "by": by,
        "requested_at": after(at),
    }


def _snapshot(environment: Environment | EnvironmentSnapshot) -> EnvironmentSnapshot:
    return environment.snapshot() if isinstance(environment, Environment) else environment
