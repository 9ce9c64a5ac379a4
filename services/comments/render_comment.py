"""`Environment…`, `PreviewSkipped`, `CheckRecorded` → the pull request's comment shows what is now: `PrCommented`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.reaction import Fact, Reaction, RetryLaterError, Step
from comments.body import render
from comments.rows import Row, checks_below, is_out_of_reach, is_worth_a_comment, rows
from comments.sticky import Stickies, Sticky, show, show_checks, show_skips
from comments.write import Writer
from github_app.access import Place, access, credentials
from prestage_contracts.checks import CheckRecorded
from prestage_contracts.comments import PrCommented, PrCommentedData, PrCommentFailed
from prestage_contracts.envelope import Event, Reason
from prestage_contracts.environments import ENVIRONMENT_CHANGES, EnvironmentChanged, PreviewSkipped
from prestage_contracts.snapshot import EnvironmentProblem, Repository
from records.checks import Checks, EnvironmentChecks
from records.environments import Environment, Environments
from records.pull_requests import PullRequests
from records.skips import Skips
from records.table import Table

MOST_WRITES = 3
"""In one go. What changes after that has a fact of its own in the queue."""

TOGETHER = timedelta(seconds=3)
"""Reports of checks come in bursts: those of so long are shown by one rendering."""

logger = Logger()


@dataclass(frozen=True)
class RenderComment:
    """The steps. `writer` is built when the first comment is written."""

    environments: Environments
    skips: Skips
    pull_requests: PullRequests
    checks: Checks
    stickies: Stickies
    writer: Callable[[], Writer]
    clock: Clock

    def recorded(self, event: CheckRecorded) -> Sequence[Fact]:
        """A check is to be seen, with the others that are reported in the same moment."""
        if self.clock() < event.metadata.occurred_at + TOGETHER:
            raise RetryLaterError("other checks may be reported at the same time", TOGETHER)
        return self._about(event, every_check=True)

    def changed(self, event: EnvironmentChanged) -> Sequence[Fact]:
        """Something about an environment is to be seen. Its checks have facts of their own."""
        return self._about(event)

    def _about(self, event: EnvironmentChanged | CheckRecorded, *, every_check: bool = False) -> Sequence[Fact]:
        found = self.environments.get(event.data.environment.id)
        if found is None or found.pull_request is None:
            logger.info("no pull request to comment on")
            return []
        of = found.repository.id, found.pull_request.number
        return self._comment(*of, str(event.metadata.event_id), every_check=every_check)

    def skipped(self, event: PreviewSkipped) -> Sequence[Fact]:
        """An app gives the pull request no preview."""
        data = event.data
        return self._comment(data.repository.id, data.pull_request.number, str(event.metadata.event_id))

    def _comment(self, repository_id: int, number: int, cause: str, *, every_check: bool = False) -> Sequence[Fact]:
        """The comment, unless it shows what is now: then GitHub is not called and nothing is stated."""
        pull_request = self.pull_requests.get(repository_id, number)
        if pull_request is None:
            logger.info("no such pull request on record")
            return []
        place = Place(pull_request.word.installation_id, pull_request.word.repository)
        sticky = self.stickies.get(repository_id, number)
        if sticky.cause != cause and self._is_due(sticky, self._rows(repository_id, number), every_check=every_check):
            sticky = self._write(place, number, cause, every_check=every_check)
        if sticky.cause != cause:
            logger.info("shown already, or nothing to show")
            return []
        return [_commented(place.repository, sticky)]

    def _rows(self, repository_id: int, number: int) -> list[Row]:
        environments = self.environments.list_by_pull_request(repository_id, number)
        return rows(environments, self.skips.list_by_pull_request(repository_id, number))

    def _below(self, sticky: Sticky, now: Sequence[Row], *, every_check: bool) -> Mapping[str, EnvironmentChecks]:
        """The checks below the rows: all, or those of environments alone that the comment shows some of.

        What it shows none of has none, or else a fact of its own in the queue, which looks at all.
        """
        known = {one.environment_id for one in sticky.checked}
        looked_at = [row for row in now if isinstance(row, Environment) and (every_check or row.id in known)]
        return checks_below(looked_at, self.checks)

    def _is_due(self, sticky: Sticky, now: Sequence[Row], *, every_check: bool) -> bool:
        """Whether there is something to write. Checks are read only where the rows do not tell."""
        if sticky.shows(now) and not every_check:
            return False
        if sticky.shows(now) and sticky.checked == show_checks(self._below(sticky, now, every_check=True)):
            return False
        return not is_out_of_reach(now) and (sticky.may_exist or is_worth_a_comment(now))

    def _write(self, place: Place, number: int, cause: str, *, every_check: bool) -> Sticky:
        """Write what is now and, as it may change meanwhile, look again."""
        sticky = self.stickies.claim(place.repository.id, number)
        try:
            for _ in range(MOST_WRITES):
                now = self._rows(place.repository.id, number)
                if not self._is_due(sticky, now, every_check=every_check):
                    break
                checked = self._below(sticky, now, every_check=every_check)
                create = is_worth_a_comment(now)
                written = self.writer().write(place, number, render(now, checked), sticky.comment_id, create=create)
                if written is None:
                    break
                told = {"comment_id": written.id, "url": written.html_url, "cause": cause}
                # Of two attempts, the one whose answer or record was lost may have created it.
                created = written.id != sticky.comment_id or (sticky.cause == cause and sticky.created)
                shown = {"shown": show(now), "skipped": show_skips(now), "checked": show_checks(checked)}
                sticky = sticky.model_copy(update={**told, **shown, "created": created})
        finally:
            self.stickies.release(sticky)
        return sticky


def _commented(repository: Repository, sticky: Sticky) -> Fact:
    logger.info("commented", comment_id=sticky.comment_id, first=sticky.created, rows=len(sticky.shown))
    return Fact(
        PrCommented,
        PrCommentedData(
            repository=repository,
            pull_request_number=sticky.number,
            comment_id=sticky.comment_id or 0,
            comment_url=sticky.url,
            created=sticky.created,
            shows=sticky.shown,
        ),
    )


def failed(event: EnvironmentChanged | CheckRecorded, reason: Reason) -> Fact:
    """The comment does not show what happened to the environment."""
    return Fact(PrCommentFailed, EnvironmentProblem(environment=event.data.environment, reason=reason))


def failed_skip(event: PreviewSkipped, reason: Reason) -> None:
    """There is no environment to state a fact about."""
    about = f"#{event.data.pull_request.number}"
    logger.error("a skipped preview is not told", about=about, reason=reason.code, explanation=reason.message)


def steps(
    records: Table, stickies: Stickies, writer: Callable[[], Writer], clock: Clock = utc_now
) -> dict[type[Event], Step[Any]]:
    """The step for each fact."""
    comment = RenderComment(
        Environments(records), Skips(records), PullRequests(records), Checks(records), stickies, writer, clock
    )
    changed = Step(comment.changed, failed)
    return {
        **dict.fromkeys(ENVIRONMENT_CHANGES, changed),
        CheckRecorded: Step(comment.recorded, failed),
        PreviewSkipped: Step(comment.skipped, failed_skip),
    }


@cache
def _writer() -> Writer:
    return Writer(access(), lambda: credentials().slug)


@cache
def _reaction() -> Reaction:
    records = wiring.table("RECORDS_TABLE")
    return wiring.reaction("comments", steps(records, Stickies(records, utc_now), _writer))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the comments queue."""
    return _reaction().handle(event, context)
