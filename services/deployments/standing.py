"""The record of an environment's deployments: who is telling GitHub of them, which there are, and what was told."""

from typing import Annotated, Self
from uuid import uuid4

from pydantic import AwareDatetime, Field

from choreography.claims import Claims
from choreography.clock import Clock
from prestage_contracts.deployments import DeploymentState
from prestage_contracts.envelope import Frozen, Text
from prestage_contracts.snapshot import GitHubId, Identifier, Sha
from records.table import Item, Table

MOST_TELLINGS = 20
"""What was told last, and by whom. A step that was broken off finds its own among them when it is repeated."""

type Generation = Annotated[int, Field(ge=1)]


class Begun(Frozen):
    """A generation's deployment that was about to be made: it may be there, and its id is not known."""

    generation: Generation
    sha: Sha
    at: AwareDatetime


class Deployment(Frozen):
    """A generation's deployment that is not inactive; `state` is what GitHub was told last, None for nothing."""

    generation: Generation
    sha: Sha
    deployment_id: GitHubId
    state: DeploymentState | None = None


class Telling(Frozen):
    """What GitHub was told of a generation's deployment, by the step for the event `cause`."""

    generation: Generation
    sha: Sha
    deployment_id: GitHubId
    state: DeploymentState
    cause: Text


class Standing(Frozen):
    """How an environment stands on GitHub: the deployments that are not inactive, and the last tellings."""

    environment_id: Identifier
    begun: tuple[Begun, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    tellings: tuple[Telling, ...] = ()
    holder: str = ""

    @property
    def generations(self) -> list[int]:
        """Those that have, or may have, a deployment which is not inactive; the oldest first."""
        begun = (one.generation for one in self.begun)
        return sorted([*begun, *(one.generation for one in self.deployments)])

    def at(self, generation: int) -> Deployment | None:
        """The generation's deployment, as far as it is known."""
        return next((one for one in self.deployments if one.generation == generation), None)

    def begun_at(self, generation: int) -> Begun | None:
        """The generation's deployment, if it was begun and is not known."""
        return next((one for one in self.begun if one.generation == generation), None)

    def told_by(self, cause: str) -> list[Telling]:
        """What the step for that event told, in that order."""
        return [one for one in self.tellings if one.cause == cause]

    def without(self, generation: int) -> Self:
        """It, when nothing of the generation is there."""
        begun = tuple(one for one in self.begun if one.generation != generation)
        deployments = tuple(one for one in self.deployments if one.generation != generation)
        return self.model_copy(update={"begun": begun, "deployments": deployments})

    def beginning(self, begun: Begun) -> Self:
        """It, when that is about to be made."""
        others = self.without(begun.generation)
        return others.model_copy(update={"begun": (*others.begun, begun)})

    def having(self, deployment: Deployment) -> Self:
        """It, when that is there."""
        others = self.without(deployment.generation)
        return others.model_copy(update={"deployments": (*others.deployments, deployment)})

    def told(self, deployment: Deployment, state: DeploymentState, cause: str) -> Self:
        """It, when GitHub was told so."""
        told = deployment.model_copy(update={"state": state})
        telling = Telling(**told.model_dump(), cause=cause)
        changed = self.without(told.generation) if state == "inactive" else self.having(told)
        return changed.model_copy(update={"tellings": (*self.tellings, telling)[-MOST_TELLINGS:]})


class Standings:
    """The environments' standings on record."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._claims = Claims(table, clock, "somebody else is telling GitHub of this environment")

    def get(self, environment_id: str) -> Standing:
        """How the environment stands, not claimed."""
        return _standing(environment_id, self._table.get(**_key(environment_id)) or {})

    def claim(self, environment_id: str) -> Standing:
        """The right to tell GitHub of the environment.

        Raises:
            RetryLaterError: somebody else has it.
        """
        found = self._table.get(**_key(environment_id)) or {}
        standing = _standing(environment_id, found).model_copy(update={"holder": str(uuid4())})
        self._claims.take(_item(standing), found)
        return standing

    def keep(self, standing: Standing) -> None:
        """Write down what is known, and hold the right for as long again.

        Raises:
            RetryLaterError: somebody else has it by now.
        """
        self._claims.keep(_item(standing))

    def release(self, standing: Standing) -> None:
        """Give the right back, and keep what is known. Whoever lost it meanwhile keeps nothing."""
        self._claims.release(_item(standing))


def _standing(environment_id: str, item: Item) -> Standing:
    return Standing.model_validate({**item, "environment_id": environment_id})


def _item(standing: Standing) -> Item:
    return {**standing.model_dump(mode="json"), **_key(standing.environment_id)}


def _key(environment_id: str) -> dict[str, str]:
    return {"pk": f"ENVIRONMENT#{environment_id}", "sk": "DEPLOYMENT"}
