"""Which facts may follow from which, one step at a time: what a step states of each kind of fact that it takes, and
what it states when it is refused or given up.
"""

from collections.abc import Mapping

from prestage_contracts import (
    CONTRACT,
    BranchPushed,
    CheckRecorded,
    CheckReported,
    DeploymentFailed,
    DeploymentReported,
    DeployRequested,
    DomainFailed,
    DomainPointed,
    DomainReleased,
    EnvironmentClosed,
    EnvironmentCreated,
    EnvironmentExpired,
    EnvironmentFailed,
    EnvironmentReady,
    EnvironmentStopped,
    EnvironmentUpdated,
    Event,
    InstallationRevoked,
    PrCommented,
    PrCommentFailed,
    PreviewFailed,
    PreviewRequested,
    PreviewSkipped,
    PreviewStopRequested,
    PullRequestClosed,
    PullRequestDrifted,
    PullRequestOpened,
    PullRequestUpdated,
    RequestFailed,
    RetryRequested,
    RuntimeFailed,
    RuntimeLost,
    RuntimeOrphaned,
    RuntimeReady,
    RuntimeRemoved,
    RuntimeRequested,
    SecretsFailed,
    SecretsResolved,
    StopRequested,
)

type Events = tuple[type[Event], ...]

_PREVIEWS: Events = (EnvironmentCreated, EnvironmentUpdated, EnvironmentClosed, PreviewSkipped)
"""Whatever GitHub is asked in between may have changed again, so a close can lead to a preview, and an open to none."""

_SHOWN: Events = (PrCommented, PrCommentFailed, DeploymentReported, DeploymentFailed)
_SERVED: Events = (SecretsResolved, SecretsFailed)

_MAY_LEAD_TO: Mapping[type[Event], Events] = {
    PullRequestOpened: (*_PREVIEWS, PreviewFailed),
    PullRequestUpdated: (*_PREVIEWS, PreviewFailed),
    PullRequestClosed: (*_PREVIEWS, PreviewFailed),
    BranchPushed: (EnvironmentUpdated, EnvironmentClosed, RequestFailed),
    PreviewRequested: (*_PREVIEWS, RequestFailed),
    PreviewStopRequested: (EnvironmentClosed, PreviewSkipped, RequestFailed),
    InstallationRevoked: (EnvironmentClosed,),
    DeployRequested: (EnvironmentCreated, EnvironmentUpdated, RequestFailed),
    RetryRequested: (EnvironmentUpdated, RequestFailed),
    StopRequested: (EnvironmentClosed, RequestFailed),
    EnvironmentExpired: (EnvironmentClosed,),
    PullRequestDrifted: (*_PREVIEWS, RequestFailed),
    RuntimeOrphaned: (RuntimeRemoved,),
    RuntimeLost: (EnvironmentUpdated,),
    EnvironmentCreated: (*_SERVED, *_SHOWN),
    EnvironmentUpdated: (*_SERVED, *_SHOWN),
    EnvironmentReady: (*_SHOWN, CheckReported),
    EnvironmentFailed: _SHOWN,
    EnvironmentClosed: (*_SHOWN, RuntimeRemoved, DomainReleased, DomainFailed),
    EnvironmentStopped: _SHOWN,
    PreviewSkipped: (PrCommented,),
    CheckReported: (CheckRecorded,),
    CheckRecorded: _SHOWN,
    SecretsResolved: (RuntimeRequested, RuntimeFailed),
    SecretsFailed: (EnvironmentFailed,),
    RuntimeRequested: (RuntimeReady, RuntimeFailed, DomainPointed, DomainFailed),
    RuntimeReady: (EnvironmentReady,),
    RuntimeFailed: (EnvironmentFailed,),
    RuntimeRemoved: (EnvironmentStopped,),
}


def may_follow(name: str) -> tuple[str, ...]:
    """The names of the facts that may follow from one of that name, by one step, in the order of the flow."""
    found = {event.name() for event in _MAY_LEAD_TO.get(CONTRACT[name], ())}
    return tuple(each for each in CONTRACT if each in found)
