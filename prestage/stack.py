"""A deployed stack, as the operator's commands reach it: by its CloudFormation outputs, wherever they point."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError
from pydantic import SecretStr

from choreography.clock import Clock, utc_now
from github_app.auth import AppCredentials, app_jwt
from github_app.client import (
    GitHub,
    GitHubNotFoundError,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
    build_http,
)
from prestage.bus_policy import BusPolicy
from prestage.changes import Changes
from prestage.cli_output import tell_note
from prestage.credentials import CredentialError, Credentials
from prestage.dead_letters import DeadLetters
from prestage.references import Reading, UnknownAppError, find_app, is_called, no_app, readings
from prestage.replays import replay
from prestage.tail import Tail, Wanted
from prestage_contracts.envelope import Data, Event
from prestage_contracts.snapshot import Repository
from records.apps import App, Apps
from records.certificates import Certificates
from records.checks import Checks
from records.environments import Environment, Environments, environment_id
from records.journal import Entry, Journal
from records.outbox import Outbox
from records.skips import Skips
from records.table import Table
from records.users import Users
from sealing.keyed import Keyed
from sealing.seal import DataKeys
from vault.private_keys import PrivateKeys
from vault.secrets import Secrets

_NEEDED = (
    "RecordsTable",
    "SecretsTable",
    "JournalTable",
    "BusName",
    "KeyArn",
    "StackKeyArn",
    "GitHubAppSecretArn",
    "GitHubApiUrl",
)
_NEVER_WAS = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS"})
"""States of a stack whose first deployment failed: it can only be deleted."""
_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})


class NoSuchStackError(Exception):
    """The stack can't be found or read; the text says what to do."""


class GitHubLookUpError(Exception):
    """GitHub does not tell the App of a repository; the text says why and what to do."""


class UnknownEnvironmentError(Exception):
    """No environment goes by what was said; the text says why, or where to look."""


class UnknownStoryError(Exception):
    """The journal has nothing by what was said; the text says what to say instead."""


class NoPasswordError(Exception):
    """An environment's visitors are asked for none; the text says what to do."""


class NoZoneError(Exception):
    """The stack has no DNS zone; the text says what to do."""


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
        if found["StackStatus"] in _NEVER_WAS:
            raise NoSuchStackError(_why_not_deployed(name, found["StackStatus"]))
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
    def checks(self) -> Checks:
        """Other teams' checks on record."""
        return Checks(self._records)

    @cached_property
    def environments(self) -> Environments:
        """The environments on record."""
        return Environments(self._records)

    @cached_property
    def secrets(self) -> Secrets:
        """The apps' secrets."""
        return Secrets(self._sealed, self._keys, self.clock)

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates on record."""
        return Certificates(self._records)

    @cached_property
    def private_keys(self) -> PrivateKeys:
        """The certificates' keys."""
        return PrivateKeys(self._sealed, self._keys)

    @cached_property
    def _keys(self) -> DataKeys:
        return DataKeys(self._client("kms"), self._outputs["KeyArn"])

    @cached_property
    def _sealed(self) -> Table:
        return Table(self._dynamodb, self._outputs["SecretsTable"])

    def zone_name(self) -> str:
        """The name of the zone that own host names are kept in.

        Raises:
            NoZoneError: there is none.
        """
        zone_id = self._outputs.get("HostedZoneId")
        if not zone_id:
            raise NoZoneError(
                "the stack has no DNS zone: deploy it with the parameter HostedZoneId, see docs/domains.md"
            )
        zone = self._client("route53").get_hosted_zone(Id=zone_id)["HostedZone"]
        return str(zone["Name"]).rstrip(".")

    @cached_property
    def journal(self) -> Journal:
        """What was stated, for ninety days."""
        return Journal(Table(self._dynamodb, self._outputs["JournalTable"]), self.clock)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """What its reactions could not do."""
        return DeadLetters(self._client("sqs"), self._outputs)

    @cached_property
    def bus_policy(self) -> BusPolicy:
        """Who of other accounts may subscribe to its bus."""
        return BusPolicy(self._client("events"), self._outputs)

    @cached_property
    def credentials(self) -> Credentials:
        """Its own, as the caller may read and write them."""
        return Credentials(self._client("secretsmanager"), self._outputs)

    @property
    def outputs(self) -> Mapping[str, str]:
        """What CloudFormation says of it."""
        return self._outputs

    @cached_property
    def caller(self) -> str:
        """The ARN of whoever's credentials these are."""
        return str(self._client("sts").get_caller_identity()["Arn"])

    def password(self, environment: Environment) -> str:
        """What the visitors of the environment have to give.

        Raises:
            NoPasswordError: it was deployed without one.
        """
        if not environment.with_password:
            raise NoPasswordError(
                f"visitors of {environment.address} give no password: see --authentication of `prestage apps set`, "
                "which holds from an environment's next deployment on"
            )
        key = self._client("secretsmanager").get_secret_value(SecretId=self._outputs["StackKeyArn"])["SecretString"]
        return Keyed(SecretStr(key)).password(environment.id).get_secret_value()

    @cached_property
    def changes(self) -> Changes:
        """What states each change that is made to it, and what is asked of it."""
        bus, outbox = self._outputs["BusName"], Outbox(self._records)
        return Changes(self._client("events"), bus, outbox, clock=self.clock, tell=tell_note)

    def state(self, event: type[Event], data: Data, repository: Repository) -> str:
        """State what an operator asks for; see `Changes.state`."""
        return self.changes.state(event, data, str(repository.id))

    def story(self, correlation_id: str) -> tuple[Entry, ...]:
        """What followed from one GitHub delivery, operator's request or sweep of the janitor's.

        Raises:
            UnknownStoryError: nothing is known of it.
        """
        found = self.journal.of_correlation(correlation_id)
        if not found:
            kept = "the journal is seconds behind, and keeps ninety days"
            raise UnknownStoryError(f"the journal has nothing of {correlation_id}: {kept}")
        return found

    def facts(self, said: str) -> tuple[Entry, ...]:
        """What followed from one delivery, request or sweep, or what is told of an environment and led there.

        Raises:
            UnknownAppError: it is neither, and no app goes by that name.
            UnknownEnvironmentError: it is neither.
        """
        # An environment first: what reports bring as their correlation_id is others' word, and could be its name.
        try:
            told = self.journal.story_of_environment(self.environment(said).id)
        except (UnknownAppError, UnknownEnvironmentError):
            if told := self.journal.of_correlation(said):
                return told
            raise
        return told or self.journal.of_correlation(said)

    def replay(self, subscriber: str, start: datetime, end: datetime) -> str:
        """Have what was archived delivered again, by one subscriber's rule alone; see `replays.replay`."""
        return replay(self._client("events"), self._outputs, subscriber, start, end)

    def tail(self, wanted: Wanted) -> Tail:
        """Its facts as they are stated."""
        return Tail(self._client("events"), self._client("sqs"), self._outputs, wanted, self.clock)

    def environment(self, said: str) -> Environment:
        """The environment by its id, its address, `APP#NUMBER`, `APP@BRANCH`, or `APP` alone for production.

        Raises:
            UnknownAppError: no app, or more than one, goes by that name.
            UnknownEnvironmentError: there is no such environment.
        """
        found = next((one for one in self.environments.list_all() if is_called(one, said)), None)
        if found is not None:
            return found
        apps = self.apps.list_all()
        meant = [(app, one) for one in readings(said) if (app := find_app(apps, one.app))]
        for app, one in meant:
            found = self.environments.get(environment_id(app.id, one.type, one.tracks))
            if found is not None:
                return found
        if not meant:
            raise no_app(min((one.app for one in readings(said)), key=len))
        raise UnknownEnvironmentError(self._why_none(said, *meant[0]))

    def _why_none(self, said: str, app: App, meant: Reading) -> str:
        if meant.type == "production":
            return f"{app.name} has no production yet: `prestage environments deploy {said}`"
        number = meant.tracks
        skip = Skips(self._records).get(app.repository.id, number, app.id) if isinstance(number, int) else None
        if skip is not None:
            return f"{said} has no environment: {skip.reason.message}"
        return f"there is no environment {said}: see `prestage environments list`"

    def app(self, said: str) -> App:
        """The app by its id, its name, or `owner/repository:name`.

        Raises:
            UnknownAppError: none or more than one.
        """
        found = find_app(self.apps.list_all(), said)
        if found is None:
            raise no_app(said)
        return found

    def look_up(self, full_name: str, repository_id: int | None = None) -> tuple[Repository, int]:
        """The repository and the id of the App's installation there, as GitHub tells the App.

        With its id, where that is known, it is found by a name that it had, too.

        Raises:
            GitHubLookUpError: GitHub tells nothing of it.
        """
        credentials, url = self._app_credentials(), self._outputs["GitHubApiUrl"]
        try:
            with build_http() as http:
                return _look_up(GitHub(http, url, clock=self.clock), credentials, full_name, repository_id, self.clock)
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
        try:
            found = self.credentials.app()
        except CredentialError as error:
            raise GitHubLookUpError(str(error)) from None
        if found is None:
            arn = self.credentials.arn("github_key")
            raise GitHubLookUpError(
                "the secret with the GitHub App has no value yet: `prestage setup` gives it one, or write the App's "
                "app_id, slug and private_key as JSON, and "
                f"aws secretsmanager put-secret-value --secret-id {arn} --secret-string file://app.json"
            )
        return found


def _look_up(
    github: GitHub, credentials: AppCredentials, full_name: str, repository_id: int | None, clock: Clock
) -> tuple[Repository, int]:
    jwt = app_jwt(credentials, clock())
    installation_id = github.repository_installation(jwt, full_name)
    name = full_name.partition("/")[2] if repository_id is None else None
    made = github.create_installation_token(
        jwt,
        installation_id,
        repository_id=repository_id,
        repository_name=name,
        permissions={"metadata": "read"},
    )
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


def _why_not_deployed(name: str, status: str) -> str:
    return (
        f"the first deployment of the stack {name} failed: it is {status}, and can only be deleted. `aws "
        f"cloudformation describe-stack-events --stack-name {name}` says why; mend that, `aws cloudformation "
        f"delete-stack --stack-name {name}`, and deploy again (docs/deploying.md#a-first-deployment-that-failed)"
    )


def _of_the_caller(service: str) -> Any:
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # any service
