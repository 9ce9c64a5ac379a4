"""`EnvironmentCreated`, `EnvironmentUpdated` → the app's secrets, sealed for that generation: `SecretsResolved`.

With them goes the certificate, where the environment's host name is of the application's owner.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import utc_now
from choreography.reaction import BrokenError, Fact, Reaction, RefusedError, Step
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.environments import EnvironmentClosed, EnvironmentCreated, EnvironmentUpdated
from prestage_contracts.snapshot import EnvironmentProblem
from prestage_contracts.vault import BundleReference, SecretsFailed, SecretsResolved, SecretsResolvedData
from records.certificates import Certificates
from records.environments import Environments
from sealing.bundles import Bundles, TlsCertificate
from sealing.seal import DataKeys
from vault.forget_secrets import ForgetSecrets
from vault.private_keys import PrivateKeys
from vault.secrets import Secrets, SecretUnreadableError
from vault.tls_certificates import TlsCertificates

logger = Logger()


@dataclass(frozen=True)
class ResolveSecrets:
    """The step. `certificate_for` gives the certificate for a host name."""

    environments: Environments
    secrets: Secrets
    bundles: Bundles
    certificate_for: Callable[[str], TlsCertificate]

    def __call__(self, begun: EnvironmentCreated | EnvironmentUpdated) -> Sequence[Fact]:
        """The bundle and what is in it by name, if the environment is still at that generation."""
        about = begun.data.environment
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
        certificate = self.certificate_for(environment.own_host) if environment.own_host else None
        names = self.bundles.keep(environment.id, environment.generation, values, certificate)
        logger.info("resolved", environment_id=environment.id, generation=environment.generation, count=len(names))
        reference = BundleReference(environment_id=environment.id, generation=environment.generation)
        return [
            Fact(
                SecretsResolved, SecretsResolvedData(environment=environment.snapshot(), names=names, bundle=reference)
            )
        ]


def failed(begun: EnvironmentCreated | EnvironmentUpdated, reason: Reason) -> Fact:
    """The generation gets no secrets, and so no runtime."""
    return Fact(SecretsFailed, EnvironmentProblem(environment=begun.data.environment, reason=reason))


def steps(
    environments: Environments,
    secrets: Secrets,
    bundles: Bundles,
    certificate_for: Callable[[str], TlsCertificate],
) -> dict[type[Event], Step[Any]]:
    """The step for each fact."""
    resolve = Step(ResolveSecrets(environments, secrets, bundles, certificate_for), failed)
    return {
        EnvironmentCreated: resolve,
        EnvironmentUpdated: resolve,
        EnvironmentClosed: Step(ForgetSecrets(bundles)),
    }


@cache
def _reaction() -> Reaction:
    keys = DataKeys(wiring.kms(), wiring.setting("KEY_ARN"))
    records, secrets = wiring.table("RECORDS_TABLE"), wiring.table("SECRETS_TABLE")
    bundles = Bundles(wiring.table("BUNDLES_TABLE"), keys, utc_now)
    certificate_for = TlsCertificates(Certificates(records), PrivateKeys(secrets, keys), utc_now)
    made = steps(Environments(records), Secrets(secrets, keys, utc_now), bundles, certificate_for)
    return wiring.reaction("vault", made)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the vault queue."""
    return _reaction().handle(event, context)
