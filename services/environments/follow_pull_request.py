"""`PullRequest…` → the environments of the pull request follow its last word: `Environment…` or `PreviewSkipped`.

`PullRequestDrifted`, `PreviewRequested` and `PreviewStopRequested` say no such word: GitHub is asked for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import Fact, RetryLaterError
from environments import facts
from environments.ask_github import SETTLING, AskGitHub
from environments.previews import Previews
from github_app.access import Place
from prestage_contracts.envelope import Metadata, Reason
from prestage_contracts.ingress import (
    CommandData,
    PreviewRequested,
    PreviewStopRequested,
    PullRequestClosed,
    PullRequestOpened,
    PullRequestTold,
    PullRequestUpdated,
)
from prestage_contracts.janitor import PullRequestDrifted
from records.pull_requests import Command, PullRequest, PullRequests, State

BEHIND = timedelta(seconds=5)
_UNKNOWN = "GitHub's API does not know yet what its webhook told"

logger = Logger()


@dataclass(frozen=True)
class _Question:
    """What GitHub is asked about: a pull request, for the sake of what an event told of it, or asked for."""

    place: Place
    number: int
    by: Metadata
    word: PullRequestTold | None = None
    state: State = "open"
    command: Command | None = None
    afresh: bool = False

    @property
    def closed_at(self) -> datetime | None:
        """When the pull request was closed, if the event tells that."""
        return self.word.updated_at if self.word is not None and self.state != "open" else None

    def expect_known(self, answer: PullRequestTold, state: State, found: PullRequest | None, now: datetime) -> None:
        """See that GitHub's API knows what the event tells, and what is on record.

        Raises:
            RetryLaterError: it may not know it yet.
        """
        if self.word is not None and answer.updated_at < self.word.updated_at:
            raise RetryLaterError(_UNKNOWN, BEHIND)
        told_at = max(self.by.occurred_at, found.word.updated_at) if found else self.by.occurred_at
        left = told_at + SETTLING - now
        if left > timedelta(0) and (self._may_be_behind(answer) or self._may_be_before(answer, state, found)):
            raise RetryLaterError(_UNKNOWN, min(left, BEHIND))

    def _may_be_behind(self, answer: PullRequestTold) -> bool:
        """Whether the answer is from before the comment that asks, which changes `updated_at` too."""
        return self.command is not None and answer.updated_at < self.command.at

    def _may_be_before(self, answer: PullRequestTold, state: State, found: PullRequest | None) -> bool:
        """Whether the answer may be the one before another word of the same second."""
        if found is None or answer.updated_at != found.word.updated_at:
            return False
        return self.word is not None or not found.says(answer, state)


@dataclass(frozen=True)
class FollowPullRequest:
    """The steps."""

    pull_requests: PullRequests
    previews: Previews
    ask: AskGitHub
    clock: Clock

    def opened(self, event: PullRequestOpened | PullRequestUpdated) -> Sequence[Fact]:
        """The pull request is open, and something about it changed."""
        return self._told(event.data, "open", event.metadata)

    def closed(self, event: PullRequestClosed) -> Sequence[Fact]:
        """The pull request was merged, or closed without."""
        return self._told(event.data, "merged" if event.data.merged else "closed", event.metadata)

    def drifted(self, event: PullRequestDrifted) -> Sequence[Fact]:
        """A webhook about the pull request was lost."""
        place, number = Place(event.data.installation_id, event.data.repository), event.data.pull_request_number
        return self._follow_answer(_Question(place, number, event.metadata))

    def requested(self, event: PreviewRequested) -> Sequence[Fact]:
        """Somebody commented /preview."""
        return self._obey(event.data, "start", event.metadata, afresh=event.data.retry)

    def stop_requested(self, event: PreviewStopRequested) -> Sequence[Fact]:
        """Somebody commented /preview stop."""
        return self._obey(event.data, "stop", event.metadata)

    def _told(self, word: PullRequestTold, state: State, by: Metadata) -> Sequence[Fact]:
        number, cause = word.pull_request.number, str(by.event_id)
        outcome = self.pull_requests.tell(word, state, cause)
        if outcome == "tie":
            place = Place(word.installation_id, word.repository)
            return self._follow_answer(_Question(place, number, by, word=word, state=state))
        return self._follow(word.repository.id, number, cause)

    def _obey(
        self, data: CommandData, what: Literal["start", "stop"], by: Metadata, *, afresh: bool = False
    ) -> Sequence[Fact]:
        place, number, cause = Place(data.installation_id, data.repository), data.pull_request_number, str(by.event_id)
        command = Command(what=what, comment_id=data.comment_id, at=data.requested_at)
        found = self.pull_requests.get(data.repository.id, number)
        if found and (found.is_known(cause) or found.command == command):
            return self._follow(data.repository.id, number, cause, afresh=afresh)
        if found and not found.takes(command):
            logger.info("superseded by a newer comment, or by the pull request's end")
            return self.previews.restate(found, cause)
        if self.previews.reach.is_lost(place):
            logger.info("the App does not reach the repository", repository_id=data.repository.id)
            return []
        if not self.ask.may_write(place, data.by):
            logger.info("asked by somebody who may not write", comment_id=data.comment_id)
            return []
        return self._follow_answer(_Question(place, number, by, command=command, afresh=afresh))

    def _follow_answer(self, question: _Question) -> Sequence[Fact]:
        """Ask GitHub, and follow its answer if nothing was written down meanwhile and it is no older than the word."""
        place, number, cause = question.place, question.number, str(question.by.event_id)
        found = self.pull_requests.get(place.repository.id, number)
        if found and found.is_known(cause):
            return self._follow(place.repository.id, number, cause)
        if self.previews.reach.is_lost(place):
            logger.info("the App does not reach the repository", repository_id=place.repository.id)
            return self.previews.restate(found, cause) if found else []
        answer, state = self.ask.pull_request(place, number)
        question.expect_known(answer, state, found, self.clock())
        outcome = self.pull_requests.tell(
            answer,
            state,
            cause,
            asked_at=found.revision if found else 0,
            closed_at=question.closed_at,
            command=question.command,
        )
        if outcome != "told":
            raise _meanwhile()
        return self._follow(place.repository.id, number, cause, afresh=question.afresh)

    def _follow(self, repository_id: int, number: int, cause: str, *, afresh: bool = False) -> Sequence[Fact]:
        """Follow the last word if the event told it, or asks for what a newer word does not do."""
        found = self.pull_requests.get(repository_id, number)
        if found is not None and (found.told_by == cause or afresh):
            return self.previews.follow(found, cause, afresh=afresh)
        logger.info("superseded by a newer word on the pull request")
        return self.previews.restate(found, cause) if found else []


def failed(event: PullRequestOpened | PullRequestUpdated | PullRequestClosed, reason: Reason) -> Fact:
    """GitHub's word on the pull request could not be followed."""
    return facts.undecided(event.data, reason)


def failed_to_ask(event: PreviewRequested | PreviewStopRequested | PullRequestDrifted, reason: Reason) -> Fact:
    """What was asked for about the pull request could not be followed."""
    return facts.unfollowed(event.data.repository, reason, number=event.data.pull_request_number)


def _meanwhile() -> RetryLaterError:
    return RetryLaterError("something else was told of the pull request meanwhile", timedelta(seconds=1))
