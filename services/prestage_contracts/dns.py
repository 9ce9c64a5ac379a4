"""Facts about names in DNS: which of the application's owner lead to which runtime."""

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from prestage_contracts.envelope import Event
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentProblem

type HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]


class DomainPointedData(AboutEnvironment):
    """The environment, its own host name, and the provider's name for its runtime, to which that leads."""

    host: HostName
    target: HostName


class DomainPointed(Event):
    """DNS was told that an environment's own host name leads to its runtime. Stated for each generation."""

    SOURCE: ClassVar[str] = "prestage.dns"

    data: DomainPointedData


class DomainReleasedData(AboutEnvironment):
    """The environment, and the host name that it had."""

    host: HostName


class DomainReleased(Event):
    """No name in DNS leads to the runtime of a closed environment any more, and no resolver remembers one."""

    SOURCE: ClassVar[str] = "prestage.dns"

    data: DomainReleasedData


class DomainFailed(Event):
    """An environment's own host name could not be pointed to its runtime, or not be taken out of DNS."""

    SOURCE: ClassVar[str] = "prestage.dns"

    data: EnvironmentProblem
