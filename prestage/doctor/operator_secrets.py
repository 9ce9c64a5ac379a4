"""The secrets that operators put in: whether each has a value, and whether that is what it has to be.

No value, and nothing made of one, is in what is told.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from botocore.exceptions import ClientError
from pydantic import SecretStr

from github_app.auth import AppCredentials, InvalidCredentialsError
from prestage.doctor.check import CannotLookError
from prestage.doctor.findings import Finding, finding
from sealing.keyed import Keyed

_MOST_VALUES = 2
"""Of the webhook secret: while it is rotated, the new one and the one before."""

_SHORTEST_TOKEN = 8


@dataclass(frozen=True)
class _Kept:
    """A secret's value, or what keeps it from being one: the kind of that finding."""

    value: SecretStr
    wrong: str | None = None


class OperatorSecrets:
    """The operator's secrets of a stack, each read once.

    Args:
        secretsmanager: gives the boto3 client.
        outputs: the stack's.
        stack: its name.
    """

    def __init__(self, secretsmanager: Callable[[], Any], outputs: Mapping[str, str], stack: str) -> None:
        self._client = secretsmanager
        self._outputs = outputs
        self._stack = stack
        self._read = cache(self._fetch)

    def webhook_secret(self) -> Iterator[Finding]:
        """The webhook's: one in a line, the newest first."""
        yield from self._check("WebhookSecretArn", "the webhook secret", "webhook-secret", _wrong_webhook_secret)
        kept = self._read("WebhookSecretArn")
        if kept.wrong is None and len(_lines(kept.value)) == _MOST_VALUES:
            yield finding("rotation-unfinished", stack=self._stack)

    def github_app(self) -> Iterator[Finding]:
        """The GitHub App's id, slug and key."""
        yield from self._check(
            "GitHubAppSecretArn", "the secret with the GitHub App", "github-app.json", self._wrong_app
        )

    def fly_token(self) -> Iterator[Finding]:
        """Fly.io's token."""
        yield from self._check("FlySecretArn", "the secret with the Fly.io token", "fly-token", _wrong_token)

    def stack_key(self) -> Iterator[Finding]:
        """The stack's own key, which CloudFormation generated: setup gives it none."""
        if self._read("StackKeyArn").wrong == "secret-empty":
            about = {"secret": "the stack's key", "arn": self._outputs["StackKeyArn"], "file": "stack-key"}
            yield finding("secret-malformed", **about, why="it is empty")
            return
        yield from self._check("StackKeyArn", "the stack's key", "stack-key", _wrong_key)

    @property
    def credentials(self) -> AppCredentials:
        """Who the GitHub App is.

        Raises:
            CannotLookError: the secret is not as it has to be, which `github_app` tells.
        """
        try:
            return self._parsed
        except InvalidCredentialsError:
            raise CannotLookError("the secret with the GitHub App is not as it has to be") from None

    @cached_property
    def _parsed(self) -> AppCredentials:
        return AppCredentials.parse(self._read("GitHubAppSecretArn").value.get_secret_value())

    def _wrong_app(self, _: SecretStr) -> str | None:
        try:
            self._parsed  # noqa: B018  # it is parsed once
        except InvalidCredentialsError as error:
            return str(error)
        return None

    def token(self) -> SecretStr:
        """Fly.io's token.

        Raises:
            CannotLookError: the secret is not as it has to be, which `fly_token` tells.
        """
        kept = self._read("FlySecretArn")
        if kept.wrong or _wrong_token(kept.value):
            raise CannotLookError("the secret with the Fly.io token is not as it has to be")
        return SecretStr(kept.value.get_secret_value().strip())

    def _check(
        self, output: str, secret: str, file: str, wrong: Callable[[SecretStr], str | None]
    ) -> Iterator[Finding]:
        kept, arn = self._read(output), self._outputs[output]
        if kept.wrong is not None:
            yield finding(kept.wrong, secret=secret, arn=arn, file=file, stack=self._stack)
        elif why := wrong(kept.value):
            yield finding("secret-malformed", secret=secret, arn=arn, file=file, why=why)

    def _fetch(self, output: str) -> _Kept:
        nothing = SecretStr("")
        try:
            found = self._client().get_secret_value(SecretId=self._outputs[output])
        except ClientError as error:
            match error.response["Error"]["Code"]:
                case "ResourceNotFoundException":  # there is none, or it has no value
                    return _Kept(nothing, "secret-empty")
                case "InvalidRequestException":
                    return _Kept(nothing, "secret-deleted")
                case _:
                    raise
        value = SecretStr(found.get("SecretString", ""))
        return _Kept(value, None if value.get_secret_value().strip() else "secret-empty")


def _lines(value: SecretStr) -> list[str]:
    return [line.strip() for line in value.get_secret_value().splitlines() if line.strip()]


def _wrong_webhook_secret(value: SecretStr) -> str | None:
    count = len(_lines(value))
    return f"it has {count} lines, of {_MOST_VALUES} at most" if count > _MOST_VALUES else None


def _wrong_token(value: SecretStr) -> str | None:
    token = value.get_secret_value().strip()
    if not token.isascii() or not token.isprintable() or len(token) < _SHORTEST_TOKEN:
        return "a token is one line of printable characters"
    return None


def _wrong_key(value: SecretStr) -> str | None:
    try:
        Keyed(value)
    except ValueError as error:
        return str(error)
    return None
