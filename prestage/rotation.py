"""Give the stack other credentials while it works: no webhook is lost, and no function goes without.

The webhook's secret is one a line, newest first, and what is signed with any of them is taken. GitHub signs with one.
The App may have two keys, and Fly.io takes two tokens: the old one ends where it was made, once nobody uses it.
"""

import base64
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr

from choreography.clock import Clock
from choreography.wiring import SECRET_SECONDS
from fly_io.client import Fly, FlyRefused, FlyUnavailable
from github_app.auth import AppCredentials, app_jwt
from github_app.client import Delivery, GitHub, GitHubRefusedError, GitHubUnauthorizedError, GitHubUnavailableError
from prestage.credentials import CredentialError, Credentials, parse_key
from prestage.github_administration import Administration
from sealing.keyed import Keyed

REREAD = timedelta(seconds=SECRET_SECONDS)
"""After this long, every instance of every function has read a secret again."""

IN_FLIGHT = timedelta(seconds=15)
"""After this long, no webhook is on its way that was signed before: GitHub waits ten seconds for an answer."""

_SECRET_BYTES = 32


def new_secret() -> SecretStr:
    """A secret that nobody can guess."""
    return SecretStr(secrets.token_hex(_SECRET_BYTES))


class RotationError(Exception):
    """It went no further; the text says how things are and what to do."""


@dataclass(frozen=True)
class WebhookRotation:
    """Have GitHub sign with another secret.

    Args:
        credentials: the stack's.
        administration: of the App.
        github: has webhooks delivered again.
        clock: the time.
        wait: lets so much of it pass.
        tell: tells what is done.
        mint: gives a secret.
    """

    credentials: Credentials
    administration: Administration
    github: GitHub
    clock: Clock
    wait: Callable[[timedelta], None]
    tell: Callable[[str], None]
    mint: Callable[[], SecretStr] = new_secret

    def __call__(self) -> None:
        """Do it. Begun again after it broke off, it goes on with the secret that it had minted.

        Raises:
            CredentialError: the App is not known yet, or its key is not as it has to be.
            RotationError: GitHub was not told. Until it is, the stack takes both.
        """
        app = known(self.credentials.app())
        kept, began = self.credentials.webhook_secrets(), self.clock()
        new, *old = kept if len(kept) > 1 else (self.mint(), *kept)
        self.tell("1. the stack takes what is signed with the new secret, and with the old one")
        self.credentials.put_webhook_secrets(new, *old)
        self.tell(f"2. waiting {REREAD.total_seconds():.0f} seconds: by then every instance of ingress has read both")
        self.wait(REREAD)
        self.tell("3. GitHub signs with the new one")
        self._tell_github(app, new)
        self.wait(IN_FLIGHT)
        self.tell("4. the stack takes the new one only")
        self.credentials.put_webhook_secrets(new)
        self._redeliver(app, began)

    def _tell_github(self, app: AppCredentials, new: SecretStr) -> None:
        try:
            self.administration.change_hook(app_jwt(app, self.clock()), secret=new)
        except (GitHubUnavailableError, GitHubRefusedError) as error:
            raise RotationError(
                f"{error}: it is not known whether GitHub signs with the new secret. The stack takes both, and nothing "
                "is lost: run this again"
            ) from None

    def _redeliver(self, app: AppCredentials, began: datetime) -> None:
        """What was refused all the same, for an instance that was slower than any should be."""
        try:
            refused = _refused(list(self.administration.attempts(app_jwt(app, self.clock()), began)))
            for one in refused:
                self.github.redeliver(app_jwt(app, self.clock()), one.id)
        except (GitHubUnavailableError, GitHubRefusedError) as error:
            self.tell(f"done, but {error}: what was refused meanwhile is not known; the janitor has it delivered again")
        else:
            self.tell(f"done; {len(refused)} webhooks were refused meanwhile" + (", and come again" if refused else ""))


def _refused(attempts: list[Delivery]) -> list[Delivery]:
    """The newest attempt of each delivery whose signature was not taken at any."""
    by_delivery: dict[str, list[Delivery]] = defaultdict(list)
    for one in attempts:
        by_delivery[one.guid].append(one)
    return [
        tries[0]
        for tries in by_delivery.values()
        if not any(one.succeeded for one in tries) and tries[0].status_code == HTTPStatus.UNAUTHORIZED
    ]


def rotate_key(credentials: Credentials, administration: Administration, clock: Clock, pem: SecretStr) -> str | None:
    """Be the App with another of its keys. Gives the fingerprint of the one before, as its settings show it.

    None where what was there before was no key.

    Raises:
        CredentialError: it is no key of the App, or the one that is in use.
        RotationError: GitHub does not say whether it is.
    """
    known_as = known(credentials.app_identity())
    new, old = parse_key(*known_as, pem), _former(credentials)
    if old == fingerprint(new):
        raise CredentialError(f"that is the key that is in use, {old}: generate another one in the App's settings")
    check_key(administration, new, clock)
    credentials.put_app(*known_as, pem)
    return old


def check_key(administration: Administration, app: AppCredentials, clock: Clock) -> None:
    """See that GitHub takes the key.

    Raises:
        CredentialError: it does not.
        RotationError: it does not say.
    """
    try:
        administration.app(app_jwt(app, clock()))
    except GitHubUnauthorizedError:
        raise CredentialError(
            f"GitHub does not take this key for the App {app.slug} ({app.app_id}): is it this App's, and still in its "
            "settings? Is this machine's clock right?"
        ) from None
    except (GitHubUnavailableError, GitHubRefusedError) as error:
        raise RotationError(f"{error}: nothing was changed, try again later") from None


def _former(credentials: Credentials) -> str | None:
    try:
        app = credentials.app()
    except CredentialError:
        return None
    return None if app is None else fingerprint(app)


def fingerprint(app: AppCredentials) -> str:
    """The App's key, as GitHub's settings tell keys apart.

    https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/managing-private-keys-for-github-apps.
    """
    encoding, shape = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    public = app.private_key.public_key().public_bytes(encoding, shape)
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode()


def check_fly_token(fly: Fly, organization: str, prefix: str) -> None:
    """See that a token is the organisation's, and may change things there: an app is made, and deleted.

    An app without a machine costs nothing. What stays of it, if this breaks off, the janitor removes.

    Raises:
        CredentialError: it is not, or may not.
        RotationError: Fly.io does not say.
    """
    app = Keyed(new_secret()).fly_app_name(prefix, "a token that is tried")  # such as the janitor takes for its own
    try:
        _check_organization(fly.organizations(), organization)
        try:
            fly.create_app(app, organization, app)
        finally:
            fly.delete_app(app)
    except FlyRefused as error:
        raise CredentialError(_why_refused(error, organization)) from None
    except FlyUnavailable as error:
        raise RotationError(f"{error}: the stack has the token that it had, try again later") from None
    except ValueError as error:
        raise CredentialError(f"{error}: give what `fly tokens create org` prints") from None


def _check_organization(found: frozenset[str], organization: str) -> None:
    if organization not in found:
        told = ", ".join(sorted(found)) or "no organisation"
        raise CredentialError(
            f"that token is for {told}, and the stack's FlyOrganization is {organization}: make one with "
            f"`fly tokens create org --org {organization}`, or deploy the stack with the other organisation"
        )


def _why_refused(error: FlyRefused, organization: str) -> str:
    if error.status == HTTPStatus.UNAUTHORIZED:
        return "Fly.io does not take that token: is it whole, and has it not expired?"
    return (
        f"{error}: the token may not make and delete apps in {organization}. A token of one app, or one that only "
        f"reads, does not do: make one with `fly tokens create org --org {organization}`"
    )


def known[T](app: T | None) -> T:
    """The App, or what is known of it.

    Raises:
        CredentialError: there is none yet.
    """
    if app is None:
        raise CredentialError("the stack has no GitHub App yet: `prestage setup` gives it one")
    return app
