"""What operators changed and nobody stated: it is counted. Stating it is theirs: no function may speak as they do."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from choreography import measures
from choreography.measures import Measure
from janitor.finding import Finding
from janitor.watch import Watch
from records.outbox import Outbox

logger = Logger()


@dataclass(frozen=True)
class Unstated:
    """The look."""

    outbox: Outbox

    def __call__(self, watch: Watch) -> Sequence[Finding]:
        """Say how many facts wait whose commands have had their time: `prestage audit` states them."""
        left = [kept for kept in self.outbox.waiting() if kept.due_at <= watch.began]
        if left:
            logger.warning("operators' facts are not stated: see prestage audit", count=len(left))
            measures.record(Measure("ChangesUnstated", len(left)))
        return []
