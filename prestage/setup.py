"""The first run, step by step. What is done already is left as it is, so that it can be repeated."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from choreography.clock import Clock
from github_app.auth import AppCredentials, app_jwt
from github_app.client import GitHubNotFoundError, GitHubRefusedError, GitHubUnavailableError
from prestage.credentials import Credential, CredentialError, Credentials, parse_key
from prestage.github_administration import Administration, HookConfig, Registered, web_url
from prestage.manifest import Handshake
from prestage.rotation import RotationError, check_key, known, new_secret

type Changing = Callable[[Sequence[Credential]], AbstractContextManager[object]]
"""States that these credentials are changed, by what is done within it."""

PATIENCE = timedelta(hours=1)
"""GitHub's code is good for so long."""

BETWEEN_LOOKS = timedelta(seconds=3)


@dataclass(frozen=True)
class Dialogue:
    """Whoever is at the terminal.

    `go_on` asks whether to, having said what would be done; `open` opens a page in a browser, if there is one.
    """

    tell: Callable[[str], None]
    go_on: Callable[[str], bool]
    open: Callable[[str], None]
    wait: Callable[[timedelta], None]


@dataclass(frozen=True)
class GitHubSetup:
    """The App: registered, its webhook right, and installed somewhere.

    Args:
        credentials: the stack's.
        administration: of the App.
        api_url: GitHub's.
        webhook_url: the stack's.
        changing: states what is changed.
        dialogue: with whoever sets it up.
        clock: the time.
    """

    credentials: Credentials
    administration: Administration
    api_url: str
    webhook_url: str
    changing: Changing
    dialogue: Dialogue
    clock: Clock

    def register(self, organization: str, name: str, port: int) -> None:
        """Have the stack be an App: the one that it is, or one that is registered from a manifest.

        Raises:
            CredentialError: it is one already, and GitHub does not take its key; or none was registered.
            RotationError: GitHub does not say.
        """
        if (app := self.credentials.app()) is not None:
            check_key(self.administration, app, self.clock)
            self.dialogue.tell(f"   done already: it is the App {app.slug}")
            return
        github = web_url(self.api_url)
        whose = f"the organisation {organization}" if organization else "your own account"
        self._ask(f"registers the App {name} for {whose} at {github}, and keeps its key and its webhook's secret")
        with self.changing(["github_key", "webhook_secret"]):
            with Handshake(github, organization, name=name, webhook_url=self.webhook_url, port=port) as handshake:
                self.dialogue.tell(f"   open {handshake.url} in a browser of this machine (of another one: ssh -L)")
                self.dialogue.open(handshake.url)
                code = handshake.code(PATIENCE.total_seconds())
            if code is None:
                raise CredentialError("nobody came back from GitHub within an hour: begin again")
            self._keep(self._convert(code))

    def _convert(self, code: str) -> Registered:
        try:
            return self.administration.convert(code)
        except GitHubNotFoundError:
            raise CredentialError("GitHub does not know the code that the browser brought: begin again") from None
        except (GitHubUnavailableError, GitHubRefusedError) as error:
            raise CredentialError(
                f"{error}: the App is registered, and its key could not be had. Delete it in its settings at "
                f"{web_url(self.api_url)}, and begin again"
            ) from None

    def _keep(self, made: Registered) -> None:
        """GitHub tells the key once, so this goes on until it is kept, or whoever is there gives up."""
        parse_key(str(made.id), made.slug, made.pem)
        secret = made.webhook_secret or new_secret()
        while True:
            try:
                self.credentials.put_app(str(made.id), made.slug, made.pem)
                self.credentials.put_webhook_secrets(secret)
                break
            except (ClientError, BotoCoreError) as error:
                self.dialogue.tell(f"   AWS did not keep the App's key: {error}")
                if not self.dialogue.go_on("   Mend that (may you secretsmanager:PutSecretValue?). Try again?"):
                    raise CredentialError(
                        f"the App {made.slug} is registered ({made.html_url}), and its key is lost: generate another "
                        "one in its settings and put it in by hand, see docs/first-run.md"
                    ) from None
        self.dialogue.tell(
            f"   it is the App {made.slug} ({made.html_url}); its key is in {self.credentials.arn('github_key')}"
        )
        if made.webhook_secret is None:
            self.administration.change_hook(self._jwt(), url=self.webhook_url, secret=secret)

    def point(self) -> None:
        """Have GitHub send webhooks to the stack, signed.

        Raises:
            RotationError: GitHub does not do it now.
        """
        with _answering():
            hook, kept = self.administration.hook(self._jwt()), self.credentials.webhook_secrets()
            if kept and self._is_right(hook):
                self.dialogue.tell(f"   done already: they go to {self.webhook_url}")
                return
            self._ask(f"has GitHub send webhooks to {self.webhook_url} (now: {hook.url or 'nowhere'}), signed")
            secret = kept[0] if kept else new_secret()
            with self.changing(["webhook_secret"]):
                self.credentials.put_webhook_secrets(secret, *kept[1:])
                self.administration.change_hook(self._jwt(), url=self.webhook_url, secret=secret)
            self.dialogue.tell("   they do")

    def _is_right(self, hook: HookConfig) -> bool:
        signed_json = hook.content_type == "json" and hook.secret is not None
        return hook.url == self.webhook_url and signed_json and hook.checks_certificates

    def install(self) -> None:
        """See that the App is installed somewhere, and lead to where that is done.

        Raises:
            RotationError: GitHub does not say.
        """
        app = self._app()
        if found := self._installations():
            self.dialogue.tell(f"   done already: for {', '.join(found)}")
            return
        page = f"{web_url(self.api_url)}/apps/{app.slug}/installations/new"
        self._ask(f"leads you to {page}, where you choose repositories, and waits until you have")
        self.dialogue.open(page)
        while not (found := self._installations()):
            self.dialogue.wait(BETWEEN_LOOKS)
        self.dialogue.tell(f"   it is installed for {', '.join(found)}")

    def _installations(self) -> list[str]:
        with _answering():
            return [one.account.login for one in self.administration.installations(self._jwt())]

    def _ask(self, what: str) -> None:
        self.dialogue.tell(f"   {what}")
        if not self.dialogue.go_on("   Go on?"):
            raise CredentialError(
                "ended before it was done; what is done stays, and `prestage setup` goes on from there"
            )

    def _app(self) -> AppCredentials:
        return known(self.credentials.app())

    def _jwt(self) -> SecretStr:
        return app_jwt(self._app(), self.clock())


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (GitHubUnavailableError, GitHubRefusedError) as error:
        raise RotationError(f"{error}: run this again later") from None
