"""Facts about runtimes: what the provider was asked for and what it said."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from prestage_contracts.envelope import Event, Frozen, Text
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentProblem, Url


class Runtime(Frozen):
    """Where an environment runs."""

    provider: Literal["fly.io"]
    fly_app: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,61}$")]
    machine_id: Text
    region: Text
    address: Url


class RuntimeRequestedData(AboutEnvironment):
    """The environment and the runtime that was asked for it."""

    runtime: Runtime


class RuntimeRequested(Event):
    """The provider accepted the runtime for an environment's generation; it boots now."""

    SOURCE: ClassVar[str] = "prestage.runtimes"

    data: RuntimeRequestedData


class RuntimeFailed(Event):
    """The runtime for an environment's generation could not be had: refused by the provider, or given up."""

    SOURCE: ClassVar[str] = "prestage.runtimes"

    data: EnvironmentProblem
