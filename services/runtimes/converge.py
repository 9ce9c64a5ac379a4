"""`SecretsResolved` → the environment's runtime on Fly.io is what the record says: `RuntimeRequested`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from choreography.reaction import BrokenError, Fact, RefusedError
from prestage_contracts.envelope import Reason
from prestage_contracts.runtimes import (
    Runtime,
    RuntimeFailed,
    RuntimeFailedData,
    RuntimeRequested,
    RuntimeRequestedData,
)
from prestage_contracts.vault import SecretsResolved
from records.apps import Apps
from records.environments import Environment, Environments
from runtimes.lease import Lease, Leases
from runtimes.machine import PASSWORD
from runtimes.provision import Wanted
from sealing.bundles import Bundles
from sealing.seal import KeyRefusedError, UnsealError

_ABOUT_SECRETS = frozenset({"key_refused", "secrets_unreadable", "secrets_expired"})
_ANEW = "stop the environment and begin it again"
_RETRY = "comment /preview retry, or use `prestage environments retry`"

logger = Logger()


@dataclass(frozen=True)
class Converge:
    """The step. `source_url` gives the URL of an environment's source at a generation, `password` its visitors'.

    `delete` returns once an app is gone; `provision` gives None where a newer generation is there already.
    """

    environments: Environments
    apps: Apps
    bundles: Bundles
    leases: Leases
    delete: Callable[[str, Lease], None]
    provision: Callable[[Wanted], Runtime | None]
    source_url: Callable[[str, int], str]
    password: Callable[[str], SecretStr]

    def __call__(self, resolved: SecretsResolved) -> Sequence[Fact]:
        """The runtime, if the environment is still at that generation; an older one does nothing, undoes nothing."""
        about = resolved.data.environment
        with self.leases.held(about.id) as lease:
            environment = self.environments.live_at(about.id, about.generation)
            runtime = self._runtime(environment, lease) if environment else None
            if environment and runtime is None and self.environments.live_at(about.id, about.generation):
                raise RefusedError("runtime_ahead", f"The machine is newer than the record of it: {_ANEW}")
        if environment is None or runtime is None:
            logger.info("superseded", environment_id=about.id, generation=about.generation)
            return []
        logger.info(
            "runtime requested", environment_id=about.id, fly_app=runtime.fly_app, machine_id=runtime.machine_id
        )
        return [Fact(RuntimeRequested, RuntimeRequestedData(environment=environment.snapshot(), runtime=runtime))]

    def _runtime(self, environment: Environment, lease: Lease) -> Runtime | None:
        wanted = self._wanted(environment)
        if lease.removing:
            self.delete(environment.fly_app, lease)
        return self.provision(wanted)

    def _wanted(self, environment: Environment) -> Wanted:
        app = self.apps.get(environment.app_id)
        if app is None:
            raise RefusedError("app_removed", f"The app was removed: add it again, then {_RETRY}")
        try:
            of = environment.id, environment.generation
            secrets = self.bundles.open(*of)
            certificate = self.bundles.open_certificate(*of) if environment.own_host else None
        except KeyRefusedError:
            raise BrokenError("key_refused", "KMS refuses to open the resolved secrets: is the key enabled?") from None
        except UnsealError:
            raise RefusedError("secrets_unreadable", f"The resolved secrets can't be decrypted: {_RETRY}") from None
        if secrets is None or (environment.own_host and certificate is None):
            raise RefusedError("secrets_expired", f"The resolved secrets are no longer kept: {_RETRY}")
        if environment.with_password:
            secrets = {**secrets, PASSWORD: self.password(environment.id).get_secret_value()}
        source_url = self.source_url(*of)
        return Wanted(environment=environment, app=app, source_url=source_url, secrets=secrets, certificate=certificate)


def failed(resolved: SecretsResolved, reason: Reason) -> Fact:
    """There is no runtime, or none of this generation."""
    stage = "secrets" if reason.code in _ABOUT_SECRETS else "provision"
    return Fact(RuntimeFailed, RuntimeFailedData(environment=resolved.data.environment, reason=reason, stage=stage))
