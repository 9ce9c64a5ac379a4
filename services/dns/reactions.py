"""What leads to a change of a name in DNS, and the step for each: the one function that drives Route 53."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.reaction import Reaction, Step
from dns import follow_runtime
from dns.follow_runtime import FollowRuntime
from dns.zone import Zone
from prestage_contracts.envelope import Event
from prestage_contracts.environments import EnvironmentClosed
from prestage_contracts.runtimes import RuntimeRequested
from records.domain_names import DomainNames
from records.environments import Environments
from records.table import Table

logger = Logger()


def steps(records: Table, zone: Zone, fly_address: str, clock: Clock) -> dict[type[Event], Step[Any]]:
    """The step for each fact."""
    follow = FollowRuntime(Environments(records), DomainNames(records, clock), zone, fly_address, clock)
    return {
        RuntimeRequested: Step(follow.requested, follow_runtime.failed),
        EnvironmentClosed: Step(follow.closed, follow_runtime.failed),
    }


@cache
def _reaction() -> Reaction:
    zone = Zone(wiring.route53(), wiring.setting("HOSTED_ZONE_ID"))
    records = wiring.table("RECORDS_TABLE")
    return wiring.reaction("dns", steps(records, zone, wiring.setting("PREVIEW_ADDRESS"), utc_now))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the dns queue."""
    return _reaction().handle(event, context)
