"""Facts about an environment's secrets: names and a reference, never a value."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from prestage_contracts.envelope import Event, Frozen
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentProblem, Identifier

type SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class BundleReference(Frozen):
    """Which sealed bundle holds the values: one per environment and generation."""

    environment_id: Identifier
    generation: Annotated[int, Field(ge=1)]


class SecretsResolvedData(AboutEnvironment):
    """The environment, the names of its secrets (possibly none), and the bundle that holds their values."""

    names: tuple[SecretName, ...]
    bundle: BundleReference


class SecretsResolved(Event):
    """The secrets for an environment's generation are sealed into its bundle; stated also when there are none."""

    SOURCE: ClassVar[str] = "prestage.vault"

    data: SecretsResolvedData


class SecretsFailed(Event):
    """The secrets for an environment's generation could not be resolved, so no runtime is requested."""

    SOURCE: ClassVar[str] = "prestage.vault"

    data: EnvironmentProblem
