"""The stack's own credentials, in Secrets Manager: what GitHub signs with, the App's key, the token of Fly.io."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from botocore.exceptions import ClientError
from pydantic import SecretStr

from github_app.auth import AppCredentials, InvalidCredentialsError

type Credential = Literal["webhook_secret", "github_key", "fly_token"]

_OUTPUTS: Mapping[Credential, str] = {
    "webhook_secret": "WebhookSecretArn",
    "github_key": "GitHubAppSecretArn",
    "fly_token": "FlySecretArn",
}


class CredentialError(Exception):
    """A credential is not there, or not as it has to be; the text says what to do, and quotes none."""


class Credentials:
    """Reads and writes them, as the caller may.

    Args:
        secrets: a Secrets Manager client.
        outputs: of the stack.
    """

    def __init__(self, secrets: Any, outputs: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._outputs = outputs

    def webhook_secrets(self) -> tuple[SecretStr, ...]:
        """What a webhook may be signed with, the newest first: more than one while it is rotated; empty for none."""
        kept = self._get("webhook_secret")
        return () if kept is None else tuple(SecretStr(one) for one in kept.get_secret_value().splitlines())

    def put_webhook_secrets(self, *secrets: SecretStr) -> None:
        """Take what is signed with any of them, from when functions read it again on."""
        self._put("webhook_secret", "\n".join(one.get_secret_value() for one in secrets))

    def app_identity(self) -> tuple[str, str] | None:
        """The App's id and slug, whatever its key is; None where nothing is known of it."""
        kept = self._get("github_key")
        try:
            said = json.loads(kept.get_secret_value()) if kept else None
        except ValueError:
            return None
        if not isinstance(said, dict) or "app_id" not in said or "slug" not in said:
            return None
        return str(said["app_id"]), str(said["slug"])

    def app(self) -> AppCredentials | None:
        """The App, with its key; None where there is no value yet.

        Raises:
            CredentialError: there is one, and it is not as it has to be.
        """
        kept = self._get("github_key")
        if kept is None:
            return None
        try:
            return AppCredentials.parse(kept.get_secret_value())
        except InvalidCredentialsError as error:
            raise CredentialError(f"{error} (secret {self.arn('github_key')})") from None

    def put_app(self, app_id: str, slug: str, private_key: SecretStr) -> None:
        """Be that App from when functions read it again on."""
        self._put("github_key", app_text(app_id, slug, private_key))

    def fly_token(self) -> SecretStr | None:
        """The token of Fly.io; None where there is none yet."""
        return self._get("fly_token")

    def put_fly_token(self, token: SecretStr) -> None:
        """Use that one from when functions read it again on."""
        self._put("fly_token", token.get_secret_value())

    def arn(self, credential: Credential) -> str:
        """Where it is kept."""
        return self._outputs[_OUTPUTS[credential]]

    def _get(self, credential: Credential) -> SecretStr | None:
        try:
            found = self._secrets.get_secret_value(SecretId=self.arn(credential))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None
        kept = str(found.get("SecretString", "")).strip()
        return SecretStr(kept) if kept else None

    def _put(self, credential: Credential, value: str) -> None:
        self._secrets.put_secret_value(SecretId=self.arn(credential), SecretString=value)


def app_text(app_id: str, slug: str, private_key: SecretStr) -> str:
    """The App as its secret has it: `AppCredentials.parse` reads it."""
    return json.dumps({"app_id": app_id, "slug": slug, "private_key": private_key.get_secret_value()})


def parse_key(app_id: str, slug: str, pem: SecretStr) -> AppCredentials:
    """The App with that key.

    Raises:
        CredentialError: it is no private key.
    """
    try:
        return AppCredentials.parse(app_text(app_id, slug, pem))
    except InvalidCredentialsError:
        raise CredentialError(
            "that is no RSA private key in PEM without a pass phrase: give the whole file that GitHub had you download"
        ) from None
