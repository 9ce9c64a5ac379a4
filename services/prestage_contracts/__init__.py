"""The events of Prestage as pydantic models: the published contract.

`EVENTS` maps each event's name (its `detail-type`) to its model, in the order of the flow.
"""

from prestage_contracts.comments import PrCommented, PrCommentFailed
from prestage_contracts.envelope import Event
from prestage_contracts.environments import EnvironmentCreated, PreviewFailed, PreviewSkipped
from prestage_contracts.ingress import PullRequestOpened
from prestage_contracts.runtimes import RuntimeFailed, RuntimeRequested
from prestage_contracts.vault import SecretsFailed, SecretsResolved

EVENTS: dict[str, type[Event]] = {
    event.name(): event
    for event in (
        PullRequestOpened,
        EnvironmentCreated,
        PreviewSkipped,
        PreviewFailed,
        SecretsResolved,
        SecretsFailed,
        PrCommented,
        PrCommentFailed,
        RuntimeRequested,
        RuntimeFailed,
    )
}

__all__ = [
    "EVENTS",
    "EnvironmentCreated",
    "Event",
    "PrCommentFailed",
    "PrCommented",
    "PreviewFailed",
    "PreviewSkipped",
    "PullRequestOpened",
    "RuntimeFailed",
    "RuntimeRequested",
    "SecretsFailed",
    "SecretsResolved",
]
