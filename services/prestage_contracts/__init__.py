"""The events of Prestage as pydantic models: the published contract.

`EVENTS` maps the name of each event that Prestage states (its `detail-type`) to its model, in the order of the flow;
`REPORTS` those that other teams state. `parse` makes one of them of what a rule delivers.
"""

from collections.abc import Mapping
from typing import Any

from prestage_contracts.checks import CheckRecorded
from prestage_contracts.comments import PrCommented, PrCommentFailed
from prestage_contracts.deployments import DeploymentFailed, DeploymentReported
from prestage_contracts.dns import DomainFailed, DomainPointed, DomainReleased
from prestage_contracts.envelope import Event
from prestage_contracts.environments import (
    EnvironmentClosed,
    EnvironmentCreated,
    EnvironmentFailed,
    EnvironmentReady,
    EnvironmentStopped,
    EnvironmentUpdated,
    PreviewFailed,
    PreviewSkipped,
    RequestFailed,
)
from prestage_contracts.ingress import (
    BranchPushed,
    InstallationRevoked,
    PreviewRequested,
    PreviewStopRequested,
    PullRequestClosed,
    PullRequestOpened,
    PullRequestUpdated,
)
from prestage_contracts.janitor import EnvironmentExpired, PullRequestDrifted, RuntimeLost, RuntimeOrphaned
from prestage_contracts.operators import (
    AppChanged,
    AppRegistered,
    AppRemoved,
    CertificateImported,
    CheckReleased,
    ConfigChanged,
    CredentialChanged,
    DeadLetterDiscarded,
    DeadLetterRedriven,
    DeployRequested,
    EventsReplayed,
    PasswordRequested,
    PolicyChanged,
    RetryRequested,
    SecretChanged,
    StopRequested,
    SubscriberAllowed,
    SubscriberRevoked,
    UserAdded,
    UserRemoved,
)
from prestage_contracts.parsing import MalformedEventError, Unknown, parsed
from prestage_contracts.reports import CheckReported, Report
from prestage_contracts.runtimes import RuntimeFailed, RuntimeReady, RuntimeRemoved, RuntimeRequested
from prestage_contracts.vault import SecretsFailed, SecretsResolved

EVENTS: dict[str, type[Event]] = {
    event.name(): event
    for event in (
        PullRequestOpened,
        PullRequestUpdated,
        PullRequestClosed,
        BranchPushed,
        PreviewRequested,
        PreviewStopRequested,
        InstallationRevoked,
        DeployRequested,
        RetryRequested,
        StopRequested,
        PasswordRequested,
        EnvironmentExpired,
        PullRequestDrifted,
        RuntimeOrphaned,
        RuntimeLost,
        EnvironmentCreated,
        EnvironmentUpdated,
        EnvironmentReady,
        EnvironmentFailed,
        EnvironmentClosed,
        EnvironmentStopped,
        PreviewSkipped,
        PreviewFailed,
        RequestFailed,
        SecretsResolved,
        SecretsFailed,
        PrCommented,
        PrCommentFailed,
        DeploymentReported,
        DeploymentFailed,
        CheckRecorded,
        RuntimeRequested,
        RuntimeReady,
        RuntimeFailed,
        RuntimeRemoved,
        DomainPointed,
        DomainReleased,
        DomainFailed,
        AppRegistered,
        AppRemoved,
        PolicyChanged,
        AppChanged,
        ConfigChanged,
        SecretChanged,
        CheckReleased,
        UserAdded,
        UserRemoved,
        CertificateImported,
        CredentialChanged,
        SubscriberAllowed,
        SubscriberRevoked,
        DeadLetterRedriven,
        DeadLetterDiscarded,
        EventsReplayed,
    )
}

REPORTS: dict[str, type[Report]] = {report.name(): report for report in (CheckReported,)}
"""What other teams state, each from sources of its own."""

CONTRACT: dict[str, type[Event]] = {**EVENTS, **REPORTS}
"""Both: whatever is published, by its name."""

FORMER: tuple[type[Event], ...] = ()
"""The events as they were in major versions that are not stated any more: they are in archives, and can be read."""

_MODELS = {(event.name(), event.major()): event for event in (*FORMER, *CONTRACT.values())}


def parse(event: Mapping[str, Any]) -> Event | Unknown:
    """The fact in `event`, a whole event as EventBridge delivers it: an instance of its class, told apart by `match`.

    Fields that the class does not know are passed over. An event with another name, major version or source than those
    of this release is `Unknown`; a report may have any source that is not Prestage's.

    Raises:
        MalformedEventError: it is no event of EventBridge's, or it breaks the contract of the event that it says it is.
    """
    return parsed(event, _MODELS)


__all__ = [
    "CONTRACT",
    "EVENTS",
    "FORMER",
    "REPORTS",
    "AppChanged",
    "AppRegistered",
    "AppRemoved",
    "BranchPushed",
    "CertificateImported",
    "CheckRecorded",
    "CheckReleased",
    "CheckReported",
    "ConfigChanged",
    "CredentialChanged",
    "DeadLetterDiscarded",
    "DeadLetterRedriven",
    "DeployRequested",
    "DeploymentFailed",
    "DeploymentReported",
    "DomainFailed",
    "DomainPointed",
    "DomainReleased",
    "EnvironmentClosed",
    "EnvironmentCreated",
    "EnvironmentExpired",
    "EnvironmentFailed",
    "EnvironmentReady",
    "EnvironmentStopped",
    "EnvironmentUpdated",
    "Event",
    "EventsReplayed",
    "InstallationRevoked",
    "MalformedEventError",
    "PasswordRequested",
    "PolicyChanged",
    "PrCommentFailed",
    "PrCommented",
    "PreviewFailed",
    "PreviewRequested",
    "PreviewSkipped",
    "PreviewStopRequested",
    "PullRequestClosed",
    "PullRequestDrifted",
    "PullRequestOpened",
    "PullRequestUpdated",
    "Report",
    "RequestFailed",
    "RetryRequested",
    "RuntimeFailed",
    "RuntimeLost",
    "RuntimeOrphaned",
    "RuntimeReady",
    "RuntimeRemoved",
    "RuntimeRequested",
    "SecretChanged",
    "SecretsFailed",
    "SecretsResolved",
    "StopRequested",
    "SubscriberAllowed",
    "SubscriberRevoked",
    "Unknown",
    "UserAdded",
    "UserRemoved",
    "parse",
]
