"""`PullRequestOpened` → an environment per app of the repository: `EnvironmentCreated`, or `PreviewSkipped`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.reaction import Fact, Reaction
from environments.policy import is_trusted_with_secrets, reason_to_skip
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import (
    EnvironmentCreated,
    EnvironmentCreatedData,
    PreviewFailed,
    PreviewFailedData,
    PreviewSkipped,
    PreviewSkippedData,
)
from prestage_contracts.ingress import PullRequestOpened
from records.apps import App, Apps
from records.environments import Environment, Environments, SupersededError, environment_id, new_preview
from records.pull_requests import PullRequest, PullRequests, still_told_by
from sealing.keyed import Keyed

logger = Logger()


@dataclass(frozen=True)
class FollowPullRequest:
    """The step. `fly_app` names the Fly.io app of an environment; `address` has `{fly_app}` where that name goes."""

    apps: Apps
    pull_requests: PullRequests
    environments: Environments
    fly_app: Callable[[str], str]
    address: str
    clock: Clock

    def __call__(self, opened: PullRequestOpened) -> Sequence[Fact]:
        """An environment for each app, if this is GitHub's last word on the pull request."""
        if not self.pull_requests.tell(_told(opened)):
            logger.info("superseded by a newer word on the pull request")
            return []
        apps = self.apps.list_by_repository(opened.data.repository.id)
        if not apps:
            logger.info("no app in this repository", repository_id=opened.data.repository.id)
        return [fact for app in apps for fact in self._follow(opened, app)]

    def _follow(self, opened: PullRequestOpened, app: App) -> Sequence[Fact]:
        reason = reason_to_skip(opened.data, app)
        if reason:
            return [_skipped(opened, app, reason)]
        repository = opened.data.repository
        last_word = still_told_by(repository.id, opened.data.pull_request.number, str(opened.metadata.event_id))
        try:
            environment = self.environments.begin(self._wanted(opened, app), last_word)
        except SupersededError:
            logger.info("superseded", app_id=app.id)
            return []
        logger.info("environment begun", environment_id=environment.id, generation=environment.generation)
        return [Fact(EnvironmentCreated, EnvironmentCreatedData(environment=environment.snapshot()))]

    def _wanted(self, opened: PullRequestOpened, app: App) -> Environment:
        data = opened.data
        fly_app = self.fly_app(environment_id(app.id, "preview", data.pull_request.number))
        return new_preview(
            app_id=app.id,
            app_name=app.name,
            repository=data.repository,
            installation_id=data.installation_id,
            branch=data.head.branch,
            sha=data.head.sha,
            pull_request=data.pull_request,
            intent=str(opened.metadata.event_id),
            with_secrets=is_trusted_with_secrets(data),
            fly_app=fly_app,
            address=self.address.format(fly_app=fly_app),
            now=self.clock(),
        )


def _told(opened: PullRequestOpened) -> PullRequest:
    data = opened.data
    return PullRequest(
        repository_id=data.repository.id,
        number=data.pull_request.number,
        state="open",
        head_sha=data.head.sha,
        updated_at=data.updated_at,
        told_by=str(opened.metadata.event_id),
    )


def _skipped(opened: PullRequestOpened, app: App, reason: Reason) -> Fact:
    logger.info("skipped", app_id=app.id, reason=reason.code)
    about = {"repository": opened.data.repository, "pull_request": opened.data.pull_request}
    return Fact(PreviewSkipped, PreviewSkippedData(**about, app_id=app.id, app_name=app.name, reason=reason))


def _failed(opened: PullRequestOpened, reason: Reason) -> Fact:
    data = opened.data
    return Fact(
        PreviewFailed, PreviewFailedData(repository=data.repository, pull_request=data.pull_request, reason=reason)
    )


def _fly_app(environment_id: str) -> str:
    return Keyed(wiring.secret("STACK_KEY_ARN")).fly_app_name(wiring.setting("FLY_APP_PREFIX"), environment_id)


@cache
def _reaction() -> Reaction[PullRequestOpened]:
    records = wiring.table("RECORDS_TABLE")
    step = FollowPullRequest(
        Apps(records),
        PullRequests(records),
        Environments(records),
        _fly_app,
        wiring.setting("PREVIEW_ADDRESS"),
        utc_now,
    )
    return wiring.reaction("environments", takes=[PullRequestOpened], step=step, failed=_failed)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the environments queue."""
    return _reaction().handle(event, context)
