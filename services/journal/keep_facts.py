"""Every fact → an entry of the journal. States nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import utc_now
from choreography.reaction import Fact, Reaction, Step
from prestage_contracts import EVENTS
from prestage_contracts.envelope import Event
from records.journal import Journal

logger = Logger()


@dataclass(frozen=True)
class KeepFacts:
    """The step."""

    journal: Journal

    def __call__(self, event: Event) -> Sequence[Fact]:
        """The fact is in the journal, whoever stated it."""
        self.journal.keep(event)
        logger.info("kept")
        return []


def steps(journal: Journal) -> dict[type[Event], Step[Any]]:
    """The same for each fact. Nobody waits for it, so a failure is told by the dead letter alone."""
    return dict.fromkeys(EVENTS.values(), Step(KeepFacts(journal)))


@cache
def _reaction() -> Reaction:
    return wiring.reaction("journal", steps(Journal(wiring.table("JOURNAL_TABLE"), utc_now)))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the journal queue."""
    return _reaction().handle(event, context)
