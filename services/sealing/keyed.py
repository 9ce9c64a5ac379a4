"""What is derived from the stack's key: names that nobody can guess, and capabilities that nobody can make."""

import base64
import hashlib
import hmac
import json
import re

from pydantic import SecretStr

MAX_NAME = 62
"""Characters in a Fly.io app's name."""

_HASH = 20
"""Characters of base32, five bits each."""

_MIN_KEY = 32
_PREFIX = re.compile(rf"[a-z][a-z0-9-]{{0,{MAX_NAME - _HASH - 2}}}")
_CAPABILITY = re.compile(r"([0-9a-f-]{36})\.([1-9][0-9]{0,14})\.[A-Za-z0-9_-]{43}")


class Keyed:
    """HMAC-SHA256 under the stack's key. Each use has its purpose in the message, so that none passes for another.

    Args:
        key: the stack's; at least 32 characters.

    Raises:
        ValueError: the key is shorter.
    """

    def __init__(self, key: SecretStr) -> None:
        if len(key.get_secret_value()) < _MIN_KEY:
            raise ValueError(f"the stack's key has less than {_MIN_KEY} characters")
        self._key = key

    def fly_app_name(self, prefix: str, environment_id: str) -> str:
        """The name of an environment's Fly.io app, `<prefix>-<hash>`: a DNS label of at most 62 characters.

        Raises:
            ValueError: the prefix can't begin such a name, or is longer than 41 characters.
        """
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} can't begin the name of a Fly.io app: a-z, 0-9 and -, a letter first")
        hashed = base64.b32encode(self._mac("fly app", environment_id)).decode().lower()
        return f"{prefix}-{hashed[:_HASH]}"

    def password(self, environment_id: str) -> SecretStr:
        """What the visitors of an environment have to give, where it asks them: 32 characters of base32, 160 bits."""
        return SecretStr(base64.b32encode(self._mac("password", environment_id)[:20]).decode().lower())

    def capability(self, environment_id: str, generation: int) -> str:
        """The right to fetch the source of an environment's generation, fit for a URL's path."""
        tag = base64.urlsafe_b64encode(self._mac("source", environment_id, generation)).decode().rstrip("=")
        return f"{environment_id}.{generation}.{tag}"

    def open_capability(self, text: str) -> tuple[str, int] | None:
        """The environment's id and generation that a capability is for; None for all that is none."""
        found = _CAPABILITY.fullmatch(text)
        if found is None:
            return None
        environment_id, generation = found[1], int(found[2])
        # The whole text is compared: base64 has several spellings for the same tag.
        good = hmac.compare_digest(self.capability(environment_id, generation), text)
        return (environment_id, generation) if good else None

    def _mac(self, purpose: str, *parts: str | int) -> bytes:
        message = json.dumps([purpose, *parts]).encode()
        return hmac.digest(self._key.get_secret_value().encode(), message, hashlib.sha256)
