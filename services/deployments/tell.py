"""Tell GitHub of deployments, as the App."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from github_app.access import Access, Place
from github_app.client import LONGEST_DESCRIPTION, GitHub, GitHubNotFoundError
from prestage_contracts.deployments import DeploymentState
from records.environments import Environment

PERMISSIONS = {"deployments": "write"}

LONGEST_NAME = 255
"""Characters of an environment's name on GitHub."""

_REFUSAL = (
    "deployment_refused",
    "GitHub takes no deployment: does the App have the permission deployments: write, and is the commit there?",
)

logger = Logger()


@dataclass(frozen=True)
class Teller:
    """Tells of deployments as the GitHub App, whose slug `slug` gives. Raises what `Access.call` does."""

    access: Access
    slug: Callable[[], str]

    def find(self, environment: Environment, generation: int) -> int | None:
        """The id of the generation's deployment, None if there is none. Anybody can copy a payload, so its author
        counts too.
        """

        def do(github: GitHub, token: SecretStr, repository: str) -> int | None:
            wanted = _payload(environment, generation), f"{self.slug()}[bot]"
            found = github.list_deployments(token, repository, name(environment))
            return next((one.id for one in found if (one.payload, one.creator_login) == wanted), None)

        return self._call(environment, do)

    def create(self, environment: Environment) -> int:
        """A deployment of the current generation; its id. Asking twice gives two."""

        def do(github: GitHub, token: SecretStr, repository: str) -> int:
            return github.create_deployment(
                token,
                repository,
                ref=environment.sha,
                environment=name(environment),
                payload=_payload(environment, environment.generation),
                description=_line(f"Deployment of {environment.app_name}", LONGEST_DESCRIPTION),
                transient_environment=environment.type != "production",
                production_environment=environment.type == "production",
            ).id

        return self._call(environment, do)

    def tell(self, environment: Environment, deployment_id: int, state: DeploymentState, because: str = "") -> bool:
        """Tell how a deployment of the environment stands; False if somebody deleted it.

        `because` says why, where the environment does not.
        """

        def do(github: GitHub, token: SecretStr, repository: str) -> bool:
            try:
                github.create_deployment_status(
                    token,
                    repository,
                    deployment_id,
                    state,
                    environment_url=environment.address if state == "success" else None,
                    log_url=environment.log_url if state == "failure" else None,
                    description=_line(because or _describe(environment, state), LONGEST_DESCRIPTION),
                )
            except GitHubNotFoundError:
                logger.info("the deployment was deleted", deployment_id=deployment_id)
                return False
            return True

        return self._call(environment, do)

    def _call[T](self, environment: Environment, do: Callable[[GitHub, SecretStr, str], T]) -> T:
        return self.access.call(Place(environment.installation_id, environment.repository), PERMISSIONS, do, _REFUSAL)


def name(environment: Environment) -> str:
    """What the environment is called on GitHub: one name for all its generations."""
    if environment.pull_request:
        tracked = f"pr-{environment.pull_request.number}"
    else:
        tracked = "production" if environment.type == "production" else environment.branch
    return _line(f"{environment.app_name}/{tracked}", LONGEST_NAME)


def _payload(environment: Environment, generation: int) -> dict[str, Any]:
    """What a deployment is found again by."""
    return {"environment": environment.id, "generation": generation}


def _describe(environment: Environment, state: DeploymentState) -> str:
    reason = environment.reason.message if environment.reason else ""
    match state:
        case "in_progress":
            return "Being deployed."
        case "success":
            return "It answers at its address."
        case "failure":
            return f"{environment.stage}: {reason}" if environment.stage else reason
        case "inactive":
            return "A newer deployment took its place." if environment.is_live else reason


def _line(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
