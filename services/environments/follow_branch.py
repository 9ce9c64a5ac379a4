"""`BranchPushed`, `DeployRequested` → production and branches' own environments follow what GitHub says is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import Fact, RefusedError, RetryLaterError
from environments import facts
from environments.ask_github import SETTLING, AskGitHub
from environments.policy import over_cap, under_policy
from environments.previews import Naming
from environments.reach import Reach
from github_app.access import Place
from prestage_contracts.envelope import Reason
from prestage_contracts.ingress import BranchPushed
from prestage_contracts.operators import DeployRequested
from prestage_contracts.snapshot import Repository
from records.apps import App, Apps
from records.environments import (
    CapReachedError,
    Environment,
    Environments,
    SupersededError,
    environment_id,
    new_environment,
)

LOOK_AGAIN = timedelta(seconds=5)

GONE = Reason(code="branch_deleted", message="The branch was deleted.")

logger = Logger()


@dataclass(frozen=True)
class FollowBranch:
    """The steps. What a push says is old by the time that it is read: GitHub is asked what the branch is now."""

    apps: Apps
    environments: Environments
    ask: AskGitHub
    reach: Reach
    naming: Naming
    clock: Clock

    def pushed(self, event: BranchPushed) -> Sequence[Fact]:
        """A branch changed; what nobody deployed is not begun by it, and production never ends by it."""
        cause, place = str(event.metadata.event_id), Place(event.data.installation_id, event.data.repository)
        apps = self.apps.list_by_repository(event.data.repository.id, also_removing=True)
        tracking = [environment for app in apps for environment in self._tracking(app, event)]
        standing = {app.id: app for app in apps if not app.removing}
        following = [one for one in tracking if one.app_id in standing and not one.mark(cause)]
        followed = [fact for environment in tracking for fact in facts.raised(environment, cause)]
        if not following or self.reach.is_lost(place):
            return followed
        sha = self.ask.branch_head(place, event.data.branch)
        if sha != event.data.sha or any(one.sha not in {event.data.before, sha} for one in following):
            # It may be from before the push, or from before what another push led to.
            self._expect_settled(event.metadata.occurred_at, *(one.intended_at for one in following))
        moving = any(_is_moving(environment, event) for environment in following)
        if moving and not self._is_default(event, place):
            following = [environment for environment in following if environment.type != "production"]
        return [*followed, *(fact for one in following for fact in self._follow(one, standing[one.app_id], event, sha))]

    def requested(self, event: DeployRequested) -> Sequence[Fact]:
        """An operator asked for production, or for a branch; a new generation begins, whatever was there."""
        data, cause = event.data, str(event.metadata.event_id)
        found = self.environments.get(_id(data.app_id, data.branch))
        if found is not None and found.mark(cause):
            return facts.raised(found, cause)
        app = self.apps.get(data.app_id)
        if app is None or app.removing:
            raise RefusedError("no_such_app", "The app is not there any more: see `prestage apps list`")
        wanted = self._wanted(app, data.branch)
        most_live = app.max_previews if wanted.type == "preview" else None
        try:
            return self._deploy(wanted, found, cause, most_live=most_live, afresh=True)
        except CapReachedError:
            raise RefusedError("cap", over_cap(app).message) from None

    def _wanted(self, app: App, branch: str | None) -> Environment:
        """The app's environment of that branch, or production, at what GitHub says is there."""
        place = Place(app.installation_id, app.repository)
        if self.reach.is_lost(place):
            raise RefusedError("uninstalled", f"The GitHub App does not reach {app.repository.full_name} any more")
        home = self.ask.repository(place)
        wanted_branch = home.default_branch if branch is None else branch
        sha = self.ask.branch_head(place, wanted_branch)
        if sha is None:
            raise RefusedError("no_such_branch", f"There is no branch {wanted_branch} in {home.full_name}")
        environment = new_environment(
            app_id=app.id,
            app_name=app.name,
            type="production" if branch is None else "preview",
            repository=Repository(id=home.id, full_name=home.full_name),
            installation_id=app.installation_id,
            branch=wanted_branch,
            sha=sha,
            with_secrets=True,
            fly_app="-",
            address="https://-",
            now=self.clock(),
        )
        return self.naming.named(environment, app)

    def _tracking(self, app: App, event: BranchPushed) -> list[Environment]:
        """The app's live environments that follow the branch."""
        data = event.data
        ids = [_id(app.id, data.branch), *([_id(app.id, None)] if data.branch == data.default_branch else [])]
        found = (self.environments.get(one) for one in ids)
        return [one for one in found if one is not None and (one.is_live or one.mark(str(event.metadata.event_id)))]

    def _is_default(self, event: BranchPushed, place: Place) -> bool:
        """Whether the branch is still the default one, where production would move to it."""
        if self.ask.repository(place).default_branch == event.data.branch:
            return True
        self._expect_settled(event.metadata.occurred_at)
        logger.info("superseded: another branch is the default one", repository_id=place.repository.id)
        return False

    def _expect_settled(self, *changes: datetime) -> None:
        if self.clock() < max(changes) + SETTLING:
            raise RetryLaterError("GitHub's API does not know yet what its webhook told", LOOK_AGAIN)

    def _follow(self, found: Environment, app: App, event: BranchPushed, sha: str | None) -> Sequence[Fact]:
        cause, branch = str(event.metadata.event_id), event.data.branch
        if sha is not None:
            pushed = {"sha": sha, "branch": branch, "repository": event.data.repository, "updated_at": self.clock()}
            told = {**pushed, "installation_id": event.data.installation_id}
            return self._deploy(under_policy(found.model_copy(update=told), app), found, cause)
        if found.type == "production":
            logger.info("the default branch is gone, production stays", environment_id=found.id)
            return facts.raised(found, cause)
        try:
            closed = self.environments.close(found.id, cause, GONE, self.clock(), seen_at=found.revision)
        except SupersededError:
            raise _changed() from None
        return facts.raised(closed, cause)

    def _deploy(
        self,
        wanted: Environment,
        found: Environment | None,
        cause: str,
        *,
        most_live: int | None = None,
        afresh: bool = False,
    ) -> Sequence[Fact]:
        """Deploy, unless the environment changed since GitHub was asked: its answer may be older than that."""
        try:
            deployed = self.environments.deploy(
                wanted,
                cause,
                most_live=most_live,
                afresh=afresh,
                seen_at=found.revision if found else 0,
            )
        except SupersededError:
            raise _changed() from None
        logger.info("followed", environment_id=deployed.id, generation=deployed.generation)
        return facts.raised(deployed, cause)


def failed_push(event: BranchPushed, reason: Reason) -> Fact:
    """The push could not be followed."""
    return facts.unfollowed(event.data.repository, reason, branch=event.data.branch)


def failed_request(event: DeployRequested, reason: Reason) -> Fact:
    """What the operator asked for could not be followed."""
    return facts.unfollowed(event.data.repository, reason, branch=event.data.branch)


def _is_moving(environment: Environment, event: BranchPushed) -> bool:
    """Whether it is production and would follow another branch than before."""
    return environment.type == "production" and environment.branch != event.data.branch


def _changed() -> RetryLaterError:
    return RetryLaterError("the environment was changed meanwhile", timedelta(seconds=1))


def _id(app_id: str, branch: str | None) -> str:
    return environment_id(app_id, "production" if branch is None else "preview", branch)
