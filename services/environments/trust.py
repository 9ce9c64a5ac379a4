"""Whether an environment may see its app's secrets, and what its app's policy says when it is deployed afresh."""

from dataclasses import dataclass

from environments.ask_github import AskGitHub
from environments.policy import is_trusted_with_secrets, under_policy
from github_app.access import Place
from prestage_contracts.ingress import PullRequestTold
from records.apps import App, Apps
from records.environments import Environment
from records.pull_requests import PullRequests


def may_see_secrets(ask: AskGitHub, app: App, word: PullRequestTold) -> bool:
    """Whether what the pull request runs may see the app's secrets, by GitHub's word on who may write.

    Raises:
        RetryLaterError: GitHub does not say it now.
    """
    place = Place(word.installation_id, word.repository)
    return is_trusted_with_secrets(app, word, lambda: ask.may_write(place, word.pull_request.author))


@dataclass(frozen=True)
class Trust:
    """The app's policy as it is now, and GitHub's word on who may write."""

    apps: Apps
    pull_requests: PullRequests
    ask: AskGitHub

    def anew(self, environment: Environment) -> Environment:
        """It as it may be deployed afresh: never with the secrets if it had none.

        Raises:
            RetryLaterError: GitHub does not say now whether the author may write.
        """
        app = self.apps.get(environment.app_id)
        anew = environment.model_copy(update={"with_secrets": self._still(environment, app)})
        return anew if app is None else under_policy(anew, app)

    def _still(self, environment: Environment, app: App | None) -> bool:
        if environment.pull_request is None or not environment.with_secrets:
            return environment.with_secrets
        found = self.pull_requests.get(environment.repository.id, environment.pull_request.number)
        return app is not None and found is not None and may_see_secrets(self.ask, app, found.word)
