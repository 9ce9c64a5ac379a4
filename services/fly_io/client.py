"""Fly.io's Machines API: https://docs.machines.dev. One attempt per call; waiting and trying again are the caller's."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from choreography.clock import Clock, utc_now
from fly_io.ip_assignments import IpAssignments
from fly_io.shapes import (
    Certificate,
    CurrentToken,
    FlyApp,
    FlyApps,
    Machine,
    Machines,
    Refusal,
    Secrets,
    SecretsVersion,
)

__all__ = [
    "LAUNCH_SECONDS",
    "TIMEOUT_SECONDS",
    "Certificate",
    "Fly",
    "FlyAmbiguous",
    "FlyApp",
    "FlyRefused",
    "FlyUnavailable",
    "Machine",
    "NameTaken",
    "build_http",
]

TIMEOUT_SECONDS = 12.0
"""For one answer. All that one runtime takes has to fit into the function's time, however slow Fly is."""

LAUNCH_SECONDS = 45.0
"""For an answer about creating or updating a machine: it includes the pull of the image, which takes a while."""

PROPAGATION = timedelta(seconds=1)
"""How long to leave an app that was just created: not all of Fly sees it at once."""

APP_NAME_FIELD = "name"
"""Fly's guides write `app_name` in the body that creates an app; its specification and its own client write this."""

_MESSAGE_LENGTH = 300
_HIDDEN = "…"
_SHORTEST_HIDDEN = 8
_SCHEMES = re.compile(r"^((FlyV1|Bearer)(\s+|$))+", re.IGNORECASE)
_MACAROONS = ("fm1r_", "fm1a_", "fm2_")
_TOKEN = re.compile(r"[!-~]([ -~]*[!-~])?")
_NAME_TAKEN = re.compile(r"name_taken|has already been taken|uniqueness constraint", re.IGNORECASE)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class FlyUnavailable(Exception):  # noqa: N818  # a state of Fly that passes, and the word its callers handle it by
    """Fly did not do it now and may do it later. `after` is how long Fly asks to be left alone, None if it does not."""

    def __init__(self, message: str, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class FlyAmbiguous(FlyUnavailable):
    """A change was asked for and no answer came: it may have happened. Look before asking again."""


class FlyRefused(Exception):  # noqa: N818  # an answer of Fly, and the word its callers handle it by
    """Fly said no, and would again.

    `status` is HTTP's, `message` Fly's words (at most 300 characters, no value of a request's environment or secrets
    in them), `request_id` what Fly's support asks for, None if there was none.
    """

    def __init__(self, status: int, message: str, request_id: str | None = None) -> None:
        super().__init__(f"Fly answered {status}: {message}")
        self.status = status
        self.message = message
        self.request_id = request_id


class NameTaken(FlyRefused):
    """The name exists: an app's anywhere on Fly (not necessarily ours), a machine's in its app."""


def build_http() -> httpx.Client:
    """A client with the time-out that Fly needs."""
    return httpx.Client(timeout=TIMEOUT_SECONDS)


class Fly:
    """The Machines API, with one token.

    Every method raises `FlyUnavailable` (after 429, 5xx, or where no answer came to a question), `FlyAmbiguous` (408,
    or where no answer came to a change) or `FlyRefused`. With `fresh=True`, which says that the app was created a
    moment ago, 401 and 404 are `FlyUnavailable` too.

    Args:
        http: from `build_http`.
        api_url: such as `https://api.machines.dev/v1`.
        token: read at each call, so that a rotated token is seen.
    """

    def __init__(
        self, http: httpx.Client, api_url: str, token: Callable[[], SecretStr], *, clock: Clock = utc_now
    ) -> None:
        self._http = http
        self._api_url = api_url.rstrip("/")
        self._token = token
        self._clock = clock

    def organizations(self) -> frozenset[str]:
        """The slugs of the organisations that the token is for; `FlyRefused` with status 401 where it is not taken."""
        return self._read(CurrentToken, self._send("GET", "/tokens/current")).organizations

    def create_app(self, name: str, organization: str, network: str) -> None:
        """Create an app on a private network of its own.

        Raises:
            NameTaken: somebody on Fly has an app of this name; `get_app` tells whether it is ours.
        """
        body = {APP_NAME_FIELD: name, "org_slug": organization, "network": network}
        answer = self._send("POST", "/apps", body)
        if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and _NAME_TAKEN.search(answer.text):
            raise NameTaken(*self._refusal(answer))
        self._expect(answer)

    def get_app(self, name: str) -> FlyApp | None:
        """The app, or None. Another organisation's app is `FlyRefused` with status 403."""
        answer = self._send("GET", _app(name))
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self._read(FlyApp, answer)

    def list_apps(self, organization: str) -> tuple[FlyApp, ...]:
        """All apps of the organisation, also those whose deletion goes on.

        An answer that may have left some out is `FlyRefused`, never fewer apps.
        """
        answer = self._send("GET", "/apps", params={"org_slug": organization})
        return self._read(FlyApps, answer).apps or ()

    def delete_app(self, name: str) -> None:
        """Begin to delete the app with all that it has. It is gone when `get_app` says None; gone already is fine."""
        answer = self._send("DELETE", _app(name), params={"force": "true"})
        if answer.status_code != HTTPStatus.NOT_FOUND:
            self._expect(answer)

    def list_ip_types(self, app: str, *, fresh: bool = False) -> frozenset[str]:
        """The types of the app's addresses, as `assign_ip` takes them."""
        answer = self._send("GET", _app(app, "ip_assignments"))
        ips = self._read(IpAssignments, answer, fresh=fresh).ips
        return frozenset(kind for ip in ips if (kind := ip.kind))

    def assign_ip(self, app: str, ip_type: str, *, fresh: bool = False) -> None:
        """Give the app an address, such as `shared_v4` or `v6`. Asking twice may give two: list first."""
        self._expect(self._send("POST", _app(app, "ip_assignments"), {"type": ip_type}), fresh=fresh)

    def set_secrets(self, app: str, values: Mapping[str, str | None], *, fresh: bool = False) -> int:
        """Set secrets, or remove those whose value is None. Gives the version to start machines with, at least."""
        answer = self._send("POST", _app(app, "secrets"), {"values": dict(values)})
        return self._read(SecretsVersion, answer, fresh=fresh, hidden=None).version

    def list_secret_names(self, app: str, *, fresh: bool = False) -> frozenset[str]:
        """The names of the app's secrets."""
        answer = self._send("GET", _app(app, "secrets"))
        found = self._read(Secrets, answer, fresh=fresh, hidden=None)
        return frozenset(secret.name for secret in found.secrets)

    def list_machines(self, app: str, *, fresh: bool = False) -> tuple[Machine, ...]:
        """The app's machines, without destroyed ones."""
        return self._read(Machines, self._send("GET", _app(app, "machines")), fresh=fresh).root

    def get_machine(self, app: str, machine_id: str) -> Machine:
        """The machine; `FlyRefused` with status 404 if there is none."""
        return self._read(Machine, self._send("GET", _app(app, "machines", machine_id)))

    def create_machine(
        self,
        app: str,
        *,
        name: str,
        region: str,
        config: Mapping[str, Any],
        min_secrets_version: int | None = None,
        fresh: bool = False,
    ) -> Machine:
        """Create a machine and launch it.

        Raises:
            NameTaken: the app has a machine of this name.
        """
        body = _without_none(name=name, region=region, config=config, min_secrets_version=min_secrets_version)
        answer = self._send("POST", _app(app, "machines"), body, seconds=LAUNCH_SECONDS)
        if answer.status_code == HTTPStatus.CONFLICT:
            raise NameTaken(*self._refusal(answer, _environment(config)))
        return self._read(Machine, answer, fresh=fresh, hidden=_environment(config))

    def update_machine(
        self,
        app: str,
        machine_id: str,
        *,
        config: Mapping[str, Any],
        current_version: str,
        region: str | None = None,
        min_secrets_version: int | None = None,
    ) -> Machine:
        """Replace the machine's whole config and boot it, if its `instance_id` is still `current_version`.

        A stale version, or a lease that somebody holds, is `FlyRefused` with status 409.
        """
        body = _without_none(
            region=region, config=config, current_version=current_version, min_secrets_version=min_secrets_version
        )
        answer = self._send("POST", _app(app, "machines", machine_id), body, seconds=LAUNCH_SECONDS)
        return self._read(Machine, answer, hidden=_environment(config))

    def start_machine(self, app: str, machine_id: str) -> None:
        """Boot a machine that was stopped.

        One that runs, is being changed or was never launched may be `FlyRefused` with status 412: look at its state.
        """
        self._expect(self._send("POST", _app(app, "machines", machine_id, "start")))

    def import_certificate(
        self, app: str, hostname: str, *, fullchain: str, private_key: SecretStr, fresh: bool = False
    ) -> Certificate:
        """Give the app a certificate (PEM, the leaf first) and its key (PEM) for a host name, which may be `*.…`.

        It is active once DNS proves that the name is the app's. Fly's words about a refusal are left out: they may
        quote the key.
        """
        body = {"hostname": hostname, "fullchain": fullchain, "private_key": private_key.get_secret_value()}
        answer = self._send("POST", _app(app, "certificates", "custom"), body)
        return self._read(Certificate, answer, fresh=fresh, hidden=None)

    def get_certificate(self, app: str, hostname: str) -> Certificate | None:
        """The app's certificate for the host name, or None."""
        answer = self._send("GET", _app(app, "certificates", hostname))
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self._read(Certificate, answer)

    def check_certificate(self, app: str, hostname: str) -> Certificate:
        """The certificate after Fly has looked at DNS again; `FlyRefused` with status 404 if there is none."""
        return self._read(Certificate, self._send("POST", _app(app, "certificates", hostname, "check")))

    def delete_certificate(self, app: str, hostname: str) -> None:
        """Take the host name from the app, with every certificate for it; gone already is fine."""
        answer = self._send("DELETE", _app(app, "certificates", hostname))
        if answer.status_code != HTTPStatus.NOT_FOUND:
            self._expect(answer)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> httpx.Response:
        headers = {"Authorization": _authorization(self._token())}
        url = self._api_url + path
        try:
            return self._http.request(method, url, json=body, params=params, headers=headers, timeout=seconds)
        except _NEVER_SENT as error:
            raise FlyUnavailable(f"no connection to Fly ({type(error).__name__})") from None
        except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.DecodingError) as error:
            lost = FlyUnavailable if method == "GET" else FlyAmbiguous
            raise lost(f"no answer from Fly ({type(error).__name__})") from None

    def _expect(self, answer: httpx.Response, *, fresh: bool = False, hidden: Iterable[str] | None = ()) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status == HTTPStatus.REQUEST_TIMEOUT:
            late = FlyUnavailable if answer.request.method == "GET" else FlyAmbiguous
            raise late("Fly answered 408")
        if status == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error:
            raise FlyUnavailable(f"Fly answered {status}", self._asked_wait(answer))
        if fresh and status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
            raise FlyUnavailable(f"Fly answered {status} about an app that it has just created", PROPAGATION)
        raise FlyRefused(*self._refusal(answer, hidden))

    def _read[T: BaseModel](
        self, shape: type[T], answer: httpx.Response, *, fresh: bool = False, hidden: Iterable[str] | None = ()
    ) -> T:
        self._expect(answer, fresh=fresh, hidden=hidden)
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError:
            # A validation error quotes what it was given, and a machine's config carries its whole environment.
            message = "an answer of another shape than Fly promises"
            raise FlyRefused(answer.status_code, message, answer.headers.get("fly-request-id")) from None

    def _refusal(self, answer: httpx.Response, hidden: Iterable[str] | None = ()) -> tuple[int, str, str | None]:
        """What `FlyRefused` says. `hidden` are values not to be quoted; None quotes nothing."""
        words = "in words that are left out, because they may quote secrets" if hidden is None else _words(answer)
        for value in sorted((_bare(self._token()), *(hidden or ())), key=len, reverse=True):
            words = words.replace(value, _HIDDEN)
        return answer.status_code, words[:_MESSAGE_LENGTH], answer.headers.get("fly-request-id")

    def _asked_wait(self, answer: httpx.Response) -> timedelta | None:
        asked = answer.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"[0-9]{1,9}", asked):
            return timedelta(seconds=int(asked))
        try:
            until = parsedate_to_datetime(asked)
        except ValueError:
            return None
        return max(until.replace(tzinfo=until.tzinfo or UTC) - self._clock(), timedelta(0))


def _app(name: str, *rest: str) -> str:
    return "/apps/" + "/".join(quote(part, safe="") for part in (name, *rest))


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _environment(config: Mapping[str, Any]) -> list[str]:
    """Values that an answer might quote and an error must not: the capability URL is among them."""
    return [str(value) for value in config.get("env", {}).values() if len(str(value)) >= _SHORTEST_HIDDEN]


def _bare(token: SecretStr) -> str:
    """The token without the schemes that `fly tokens create` prints before it, or that were put there since.

    Raises:
        ValueError: it can't be a token; the text does not quote it.
    """
    bare = _SCHEMES.sub("", token.get_secret_value().strip())
    if not _TOKEN.fullmatch(bare):
        raise ValueError("the Fly token is empty or has characters that no header can carry")
    return bare


def _authorization(token: SecretStr) -> str:
    bare = _bare(token)
    return f"{'FlyV1' if bare.startswith(_MACAROONS) else 'Bearer'} {bare}"


def _words(answer: httpx.Response) -> str:
    try:
        body = Refusal.model_validate_json(answer.content)
    except ValidationError:
        return answer.text.strip()
    return body.error or body.message or answer.text.strip()
