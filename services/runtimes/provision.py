"""Drive Fly.io to what an environment should have: look first, make what is missing, change what is old."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from aws_lambda_powertools import Logger

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from prestage_contracts.runtimes import Runtime
from records.apps import App
from records.environments import Environment
from runtimes.fly import Fly, FlyAmbiguous, FlyApp, FlyRefused, FlyUnavailable, Machine, NameTaken
from runtimes.machine import MACHINE_NAME, machine_config, metadata

IP_TYPES = ("shared_v4", "v6")
"""Free, and enough for HTTP. Without an address an app can't be reached."""

_OUTAGE = timedelta(seconds=20)
_LOOK_AGAIN = timedelta(seconds=3)
_MOVED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
_GONE = frozenset({"destroying", "destroyed"})
_FAILED = frozenset({"failed", "launch_failed"})
"""States that a machine does not get out of by itself. In any other, it runs, wakes when asked, or is on its way."""

logger = Logger()


@dataclass(frozen=True)
class Wanted:
    """What should be there. `secrets` are the values of the Fly app's secrets."""

    environment: Environment
    app: App
    source_url: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)


class Provision:
    """Fly apps of one organisation, made to be what is wanted of them."""

    def __init__(self, fly: Fly, organization: str) -> None:
        self._fly = fly
        self._organization = organization

    def __call__(self, wanted: Wanted) -> Runtime:
        """Make it so. Every call looks before it makes, so that it may be broken off at any point and repeated.

        Raises:
            RetryLaterError: Fly does not answer now, or not clearly; look again later.
            RefusedError: Fly refused.
        """
        try:
            return self._runtime(wanted, self._converge(wanted))
        except FlyUnavailable as error:
            wait = _LOOK_AGAIN if isinstance(error, FlyAmbiguous) else _OUTAGE
            raise RetryLaterError(f"Fly.io: {error}", error.after or wait) from None
        except FlyRefused as error:
            logger.error(  # noqa: TRY400  # where it came from says nothing: the answer is what counts
                "Fly refused", status=error.status, explanation=error.message, fly_request_id=error.request_id
            )
            if error.status == HTTPStatus.UNAUTHORIZED:  # our token, not this runtime
                raise BrokenError("provider_unauthorized", "Fly.io does not accept the stack's token") from None
            raise RefusedError("provider_refused", f"Fly.io refused: {error.message or error.status}") from None

    def _converge(self, wanted: Wanted) -> Machine:
        name = wanted.environment.fly_app
        found = self._get_app(name)
        created = found is None and self._create_app(name)
        if not created:
            self._see_that_it_is_ours(found or self._get_app(name), name)
        self._give_addresses(name, frozenset() if created else self._fly.list_ip_types(name, fresh=True))
        version = self._give_secrets(name, wanted.secrets, created=created)
        machine = None if created else self._find_machine(name)
        if machine is None:
            return self._create_machine(wanted, version)
        return self._update_machine(wanted, machine, version)

    def _get_app(self, name: str) -> FlyApp | None:
        try:
            return self._fly.get_app(name)
        except FlyRefused as error:
            if error.status == HTTPStatus.FORBIDDEN:
                raise _not_ours(name) from None
            raise

    def _create_app(self, name: str) -> bool:
        try:
            self._fly.create_app(name, self._organization, network=name)
        except NameTaken:
            return False
        return True

    def _see_that_it_is_ours(self, found: FlyApp | None, name: str) -> None:
        if found is None:
            raise RetryLaterError("Fly.io says that the app's name is taken, and does not find it", _LOOK_AGAIN)
        if found.organization_slug != self._organization or found.network != name:
            raise _not_ours(name)

    def _give_addresses(self, name: str, given: frozenset[str]) -> None:
        for ip_type in IP_TYPES:
            if ip_type not in given:
                self._fly.assign_ip(name, ip_type, fresh=True)

    def _give_secrets(self, name: str, secrets: Mapping[str, str], *, created: bool) -> int | None:
        old = frozenset() if created else self._fly.list_secret_names(name, fresh=True)
        values: dict[str, str | None] = {**dict.fromkeys(old - secrets.keys()), **secrets}
        return self._fly.set_secrets(name, values, fresh=True) if values else None

    def _find_machine(self, name: str) -> Machine | None:
        machines = self._fly.list_machines(name, fresh=True)
        ours = (machine for machine in machines if machine.name == MACHINE_NAME and machine.state not in _GONE)
        return next(ours, None)

    def _create_machine(self, wanted: Wanted, version: int | None) -> Machine:
        try:
            return self._fly.create_machine(
                wanted.environment.fly_app,
                name=MACHINE_NAME,
                region=wanted.app.region,
                config=_config(wanted),
                min_secrets_version=version,
                fresh=True,
            )
        except NameTaken:
            raise RetryLaterError("Fly.io has the machine, and does not show it yet", _LOOK_AGAIN) from None

    def _update_machine(self, wanted: Wanted, machine: Machine, version: int | None) -> Machine:
        if not machine.config:
            raise RetryLaterError("Fly.io does not reach the machine's host", _OUTAGE)
        if machine.state not in _FAILED and metadata(wanted.environment).items() <= machine.metadata.items():
            return machine
        try:
            return self._fly.update_machine(
                wanted.environment.fly_app,
                machine.id,
                config=_config(wanted),
                current_version=machine.instance_id,
                min_secrets_version=version,
            )
        except FlyRefused as error:
            if error.status in _MOVED:
                raise RetryLaterError("the Fly.io machine is being changed", _LOOK_AGAIN) from None
            raise

    def _runtime(self, wanted: Wanted, machine: Machine) -> Runtime:
        return Runtime(
            provider="fly.io",
            fly_app=wanted.environment.fly_app,
            machine_id=machine.id,
            region=machine.region or wanted.app.region,
            address=wanted.environment.address,
        )


def _not_ours(name: str) -> RefusedError:
    return RefusedError("name_taken", f"The Fly.io app {name} is not this stack's: it is not touched")


def _config(wanted: Wanted) -> dict[str, object]:
    names = frozenset(wanted.secrets)
    return machine_config(wanted.environment, wanted.app, source_url=wanted.source_url, secret_names=names)
