"""The first run, step by step. What is done already is left as it is, so that it can be repeated."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from choreography.clock import Clock
from github_app.auth import AppCredentials, app_jwt
from github_app.client import GitHubNotFoundError, GitHubRefusedError, GitHubUnavailableError
from prestage.aside import check_folder, remove, write_aside
from prestage.credentials import Credential, CredentialError, Credentials, app_text, parse_key
from prestage.ending import ending_on_signals
from prestage.github_administration import Administration, HookConfig, Registered, web_url
from prestage.manifest import Handshake
from prestage.rotation import RotationError, check_key, known, new_secret

type Changing = Callable[[Sequence[Credential]], AbstractContextManager[object]]
"""States that these credentials are changed, by what is done within it."""

PATIENCE = timedelta(hours=1)
"""GitHub's code is good for so long."""

BETWEEN_LOOKS = timedelta(seconds=3)


_KEY_FILES = "github-app-{}.json"


class UnfinishedError(Exception):
    """Something was changed, and not all of it; the text says what to do."""


@dataclass(frozen=True)
class Dialogue:
    """Whoever is at the terminal.

    `go_on` asks whether to, having said what would be done; `retry` whether to try again what did not work, to which
    nobody says yes beforehand; `open` opens a page in a browser, if there is one.
    """

    tell: Callable[[str], None]
    go_on: Callable[[str], bool]
    retry: Callable[[str], bool]
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
        aside: the folder for what AWS does not keep, or not yet.
    """

    credentials: Credentials
    administration: Administration
    api_url: str
    webhook_url: str
    changing: Changing
    dialogue: Dialogue
    clock: Clock
    aside: Path = Path()

    def register(self, organization: str, name: str, port: int) -> None:
        """Have the stack be an App: the one that it is, or one that is registered from a manifest.

        Raises:
            CredentialError: it is one already, and GitHub does not take its key; or none was registered.
            NoFolderError: none was registered, as its key could not be put aside.
            RotationError: GitHub does not say.
        """
        if (app := self.credentials.app()) is not None:
            check_key(self.administration, app, self.clock)
            self.dialogue.tell(f"   done already: it is the App {app.slug}")
            return
        check_folder(self.aside)
        github = web_url(self.api_url)
        whose = f"the organisation {organization}" if organization else "your own account"
        for path in sorted(self.aside.glob(_KEY_FILES.format("*"))):
            self.dialogue.tell(
                f"   {path} has the key of an App that is registered: was it to be this stack's? Then put"
            )
            self.dialogue.tell(
                f"   it into the secret {self.credentials.arn('github_key')} instead, and run this again"
            )
        self._ask(f"registers the App {name} for {whose} at {github}, and keeps its key and its webhook's secret")
        # The intent before the browser: what is registered at GitHub is noted, whatever comes of it here.
        with self._page(github, organization, name, port) as page, self.changing(["github_key", "webhook_secret"]):
            made = self._convert(self._lead(page))
            if organization and made.owner.login.lower() != organization.lower():
                raise CredentialError(
                    f"the App {made.slug} is {made.owner.login}'s and not {organization}'s, and was not kept: delete "
                    f"it ({made.html_url}), and begin again"
                )
            with ending_on_signals():  # while AWS does not answer, a closed terminal is no reason to lose the key
                self._keep(made)

    def _page(self, github: str, organization: str, name: str, port: int) -> Handshake:
        try:
            return Handshake(github, organization, name=name, webhook_url=self.webhook_url, port=port)
        except OSError as error:
            raise CredentialError(f"--port {port}: {error.strerror}: choose another, or leave it out") from None

    def _lead(self, page: Handshake) -> str:
        """Have a browser go to GitHub; gives the code that it came back with."""
        self.dialogue.tell(f"   open {page.url} in a browser of this machine (of another one: ssh -L)")
        self.dialogue.open(page.url)
        code = page.code(PATIENCE.total_seconds())
        if code is None:
            raise CredentialError("nobody came back from GitHub within an hour: begin again")
        return code

    def _convert(self, code: str, tries: int = 5) -> Registered:
        """The App; the code stays good where GitHub does not answer."""
        try:
            return self.administration.convert(code)
        except GitHubNotFoundError:
            raise CredentialError("GitHub does not know the code that the browser brought: begin again") from None
        except (GitHubUnavailableError, GitHubRefusedError) as error:
            if isinstance(error, GitHubUnavailableError) and tries > 1:
                self.dialogue.wait(BETWEEN_LOOKS)
                return self._convert(code, tries - 1)
            raise CredentialError(
                f"{error}: the App is registered, and its key could not be had. Delete it in its settings at "
                f"{web_url(self.api_url)}, and begin again"
            ) from None

    def _keep(self, made: Registered) -> None:
        """GitHub tells the key once: where AWS does not keep it, it is in a file before anybody is asked what to do.

        Where GitHub made no secret for the webhook, `point` tells it the one that is kept here.
        """
        parse_key(str(made.id), made.slug, made.pem)
        secret = made.webhook_secret or new_secret()
        files: list[Path] = []
        kept = False
        try:
            while not (kept := self._put(made, secret)):
                files = files or self._put_aside(made, secret)
                self._try_again(made, files)
        finally:
            if not kept and not files:
                self._put_aside(made, secret)
        self._remove(files)
        self.dialogue.tell(f"   it is the App {made.slug} ({made.html_url})")

    def _put(self, made: Registered, secret: SecretStr) -> bool:
        try:
            self.credentials.put_app(str(made.id), made.slug, made.pem)
            self.credentials.put_webhook_secrets(secret)
        except (ClientError, BotoCoreError) as error:
            self.dialogue.tell(f"   AWS did not keep the App's key: {error}")
            return False
        return True

    def _try_again(self, made: Registered, files: Sequence[Path]) -> None:
        if self.dialogue.retry("   Mend that (may you secretsmanager:PutSecretValue?). Try again?"):
            return
        remedy = (
            "put its key and its webhook's secret into Secrets Manager from the two files, delete them, and run "
            "`prestage setup` again"
            if files
            else "its key is nowhere, so delete it in its settings, and begin again"
        )
        raise UnfinishedError(f"the App {made.slug} is registered ({made.html_url}): {remedy}")

    def _put_aside(self, made: Registered, secret: SecretStr) -> list[Path]:
        """Write the two files; none where one can't be written, which is told."""
        texts: dict[Credential, tuple[str, str]] = {
            "github_key": (_KEY_FILES.format(made.slug), app_text(str(made.id), made.slug, made.pem)),
            "webhook_secret": (f"webhook-secret-{made.slug}", secret.get_secret_value()),
        }
        files: dict[Credential, Path] = {}
        try:
            for credential, (name, text) in texts.items():
                files[credential] = write_aside(self.aside, name, text)
        except OSError as error:
            remove([*files.values()])
            self.dialogue.tell(f"   nor can it be put into {self.aside.absolute()}: {error.strerror}")
            return []
        for credential, path in files.items():
            self.dialogue.tell(
                f"   kept in {path}, for you alone, until AWS has it: aws secretsmanager put-secret-value --secret-id "
                f"{self.credentials.arn(credential)} --secret-string file://{path}"
            )
        return [*files.values()]

    def _remove(self, files: Sequence[Path]) -> None:
        left = remove(files)
        if gone := [str(path) for path in files if path not in left]:
            self.dialogue.tell(f"   AWS has the key now: removed {' and '.join(gone)}")
        for path in left:
            self.dialogue.tell(f"   AWS has the key now: delete {path}, which could not be removed")

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
                self.administration.change_hook(self._jwt(), url=self.webhook_url, secret=secret)
                if not kept:  # afterwards, as what is there is taken for what GitHub signs with
                    self.credentials.put_webhook_secrets(secret)
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
            found = self.administration.installations(self._jwt())
            return [one.account.login for one in found if one.suspended_at is None]

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
