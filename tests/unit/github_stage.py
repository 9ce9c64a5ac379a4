"""The GitHub stand-in on loopback with a repository, a client of it, and the App's key."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from github_app.auth import AppCredentials, InstallationTokens, app_jwt
from github_app.client import GitHub, build_http
from ingress.payload.by_event import BY_EVENT
from prestage.stage.github import GitHubStandIn
from prestage.stage.sample import SampleRepository
from prestage.stage.serve import Server
from prestage_contracts.envelope import Data

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

APP_ID = "4711"
SLUG = "prestage-test"
REPOSITORY = "octo-org/shop"
WEBHOOKS = "/webhooks/github"
WEBHOOK_SECRET = "webhook-secret-planted"
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "test"}


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    return (
        private_key()
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        .decode()
    )


def public_pem() -> str:
    encoding, shape = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return private_key().public_key().public_bytes(encoding, shape).decode()


@cache
def credentials() -> AppCredentials:
    return AppCredentials.parse(json.dumps({"app_id": APP_ID, "slug": SLUG, "private_key": pem()}))


@dataclass
class Now:
    """A clock that stands still."""

    moment: datetime = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


@dataclass
class Listener:
    """Takes webhooks (WSGI), and hands on all else: one server less to start and to end."""

    status: str = "202 Accepted"
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    application: "WSGIApplication | None" = None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if self.application is not None and environ["PATH_INFO"] != WEBHOOKS:
            return self.application(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        self.taken.append((headers, body))
        start_response(self.status, [("Content-Type", "application/json")])
        return [b'{"message": "taken"}']


@dataclass
class Stage:
    stand_in: GitHubStandIn
    github: GitHub
    api: httpx.Client
    sample: SampleRepository
    listener: Listener
    now: Now
    repository_id: int
    installation_id: int = 0

    def jwt(self) -> SecretStr:
        return app_jwt(credentials(), self.now())

    def tokens(self) -> InstallationTokens:
        return InstallationTokens(self.github, credentials, self.now)

    def token(self, **permissions: str) -> SecretStr:
        return self.github.create_installation_token(
            self.jwt(), self.installation_id, repository_id=self.repository_id, permissions=permissions
        ).token

    def ask(self, method: str, path: str, credential: str | SecretStr, body: Any = None) -> httpx.Response:
        """A request of the API that no client makes."""
        credential = credential if isinstance(credential, str) else credential.get_secret_value()
        return self.api.request(method, path, headers={"Authorization": f"Bearer {credential}"}, json=body)

    def heard(self) -> list[tuple[str, Any]]:
        """What the webhook was told, each by its event's name."""
        return [(headers["x-github-event"], json.loads(body)) for headers, body in self.listener.taken]

    def read(self) -> list[Data]:
        """What the webhook makes of what it was told."""
        return [told.data for event, said in self.heard() if event in BY_EVENT for told in BY_EVENT[event](said)]

    def open(self, branch: str = "teal") -> int:
        return self.stand_in.open_pull_request(REPOSITORY, branch=branch, title="Make it teal")


@cache
def _original() -> SampleRepository:
    """Made once: git takes longer than all else here."""
    folder = tempfile.mkdtemp(prefix="prestage-test-")
    atexit.register(shutil.rmtree, folder)
    made = SampleRepository.create(Path(folder) / "shop")
    made.branch("teal", {"colour.txt": "teal\n"})
    return made


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    now, listener = Now(), Listener()
    sample = SampleRepository(folder / "shop")
    shutil.copytree(_original().path, sample.path)
    with Server(listener) as server, build_http() as http:
        stand_in = GitHubStandIn(
            app_id=APP_ID,
            slug=SLUG,
            public_key_pem=public_pem(),
            webhook_secret=WEBHOOK_SECRET,
            webhook_url=f"{server.url}{WEBHOOKS}",
            clock=now,
        )
        listener.application = stand_in.application()
        github = GitHub(http, server.url, clock=now)
        transport = httpx.WSGITransport(listener.application)
        with httpx.Client(base_url=server.url, headers=HEADERS, transport=transport) as api:
            repository_id = stand_in.add_repository(REPOSITORY, sample.path)
            staged = Stage(stand_in, github, api, sample, listener, now, repository_id)
            staged.installation_id = github.repository_installation(staged.jwt(), REPOSITORY)
            yield staged
