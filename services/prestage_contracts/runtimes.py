"""Facts about runtimes: what the provider was asked for and what it said."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from prestage_contracts.envelope import Event, Frozen, Text
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentProblem, Stage, Url


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


class RuntimeReadyData(AboutEnvironment):
    """The environment and the runtime that serves it."""

    runtime: Runtime


class RuntimeReady(Event):
    """The runtime runs an environment's generation, and its health check passes."""

    SOURCE: ClassVar[str] = "prestage.runtimes"

    data: RuntimeReadyData


class RuntimeFailedData(EnvironmentProblem):
    """The environment, why its runtime failed, and at which stage of its boot, with the exit status if it ended.

    `log_url` is where people with access to the provider read its log.
    """

    stage: Stage | None = None
    exit_status: Annotated[int, Field(ge=0, le=255)] | None = None
    log_url: Url | None = None


class RuntimeFailed(Event):
    """The runtime for an environment's generation could not be had, ended, or was not ready in time."""

    SOURCE: ClassVar[str] = "prestage.runtimes"

    data: RuntimeFailedData


class RuntimeRemoved(Event):
    """The provider says that the runtime of a closed environment is gone."""

    SOURCE: ClassVar[str] = "prestage.runtimes"

    data: AboutEnvironment
