"""The GitHub App's credentials, and the tokens that they are exchanged for.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Self

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints, ValidationError

from choreography.clock import Clock
from github_app.client import GitHub, InstallationToken

BACKDATED = timedelta(seconds=60)
"""How far a JWT's `iat` lies back, for clocks that differ."""

LASTING = timedelta(seconds=540)
"""How long a JWT is good for. GitHub takes no more than ten minutes from its own present."""

RENEWED = timedelta(minutes=10)
"""A token is not used for so long before it expires: what is begun with it can end with it."""

SETTLING = timedelta(minutes=1)
"""A token younger than this may be unknown to parts of GitHub, which then answer 401. It takes seconds."""


class InvalidCredentialsError(Exception):
    """The App's credentials are not as they have to be; the text says what to do and quotes none of them."""


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, hide_input_in_errors=True)

    app_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", strip_whitespace=True)]
    slug: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", strip_whitespace=True)]
    private_key: SecretStr


@dataclass(frozen=True)
class AppCredentials:
    """Who the App is (`app_id` may be its client id) and how it proves that. Its comments are by `<slug>[bot]`."""

    app_id: str
    slug: str
    private_key: RSAPrivateKey = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        r"""The credentials in the operator's secret, a JSON object. Line feeds in the PEM may be written as `\n`.

        Raises:
            InvalidCredentialsError: it is something else.
        """
        given = _given(text)
        return cls(given.app_id, given.slug, _private_key(given.private_key))


def _given(text: str) -> _Given:
    try:
        return _Given.model_validate_json(text)
    except ValidationError as error:
        wrong = ", ".join(_describe(one["loc"], one["type"]) for one in error.errors(include_input=False))
        raise InvalidCredentialsError(
            f"the secret with the GitHub App is not as it has to be ({wrong}): put in the JSON object"
            ' {"app_id": "…", "slug": "…", "private_key": "…"} with the App ID or client ID, the name at the end of'
            " https://github.com/apps/…, and the private key (PEM) from the App's settings"
        ) from None


def _describe(location: tuple[int | str, ...], kind: str) -> str:
    """Where something is wrong and what kind of thing, in pydantic's words or ours, never a value's."""
    return f"{'.'.join(str(part) for part in location) or 'all of it'}: {kind.replace('_', ' ')}"


@lru_cache(maxsize=2)  # the one from before a rotation, and the one after it
def _private_key(pem: SecretStr) -> RSAPrivateKey:
    """The key. That it is one is looked at with care, for as long as a request to AWS takes: once for each key."""
    text = pem.get_secret_value().replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # not raised from: the library may quote what it read
    if not isinstance(key, RSAPrivateKey):
        raise InvalidCredentialsError(
            "private_key in the secret with the GitHub App is not an RSA private key in PEM without a pass phrase:"
            " generate one in the App's settings and put in the whole file"
        )
    return key


def app_jwt(credentials: AppCredentials, now: datetime) -> SecretStr:
    """What the App proves itself with, for `/app` and `…/installation` alone, from `now` on for nine minutes."""
    claims = {
        "iss": credentials.app_id,
        "iat": int((now - BACKDATED).timestamp()),
        "exp": int((now + LASTING).timestamp()),
    }
    return SecretStr(jwt.encode(claims, credentials.private_key, algorithm="RS256"))


type _Key = tuple[int, int, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class _Minted:
    token: InstallationToken
    at: datetime


class InstallationTokens:
    """Installation tokens, each narrowed to one repository and some permissions, and kept while it is good.

    Args:
        github: mints them.
        credentials: read at each minting, so that a rotated key is seen.
        clock: the time.
    """

    def __init__(self, github: GitHub, credentials: Callable[[], AppCredentials], clock: Clock) -> None:
        self._github = github
        self._credentials = credentials
        self._clock = clock
        self._minted: dict[_Key, _Minted] = {}

    def token(self, installation_id: int, repository_id: int, permissions: Mapping[str, str]) -> SecretStr:
        """A token that is good for the next ten minutes at least.

        Raises:
            InvalidCredentialsError: the operator's secret is not as it has to be.
            github_app.client.GitHubUnauthorizedError: GitHub does not take the App's key.
            github_app.client.GitHubRefusedError: the installation has no such repository or permission.
            github_app.client.GitHubUnavailableError: GitHub mints none now.
        """
        key = _key(installation_id, repository_id, permissions)
        now = self._clock()
        self._minted = {one: kept for one, kept in self._minted.items() if now < kept.token.expires_at - RENEWED}
        kept = self._minted.get(key)
        if kept is None:
            kept = _Minted(self._mint(installation_id, repository_id, permissions), now)
            self._minted[key] = kept
        return kept.token.token

    def is_settling(self, installation_id: int, repository_id: int, permissions: Mapping[str, str]) -> bool:
        """Whether the token was minted so shortly ago that a 401 says nothing: wait, and use it again."""
        kept = self._minted.get(_key(installation_id, repository_id, permissions))
        return kept is not None and self._clock() < kept.at + SETTLING

    def forget(self, installation_id: int, repository_id: int, permissions: Mapping[str, str]) -> None:
        """Mint the next one afresh: GitHub no longer takes this one."""
        self._minted.pop(_key(installation_id, repository_id, permissions), None)

    def _mint(self, installation_id: int, repository_id: int, permissions: Mapping[str, str]) -> InstallationToken:
        jwt_ = app_jwt(self._credentials(), self._clock())
        return self._github.create_installation_token(
            jwt_, installation_id, repository_id=repository_id, permissions=permissions
        )


def _key(installation_id: int, repository_id: int, permissions: Mapping[str, str]) -> _Key:
    return installation_id, repository_id, frozenset(permissions.items())
