"""What a request to the Machines API may say. Stricter than Fly in one way: a field that the stage does nothing with is
refused as unknown, so that nobody relies here on what happens only there.
"""

import base64
import binascii
import posixpath
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

_AMERICAN = ("dfw", "ewr", "gru", "iad", "lax", "ord", "sjc", "yyz")
_OTHER = ("ams", "arn", "bom", "cdg", "fra", "jnb", "lhr", "nrt", "sin", "syd")
REGIONS = frozenset(_AMERICAN + _OTHER)

_MEMORY_PER_CPU = {"shared": (256, 2048), "performance": (2048, 8192)}
_MEMORY_STEP = 256


def _absolute(path: str) -> str:
    if not path.startswith("/") or posixpath.normpath(path) != path:
        raise ValueError("must be an absolute path")
    return path


def _base64(value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError("must be base64") from None
    return value


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError("must be the name of an environment variable")
    return name


def _regions(value: str) -> str:
    if not set(value.split(",")) <= REGIONS | {"any"}:
        raise ValueError("must be a region, or several in order")
    return value


# A bare number would be nanoseconds.
type Duration = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$")]
type Port = Annotated[int, Field(ge=1, le=65535)]
type Words = tuple[str, ...]
type Signal = Literal["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"]
type Path = Annotated[str, StringConstraints(pattern=r"^/")]
type Image = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][\w.:/@-]*$", max_length=512)]
type MachineName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
type Network = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
type Hostname = Annotated[
    str, StringConstraints(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$", max_length=253)
]
type VariableName = Annotated[str, AfterValidator(_variable)]


class Strict(BaseModel):
    """Takes what it knows, in exactly the JSON type that it has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Guest(Strict):
    """The machine's size: memory is bounded by the number of CPUs and their kind."""

    cpu_kind: Literal["shared", "performance"] = "shared"
    cpus: Literal[1, 2, 4, 6, 8, 10, 12, 14, 16] = 1
    memory_mb: int = 256

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least, most = (bound * self.cpus for bound in _MEMORY_PER_CPU[self.cpu_kind])
        if self.memory_mb % _MEMORY_STEP or not least <= self.memory_mb <= most:
            raise ValueError(f"memory_mb must be {least} to {most} in steps of {_MEMORY_STEP}")
        return self


class Init(Strict):
    """What runs instead of the image's own command."""

    exec: Words = ()
    entrypoint: Words = ()
    cmd: Words = ()
    tty: bool = False
    swap_size_mb: Annotated[int, Field(ge=0)] = 0

    @property
    def command(self) -> Words:
        """The words to execute; `exec` overrides the others."""
        return self.exec or self.entrypoint + self.cmd


class Restart(Strict):
    """When a machine whose main process has ended is booted again."""

    policy: Literal["no", "on-failure", "always"] = "on-failure"
    max_retries: Annotated[int, Field(ge=0)] = 10


class StopConfig(Strict):
    """How the main process is asked to end."""

    signal: Signal = "SIGTERM"
    timeout: Duration = "5s"


class Header(Strict):
    """A header of a check's request."""

    name: str
    values: Words


class Check(Strict):
    """A health check of a service; its port is the service's unless it says another."""

    type: Literal["http", "tcp"]
    port: Port | None = None
    method: Literal["GET", "HEAD", "get", "head"] = "GET"
    path: Path = "/"
    protocol: Literal["http"] = "http"
    headers: tuple[Header, ...] = ()
    interval: Duration = "15s"
    timeout: Duration = "5s"
    grace_period: Duration = "10s"


class MachineCheck(Check):
    """A check of the machine as a whole. It stops nothing from being routed unless it is for readiness."""

    port: Port
    kind: Literal["informational", "readiness"] = "informational"


class ResponseOptions(Strict):
    """Headers that the proxy sets on what the application answers; False removes one."""

    headers: dict[str, str | Words | Literal[False]] = {}
    pristine: bool = False


class HttpOptions(Strict):
    """What the proxy does to HTTP."""

    compress: bool = False
    h2_backend: bool = False
    idle_timeout: int | None = None
    response: ResponseOptions = ResponseOptions()


class PortConfig(Strict):
    """A port of the proxy."""

    port: Port
    handlers: tuple[Literal["http", "tls", "pg_tls", "proxy_proto"], ...] = ()
    force_https: bool = False
    http_options: HttpOptions = HttpOptions()


class Concurrency(Strict):
    """When the proxy takes a machine for busy."""

    type: Literal["connections", "requests"] = "connections"
    soft_limit: Annotated[int, Field(ge=1)] = 20
    hard_limit: Annotated[int, Field(ge=1)] = 25


class Service(Strict):
    """What the proxy routes to."""

    protocol: Literal["tcp", "udp"]
    internal_port: Port
    ports: tuple[PortConfig, ...] = ()
    autostart: bool = True
    autostop: bool | Literal["off", "stop", "suspend"] = False
    min_machines_running: Annotated[int, Field(ge=0)] = 0
    concurrency: Concurrency = Concurrency()
    checks: tuple[Check, ...] = ()


class File(Strict):
    """A file that is there when the machine boots."""

    guest_path: Annotated[str, AfterValidator(_absolute)]
    raw_value: Annotated[str, AfterValidator(_base64)] | None = None
    secret_name: str | None = None
    mode: Annotated[int, Field(ge=0, le=0o7777)] = 0o644

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.raw_value is None) == (self.secret_name is None):
            raise ValueError("give one of raw_value and secret_name")
        return self

    def content(self, secrets: Mapping[str, str]) -> bytes:
        """What is in the file; a secret's value is base64 as well."""
        encoded = self.raw_value if self.secret_name is None else secrets.get(self.secret_name)
        return base64.b64decode(encoded or "")


class Rootfs(Strict):
    """Whether the disk outlasts a stop (`restart`), and an update too (`always`)."""

    persist: Literal["never", "restart", "always"] = "never"
    size_gb: Annotated[int, Field(ge=0)] = 0


class MachineConfig(Strict):
    """A machine's whole config."""

    image: Image
    guest: Guest = Guest()
    env: dict[VariableName, str] = {}
    init: Init = Init()
    restart: Restart = Restart()
    auto_destroy: Literal[False] = False
    metadata: dict[str, str] = {}
    stop_config: StopConfig = StopConfig()
    services: tuple[Service, ...] = ()
    checks: dict[str, MachineCheck] = {}
    files: tuple[File, ...] = ()
    rootfs: Rootfs = Rootfs()
    mounts: Annotated[tuple[Any, ...], Field(max_length=0)] = ()

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        if not self.init.command:
            raise ValueError("init.exec is required: the stage has no images whose own command it could run")
        return self

    def as_read(self) -> dict[str, Any]:
        """As Fly gives it back: what was written, with `autostop` in its older spelling."""
        config = self.model_dump(mode="json", exclude_unset=True)
        for service in config.get("services", []):
            if service.get("autostop") in {"off", "stop"}:
                service["autostop"] = service["autostop"] == "stop"
        return config


class _MachineRequest(Strict):
    config: MachineConfig
    min_secrets_version: Annotated[int, Field(ge=0)] | None = None
    skip_launch: bool = False


class CreateMachine(_MachineRequest):
    """The body that creates a machine."""

    name: MachineName | None = None
    region: Annotated[str, AfterValidator(_regions)] = "iad"


class UpdateMachine(_MachineRequest):
    """The body that updates a machine: a region or name can only be the one that it has."""

    name: str | None = None
    region: str | None = None
    current_version: str | None = None


class CreateApp(Strict):
    """The body that creates an app. Fly's own documents spell the name's field in two ways."""

    name: str = ""
    app_name: str = ""
    org_slug: str
    network: Network | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if bool(self.name) == bool(self.app_name):
            raise ValueError("give one of name and app_name")
        return self


class AssignIp(Strict):
    """The body that gives an app an address."""

    type: Literal["shared_v4", "v4", "v6", "private_v6"]
    region: str | None = None
    network: str | None = None


class SetSecrets(Strict):
    """The body that sets secrets, and removes those whose value is null."""

    values: dict[VariableName, str | None]


class ImportCertificate(Strict):
    """The body that gives an app a certificate for a host name, in PEM."""

    hostname: Hostname
    fullchain: str
    private_key: str


class SetMetadata(Strict):
    """The body that sets one value of a machine's metadata."""

    value: str


class StopMachine(Strict):
    """The body that stops a machine; it may be left out."""

    signal: Signal | None = None
    timeout: Duration | None = None
