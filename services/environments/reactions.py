"""What leads to a change of an environment, and the step for each: the one function that writes environments."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.reaction import Reaction, Step
from environments import follow_branch, follow_orders, follow_pull_request
from environments.ask_github import AskGitHub
from environments.follow_branch import FollowBranch
from environments.follow_orders import FollowOrders
from environments.follow_pull_request import FollowPullRequest
from environments.follow_runtime import FollowRuntime
from environments.previews import Naming, Previews
from environments.reach import Reach
from environments.trust import Trust
from github_app.access import access
from prestage_contracts.envelope import Event
from prestage_contracts.ingress import (
    BranchPushed,
    InstallationRevoked,
    PreviewRequested,
    PreviewStopRequested,
    PullRequestClosed,
    PullRequestOpened,
    PullRequestUpdated,
)
from prestage_contracts.janitor import EnvironmentExpired, PullRequestDrifted, RuntimeLost
from prestage_contracts.operators import DeployRequested, RetryRequested, StopRequested
from prestage_contracts.runtimes import RuntimeFailed, RuntimeReady, RuntimeRemoved
from prestage_contracts.vault import SecretsFailed
from records.apps import Apps
from records.environments import Environments
from records.pull_requests import PullRequests
from records.revocations import Revocations
from records.skips import Skips
from records.table import Table
from sealing.keyed import Keyed

logger = Logger()


def steps(records: Table, ask: AskGitHub, naming: Naming, clock: Clock) -> dict[type[Event], Step[Any]]:
    """The step for each fact."""
    apps, environments, pull_requests = Apps(records), Environments(records), PullRequests(records)
    reach, trust = Reach(Revocations(records), ask, clock), Trust(apps, pull_requests, ask)
    previews = Previews(apps, environments, Skips(records), ask, reach, naming, clock)
    pull_request = FollowPullRequest(pull_requests, previews, ask, clock)
    branch = FollowBranch(apps, environments, ask, reach, naming, clock)
    runtime = FollowRuntime(environments, pull_requests, trust, clock)
    orders = FollowOrders(apps, environments, reach, trust, clock)
    return {
        PullRequestOpened: Step(pull_request.opened, follow_pull_request.failed),
        PullRequestUpdated: Step(pull_request.opened, follow_pull_request.failed),
        PullRequestClosed: Step(pull_request.closed, follow_pull_request.failed),
        PullRequestDrifted: Step(pull_request.drifted, follow_pull_request.failed_to_ask),
        PreviewRequested: Step(pull_request.requested, follow_pull_request.failed_to_ask),
        PreviewStopRequested: Step(pull_request.stop_requested, follow_pull_request.failed_to_ask),
        BranchPushed: Step(branch.pushed, follow_branch.failed_push),
        DeployRequested: Step(branch.requested, follow_branch.failed_request),
        InstallationRevoked: Step(orders.revoked),
        StopRequested: Step(orders.stop_requested, follow_orders.failed_order),
        RetryRequested: Step(orders.retry_requested, follow_orders.failed_order),
        RuntimeReady: Step(runtime.ready),
        RuntimeFailed: Step(runtime.failed),
        RuntimeRemoved: Step(runtime.removed),
        RuntimeLost: Step(runtime.lost),
        SecretsFailed: Step(runtime.without_secrets),
        EnvironmentExpired: Step(runtime.expired),
    }


def _fly_app(environment_id: str) -> str:
    return Keyed(wiring.secret("STACK_KEY_ARN")).fly_app_name(wiring.setting("FLY_APP_PREFIX"), environment_id)


@cache
def _reaction() -> Reaction:
    naming = Naming(_fly_app, wiring.setting("PREVIEW_ADDRESS"))
    return wiring.reaction("environments", steps(wiring.table("RECORDS_TABLE"), AskGitHub(access()), naming, utc_now))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the environments queue."""
    return _reaction().handle(event, context)
