"""The App as a pretended GitHub has it registered: from the beginning, or by the manifest flow.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest.
"""

import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import Field, HttpUrl

from choreography.clock import Clock
from prestage.github_administration import EVENTS, PERMISSIONS
from prestage.stage.github_answers import Strict

CODE_LIFE = timedelta(hours=1)
_RSA_BITS = 2048


@dataclass
class Registration:
    """The App, as it is in its settings. Without a key nobody can be it: it is not registered yet.

    Args:
        app_id: digits.
        slug: its name in URLs.
        public_keys: PEM; a JWT that is signed for any of them is taken.
        webhook_url: where deliveries go.
        webhook_secret: what they are signed with; empty for no signature.
    """

    app_id: str
    slug: str
    public_keys: list[str]
    webhook_url: str
    webhook_secret: str = field(repr=False)
    name: str = ""
    content_type: str = "json"
    insecure_ssl: str = "0"
    owner: str = "octo-org"
    permissions: Mapping[str, str] = field(default_factory=lambda: dict(PERMISSIONS))
    events: tuple[str, ...] = EVENTS

    @property
    def is_registered(self) -> bool:
        """Whether anybody can be the App."""
        return bool(self.public_keys)

    def add_key(self) -> str:
        """Generate a private key, as the button in the App's settings does; gives its PEM, which nobody keeps here."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        encoding, public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self.public_keys.append(key.public_key().public_bytes(encoding, public).decode())
        shape = serialization.PrivateFormat.TraditionalOpenSSL
        return key.private_bytes(encoding, shape, serialization.NoEncryption()).decode()

    def delete_key(self, index: int = 0) -> None:
        """Delete a key in the App's settings: the oldest where nothing else is said."""
        del self.public_keys[index]

    def configure(self, manifest: "Manifest", name: str, owner: str) -> dict[str, Any]:
        """Register it as the manifest says; gives what is told of it once: the key and the secret."""
        self.name, self.owner = name, owner
        self.slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        self.webhook_url = str(manifest.hook_attributes.url)
        self.webhook_secret = secrets.token_hex(20)
        self.permissions = {"metadata": "read", **manifest.default_permissions}
        self.events = tuple(sorted(manifest.default_events))
        return {"pem": self.add_key(), "webhook_secret": self.webhook_secret}


class HookAttributes(Strict):
    """Where deliveries go."""

    url: HttpUrl
    active: bool = True


class Manifest(Strict):
    """What an App is registered by."""

    name: str | None = Field(default=None, max_length=34)
    url: HttpUrl
    hook_attributes: HookAttributes
    redirect_url: HttpUrl
    description: str = ""
    public: bool = False
    default_permissions: Mapping[str, Literal["read", "write", "admin"]] = Field(default_factory=dict)
    default_events: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class _Pending:
    manifest: Manifest
    name: str
    owner: str
    until: datetime


class Codes:
    """What stands for a manifest that was confirmed, until it is converted: once, within the hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: dict[str, _Pending] = {}
        self._lock = threading.Lock()

    def add(self, manifest: Manifest, name: str, owner: str) -> str:
        """A code for it."""
        code = secrets.token_hex(20)
        with self._lock:
            self._pending[code] = _Pending(manifest, name, owner, self._clock() + CODE_LIFE)
        return code

    def take(self, code: str) -> tuple[Manifest, str, str] | None:
        """The manifest, the App's name and whose it is; None where there is no such code any more."""
        with self._lock:
            found = self._pending.pop(code, None)
        return (found.manifest, found.name, found.owner) if found and found.until > self._clock() else None
