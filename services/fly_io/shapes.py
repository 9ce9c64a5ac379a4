"""What Fly.io's Machines API answers, as far as it is read here; whatever else an answer has is passed over."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    model_validator,
)

_OLD_CLIENTS_CHECKS = "bg_deployments_compat"


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _absent_is[T](default: T) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


type _Text = Annotated[str, _absent_is("")]
type _Told = Annotated[bool, _absent_is(False)]
type _Texts = Annotated[tuple[str, ...], _absent_is(())]


class FlyApp(_Lenient):
    """An app. `id` is another one for the next app of the same name; `network` is None where Fly does not say.

    `status` is Fly's word, such as `pending` or `deployed`. It says nothing about a deletion that goes on.
    """

    id: _Text = ""
    name: str
    organization_slug: str = Field(
        default="", validation_alias=AliasChoices("organization_slug", AliasPath("organization", "slug"))
    )
    network: str | None = None
    status: _Text = ""


class FlyApps(_Lenient):
    """The apps of an organisation. What does not have them all is no such answer."""

    apps: tuple[FlyApp, ...] | None = None
    total_apps: int | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        untold = self.apps is None and self.total_apps != 0
        if untold or len(self.apps or ()) < (self.total_apps or 0):
            raise ValueError("not all apps are there")
        return self


class Check(_Lenient):
    """A health check's last result: passing, warning or critical."""

    name: str = ""
    status: str = ""
    output: str = ""


def _own(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Without those that Fly adds for old versions of its own client, which say what others say already."""
    return tuple(check for check in checks if not check.name.startswith(_OLD_CLIENTS_CHECKS))


class Exit(_Lenient):
    """How a machine's main process ended.

    `exit_code` is None where Fly does not say, 128 and the signal's number after a signal. `requested_stop`: somebody
    stopped the machine, such as Fly's proxy for want of visitors. `restarting`: it is booted again by its policy.
    """

    exit_code: int | None = None
    oom_killed: _Told = False
    requested_stop: _Told = False
    restarting: _Told = False


class MachineEvent(_Lenient):
    """What happened to a machine, at `timestamp` in milliseconds; `exit` is None unless its main process ended."""

    type: _Text = ""
    timestamp: Annotated[float, _absent_is(0)] = 0
    exit: Exit | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "exit", AliasPath("request", "exit_event"), AliasPath("request", "MonitorEvent", "exit_event")
        ),
    )


class Machine(_Lenient):
    """A machine. Unknown strings in `state` are transient. `config` is empty while Fly can't reach the host.

    `checks` is empty as well where there is nothing to tell yet: that is not passing. `events` are the last few.
    """

    id: str
    name: str = ""
    state: str = ""
    region: str = ""
    instance_id: str = ""
    config: Annotated[dict[str, Any], _absent_is({})] = Field(default={}, repr=False)
    checks: Annotated[tuple[Check, ...], AfterValidator(_own), _absent_is(())] = ()
    events: Annotated[tuple[MachineEvent, ...], _absent_is(())] = Field(default=(), repr=False)

    @property
    def metadata(self) -> dict[str, str]:
        """What we wrote on the machine."""
        found = self.config.get("metadata")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def last_exit(self) -> Exit | None:
        """How the main process ended the last time that it did, None if Fly tells of no end."""
        ends = [event for event in self.events if event.exit is not None]
        return max(ends, key=lambda event: event.timestamp).exit if ends else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last end, None if Fly tells of none."""
        return self.last_exit.exit_code if self.last_exit else None


class Ownership(_Lenient):
    """The TXT record that proves an app's right to a host name; empty where Fly does not say."""

    name: _Text = ""
    app_value: _Text = ""


class DnsRequirements(_Lenient):
    """What DNS has to say of a host name: the app's addresses, or `cname`, another name for them; and `ownership`."""

    a: _Texts = ()
    aaaa: _Texts = ()
    cname: _Text = ""
    ownership: Annotated[Ownership, _absent_is(Ownership())] = Ownership()


class _CertificateEntry(_Lenient):
    source: str = ""
    expires_at: AwareDatetime | None = None


class Certificate(_Lenient):
    """An app's certificate for a host name.

    `state` is `active`, `pending_ownership` (DNS does not prove yet that the name is the app's), `pending_validation`,
    or a word that Fly has found since. Only an active one is served, and only then is the host name routed.
    """

    hostname: str
    state: str = Field(validation_alias=AliasChoices("state", "status"))
    dns: Annotated[DnsRequirements, _absent_is(DnsRequirements())] = Field(
        default=DnsRequirements(), validation_alias=AliasChoices("dns", "dns_requirements")
    )
    certificates: Annotated[tuple[_CertificateEntry, ...], _absent_is(())] = ()

    @property
    def imported_until(self) -> datetime | None:
        """When the chain that was imported expires, by which it is told from the next; None if there is none."""
        ends = [entry.expires_at for entry in self.certificates if entry.source == "custom" and entry.expires_at]
        return max(ends, default=None)


class _TokenInfo(_Lenient):
    org_slug: str = ""


class CurrentToken(_Lenient):
    """What a token is for: it may be several macaroons in one."""

    tokens: Annotated[tuple[_TokenInfo, ...], _absent_is(())] = ()

    @property
    def organizations(self) -> frozenset[str]:
        """The slugs of the organisations that it reaches."""
        return frozenset(one.org_slug for one in self.tokens if one.org_slug)


class Refusal(_Lenient):
    """Fly's words about an error; older answers have them in `message`."""

    error: str | None = None
    message: str | None = None


class _Secret(_Lenient):
    name: str


class Secrets(_Lenient):
    """An app's secrets, without their values."""

    secrets: Annotated[tuple[_Secret, ...], _absent_is(())] = ()


class SecretsVersion(_Lenient):
    """The version of an app's secrets after a change."""

    version: int = Field(validation_alias=AliasChoices("version", "Version"))


class Machines(RootModel[tuple[Machine, ...]]):
    """The machines of an app."""
