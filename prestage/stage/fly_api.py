"""Fly's Machines API, for the apps of a pretended Fly.io."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NoReturn

import flask

from prestage.stage.fly_apps import App, Apps, ClosedError, InvalidNameError, NameTakenError
from prestage.stage.fly_certificates_api import CertificatesApi
from prestage.stage.fly_checks import describe_checks
from prestage.stage.fly_config import (
    REGIONS,
    AssignIp,
    CreateApp,
    CreateMachine,
    SetMetadata,
    SetSecrets,
    StopMachine,
    UpdateMachine,
)
from prestage.stage.fly_http import Answer, RefusalError, application, read_body
from prestage.stage.fly_machines import SETTLED, DestroyedError, Machine, StaleVersionError, duration_seconds
from prestage.stage.fly_tokens import Tokens

_LONGEST_WAIT = 60


class MachinesApi:
    """The views. Each looks its app up first, so that another organisation's is refused whatever is asked of it.

    Args:
        apps: all apps.
        tokens: those that are accepted.
        domain: of the apps' host names.
    """

    def __init__(self, apps: Apps, *, tokens: Tokens, domain: str) -> None:
        self._apps = apps
        self._tokens = tokens
        self._certificates = CertificatesApi(apps, find=self._app, domain=domain)

    def application(self) -> flask.Flask:
        """The API under /v1."""
        app = application("fly-machines-api")
        app.before_request(self._tokens.authenticate)
        app.add_url_rule("/v1/tokens/current", "current token", self._tokens.show, methods=["GET"])
        for method, rule, view in [*self._routes(), *self._certificates.routes()]:
            app.add_url_rule(f"/v1/apps{rule}", f"{method} {rule}", view, methods=[method])
        return app

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        machine = "/<name>/machines/<machine_id>"
        return [
            ("POST", "", self.create_app),
            ("GET", "", self.list_apps),
            ("GET", "/<name>", self.get_app),
            ("DELETE", "/<name>", self.delete_app),
            ("GET", "/<name>/ip_assignments", self.list_ips),
            ("POST", "/<name>/ip_assignments", self.assign_ip),
            ("DELETE", "/<name>/ip_assignments/<ip>", self.release_ip),
            ("GET", "/<name>/secrets", self.list_secrets),
            ("POST", "/<name>/secrets", self.set_secrets),
            ("GET", "/<name>/machines", self.list_machines),
            ("POST", "/<name>/machines", self.create_machine),
            ("GET", machine, self.get_machine),
            ("POST", machine, self.update_machine),
            ("DELETE", machine, self.destroy_machine),
            ("GET", f"{machine}/wait", self.wait),
            ("POST", f"{machine}/start", self.start),
            ("POST", f"{machine}/stop", self.stop),
            ("GET", f"{machine}/metadata", self.get_metadata),
            ("POST", f"{machine}/metadata/<key>", self.set_metadata),
            ("DELETE", f"{machine}/metadata/<key>", self.delete_metadata),
        ]

    def create_app(self) -> Answer:
        """Create an app of ours."""
        body = read_body(CreateApp)
        if body.org_slug != self._tokens.organization():
            raise RefusalError(HTTPStatus.FORBIDDEN, "Not authorized to create apps in this organization")
        try:
            app = self._apps.add(body.name or body.app_name, body.org_slug, body.network)
        except NameTakenError:
            message = "Validation failed: Name has already been taken"
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, message, "name_taken") from None
        except InvalidNameError:
            message = "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes"
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, message) from None
        return {"id": app.id, "created_at": app.created_at}, HTTPStatus.CREATED

    def list_apps(self) -> Answer:
        """The apps of an organisation."""
        if flask.request.args.get("org_slug") != self._tokens.organization():
            raise RefusalError(HTTPStatus.BAD_REQUEST, "org_slug is not an organization of this token")
        apps = [app.describe() for app in self._apps.listed(self._tokens.organization())]
        return {"total_apps": len(apps), "apps": apps}, HTTPStatus.OK

    def get_app(self, name: str) -> Answer:
        """An app."""
        return self._ours(self._apps.look(name)).describe(), HTTPStatus.OK

    def delete_app(self, name: str) -> Answer:
        """Delete an app with all that it has."""
        self._apps.delete(self._app(name))
        return "", HTTPStatus.ACCEPTED

    def list_ips(self, name: str) -> Answer:
        """An app's addresses."""
        return {"ips": self._app(name).ips}, HTTPStatus.OK

    def assign_ip(self, name: str) -> Answer:
        """Give an app an address."""
        app = self._app(name)
        return app.assign_ip(read_body(AssignIp).type), HTTPStatus.OK

    def release_ip(self, name: str, ip: str) -> Answer:
        """Take an address from an app."""
        app = self._app(name)
        kept = [one for one in app.ips if one["ip"] != ip]
        if len(kept) == len(app.ips):
            raise RefusalError(HTTPStatus.NOT_FOUND, "IP address not found")
        app.ips = kept
        return "", HTTPStatus.NO_CONTENT

    def list_secrets(self, name: str) -> Answer:
        """The names of an app's secrets."""
        if flask.request.args.get("show_secrets") == "true":
            raise RefusalError(HTTPStatus.FORBIDDEN, "values of secrets are not shown")
        return {"secrets": self._app(name).describe_secrets()}, HTTPStatus.OK

    def set_secrets(self, name: str) -> Answer:
        """Set and remove secrets."""
        app = self._app(name)
        version = app.set_secrets(read_body(SetSecrets).values)
        return {"version": version, "Version": version, "secrets": app.describe_secrets()}, HTTPStatus.OK

    def list_machines(self, name: str) -> Answer:
        """An app's machines, narrowed by state, region or metadata."""
        asked = flask.request.args
        states = set(filter(None, asked.get("state", "").split(",")))
        found = [
            machine
            for machine in tuple(self._app(name).machines.values())
            if (not states or machine.state in states)
            and asked.get("region", machine.region) == machine.region
            and all(
                machine.config.metadata.get(key.removeprefix("metadata.")) == value
                for key, value in asked.items()
                if key.startswith("metadata.")
            )
        ]
        return [_describe(machine) for machine in found], HTTPStatus.OK

    def create_machine(self, name: str) -> Answer:
        """Create a machine and boot it."""
        app = self._app(name)
        body = read_body(CreateMachine)
        _require_secrets(app, body.min_secrets_version)
        region = next((code for code in body.region.split(",") if code in REGIONS), "iad")
        try:
            machine = self._apps.add_machine(app, body.name, region, body.config)
        except NameTakenError:
            message = f"already_exists: unique machine name violation, machine with name {body.name} exists"
            raise RefusalError(HTTPStatus.CONFLICT, message) from None
        except ClosedError:
            raise RefusalError(HTTPStatus.NOT_FOUND, "Could not find App") from None
        # Fly answers before the machine runs.
        created = _describe(machine)
        if not body.skip_launch:
            _start(machine)
        return created, HTTPStatus.OK

    def get_machine(self, name: str, machine_id: str) -> Answer:
        """A machine."""
        return _describe(self._machine(name, machine_id)), HTTPStatus.OK

    def update_machine(self, name: str, machine_id: str) -> Answer:
        """Replace a machine's whole config."""
        machine = self._machine(name, machine_id)
        body = read_body(UpdateMachine)
        _require_secrets(self._app(name), body.min_secrets_version)
        if (body.name or machine.name) != machine.name or (body.region or machine.region) != machine.region:
            raise RefusalError(HTTPStatus.BAD_REQUEST, "invalid_argument: name and region can't be changed")
        try:
            machine.update(body.config, expected=body.current_version, launch=not body.skip_launch)
        except StaleVersionError:
            raise RefusalError(HTTPStatus.CONFLICT, "aborted: current_version is not the machine's") from None
        except DestroyedError:
            _no_machine()
        return _describe(machine) | {"state": "replacing"}, HTTPStatus.OK

    def destroy_machine(self, name: str, machine_id: str) -> Answer:
        """Destroy a machine: a running one only by force."""
        machine = self._machine(name, machine_id)
        if machine.running and flask.request.args.get("force") != "true":
            message = f"failed_precondition: unable to destroy machine, not currently stopped: {machine.state}"
            raise RefusalError(HTTPStatus.PRECONDITION_FAILED, message)
        self._apps.remove_machine(self._app(name), machine)
        return {"ok": True}, HTTPStatus.OK

    def wait(self, name: str, machine_id: str) -> Answer:
        """Wait until a machine is in one of some states."""
        machine = self._machine(name, machine_id)
        asked = {state for one in flask.request.args.getlist("state") for state in one.split(",")} or {"started"}
        seconds = flask.request.args.get("timeout", "60").removesuffix("s")
        if not seconds.isdecimal() or not 1 <= int(seconds) <= _LONGEST_WAIT:
            message = "invalid_argument: timeout: value must be inside range [1s, 1m0s]"
            raise RefusalError(HTTPStatus.BAD_REQUEST, message)
        if not asked <= SETTLED | {"settled"}:
            raise RefusalError(HTTPStatus.BAD_REQUEST, "invalid_argument: state")
        if not machine.wait_for(SETTLED if "settled" in asked else frozenset(asked), int(seconds)):
            message = "deadline_exceeded: machine failed to reach desired state, "
            raise RefusalError(HTTPStatus.REQUEST_TIMEOUT, message + f"{', '.join(asked)}, currently {machine.state}")
        return {"ok": True, "state": machine.state, "version": machine.instance_id}, HTTPStatus.OK

    def start(self, name: str, machine_id: str) -> Answer:
        """Boot a machine."""
        machine = self._machine(name, machine_id)
        before = machine.state
        _start(machine)
        return {"previous_state": before, "migrated": False, "new_host": ""}, HTTPStatus.OK

    def stop(self, name: str, machine_id: str) -> Answer:
        """Stop a machine; one that does not run is stopped already."""
        machine = self._machine(name, machine_id)
        body = read_body(StopMachine) if flask.request.get_data() else StopMachine()
        machine.stop(body.signal, duration_seconds(body.timeout) if body.timeout else None)
        return {"ok": True}, HTTPStatus.OK

    def get_metadata(self, name: str, machine_id: str) -> Answer:
        """A machine's metadata."""
        return self._machine(name, machine_id).config.metadata, HTTPStatus.OK

    def set_metadata(self, name: str, machine_id: str, key: str) -> Answer:
        """Set one value of a machine's metadata, without a boot or a new version."""
        machine = self._machine(name, machine_id)
        machine.set_metadata({**machine.config.metadata, key: read_body(SetMetadata).value})
        return "", HTTPStatus.NO_CONTENT

    def delete_metadata(self, name: str, machine_id: str, key: str) -> Answer:
        """Remove one value of a machine's metadata."""
        machine = self._machine(name, machine_id)
        machine.set_metadata({one: value for one, value in machine.config.metadata.items() if one != key})
        return "", HTTPStatus.NO_CONTENT

    def _app(self, name: str) -> App:
        return self._ours(self._apps.find(name))

    def _ours(self, app: App | None) -> App:
        if app is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "Could not find App")
        if app.organization != self._tokens.organization():
            raise RefusalError(HTTPStatus.FORBIDDEN, "unauthorized")
        return app

    def _machine(self, name: str, machine_id: str) -> Machine:
        machine = self._app(name).machines.get(machine_id)
        return machine if machine is not None else _no_machine()


def _describe(machine: Machine) -> dict[str, Any]:
    return machine.describe() | {"checks": describe_checks(machine)}


def _start(machine: Machine) -> None:
    try:
        machine.start()
    except DestroyedError:
        _no_machine()


def _no_machine() -> NoReturn:
    raise RefusalError(HTTPStatus.NOT_FOUND, "machine not found") from None


def _require_secrets(app: App, version: int | None) -> None:
    if version is not None and version > app.secrets_version:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "failed_precondition: min_secrets_version is in the future")
