"""The GitHub App's own settings: https://docs.github.com/en/rest/apps. What functions ask is in services/github_app."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import takewhile
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr

from choreography.clock import Clock
from github_app.answers import Delivery, Page
from github_app.connection import Connection, GitHubRefusedError

PERMISSIONS: Mapping[str, str] = {
    "contents": "read",
    "deployments": "write",
    "issues": "read",
    "metadata": "read",
    "pull_requests": "write",
}
"""What the App needs in a repository. Issues are for the event `issue_comment` alone: no token is asked for with it."""

EVENTS = ("issue_comment", "pull_request", "push")
"""What the App has to be told of. Those about its installations come by themselves."""

_LEVELS = ("read", "write", "admin")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class App(_Answer):
    """The App, as its settings say."""

    id: int
    slug: str
    name: str
    html_url: str
    permissions: dict[str, str]
    events: tuple[str, ...]


class Account(_Answer):
    """An organisation or a user."""

    login: str


class Registered(App):
    """A new App, with what GitHub tells once and never again."""

    owner: Account
    pem: SecretStr
    webhook_secret: SecretStr | None = None


class HookConfig(_Answer):
    """Where webhooks go. The secret itself is not told; None where there is none."""

    url: str = ""
    content_type: str = "form"
    insecure_ssl: str = "0"
    secret: SecretStr | None = None

    @property
    def checks_certificates(self) -> bool:
        """Whether deliveries go only to who has a certificate for the URL's host."""
        return self.insecure_ssl == "0"


class Installation(_Answer):
    """The App, where an account has it."""

    id: int
    account: Account
    permissions: dict[str, str]
    events: tuple[str, ...]
    suspended_at: AwareDatetime | None = None
    html_url: str = ""


class Administration:
    """The App's settings, deliveries and installations, for the App's JWT. Errors are those of `github_app.client`.

    Args:
        http: from `github_app.client.build_http`.
        api_url: such as `https://api.github.com`.
        clock: the time.
    """

    def __init__(self, http: httpx.Client, api_url: str, *, clock: Clock) -> None:
        self._api = Connection(http, api_url, clock=clock)

    def convert(self, code: str) -> Registered:
        """The App that was registered by a manifest. A code is good once, for an hour, and is its own credential.

        Raises:
            GitHubNotFoundError: there is no such code any more.
        """
        answer = self._api.send("POST", f"/app-manifests/{quote(code, safe='')}/conversions", None, follow=())
        return self._api.read(Registered, answer)

    def app(self, jwt: SecretStr) -> App:
        """The App that the JWT is of."""
        return self._api.read(App, self._api.send("GET", "/app", jwt))

    def hook(self, jwt: SecretStr) -> HookConfig:
        """Where its webhooks go."""
        return self._api.read(HookConfig, self._api.send("GET", "/app/hook/config", jwt))

    def change_hook(self, jwt: SecretStr, *, url: str | None = None, secret: SecretStr | None = None) -> None:
        """Have webhooks go to a URL, as JSON, or be signed with another secret, from now on."""
        asked: dict[str, Any] = {"content_type": "json", "insecure_ssl": "0"}
        asked |= {} if url is None else {"url": url}
        asked |= {} if secret is None else {"secret": secret.get_secret_value()}
        answer = self._api.send("PATCH", "/app/hook/config", jwt, asked)
        try:
            self._api.expect(answer)
        except GitHubRefusedError as error:
            hidden = error.message if secret is None else error.message.replace(secret.get_secret_value(), "…")
            raise type(error)(error.status, hidden, error.request_id) from None

    def installations(self, jwt: SecretStr) -> Iterator[Installation]:
        """Where the App is installed, suspended ones too."""
        return self._api.pages(Page[Installation], "/app/installations?per_page=100", jwt)

    def attempts(self, jwt: SecretStr, since: datetime) -> Iterator[Delivery]:
        """The attempts to deliver webhooks that were made at `since` or later, newest first; kept for three days."""
        made = self._api.pages(Page[Delivery], "/app/hook/deliveries?per_page=100", jwt)
        return takewhile(lambda one: one.delivered_at >= since, made)


def lacking(granted: Mapping[str, str]) -> dict[str, str]:
    """The permissions that are needed and not granted, or not that far."""
    return {name: level for name, level in PERMISSIONS.items() if not covers(granted, name, level)}


def needless(granted: Mapping[str, str]) -> dict[str, str]:
    """The permissions that are granted and not needed, or further than needed."""
    return {name: level for name, level in granted.items() if not covers(PERMISSIONS, name, level)}


def web_url(api_url: str) -> str:
    """Where people see the GitHub of that API: github.com, a subdomain of ghe.com, or an enterprise's own server."""
    url = httpx.URL(api_url)
    host = url.host.removeprefix("api.") if url.host.endswith(("api.github.com", ".ghe.com")) else url.host
    return str(url.copy_with(host=host, path="/")).rstrip("/")


def covers(permissions: Mapping[str, str], permission: str, level: str) -> bool:
    """Whether the permissions include that one, at that level or above."""
    held = permissions.get(permission)
    return held in _LEVELS and level in _LEVELS and _LEVELS.index(held) >= _LEVELS.index(level)
