"""What a step does on GitHub, as the App: the token it takes, and what its errors mean to a reaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from choreography import wiring
from choreography.clock import utc_now
from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from github_app.auth import AppCredentials, InstallationTokens, InvalidCredentialsError
from github_app.client import (
    GitHub,
    GitHubNotFoundError,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
    build_http,
)
from prestage_contracts.snapshot import Repository

SETTLING = timedelta(seconds=10)
"""GitHub's lists may be behind by seconds: what a lost answer may have made is looked for there after this."""

logger = Logger()


@dataclass(frozen=True)
class Place:
    """A repository, and the installation of the App through which it is reached."""

    installation_id: int
    repository: Repository


@dataclass(frozen=True)
class Access:
    """GitHub for a step: each call with a token for one repository and no more than it needs."""

    github: GitHub
    tokens: InstallationTokens

    def call[T](
        self,
        place: Place,
        permissions: Mapping[str, str],
        do: Callable[[GitHub, SecretStr, str], T],
        refusal: tuple[str, str],
    ) -> T:
        """What `do` gives, which is called with the client, the token and the repository's full name.

        Args:
            place: where.
            permissions: what the token is to allow.
            do: the call or calls.
            refusal: the code of the reason where GitHub refuses, and what its words begin with.

        Raises:
            RetryLaterError: GitHub does not do it now.
            BrokenError: an operator has to mend it: GitHub knows no such thing, or not the App's credentials.
            RefusedError: GitHub refuses it.
        """
        whose = place.installation_id, place.repository.id, permissions
        try:
            return do(self.github, self.tokens.token(*whose), place.repository.full_name)
        except GitHubUnavailableError as error:
            raise RetryLaterError(f"GitHub: {error}", max(error.after, SETTLING)) from None
        except GitHubUnauthorizedError:
            if self.tokens.is_settling(*whose):
                raise RetryLaterError("GitHub does not know a new token everywhere yet", SETTLING) from None
            self.tokens.forget(*whose)  # it was revoked, or our key is wrong
            raise BrokenError("github_unauthorized", "GitHub does not accept the App's credentials") from None
        except GitHubNotFoundError:  # GitHub tells of what is new before its API knows it everywhere
            raise BrokenError("github_not_found", "GitHub does not find it: is the App installed there?") from None
        except GitHubRefusedError as error:
            logger.error(  # noqa: TRY400  # where it came from says nothing: the answer is what counts
                "GitHub refused", status=error.status, explanation=error.message, github_request_id=error.request_id
            )
            code, words = refusal
            raise RefusedError(code, f"{words} ({error.status}): {error.message}") from None
        except InvalidCredentialsError as error:
            raise BrokenError("github_app_secret", str(error)) from None


def credentials() -> AppCredentials:
    """The App's, from the operator's secret.

    Raises:
        InvalidCredentialsError: they are not as they have to be.
        BrokenError: they can't be read.
    """
    return AppCredentials.parse(wiring.secret("GITHUB_APP_SECRET_ARN").get_secret_value())


def access() -> Access:
    """GitHub, as the function's settings say."""
    github = GitHub(build_http(), wiring.setting("GITHUB_API_URL"), clock=utc_now)
    return Access(github, InstallationTokens(github, credentials, utc_now))
