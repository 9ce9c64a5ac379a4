"""What the steps of this function state."""

from choreography.reaction import Fact
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import (
    EnvironmentClosed,
    EnvironmentClosedData,
    EnvironmentCreated,
    EnvironmentCreatedData,
    EnvironmentUpdated,
    EnvironmentUpdatedData,
    PreviewFailed,
    PreviewFailedData,
    PreviewSkipped,
    PreviewSkippedData,
    RequestFailed,
    RequestFailedData,
)
from prestage_contracts.ingress import PullRequestTold
from prestage_contracts.snapshot import Repository
from records.environments import Environment
from records.skips import Skip

_UNKNOWN = Reason(code="unknown", message="The environment was closed.")


def raised(environment: Environment | None, cause: str) -> list[Fact]:
    """What the event did to the environment, if it raised a generation of it."""
    mark = environment.mark(cause) if environment else None
    if environment is None or mark is None:
        return []
    snapshot = environment.snapshot_at(mark)
    if mark.move == "begin":
        return [Fact(EnvironmentCreated, EnvironmentCreatedData(environment=snapshot))]
    if mark.move == "update":
        return [Fact(EnvironmentUpdated, EnvironmentUpdatedData(environment=snapshot))]
    return [Fact(EnvironmentClosed, EnvironmentClosedData(environment=snapshot, reason=mark.reason or _UNKNOWN))]


def skipped(word: PullRequestTold, skip: Skip) -> Fact:
    """An app gives the pull request no preview."""
    about = {"repository": word.repository, "pull_request": word.pull_request}
    told = {"app_id": skip.app_id, "app_name": skip.app_name, "reason": skip.reason}
    return Fact(PreviewSkipped, PreviewSkippedData(**about, **told))


def undecided(word: PullRequestTold, reason: Reason) -> Fact:
    """What GitHub told of a pull request could not be followed."""
    return Fact(
        PreviewFailed, PreviewFailedData(repository=word.repository, pull_request=word.pull_request, reason=reason)
    )


def unfollowed(repository: Repository, reason: Reason, *, number: int | None = None, branch: str | None = None) -> Fact:
    """What somebody asked for, or pushed, could not be followed."""
    data = RequestFailedData(repository=repository, pull_request_number=number, branch=branch, reason=reason)
    return Fact(RequestFailed, data)
