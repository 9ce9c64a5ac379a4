"""What leads to a change of a runtime, and the step for each: the one function that drives Fly.io."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import SecretStr

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.reaction import Reaction, Step
from fly_io.client import Fly, build_http
from prestage_contracts.envelope import Event
from prestage_contracts.environments import EnvironmentClosed
from prestage_contracts.janitor import RuntimeOrphaned
from prestage_contracts.runtimes import RuntimeRequested
from prestage_contracts.vault import SecretsResolved
from records.apps import Apps
from records.domain_names import DomainNames
from records.environments import Environments
from records.table import Table
from runtimes import converge
from runtimes.await_ready import AwaitReady
from runtimes.converge import Converge
from runtimes.deletion import Deletion
from runtimes.lease import Leases
from runtimes.machine import Gate
from runtimes.provision import Provision
from runtimes.remove import Remove
from sealing.bundles import Bundles
from sealing.keyed import Keyed
from sealing.seal import DataKeys

logger = Logger()


@dataclass(frozen=True)
class Naming:
    """What the stack's runtimes are called.

    `organization` is the Fly organisation's slug, `prefix` what the names of its apps begin with; `log_address` has
    `{fly_app}` where such a name goes; `source_url` gives the URL of an environment's source at a generation,
    `password` what its visitors have to give where they are asked, by what is at `gate`.
    """

    organization: str
    prefix: str
    log_address: str
    source_url: Callable[[str, int], str]
    password: Callable[[str], SecretStr]
    gate: Gate


def steps(records: Table, bundles: Bundles, fly: Fly, naming: Naming, clock: Clock) -> dict[type[Event], Step[Any]]:
    """The step for each fact."""
    apps, environments, leases = Apps(records), Environments(records), Leases(records, clock)
    delete, provision = Deletion(fly, naming.organization), Provision(fly, naming.organization, naming.gate)
    have = Converge(environments, apps, bundles, leases, delete, provision, naming.source_url, naming.password)
    await_ready = AwaitReady(environments, apps, fly, naming.log_address, clock)
    remove = Remove(environments, DomainNames(records, clock), leases, delete, naming.prefix)
    return {
        SecretsResolved: Step(have, converge.failed),
        RuntimeRequested: Step(await_ready, await_ready.failed),
        EnvironmentClosed: Step(remove.closed),
        RuntimeOrphaned: Step(remove.orphaned),
    }


def _source_url(environment_id: str, generation: int) -> str:
    capability = Keyed(wiring.secret("STACK_KEY_ARN")).capability(environment_id, generation)
    return f"{wiring.setting('SOURCE_URL')}/{capability}"


def _password(environment_id: str) -> SecretStr:
    return Keyed(wiring.secret("STACK_KEY_ARN")).password(environment_id)


@cache
def _reaction() -> Reaction:
    keys = DataKeys(wiring.kms(), wiring.setting("KEY_ARN"))
    bundles = Bundles(wiring.table("BUNDLES_TABLE"), keys, utc_now)
    fly = Fly(build_http(), wiring.setting("FLY_API_URL"), lambda: wiring.secret("FLY_SECRET_ARN"))
    naming = Naming(
        organization=wiring.setting("FLY_ORGANIZATION"),
        prefix=wiring.setting("FLY_APP_PREFIX"),
        log_address=wiring.setting("LOG_ADDRESS"),
        source_url=_source_url,
        password=_password,
        gate=Gate(wiring.setting("GATE_URL"), wiring.setting("GATE_SHA512")),
    )
    return wiring.reaction("runtimes", steps(wiring.table("RECORDS_TABLE"), bundles, fly, naming, utc_now))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the runtimes queue."""
    return _reaction().handle(event, context)
