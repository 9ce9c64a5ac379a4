"""`RuntimeReady`, `RuntimeFailed`, `SecretsFailed`, `RuntimeRemoved`, … → the environment's state, told to others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeGuard

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import Fact
from environments import facts
from environments.trust import Trust
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import (
    EnvironmentStopped,
    EnvironmentStoppedData,
)
from prestage_contracts.janitor import EnvironmentExpired, RuntimeLost
from prestage_contracts.runtimes import RuntimeFailed, RuntimeReady, RuntimeRemoved
from prestage_contracts.snapshot import EnvironmentSnapshot
from prestage_contracts.vault import SecretsFailed
from records.environments import Environment, Environments, SupersededError
from records.life import Report
from records.pull_requests import PullRequests, still_told_by
from records.table import Check

logger = Logger()


@dataclass(frozen=True)
class FollowRuntime:
    """The steps. A report on a generation that is no longer the current one changes nothing."""

    environments: Environments
    pull_requests: PullRequests
    trust: Trust
    clock: Clock

    def ready(self, event: RuntimeReady) -> Sequence[Fact]:
        """The generation is served."""
        found = self._reported(event, "ready", {})
        return [] if found is None else [facts.ready(*found)]

    def failed(self, event: RuntimeFailed) -> Sequence[Fact]:
        """The generation has no runtime that serves it."""
        stage, log_url = event.data.stage or "provision", event.data.log_url
        return self._failed(event, {"reason": event.data.reason, "stage": stage, "log_url": log_url})

    def without_secrets(self, event: SecretsFailed) -> Sequence[Fact]:
        """The generation's secrets could not be resolved, so that no runtime is asked for."""
        return self._failed(event, {"reason": event.data.reason, "stage": "secrets", "log_url": None})

    def removed(self, event: RuntimeRemoved) -> Sequence[Fact]:
        """Nothing of the closed environment runs any more."""
        found = self._reported(event, "remove", {})
        return [] if found is None else [Fact(EnvironmentStopped, EnvironmentStoppedData(environment=found[1]))]

    def lost(self, event: RuntimeLost) -> Sequence[Fact]:
        """The runtime is gone though the environment is wanted: the same commit is deployed afresh."""
        about, cause = event.data.environment, str(event.metadata.event_id)
        found = self.environments.get(about.id)
        if not _is_at(found, about.generation, cause):
            return _superseded(about.id, about.generation)
        wanted = self.trust.anew(found).model_copy(update={"updated_at": self.clock()})
        try:
            deployed = self.environments.deploy(wanted, cause, afresh=True, seen_at=found.revision)
        except SupersededError:
            return _superseded(about.id, about.generation)
        return facts.raised(deployed, cause)

    def expired(self, event: EnvironmentExpired) -> Sequence[Fact]:
        """The preview was kept for as long as its app allows."""
        about, cause = event.data.environment, str(event.metadata.event_id)
        found = self.environments.get(about.id)
        if not _is_at(found, about.generation, cause):
            return _superseded(about.id, about.generation)
        if found.mark(cause):
            return facts.raised(found, cause)
        told = f"Nothing happened to it for {event.data.idle_hours} hours. Push, or comment /preview, to have it again."
        reason = Reason(code="expired", message=told)
        try:
            holds = self._nothing_happened(found, event)
            closed = self.environments.close(found.id, cause, reason, self.clock(), holds, seen_at=found.revision)
        except SupersededError:
            return _superseded(about.id, about.generation)
        return facts.raised(closed, cause)

    def _nothing_happened(self, environment: Environment, event: EnvironmentExpired) -> Sequence[Check]:
        """What holds while the pull request is as the janitor found it.

        Raises:
            SupersededError: GitHub told of it since.
        """
        if environment.pull_request is None:
            return []
        repository_id, number = environment.repository.id, environment.pull_request.number
        found = self.pull_requests.get(repository_id, number)
        idle_since = event.metadata.occurred_at - timedelta(hours=event.data.idle_hours)
        if found is not None and found.word.updated_at > idle_since:
            raise SupersededError
        return [still_told_by(repository_id, number, found.told_by)] if found else []

    def _failed(self, event: RuntimeFailed | SecretsFailed, told: dict[str, object]) -> Sequence[Fact]:
        found = self._reported(event, "fail", told)
        return [] if found is None else [facts.failed(found[1], told)]

    def _reported(
        self,
        event: RuntimeReady | RuntimeFailed | RuntimeRemoved | SecretsFailed,
        move: Report,
        told: Mapping[str, object],
    ) -> tuple[Environment, EnvironmentSnapshot] | None:
        """The environment as it is, and in the generation that was reported on; None if that changed nothing."""
        about, cause = event.data.environment, str(event.metadata.event_id)
        found = self.environments.report(about.id, about.generation, move, cause, self.clock(), **told)
        mark = found.mark_of(about.generation) if found else None
        if found is None or mark is None:
            logger.info("superseded", environment_id=about.id, generation=about.generation)
            return None
        return found, found.snapshot_at(mark)


def _is_at(found: Environment | None, generation: int, cause: str) -> TypeGuard[Environment]:
    return found is not None and (found.mark(cause) is not None or (found.is_live and found.generation == generation))


def _superseded(environment_id: str, generation: int) -> Sequence[Fact]:
    logger.info("superseded", environment_id=environment_id, generation=generation)
    return []
