"""What kind an app's addresses are: Fly's answers say it in three ways, by their age."""

from ipaddress import IPv6Network, ip_interface
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

_PRIVATE_NETWORKS = IPv6Network("fdaa::/16")
_IP_TYPES = frozenset({"shared_v4", "v4", "v6", "private_v6", "egress_v4", "egress_v6", "egress_pair"})


class IpAssignment(BaseModel):
    """An address of an app."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ip: str = ""
    shared: bool | None = None
    type: str | None = None
    egress: bool | None = None

    @property
    def kind(self) -> str | None:
        """The type that would be asked for to get this address; older answers don't say it."""
        if self.type in _IP_TYPES and not self.shared:
            return self.type
        try:
            address = ip_interface(self.ip).ip
        except ValueError:
            return None
        if self.shared or self.egress:
            return f"{'shared' if self.shared else 'egress'}_v{address.version}"
        private = address.version == _PRIVATE_NETWORKS.version and address in _PRIVATE_NETWORKS
        return "private_v6" if private else f"v{address.version}"


class IpAssignments(BaseModel):
    """The addresses of an app, as Fly answers; an app without any may have null there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ips: Annotated[tuple[IpAssignment, ...], BeforeValidator(lambda given: given or ())] = ()
