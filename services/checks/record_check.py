"""Another team's `CheckReported` → how the check stands is on record, if the report counts: `CheckRecorded`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.reaction import Fact, Reaction, RefusedError, Step
from choreography.reports import Reported, ReportReaction
from prestage_contracts.checks import Check, CheckRecorded, CheckRecordedData
from prestage_contracts.envelope import Event
from prestage_contracts.reports import CheckReported, CheckReportedData
from records.checks import Checks, KeptCheck, NotTakenError
from records.environments import Environment, Environments
from records.table import Table

logger = Logger()


@dataclass(frozen=True)
class RecordCheck:
    """The step. All but the check itself is from the records."""

    environments: Environments
    checks: Checks
    clock: Clock

    def __call__(self, event: Reported[CheckReportedData]) -> Sequence[Fact]:
        """Write down how the check stands, for the generation that is current."""
        environment = self._environment(event.data)
        said = event.data.model_dump(include={"name", "state", "summary", "link"})
        check = Check(**said, account=event.account)
        report = f"{event.account} {event.source} {event.metadata.event_id}"
        now = self.clock()  # what people are shown; the sender's time only orders its own reports
        kept = KeptCheck(check=check, reported_at=event.metadata.occurred_at, report=report, since=now)
        try:
            taken = self.checks.take(environment, kept, now)
        except NotTakenError as refused:
            raise _refused(refused.code) from None
        if taken is None:
            logger.info("a newer report of it is known")
            return []
        logger.info("recorded", environment_id=environment.id, generation=environment.generation)
        data = CheckRecordedData(environment=environment.snapshot(), check=check)
        return [Fact(CheckRecorded, data, group=str(environment.repository.id))]

    def _environment(self, data: CheckReportedData) -> Environment:
        found = self.environments.get(data.environment_id)
        if found is None:
            raise _refused("unknown_environment")
        if found.generation != data.generation:
            raise _refused("another_generation")
        if not found.is_live:
            raise _refused("closed")
        return found


def _refused(code: str) -> RefusedError:
    return RefusedError(code, "see docs/checks.md")


def steps(records: Table, clock: Clock) -> dict[type[Event], Step[Any]]:
    """The step for each report. Nobody waits for it."""
    return {CheckReported: Step(RecordCheck(Environments(records), Checks(records), clock))}


@cache
def _reaction() -> Reaction:
    return wiring.reaction("checks", steps(wiring.table("RECORDS_TABLE"), utc_now), ReportReaction)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the checks queue."""
    return _reaction().handle(event, context)
