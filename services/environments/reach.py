"""Whether the GitHub App still reaches a repository: what it lost is kept until GitHub lets it in again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import BrokenError, RetryLaterError
from environments.ask_github import AskGitHub
from github_app.access import Place
from records.revocations import Revocation, Revocations

SETTLING = timedelta(minutes=1)
"""For so long after a revocation was told, GitHub's API may still let the App in."""

LOOK_AGAIN = timedelta(seconds=10)

logger = Logger()


@dataclass(frozen=True)
class Reach:
    """What the App reaches. Each raises what `AskGitHub.lets_in` does, and waits where GitHub's answer is too young."""

    revocations: Revocations
    ask: AskGitHub
    clock: Clock

    def is_lost(self, place: Place) -> bool:
        """Whether the repository is lost. GitHub is asked only where that was told."""
        found = self.revocations.get(place.installation_id, place.repository.id)
        if found is None:
            return False
        if not self.ask.lets_in(place):
            return True
        self._expect_settled(found.at)
        self.revocations.lift(found)
        logger.info("the repository is reached again", repository_id=place.repository.id)
        return False

    def lose(self, place: Place, told_by: str, at: datetime) -> bool:
        """Write down that the repository is lost, as was told; False if GitHub lets the App in again by now."""
        found = self.revocations.get(place.installation_id, place.repository.id)
        if found is not None and found.told_by == told_by:
            return True
        if self._is_let_in(place):
            self._expect_settled(at)
            logger.info("superseded: the repository is reached", repository_id=place.repository.id)
            return False
        self.revocations.keep(
            Revocation(installation_id=place.installation_id, repository_id=place.repository.id, at=at, told_by=told_by)
        )
        return True

    def _is_let_in(self, place: Place) -> bool:
        """An App that was deleted, or whose key GitHub does not take, is not: nothing speaks against what was told."""
        try:
            return self.ask.lets_in(place)
        except BrokenError:
            return False

    def _expect_settled(self, at: datetime) -> None:
        if self.clock() < at + SETTLING:
            raise RetryLaterError("GitHub's API does not know yet what its webhook told", LOOK_AGAIN)
