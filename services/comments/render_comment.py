"""`EnvironmentCreated` → the pull request's one comment shows the environments as they are now: `PrCommented`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import utc_now
from choreography.reaction import BrokenError, Fact, Reaction
from comments.body import render
from comments.sticky import Stickies, Sticky, show
from comments.write import Writer
from github_app.auth import AppCredentials, InstallationTokens, InvalidCredentialsError
from github_app.client import GitHub, build_http
from prestage_contracts.comments import PrCommented, PrCommentedData, PrCommentFailed
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import EnvironmentCreated
from prestage_contracts.snapshot import EnvironmentProblem
from records.environments import Environment, Environments

MOST_WRITES = 3
"""In one go. What changes after that has a fact of its own in the queue."""

logger = Logger()


@dataclass(frozen=True)
class RenderComment:
    """The step. `writer` is built when the first comment is written."""

    environments: Environments
    stickies: Stickies
    writer: Callable[[], Writer]

    def __call__(self, created: EnvironmentCreated) -> Sequence[Fact]:
        """The comment, unless it shows what is now: then GitHub is not called and nothing is stated."""
        found = self.environments.get(created.data.environment.id)
        if found is None or found.pull_request is None:
            logger.info("no pull request to comment on")
            return []
        number = found.pull_request.number
        cause = str(created.metadata.event_id)
        sticky = self.stickies.get(found.repository.id, number)
        if sticky.cause != cause and not sticky.shows(self._now(found, number)):
            sticky = self._write(found, number, cause)
        if sticky.cause != cause:
            logger.info("shown already")
            return []
        return [_commented(found, sticky)]

    def _now(self, about: Environment, number: int) -> list[Environment]:
        return self.environments.list_by_pull_request(about.repository.id, number)

    def _write(self, about: Environment, number: int, cause: str) -> Sticky:
        """Write what is now and, as it may change meanwhile, look again."""
        sticky = self.stickies.claim(about.repository.id, number)
        try:
            for _ in range(MOST_WRITES):
                environments = self._now(about, number)
                if sticky.shows(environments):
                    break
                body = render(environments)
                written = self.writer().write(about, number, body, sticky.comment_id)
                told = {"comment_id": written.id, "url": written.url, "shown": show(environments), "cause": cause}
                # Not `written.created`: of two attempts, the one whose answer or record was lost may have created it.
                created = written.id != sticky.comment_id or (sticky.cause == cause and sticky.created)
                sticky = sticky.model_copy(update={**told, "created": created})
        finally:
            self.stickies.release(sticky)
        return sticky


def _commented(about: Environment, sticky: Sticky) -> Fact:
    logger.info("commented", comment_id=sticky.comment_id, first=sticky.created, rows=len(sticky.shown))
    return Fact(
        PrCommented,
        PrCommentedData(
            repository=about.repository,
            pull_request_number=sticky.number,
            comment_id=sticky.comment_id or 0,
            comment_url=sticky.url,
            created=sticky.created,
            shows=sticky.shown,
        ),
    )


def _failed(created: EnvironmentCreated, reason: Reason) -> Fact:
    return Fact(PrCommentFailed, EnvironmentProblem(environment=created.data.environment, reason=reason))


@cache
def _writer() -> Writer:
    github = GitHub(build_http(), wiring.setting("GITHUB_API_URL"), clock=utc_now)
    return Writer(github, InstallationTokens(github, _credentials, utc_now), slug=_credentials().slug)


def _credentials() -> AppCredentials:
    try:
        return AppCredentials.parse(wiring.secret("GITHUB_APP_SECRET_ARN").get_secret_value())
    except InvalidCredentialsError as error:
        raise BrokenError("github_app_secret", str(error)) from None


@cache
def _reaction() -> Reaction[EnvironmentCreated]:
    records = wiring.table("RECORDS_TABLE")
    step = RenderComment(Environments(records), Stickies(records, utc_now), _writer)
    return wiring.reaction("comments", takes=[EnvironmentCreated], step=step, failed=_failed)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the comments queue."""
    return _reaction().handle(event, context)
