"""`EnvironmentCreated` → the app's secrets, sealed for one generation of the environment: `SecretsResolved`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import utc_now
from choreography.reaction import BrokenError, Fact, Reaction, RefusedError
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import EnvironmentCreated
from prestage_contracts.snapshot import EnvironmentProblem
from prestage_contracts.vault import BundleReference, SecretsFailed, SecretsResolved, SecretsResolvedData
from records.environments import Environments
from sealing.bundles import Bundles
from sealing.seal import DataKeys
from vault.secrets import Secrets, SecretUnreadableError

logger = Logger()


@dataclass(frozen=True)
class ResolveSecrets:
    """The step."""

    environments: Environments
    secrets: Secrets
    bundles: Bundles

    def __call__(self, created: EnvironmentCreated) -> Sequence[Fact]:
        """The bundle and what is in it by name, if the environment is still at that generation."""
        about = created.data.environment
        environment = self.environments.live_at(about.id, about.generation)
        if environment is None:
            logger.info("superseded", environment_id=about.id, generation=about.generation)
            return []
        try:
            given = environment.with_secrets
            values = self.secrets.resolve(environment.app_id, environment.type) if given else {}
        except SecretUnreadableError as error:
            if error.refused:
                raise BrokenError("key_refused", str(error)) from None
            raise RefusedError("secret_unreadable", str(error)) from None
        names = self.bundles.keep(environment.id, environment.generation, values)
        logger.info("resolved", environment_id=environment.id, generation=environment.generation, count=len(names))
        reference = BundleReference(environment_id=environment.id, generation=environment.generation)
        return [
            Fact(
                SecretsResolved, SecretsResolvedData(environment=environment.snapshot(), names=names, bundle=reference)
            )
        ]


def _failed(created: EnvironmentCreated, reason: Reason) -> Fact:
    return Fact(SecretsFailed, EnvironmentProblem(environment=created.data.environment, reason=reason))


@cache
def _reaction() -> Reaction[EnvironmentCreated]:
    keys = DataKeys(wiring.kms(), wiring.setting("KEY_ARN"))
    step = ResolveSecrets(
        Environments(wiring.table("RECORDS_TABLE")),
        Secrets(wiring.table("SECRETS_TABLE"), keys, utc_now),
        Bundles(wiring.table("BUNDLES_TABLE"), keys, utc_now),
    )
    return wiring.reaction("vault", takes=[EnvironmentCreated], step=step, failed=_failed)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the vault queue."""
    return _reaction().handle(event, context)
