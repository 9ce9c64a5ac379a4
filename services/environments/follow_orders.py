"""`InstallationRevoked`, `StopRequested`, `RetryRequested` → environments end, or begin afresh, on somebody's word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import Fact, RefusedError, RetryLaterError
from environments import facts
from environments.reach import Reach
from environments.trust import Trust
from github_app.access import Place
from prestage_contracts.envelope import Reason
from prestage_contracts.ingress import InstallationRevoked
from prestage_contracts.operators import RetryRequested, StopRequested
from prestage_contracts.snapshot import Repository
from records.apps import Apps
from records.environments import Environments, SupersededError
from records.life import LIVE

REVOKED = {
    "deleted": Reason(code="uninstalled", message="The GitHub App was uninstalled."),
    "suspended": Reason(code="suspended", message="The GitHub App was suspended."),
    "repositories_removed": Reason(code="uninstalled", message="The GitHub App was removed from the repository."),
}
STOPPED = Reason(code="stop_requested", message="An operator stopped it.")

logger = Logger()


@dataclass(frozen=True)
class FollowOrders:
    """The steps."""

    apps: Apps
    environments: Environments
    reach: Reach
    trust: Trust
    clock: Clock

    def revoked(self, event: InstallationRevoked) -> Sequence[Fact]:
        """Without the App there is no source to fetch and no word of closing: every environment ends.

        What was begun under another installation is not this one's to end.
        """
        reason, cause = REVOKED[event.data.why], str(event.metadata.event_id)
        lost = [one for one in self._repositories(event) if self._is_lost(one, event)]
        found = [environment for one in lost for environment in self.environments.list_by_repository(one.id)]
        ended = [one.id for one in found if one.installation_id == event.data.installation_id]
        return [fact for one in ended for fact in self._close(one, cause, reason)]

    def stop_requested(self, event: StopRequested) -> Sequence[Fact]:
        """An operator ends the environment. What a pull request asks for later counts again."""
        return self._close(event.data.environment.id, str(event.metadata.event_id), STOPPED)

    def retry_requested(self, event: RetryRequested) -> Sequence[Fact]:
        """The same commit, afresh; without the secrets if the app's policy trusts it with them no more."""
        about, cause = event.data.environment, str(event.metadata.event_id)
        found = self.environments.get(about.id)
        if found is None or (found.mark(cause) is None and not found.is_live):
            raise RefusedError("not_live", f"The environment is not one of {', '.join(LIVE)}: deploy it instead")
        wanted = self.trust.anew(found).model_copy(update={"updated_at": self.clock()})
        try:
            deployed = self.environments.deploy(wanted, cause, afresh=True, seen_at=found.revision)
        except SupersededError:
            raise RetryLaterError("the environment was changed meanwhile", timedelta(seconds=1)) from None
        return facts.raised(deployed, cause)

    def _repositories(self, event: InstallationRevoked) -> Sequence[Repository]:
        """Those of the installation that have apps, each once."""
        if event.data.repositories is not None:
            return event.data.repositories
        apps = self.apps.list_by_installation(event.data.installation_id)
        return tuple({app.repository.id: app.repository for app in apps}.values())

    def _is_lost(self, repository: Repository, event: InstallationRevoked) -> bool:
        """Kept before environments are listed: from then on, none begins."""
        place = Place(event.data.installation_id, repository)
        return self.reach.lose(place, str(event.metadata.event_id), event.metadata.occurred_at)

    def _close(self, environment_id: str, cause: str, reason: Reason) -> Sequence[Fact]:
        closed = self.environments.close(environment_id, cause, reason, self.clock())
        return facts.raised(closed, cause)


def failed_order(event: StopRequested | RetryRequested, reason: Reason) -> Fact:
    """What the operator asked for could not be followed."""
    about = event.data.environment
    number = about.pull_request.number if about.pull_request else None
    return facts.unfollowed(about.repository, reason, number=number, branch=about.branch)
