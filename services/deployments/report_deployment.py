"""`Environment…`, `CheckRecorded` → GitHub's deployment of each generation stands as it does: `DeploymentReported`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.reaction import Fact, Reaction, RefusedError, Step
from deployments.due import due
from deployments.required import READY, RequiredChecks, Verdict
from deployments.standing import Standings, Telling
from deployments.tell import Teller
from deployments.turn import Turn
from github_app.access import access, credentials
from prestage_contracts.checks import CheckRecorded
from prestage_contracts.deployments import DeploymentFailed, DeploymentReported, DeploymentReportedData
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.environments import ENVIRONMENT_CHANGES, EnvironmentChanged
from prestage_contracts.snapshot import EnvironmentProblem
from records.checks import Checks
from records.environments import Environment, Environments
from records.table import Table

MOST_LOOKS = 3
"""In one go. What changes after that has a fact of its own in the queue."""

logger = Logger()


@dataclass(frozen=True)
class ReportDeployment:
    """The step. `teller` is built when GitHub is first told something. `ready` is what it counts for to be ready."""

    environments: Environments
    standings: Standings
    teller: Callable[[], Teller]
    clock: Clock
    ready: Callable[[Environment], Verdict] = lambda _: READY

    def __call__(self, event: EnvironmentChanged | CheckRecorded) -> Sequence[Fact]:
        """Tell GitHub what it does not know; what it knows costs no call and is not stated again."""
        environment = self.environments.get(event.data.environment.id)
        if environment is None:
            logger.info("no such environment on record")
            return []
        cause = str(event.metadata.event_id)
        standing = self.standings.get(environment.id)
        if not due(environment, standing, self.ready(environment)):
            return [_reported(environment, telling) for telling in standing.told_by(cause)]
        teller = self.teller()
        turn = Turn(self.standings.claim(environment.id), self.standings, teller, self.clock, cause)
        refused = self._take(turn, event)
        return [*(_reported(environment, telling) for telling in turn.standing.told_by(cause)), *refused]

    def _take(self, turn: Turn, event: EnvironmentChanged | CheckRecorded) -> Sequence[Fact]:
        """Tell what is due and, as it may change meanwhile, look again; gives what is to be stated of a refusal."""
        try:
            for _ in range(MOST_LOOKS):
                environment = self.environments.get(turn.standing.environment_id)
                told = due(environment, turn.standing, self.ready(environment)) if environment else []
                if environment is None or not told:
                    break
                for one in told:
                    turn.tell(environment, one)
        except RefusedError as refused:  # what was told before it is stated all the same
            return [failed(event, refused.reason)]
        finally:
            self.standings.release(turn.standing)
        return []


def _reported(environment: Environment, telling: Telling) -> Fact:
    logger.info("told", deployment_id=telling.deployment_id, state=telling.state, generation=telling.generation)
    about = environment.snapshot().model_copy(update={"generation": telling.generation, "sha": telling.sha})
    data = DeploymentReportedData(environment=about, deployment_id=telling.deployment_id, state=telling.state)
    return Fact(DeploymentReported, data)


def failed(event: EnvironmentChanged | CheckRecorded, reason: Reason) -> Fact:
    """GitHub does not know how the environment stands."""
    return Fact(DeploymentFailed, EnvironmentProblem(environment=event.data.environment, reason=reason))


def steps(records: Table, teller: Callable[[], Teller], clock: Clock) -> dict[type[Event], Step[Any]]:
    """The step for each fact."""
    ready = RequiredChecks(Checks(records))
    report = Step(ReportDeployment(Environments(records), Standings(records, clock), teller, clock, ready), failed)
    return dict.fromkeys((*ENVIRONMENT_CHANGES, CheckRecorded), report)


@cache
def _teller() -> Teller:
    return Teller(access(), lambda: credentials().slug)


@cache
def _reaction() -> Reaction:
    return wiring.reaction("deployments", steps(wiring.table("RECORDS_TABLE"), _teller, utc_now))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the deployments queue."""
    return _reaction().handle(event, context)
