"""A deployed stack, as the operator's commands reach it: by its CloudFormation outputs, wherever they point."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from choreography.clock import Clock, utc_now
from github_app.auth import AppCredentials, InvalidCredentialsError, app_jwt
from github_app.client import (
    GitHub,
    GitHubNotFoundError,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
    build_http,
)
from prestage_contracts.snapshot import Repository
from records.apps import App, Apps
from records.environments import Environments
from records.table import Table
from records.users import Users
from sealing.seal import DataKeys
from vault.secrets import Secrets

_NEEDED = ("RecordsTable", "SecretsTable", "KeyArn", "GitHubAppSecretArn", "GitHubApiUrl")
_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})


class NoSuchStackError(Exception):
    """The stack can't be found or read; the text says what to do."""


class GitHubLookUpError(Exception):
    """GitHub does not tell the App of a repository; the text says why and what to do."""


class UnknownAppError(Exception):
    """No app, or more than one, goes by what was said; the text says what to say instead."""


class Stack:
    """A stack's records, secrets and keys.

    Args:
        client: gives the boto3 client for a service.
        outputs: of the CloudFormation stack.
        clock: the time.
    """

    def __init__(self, client: Callable[[str], Any], outputs: Mapping[str, str], *, clock: Clock = utc_now) -> None:
        self._client = client
        self._outputs = outputs
        self.clock = clock

    @classmethod
    def named(cls, name: str, client: Callable[[str], Any] | None = None) -> "Stack":
        """The stack of that name; in the caller's account and region, where `client` is left out.

        Raises:
            NoSuchStackError: it is not there, or the caller may not see it.
        """
        client = client or _of_the_caller
        try:
            found = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except (ClientError, BotoCoreError) as error:
            raise NoSuchStackError(_why_unread(name, error)) from None
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        missing = [output for output in _NEEDED if output not in outputs]
        if missing:
            raise NoSuchStackError(
                f"the stack {name} is {found['StackStatus']} and has no output {missing[0]}: it is not one of "
                "Prestage, or is not yet deployed as this version's template says"
            )
        return cls(client, outputs)

    @cached_property
    def _dynamodb(self) -> Any:
        return self._client("dynamodb")

    @cached_property
    def _records(self) -> Table:
        return Table(self._dynamodb, self._outputs["RecordsTable"])

    @cached_property
    def apps(self) -> Apps:
        """The apps on record."""
        return Apps(self._records)

    @cached_property
    def users(self) -> Users:
        """The users on record."""
        return Users(self._records)

    @cached_property
    def environments(self) -> Environments:
        """The environments on record."""
        return Environments(self._records)

    @cached_property
    def secrets(self) -> Secrets:
        """The apps' secrets."""
        keys = DataKeys(self._client("kms"), self._outputs["KeyArn"])
        return Secrets(Table(self._dynamodb, self._outputs["SecretsTable"]), keys, self.clock)

    def app(self, said: str) -> App:
        """The app by its id, its name, or `owner/repository:name`.

        Raises:
            UnknownAppError: none or more than one.
        """
        apps = {f"{app.repository.full_name}:{app.name}": app for app in self.apps.list_all()}
        wanted = said.casefold()
        found = {name: app for name, app in apps.items() if wanted in {app.id, app.name.casefold(), name.casefold()}}
        if len(found) == 1:
            return next(iter(found.values()))
        if not found:
            raise UnknownAppError(f"there is no app {said}: see `prestage apps list`")
        raise UnknownAppError(f"{len(found)} apps are called {said}: say which of {', '.join(found)}")

    def look_up(self, full_name: str) -> tuple[Repository, int]:
        """The repository and the id of the App's installation there, as GitHub tells the App.

        Raises:
            GitHubLookUpError: GitHub tells nothing of it.
        """
        credentials, url = self._app_credentials(), self._outputs["GitHubApiUrl"]
        try:
            with build_http() as http:
                return _look_up(GitHub(http, url, clock=self.clock), credentials, full_name, self.clock)
        except GitHubUnavailableError as error:
            raise GitHubLookUpError(f"{error} at {url}: try again later") from None
        except GitHubNotFoundError:
            raise GitHubLookUpError(
                f"the GitHub App {credentials.slug} is not installed in {full_name}, or there is no such repository: "
                "install it there, or mend the name"
            ) from None
        except GitHubUnauthorizedError as error:
            secret = self._outputs["GitHubAppSecretArn"]
            raise GitHubLookUpError(f"{error}: see that the id and the key in the secret {secret} are right") from None
        except GitHubRefusedError as error:
            raise GitHubLookUpError(f"{error}: see that {full_name} is its name now") from None

    def _app_credentials(self) -> AppCredentials:
        arn = self._outputs["GitHubAppSecretArn"]
        try:
            secret = self._client("secretsmanager").get_secret_value(SecretId=arn)
            return AppCredentials.parse(secret.get("SecretString", ""))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise GitHubLookUpError(
                "the secret with the GitHub App has no value yet: write its app_id, slug and private_key as JSON, and "
                f"aws secretsmanager put-secret-value --secret-id {arn} --secret-string file://app.json"
            ) from None
        except InvalidCredentialsError as error:
            raise GitHubLookUpError(f"{error} (secret {arn})") from None


def _look_up(github: GitHub, credentials: AppCredentials, full_name: str, clock: Clock) -> tuple[Repository, int]:
    jwt = app_jwt(credentials, clock())
    installation_id = github.repository_installation(jwt, full_name)
    name = full_name.partition("/")[2]
    permissions = {"metadata": "read"}
    made = github.create_installation_token(jwt, installation_id, repository_name=name, permissions=permissions)
    found = github.repository(made.token, full_name)
    return Repository(id=found.id, full_name=found.full_name), installation_id


def _why_unread(name: str, error: ClientError | BotoCoreError) -> str:
    match error:
        case NoRegionError():
            return "no AWS region is set: export AWS_DEFAULT_REGION, or choose a profile that has one"
        case NoCredentialsError():
            return "no AWS credentials are set: log in, or export AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret"
        case EndpointConnectionError():
            return f"AWS can't be reached ({error}): is there a network, and is AWS_ENDPOINT_URL right if it is set?"
        case ClientError() if "does not exist" in str(error):
            return f"there is no stack {name} in this account and region: name yours with --stack or PRESTAGE_STACK"
        case _:
            return f"the stack {name} can't be read: {error}"


def _of_the_caller(service: str) -> Any:
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # any service
