"""A deployed stack, as the operator's commands reach it: by its CloudFormation outputs, wherever they point."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from choreography.clock import Clock, utc_now
from github_app.auth import AppCredentials, app_jwt
from github_app.client import GitHub, build_http
from prestage_contracts.snapshot import Repository
from records.apps import App, Apps
from records.environments import Environments
from records.table import Table
from records.users import Users
from sealing.seal import DataKeys
from vault.secrets import Secrets

_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})


class NoSuchStackError(Exception):
    """The stack can't be found or read; the text says what to do."""


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
            raise NoSuchStackError(
                f"the stack {name} can't be read ({error}): are credentials and the region set, is --stack right?"
            ) from None
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        if "RecordsTable" not in outputs:
            raise NoSuchStackError(f"the stack {name} is not a Prestage stack: it has no output RecordsTable")
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
        apps = self.apps.list_all()
        found = [app for app in apps if said in {app.id, app.name, f"{app.repository.full_name}:{app.name}"}]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UnknownAppError(f"there is no app {said}: see `prestage apps list`")
        names = ", ".join(f"{app.repository.full_name}:{app.name}" for app in found)
        raise UnknownAppError(f"{len(found)} apps are called {said}: say which of {names}")

    def look_up(self, full_name: str) -> tuple[Repository, int]:
        """The repository and the id of the App's installation there, as GitHub tells the App.

        Raises:
            github_app.client.GitHubRefusedError: the App is not installed there, or its credentials are wrong.
            github_app.client.GitHubUnavailableError: GitHub does not answer now.
            github_app.auth.InvalidCredentialsError: the stack's GitHub App secret is not set as it should be.
        """
        secret = self._client("secretsmanager").get_secret_value(SecretId=self._outputs["GitHubAppSecretArn"])
        credentials = AppCredentials.parse(secret["SecretString"])
        with build_http() as http:
            github = GitHub(http, self._outputs["GitHubApiUrl"], clock=self.clock)
            jwt: SecretStr = app_jwt(credentials, self.clock())
            installation_id = github.repository_installation(jwt, full_name)
            name = full_name.partition("/")[2]
            token = github.create_installation_token(
                jwt, installation_id, repository_name=name, permissions={"metadata": "read"}
            )
            found = github.repository(token.token, full_name)
        return Repository(id=found.id, full_name=found.full_name), installation_id


def _of_the_caller(service: str) -> Any:
    return boto3.Session().client(service, config=_CONFIG)  # type: ignore[call-overload]  # any service
