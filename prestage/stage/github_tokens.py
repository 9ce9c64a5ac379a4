"""Who may ask a pretended GitHub what: the App by its JWT, its installations by tokens, anyone by an archive link."""

import base64
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from choreography.clock import Clock
from prestage.github_administration import covers

TOKEN_LIFE = timedelta(hours=1)
LINK_LIFE = timedelta(minutes=5)
LONGEST_JWT = timedelta(minutes=10)


class BadCredentialsError(Exception):
    """The JWT or the token is not accepted; the text says why, in GitHub's words."""


@dataclass(frozen=True)
class Grant:
    """What an installation's token may do, and where."""

    installation_id: int
    repository_ids: frozenset[int]
    permissions: Mapping[str, str]
    expires_at: datetime

    def allows(self, permission: str, level: str) -> bool:
        """Whether that much may be done."""
        return covers(self.permissions, permission, level)


@dataclass(frozen=True)
class Link:
    """The right to one commit's archive."""

    repository_id: int
    sha: str
    expires_at: datetime


@dataclass
class Credentials:
    """Everything that is accepted.

    Args:
        app_id: what JWTs have to be issued by.
        public_keys: PEM; what they may be signed for.
        clock: the time.
    """

    app_id: str
    public_keys: Sequence[str]
    clock: Clock
    issued: list[str] = field(default_factory=list, repr=False)
    _grants: dict[str, Grant] = field(default_factory=dict, repr=False)
    _links: dict[str, Link] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def check_jwt(self, text: str) -> None:
        """Accept the App's JWT.

        Raises:
            BadCredentialsError: it is not one, or not now.
        """
        claims = next(filter(None, (_claims(text, key) for key in self.public_keys)), None)
        if claims is None:
            raise BadCredentialsError("A JSON web token could not be decoded")
        now = self.clock().timestamp()
        issued_at, expires_at = claims.get("iat"), claims.get("exp")
        if claims.get("iss") != self.app_id:
            raise BadCredentialsError("'Issuer' claim ('iss') must be the App's id")
        if not isinstance(issued_at, int) or issued_at > now:
            message = "must be an Integer representing the time that the assertion was issued"
            raise BadCredentialsError(f"'Issued at' claim ('iat') {message}")
        if not isinstance(expires_at, int) or expires_at <= now:
            message = "must be a numeric value representing the future time at which the assertion expires"
            raise BadCredentialsError(f"'Expiration time' claim ('exp') {message}")
        if expires_at > now + LONGEST_JWT.total_seconds():
            raise BadCredentialsError("'Expiration time' claim ('exp') is too far in the future")

    def issue(
        self, installation_id: int, repository_ids: frozenset[int], permissions: Mapping[str, str]
    ) -> tuple[str, Grant]:
        """A new token of the installation."""
        expires_at = self.clock().replace(microsecond=0) + TOKEN_LIFE
        grant = Grant(installation_id, repository_ids, permissions, expires_at)
        token = _stateless(self.app_id)
        with self._lock:
            self._grants[token] = grant
            self.issued.append(token)
        return token, grant

    def grant(self, token: str) -> Grant:
        """What the token may do.

        Raises:
            BadCredentialsError: it is none, or no longer.
        """
        found = self._grants.get(token)
        if found is None or found.expires_at <= self.clock():
            raise BadCredentialsError("Bad credentials")
        return found

    def revoke(self) -> None:
        """Take no token that was issued until now."""
        with self._lock:
            self._grants.clear()

    def link(self, repository_id: int, sha: str) -> str:
        """What opens the commit's archive for some minutes."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._links[token] = Link(repository_id, sha, self.clock() + LINK_LIFE)
        return token

    def opens(self, token: str, repository_id: int, sha: str) -> bool:
        """Whether that opens the commit's archive now."""
        found = self._links.get(token)
        if found is None or found.expires_at <= self.clock():
            return False
        return (found.repository_id, found.sha) == (repository_id, sha)


def _claims(text: str, public_key: str) -> Mapping[str, Any] | None:
    unchecked = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    try:
        return jwt.decode(text, public_key, algorithms=["RS256"], options=unchecked)  # type: ignore[arg-type]
    except jwt.InvalidTokenError:
        return None


def _stateless(app_id: str) -> str:
    """A token of the kind that is a JWT inside: longer than the older ones, with dots. Nobody may look into it."""
    header = {"alg": "ES256", "kid": secrets.token_hex(8), "typ": "JWT"}
    inside = json.dumps(header, separators=(",", ":")).encode()
    parts = (inside, secrets.token_bytes(250), secrets.token_bytes(64))
    return f"ghs_{app_id}_" + ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
