"""Previews that are kept longer than their app allows: `EnvironmentExpired`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from janitor.finding import Finding
from janitor.watch import Watch
from prestage_contracts.ingress import PullRequestTold
from prestage_contracts.janitor import EnvironmentExpired, EnvironmentExpiredData
from records.apps import App, Apps
from records.environments import Environment, Environments
from records.pull_requests import PullRequests

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Expired:
    """The look. It asks the records only."""

    environments: Environments
    apps: Apps
    pull_requests: PullRequests

    def __call__(self, watch: Watch) -> Iterator[Finding]:
        """Live previews that nothing happened to for more than `idle_hours`, but for those with the `keep_label`."""
        live = [one for one in self.environments.list_all() if one.type == "preview" and one.is_live]
        apps = {app_id: self.apps.get(app_id) for app_id in sorted({one.app_id for one in live})}
        for environment in live:
            watch.check()
            app = apps[environment.app_id]
            since = app and self._idle_since(environment, app, watch.began)
            if since:
                yield from self._finding(environment, since, watch.began)

    def _idle_since(self, environment: Environment, app: App, now: datetime) -> datetime | None:
        """Since when nothing happened to it or its pull request; None if it may be kept."""
        latest = now - timedelta(hours=app.idle_hours)
        if environment.intended_at >= latest:
            return None
        word = self._word(environment)
        if word is None:
            return environment.intended_at
        since = max(environment.intended_at, word.updated_at)
        return None if since >= latest or app.keep_label in word.labels else since

    def _word(self, environment: Environment) -> PullRequestTold | None:
        if environment.pull_request is None:
            return None
        found = self.pull_requests.get(environment.repository.id, environment.pull_request.number)
        return found.word if found else None

    def _finding(self, about: Environment, since: datetime, now: datetime) -> Iterator[Finding]:
        environment = self.environments.live_at(about.id, about.generation)
        if environment is not None:
            hours = (now - since) // _HOUR
            yield Finding(
                EnvironmentExpired,
                EnvironmentExpiredData(environment=environment.snapshot(), idle_hours=hours),
                cause=f"{environment.id}@{environment.generation}/{since.isoformat()}",
                group=str(environment.repository.id),
            )
