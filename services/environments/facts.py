"""What the steps of this function state."""

from collections.abc import Mapping

from choreography.measures import Measure, seconds
from choreography.reaction import Fact
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import (
    EnvironmentClosed,
    EnvironmentClosedData,
    EnvironmentCreated,
    EnvironmentCreatedData,
    EnvironmentFailed,
    EnvironmentFailedData,
    EnvironmentReady,
    EnvironmentReadyData,
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
from prestage_contracts.snapshot import EnvironmentSnapshot, Repository
from records.environments import Environment, Mark
from records.skips import Skip

OF_THE_APPLICATION = frozenset({"build_failed", "launch_failed", "not_ready", "out_of_memory", "start_failed"})
"""Why a generation failed that is its own: its image, its commands, its health. Operators are not woken for these."""

_UNKNOWN = Reason(code="unknown", message="The environment was closed.")


def raised(environment: Environment | None, cause: str) -> list[Fact]:
    """What the event did to the environment, if it raised a generation of it."""
    mark = environment.mark(cause) if environment else None
    if environment is None or mark is None:
        return []
    snapshot, measures = environment.snapshot_at(mark), _superseded(environment, mark)
    if mark.move == "begin":
        return [Fact(EnvironmentCreated, EnvironmentCreatedData(environment=snapshot), measures=measures)]
    if mark.move == "update":
        return [Fact(EnvironmentUpdated, EnvironmentUpdatedData(environment=snapshot), measures=measures)]
    data = EnvironmentClosedData(environment=snapshot, reason=mark.reason or _UNKNOWN)
    return [Fact(EnvironmentClosed, data, measures=measures)]


def ready(environment: Environment, about: EnvironmentSnapshot) -> Fact:
    """A generation is served."""
    began = environment.intended_at if environment.generation == about.generation else None
    took = (environment.updated_at - began).total_seconds() if began else None
    measures = () if took is None else (seconds("TimeToReady", took),)
    return Fact(EnvironmentReady, EnvironmentReadyData(environment=about), measures=measures)


def failed(about: EnvironmentSnapshot, told: Mapping[str, object]) -> Fact:
    """A generation has failed."""
    data = EnvironmentFailedData.model_validate({**told, "environment": about})
    by_itself = data.reason.code in OF_THE_APPLICATION
    measure = Measure("ApplicationsFailed") if by_itself else Measure("GenerationsFailed")
    return Fact(EnvironmentFailed, data, measures=(measure,))


def skipped(word: PullRequestTold, skip: Skip) -> Fact:
    """An app gives the pull request no preview."""
    about = {"repository": word.repository, "pull_request": word.pull_request}
    told = {"app_id": skip.app_id, "app_name": skip.app_name, "reason": skip.reason}
    measures = (Measure("PreviewsSkipped", reason=skip.reason.code),)
    return Fact(PreviewSkipped, PreviewSkippedData(**about, **told), measures=measures)


def undecided(word: PullRequestTold, reason: Reason) -> Fact:
    """What GitHub told of a pull request could not be followed."""
    return Fact(
        PreviewFailed, PreviewFailedData(repository=word.repository, pull_request=word.pull_request, reason=reason)
    )


def unfollowed(repository: Repository, reason: Reason, *, number: int | None = None, branch: str | None = None) -> Fact:
    """What somebody asked for, or pushed, could not be followed."""
    data = RequestFailedData(repository=repository, pull_request_number=number, branch=branch, reason=reason)
    return Fact(RequestFailed, data)


def _superseded(environment: Environment, mark: Mark) -> tuple[Measure, ...]:
    """Whether the generation before was still on its way: nobody reported of it, and nobody will."""
    before = environment.mark_of(mark.generation - 1)
    unfinished = before is not None and before.move != "close" and not before.reports
    return (Measure("GenerationsSuperseded"),) if unfinished else ()
