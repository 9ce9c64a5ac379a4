"""The tokens that a pretended Fly.io takes: https://fly.io/docs/security/tokens/."""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus

import flask

from prestage.stage.fly_http import Answer, RefusalError

_SCHEME = re.compile(r"^(Bearer|FlyV1) ")


@dataclass(frozen=True)
class Token:
    """A token, for one organisation. One that only reads is refused every change."""

    text: str = field(repr=False)
    organization: str
    read_only: bool = False


class Tokens:
    """Those that are accepted, under `Bearer` or `FlyV1`."""

    def __init__(self, first: Token) -> None:
        self._held = [first]

    def add(self, organization: str, *, read_only: bool = False) -> str:
        """Mint another one; gives its text."""
        made = Token(f"fm2_{secrets.token_hex(20)}", organization, read_only)
        self._held.append(made)
        return made.text

    def revoke(self, text: str) -> None:
        """Take it no more."""
        self._held = [one for one in self._held if one.text != text]

    def authenticate(self) -> None:
        """Refuse a request without a token that is accepted, and a change with one that only reads."""
        found = self._given()
        if found.read_only and flask.request.method != "GET":
            raise RefusalError(HTTPStatus.FORBIDDEN, "Not authorized to do this with a read-only token")

    def show(self) -> Answer:
        """The request's own token, without itself."""
        found = self._given()
        told = {"token_id": "8c1f", "org_slug": found.organization, "organization": "1", "apps": [], "user": ""}
        return {"tokens": [told]}, HTTPStatus.OK

    def organization(self) -> str:
        """The organisation of the request's token."""
        return self._given().organization

    def _given(self) -> Token:
        given = flask.request.headers.get("Authorization", "")
        bare = _SCHEME.sub("", given).encode()
        found = [one for one in self._held if hmac.compare_digest(bare, one.text.encode())]
        if not found or not _SCHEME.match(given):
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "Authenticate: token validation error")
        return found[0]
