"""`SecretsResolved` → the environment's runtime on Fly.io is what the record says: `RuntimeRequested`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import utc_now
from choreography.reaction import BrokenError, Fact, Reaction, RefusedError
from prestage_contracts.envelope import Reason
from prestage_contracts.runtimes import Runtime, RuntimeFailed, RuntimeRequested, RuntimeRequestedData
from prestage_contracts.snapshot import EnvironmentProblem
from prestage_contracts.vault import SecretsResolved
from records.apps import Apps
from records.environments import Environment, Environments
from runtimes.fly import Fly, build_http
from runtimes.lease import Leases
from runtimes.provision import Provision, Wanted
from sealing.bundles import Bundles
from sealing.keyed import Keyed
from sealing.seal import DataKeys, KeyRefusedError, UnsealError

logger = Logger()


@dataclass(frozen=True)
class Converge:
    """The step. `source_url` gives the URL of an environment's source at a generation."""

    environments: Environments
    apps: Apps
    bundles: Bundles
    leases: Leases
    provision: Callable[[Wanted], Runtime]
    source_url: Callable[[str, int], str]

    def __call__(self, resolved: SecretsResolved) -> Sequence[Fact]:
        """The runtime, if the environment is still at that generation; an older one does nothing, undoes nothing."""
        about = resolved.data.environment
        with self.leases.held(about.id):
            environment = self.environments.live_at(about.id, about.generation)
            if environment is None:
                logger.info("superseded", environment_id=about.id, generation=about.generation)
                return []
            runtime = self.provision(self._wanted(environment))
        logger.info(
            "runtime requested", environment_id=about.id, fly_app=runtime.fly_app, machine_id=runtime.machine_id
        )
        return [Fact(RuntimeRequested, RuntimeRequestedData(environment=environment.snapshot(), runtime=runtime))]

    def _wanted(self, environment: Environment) -> Wanted:
        app = self.apps.get(environment.app_id)
        if app is None:
            raise RefusedError("app_removed", "The app was removed: add it again and reopen the pull request")
        try:
            secrets = self.bundles.open(environment.id, environment.generation)
        except KeyRefusedError:
            raise BrokenError("key_refused", "KMS refuses to open the resolved secrets: is the key enabled?") from None
        except UnsealError:
            raise RefusedError(
                "secrets_unreadable", "The resolved secrets can't be decrypted: reopen the pull request"
            ) from None
        if secrets is None:
            raise RefusedError("secrets_expired", "The resolved secrets are no longer kept: reopen the pull request")
        source_url = self.source_url(environment.id, environment.generation)
        return Wanted(environment=environment, app=app, source_url=source_url, secrets=secrets)


def _failed(resolved: SecretsResolved, reason: Reason) -> Fact:
    return Fact(RuntimeFailed, EnvironmentProblem(environment=resolved.data.environment, reason=reason))


def _source_url(environment_id: str, generation: int) -> str:
    capability = Keyed(wiring.secret("STACK_KEY_ARN")).capability(environment_id, generation)
    return f"{wiring.setting('SOURCE_URL')}/{capability}"


@cache
def _reaction() -> Reaction[SecretsResolved]:
    records = wiring.table("RECORDS_TABLE")
    keys = DataKeys(wiring.kms(), wiring.setting("KEY_ARN"))
    fly = Fly(build_http(), wiring.setting("FLY_API_URL"), lambda: wiring.secret("FLY_SECRET_ARN"))
    step = Converge(
        Environments(records),
        Apps(records),
        Bundles(wiring.table("BUNDLES_TABLE"), keys, utc_now),
        Leases(records, utc_now),
        Provision(fly, wiring.setting("FLY_ORGANIZATION")),
        _source_url,
    )
    return wiring.reaction("runtimes", takes=[SecretsResolved], step=step, failed=_failed)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the runtimes queue."""
    return _reaction().handle(event, context)
