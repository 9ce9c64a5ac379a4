"""Pull requests of which GitHub says something else than what it told last: `PullRequestDrifted`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from github_app.access import SETTLING, Access, Place
from github_app.client import PullRequest as Answer
from janitor.finding import Finding
from janitor.watch import Patience, Watch
from prestage_contracts.janitor import PullRequestDrifted, PullRequestDriftedData
from records.environments import Environments
from records.pull_requests import PullRequests

MOST = 500
"""Pull requests asked about in one sweep. An installation has 5,000 questions an hour at least, and 900 a minute: were
they all of one, nine tenths are left to the reactions, and one after another they are far from the latter."""

PERMISSIONS = {"pull_requests": "read"}

_REFUSAL = ("github_refused", "GitHub does not tell it")
_NOT_FOUND = "github_not_found"

logger = Logger()


@dataclass(frozen=True)
class Drifted:
    """The look. `pause` waits that many seconds; `most` is how many it comes to in one sweep."""

    access: Access
    environments: Environments
    pull_requests: PullRequests
    pause: Callable[[float], None] = time.sleep
    most: int = MOST

    def __call__(self, watch: Watch) -> Iterator[Finding]:
        """Pull requests with a live environment that GitHub says are closed, or at another commit than on record."""
        places = {
            (one.repository.id, one.pull_request.number): Place(one.installation_id, one.repository)
            for one in self.environments.list_all()
            if one.is_live and one.pull_request
        }
        left_alone: set[int] = set()
        patience = Patience()
        for (_, number), place in watch.in_turn(sorted(places.items(), key=lambda item: item[0]), self.most):
            if place.installation_id in left_alone:
                continue
            try:
                answer = self._answer(watch, place, number)
            except RetryLaterError as error:
                logger.warning("unknown", installation_id=place.installation_id, explanation=str(error))
                left_alone.add(place.installation_id)  # its limit is spent, or GitHub is away
                patience.lost(error)
                continue
            patience.answered()
            if answer is not None and self._differs(place, answer):
                yield _finding(place, answer)

    def _answer(self, watch: Watch, place: Place, number: int) -> Answer | None:
        """GitHub's answer, None if it gives none. A new token that is not known everywhere yet is waited for."""
        try:
            return self._ask(place, number)
        except RetryLaterError as waiting:
            if waiting.after > SETTLING:
                raise
            watch.check()
            self.pause(waiting.after.total_seconds())
            return self._ask(place, number)

    def _ask(self, place: Place, number: int) -> Answer | None:
        try:
            return self.access.call(
                place, PERMISSIONS, lambda github, token, name: github.pull_request(token, name, number), _REFUSAL
            )
        except RefusedError:
            return None
        except BrokenError as error:
            if error.reason.code != _NOT_FOUND:
                raise
            logger.info("not found", repository_id=place.repository.id, number=number)
            return None

    def _differs(self, place: Place, answer: Answer) -> bool:
        """Whether the answer is news; the records are read after it, so that what they know by now is none."""
        repository_id, number = place.repository.id, answer.number
        if answer.base.repo.id != repository_id:
            return False  # another repository goes by the name that this one had
        if not any(one.is_live for one in self.environments.list_by_pull_request(repository_id, number)):
            return False
        found = self.pull_requests.get(repository_id, number)
        if found is None:
            return True
        if answer.updated_at < found.word.updated_at:
            return False
        return answer.state != "open" or not found.is_open or answer.head.sha != found.word.head.sha


def _finding(place: Place, answer: Answer) -> Finding:
    return Finding(
        PullRequestDrifted,
        PullRequestDriftedData(
            repository=place.repository, installation_id=place.installation_id, pull_request_number=answer.number
        ),
        cause=f"{place.repository.id}#{answer.number}/{answer.state}:{answer.head.sha}/{answer.updated_at.isoformat()}",
        group=str(place.repository.id),
    )
