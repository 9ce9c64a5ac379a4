"""The environments of a pull request, made to be what its apps' policies and GitHub's last word on it say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from aws_lambda_powertools import Logger

from choreography.clock import Clock
from choreography.reaction import Fact, RetryLaterError
from environments import facts
from environments.ask_github import AskGitHub
from environments.policy import over_cap, reason_to_skip, under_policy
from environments.reach import Reach
from environments.trust import may_see_secrets
from github_app.access import Place
from prestage_contracts.envelope import Reason
from records.apps import App, Apps
from records.environments import (
    CapReachedError,
    Environment,
    Environments,
    SupersededError,
    environment_id,
    new_environment,
)
from records.pull_requests import PullRequest, still_told_by
from records.skips import Skip, Skips
from records.table import Check

logger = Logger()

CLOSED = {
    "closed": Reason(code="pull_request_closed", message="The pull request was closed."),
    "merged": Reason(code="pull_request_merged", message="The pull request was merged."),
}


@dataclass(frozen=True)
class Naming:
    """`fly_app` names the Fly.io app of an environment's id; `address` has `{fly_app}` where that name goes.

    Where the app has a domain for the environment's type, the address is there: a preview's one label below it.
    """

    fly_app: Callable[[str], str]
    address: str

    def named(self, environment: Environment, app: App) -> Environment:
        """The app's environment with its names, under the app's policy."""
        fly_app = self.fly_app(environment.id)
        address = urlsplit(self.address.format(fly_app=fly_app))
        host = app.production_domain if environment.type == "production" else app.domain and f"{fly_app}.{app.domain}"
        if host is not None:
            port = f":{address.port}" if address.port else ""
            address = address._replace(netloc=f"{host}{port}")
        names = {"fly_app": fly_app, "address": address.geturl(), "own_host": host}
        return under_policy(environment.model_copy(update=names), app)


@dataclass(frozen=True)
class _Doing:
    """What is being followed: the last word while `last_word` holds, for the sake of the event `cause`."""

    pull_request: PullRequest
    cause: str
    last_word: Check
    afresh: bool

    @property
    def of(self) -> tuple[int, int]:
        """The repository's id and the pull request's number."""
        return self.pull_request.word.repository.id, self.pull_request.word.pull_request.number

    def id_for(self, app: App) -> str:
        """The id of the app's environment for the pull request."""
        return environment_id(app.id, "preview", self.pull_request.word.pull_request.number)


@dataclass(frozen=True)
class Previews:
    """Follows pull requests as they are on record."""

    apps: Apps
    environments: Environments
    skips: Skips
    ask: AskGitHub
    reach: Reach
    naming: Naming
    clock: Clock

    def follow(self, pull_request: PullRequest, cause: str, *, afresh: bool = False) -> Sequence[Fact]:
        """What follows from the last word, for that event; `afresh` deploys what is deployed already.

        Raises:
            RetryLaterError: GitHub does not say what it was asked; or `afresh` was superseded, which nothing else does.
        """
        word = pull_request.word
        last_word = still_told_by(word.repository.id, word.pull_request.number, pull_request.told_by)
        if not pull_request.is_open:
            return self._close_all(pull_request, cause, last_word)
        apps = self.apps.list_by_repository(word.repository.id, also_removing=True)
        if not apps:
            logger.info("no app in this repository", repository_id=word.repository.id)
            return []
        if self.reach.is_lost(Place(word.installation_id, word.repository)):
            logger.info("the App does not reach the repository", repository_id=word.repository.id)
            return self.restate(pull_request, cause)
        # Whatever GitHub is asked comes before the first write: what is refused then has nothing to tell.
        decided = [(app, self._decide(app, pull_request)) for app in apps]
        doing = _Doing(pull_request, cause, last_word, afresh)
        return [fact for app, one in decided for fact in self._do(app, one, doing)]

    def restate(self, pull_request: PullRequest, cause: str) -> Sequence[Fact]:
        """What an event did before a newer word on the pull request came, which may be stated already."""
        word = pull_request.word
        of = word.repository.id, word.pull_request.number
        skips = [skip for skip in self.skips.list_by_pull_request(*of) if skip.decided_by == cause]
        return [
            *(fact for one in self.environments.list_by_pull_request(*of) for fact in facts.raised(one, cause)),
            *(facts.skipped(word, skip) for skip in skips),
        ]

    def _close_all(self, pull_request: PullRequest, cause: str, last_word: Check) -> Sequence[Fact]:
        """What was skipped stays so, and the comment goes on saying why."""
        word, reason = pull_request.word, CLOSED[pull_request.state]
        found = self.environments.list_by_pull_request(word.repository.id, word.pull_request.number)
        closed = [self._close(one.id, cause, reason, last_word) for one in found]
        return [fact for one in closed for fact in facts.raised(one, cause)]

    def _close(self, found_id: str, cause: str, reason: Reason, last_word: Check) -> Environment | None:
        """The environment, closed if it was live; None if there never was one, or a newer word came."""
        try:
            return self.environments.close(found_id, cause, reason, self.clock(), [last_word])
        except SupersededError:
            logger.info("superseded", environment_id=found_id)
            return None

    def _decide(self, app: App, pull_request: PullRequest) -> Environment | Reason | None:
        """The environment that is wanted, or why there is to be none; None where neither is any more."""
        return None if app.removing else reason_to_skip(app, pull_request) or self._wanted(app, pull_request)

    def _do(self, app: App, decided: Environment | Reason | None, doing: _Doing) -> Sequence[Fact]:
        if decided is None:
            return self._restate(app, doing)
        return self._end(app, decided, doing) if isinstance(decided, Reason) else self._deploy(app, decided, doing)

    def _end(self, app: App, reason: Reason, doing: _Doing) -> Sequence[Fact]:
        closed = self._close(doing.id_for(app), doing.cause, reason, doing.last_word)
        if closed is not None and closed.is_live:  # this event began it, and the policy changed since
            return self._restate(app, doing)
        return [*facts.raised(closed, doing.cause), *self._skip(app, reason, doing)]

    def _deploy(self, app: App, wanted: Environment, doing: _Doing) -> Sequence[Fact]:
        try:
            deployed = self.environments.deploy(
                wanted, doing.cause, [doing.last_word], most_live=app.max_previews, afresh=doing.afresh
            )
        except SupersededError:
            return _superseded(wanted, afresh=doing.afresh)
        except CapReachedError:
            return self._skip(app, over_cap(app), doing)
        if not deployed.is_live:  # this event closed it, and the policy changed since
            return self._restate(app, doing)
        self.skips.forget(*doing.of, app.id, doing.last_word)
        logger.info("followed", environment_id=deployed.id, generation=deployed.generation, status=deployed.status)
        return facts.raised(deployed, doing.cause)

    def _restate(self, app: App, doing: _Doing) -> Sequence[Fact]:
        """What the event did for the app before, and nothing more."""
        skip = self.skips.get(*doing.of, app.id)
        was_skipped = skip is not None and skip.decided_by == doing.cause
        return [
            *facts.raised(self.environments.get(doing.id_for(app)), doing.cause),
            *([facts.skipped(doing.pull_request.word, skip)] if skip and was_skipped else []),
        ]

    def _skip(self, app: App, reason: Reason, doing: _Doing) -> Sequence[Fact]:
        """Stated once for each reason, not for each word on a pull request that is skipped anyway."""
        word, (repository_id, number) = doing.pull_request.word, doing.of
        found = self.skips.get(repository_id, number, app.id)
        if found is not None and found.reason == reason:
            return [facts.skipped(word, found)] if found.decided_by == doing.cause else []
        skip = Skip(
            repository_id=repository_id,
            number=number,
            app_id=app.id,
            app_name=app.name,
            reason=reason,
            decided_by=doing.cause,
        )
        if not self.skips.keep(skip, doing.last_word):
            logger.info("superseded", app_id=app.id)
            return []
        logger.info("skipped", app_id=app.id, reason=reason.code)
        return [facts.skipped(word, skip)]

    def _wanted(self, app: App, pull_request: PullRequest) -> Environment:
        word = pull_request.word
        return self.naming.named(
            new_environment(
                app_id=app.id,
                app_name=app.name,
                type="preview",
                repository=word.repository,
                installation_id=word.installation_id,
                branch=word.head.branch,
                sha=word.head.sha,
                pull_request=word.pull_request,
                with_secrets=may_see_secrets(self.ask, app, word),
                fly_app="-",
                address="https://-",
                now=self.clock(),
            ),
            app,
        )


def _superseded(environment: Environment, *, afresh: bool) -> Sequence[Fact]:
    """A newer word does what an older one would, but for deploying afresh."""
    if afresh:
        raise RetryLaterError("something else was told of the pull request meanwhile", timedelta(seconds=1))
    logger.info("superseded", environment_id=environment.id)
    return []
