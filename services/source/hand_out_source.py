"""GET /source/{capability}: a runtime's capability becomes GitHub's link to the archive of its commit."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from choreography import wiring
from choreography.clock import utc_now
from choreography.reaction import BrokenError
from github_app.auth import AppCredentials, InstallationTokens, InvalidCredentialsError
from github_app.client import (
    GitHub,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
    build_http,
)
from records.environments import Environment, Environments
from sealing.keyed import Keyed

PERMISSIONS = {"contents": "read"}
"""What the token may do that the archive is asked for with; it never leaves this function."""

SETTLING_SECONDS = "5"
"""What the runtime is asked to wait for a token that GitHub does not take yet; its own waits add up to thirty."""

logger = Logger()


@dataclass(frozen=True)
class HandOutSource:
    """The step. `open_capability` gives the environment's id and generation, or None for what is no capability."""

    open_capability: Callable[[str], tuple[str, int] | None]
    environments: Environments
    tokens: InstallationTokens
    github: GitHub

    def __call__(self, capability: str) -> dict[str, Any]:
        """302 to the archive; 404, always the same, for every capability that is not good; 503 in an outage."""
        opened = self.open_capability(capability)
        environment = self.environments.live_at(*opened) if opened else None
        if environment is None:
            logger.info("no good capability", known=opened is not None)
            return _answer(HTTPStatus.NOT_FOUND, "not found")
        logger.append_keys(environment_id=environment.id, generation=environment.generation)
        try:
            link = self._link(environment)
        except GitHubUnavailableError as error:
            logger.warning("GitHub does not answer as it should", explanation=str(error))
            seconds = str(int(error.after.total_seconds()) + 1)
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "try again later", {"retry-after": seconds})
        except GitHubUnauthorizedError as error:
            # A token just minted may not be known everywhere yet, a revoked one is minted anew, and a wrong key of
            # the App's is no fault of the capability's.
            logger.warning("GitHub does not take our credential", github_request_id=error.request_id)
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "try again later", {"retry-after": SETTLING_SECONDS})
        except GitHubRefusedError as error:
            logger.error("GitHub refused", status=error.status, github_request_id=error.request_id)  # noqa: TRY400  # the answer counts
            return _answer(HTTPStatus.NOT_FOUND, "not found")
        logger.info("handed out")
        return _answer(HTTPStatus.FOUND, "the source is at the location", {"location": link})

    def _link(self, environment: Environment) -> str:
        repository = environment.repository
        token = self.tokens.token(environment.installation_id, repository.id, PERMISSIONS)
        try:
            return self.github.archive_link(token, repository.full_name, environment.sha)
        except GitHubRefusedError:
            if not self.tokens.is_settling(environment.installation_id, repository.id, PERMISSIONS):
                self.tokens.forget(environment.installation_id, repository.id, PERMISSIONS)
            raise


def _answer(status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    common = {"content-type": "application/json", "cache-control": "no-store"}
    body = json.dumps({"message": message})
    return {"statusCode": int(status), "headers": {**common, **(headers or {})}, "body": body}


def _capability(event: Mapping[str, Any]) -> str:
    return str((event.get("pathParameters") or {}).get("capability", ""))


@cache
def _step() -> HandOutSource:
    github = GitHub(build_http(), wiring.setting("GITHUB_API_URL"), clock=utc_now)
    return HandOutSource(
        lambda text: Keyed(wiring.secret("STACK_KEY_ARN")).open_capability(text),
        Environments(wiring.table("RECORDS_TABLE")),
        InstallationTokens(github, _credentials, utc_now),
        github,
    )


def _credentials() -> AppCredentials:
    return AppCredentials.parse(wiring.secret("GITHUB_APP_SECRET_ARN").get_secret_value())


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of GET /source/{capability}."""
    try:
        return _step()(_capability(event))
    except (BrokenError, InvalidCredentialsError) as error:
        logger.error("broken", explanation=str(error))  # noqa: TRY400  # where it came from says nothing
    except (ClientError, BotoCoreError) as error:
        logger.error("AWS does not answer as it should", error=type(error).__name__)  # noqa: TRY400  # its text may quote
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "try again later", {"retry-after": SETTLING_SECONDS})
