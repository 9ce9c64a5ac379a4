"""What GitHub is still to be told of an environment, from its record as it is now."""

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.required import READY, Verdict
from deployments.standing import Standing
from prestage_contracts.deployments import DeploymentState
from records.environments import Environment
from records.life import Status

STATES: Mapping[Status, DeploymentState] = {"deploying": "in_progress", "ready": "success", "failed": "failure"}
"""Of the current generation's deployment, while the environment is live."""

REVOKED = frozenset({"uninstalled", "suspended"})
"""Codes of an environment's end after which the App has no right to tell anything any more."""


@dataclass(frozen=True)
class Due:
    """A state that a generation's deployment has and GitHub does not know, and why if the environment does not say."""

    generation: int
    state: DeploymentState
    because: str = ""


def due(environment: Environment, standing: Standing, ready: Verdict = READY) -> list[Due]:
    """What is to be told, in that order: that what was is no more, then what is. `ready` is what readiness counts for.

    An environment that closed before it had a deployment needs none.
    """
    if _is_out_of_reach(environment):
        return []
    state = STATES.get(environment.status)
    current = environment.generation if state else None
    state, because = (ready.state, ready.because) if state == "success" else (state, "")
    told = [Due(generation, "inactive") for generation in standing.generations if generation != current]
    known = standing.at(environment.generation)
    if state is not None and (known is None or known.state != state):
        told.append(Due(environment.generation, state, because))
    return told


def _is_out_of_reach(environment: Environment) -> bool:
    return not environment.is_live and environment.reason is not None and environment.reason.code in REVOKED
