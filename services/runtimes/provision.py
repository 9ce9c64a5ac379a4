"""Drive Fly.io to what an environment should have: look first, make what is missing, change what is old."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from choreography.reaction import RetryLaterError
from fly_io.client import Fly, FlyRefused, Machine, NameTaken
from prestage_contracts.runtimes import Runtime
from records.apps import App
from records.environments import Environment
from runtimes.machine import MACHINE_NAME, Gate, find_ours, generation_of, machine_config, metadata
from runtimes.outcomes import LOOK_AGAIN, MOVED, OUTAGE, as_outcomes
from runtimes.ownership import OurApps
from sealing.bundles import TlsCertificate

IP_TYPES = ("shared_v4", "v6")
"""Free, and enough for HTTP. Without an address an app can't be reached."""

_FAILED = frozenset({"failed", "launch_failed"})
"""States that a machine does not get out of by itself. In any other, it runs, wakes when asked, or is on its way."""


@dataclass(frozen=True)
class Wanted:
    """What should be there. `secrets` are the values of the Fly app's secrets.

    `certificate` is for the environment's own host name, where it has one.
    """

    environment: Environment
    app: App
    source_url: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    certificate: TlsCertificate | None = field(default=None, repr=False)


class Provision:
    """Fly apps of one organisation, made to be what is wanted of them. `gate` asks visitors for a password."""

    def __init__(self, fly: Fly, organization: str, gate: Gate) -> None:
        self._fly = fly
        self._gate = gate
        self._organization = organization
        self._apps = OurApps(fly, organization)

    def __call__(self, wanted: Wanted) -> Runtime | None:
        """Make it so. Every call looks before it makes, so that it may be broken off at any point and repeated.

        None if the machine is of a newer generation already: then nothing is changed.

        Raises:
            RetryLaterError: Fly does not answer now, or not clearly; look again later.
            RefusedError: Fly refused.
            BrokenError: Fly does not take the stack's token.
        """
        with as_outcomes():
            machine = self._converge(wanted)
        return self._runtime(wanted, machine) if machine else None

    def _converge(self, wanted: Wanted) -> Machine | None:
        name = wanted.environment.fly_app
        found = self._apps.find(name)
        created = found is None and self._create_app(name)
        if found is None and not created and self._apps.find(name) is None:
            raise RetryLaterError("Fly.io says that the app's name is taken, and does not find it", LOOK_AGAIN)
        machine = None if created else find_ours(self._fly.list_machines(name, fresh=True))
        if machine is not None and not machine.config:
            raise RetryLaterError("Fly.io does not reach the machine's host", OUTAGE)
        if machine is not None and generation_of(machine) > wanted.environment.generation:
            return None
        self._give_addresses(name, frozenset() if created else self._fly.list_ip_types(name, fresh=True))
        self._give_certificate(wanted)
        version = self._give_secrets(name, wanted.secrets, created=created)
        if machine is None:
            return self._create_machine(wanted, version)
        return self._update_machine(wanted, machine, version)

    def _create_app(self, name: str) -> bool:
        try:
            self._fly.create_app(name, self._organization, network=name)
        except NameTaken:
            return False
        return True

    def _give_addresses(self, name: str, given: frozenset[str]) -> None:
        for ip_type in IP_TYPES:
            if ip_type not in given:
                self._fly.assign_ip(name, ip_type, fresh=True)

    def _give_certificate(self, wanted: Wanted) -> None:
        """Which of two certificates Fly has, it tells by the time that it expires."""
        name, host, certificate = wanted.environment.fly_app, wanted.environment.own_host, wanted.certificate
        if host is None or certificate is None:
            return
        found = self._fly.get_certificate(name, host)
        if found is None or found.imported_until != certificate.not_after:
            chain, key = certificate.chain, certificate.private_key
            self._fly.import_certificate(name, host, fullchain=chain, private_key=key, fresh=True)

    def _give_secrets(self, name: str, secrets: Mapping[str, str], *, created: bool) -> int | None:
        old = frozenset() if created else self._fly.list_secret_names(name, fresh=True)
        values: dict[str, str | None] = {**dict.fromkeys(old - secrets.keys()), **secrets}
        return self._fly.set_secrets(name, values, fresh=True) if values else None

    def _create_machine(self, wanted: Wanted, version: int | None) -> Machine:
        try:
            return self._fly.create_machine(
                wanted.environment.fly_app,
                name=MACHINE_NAME,
                region=wanted.app.region,
                config=self._config(wanted),
                min_secrets_version=version,
                fresh=True,
            )
        except NameTaken:
            raise RetryLaterError("Fly.io has the machine, and does not show it yet", LOOK_AGAIN) from None

    def _update_machine(self, wanted: Wanted, machine: Machine, version: int | None) -> Machine:
        if machine.state not in _FAILED and metadata(wanted.environment).items() <= machine.metadata.items():
            return machine
        try:
            return self._fly.update_machine(
                wanted.environment.fly_app,
                machine.id,
                config=self._config(wanted),
                current_version=machine.instance_id,
                min_secrets_version=version,
            )
        except FlyRefused as error:
            if error.status in MOVED:
                raise RetryLaterError("the Fly.io machine is being changed", LOOK_AGAIN) from None
            raise

    def _config(self, wanted: Wanted) -> dict[str, object]:
        names = frozenset(wanted.secrets)
        return machine_config(
            wanted.environment, wanted.app, source_url=wanted.source_url, gate=self._gate, secret_names=names
        )

    def _runtime(self, wanted: Wanted, machine: Machine) -> Runtime:
        return Runtime(
            provider="fly.io",
            fly_app=wanted.environment.fly_app,
            machine_id=machine.id,
            region=machine.region or wanted.app.region,
            address=wanted.environment.address,
        )
