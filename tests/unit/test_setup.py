"""The steps of `prestage setup` about GitHub: what is asked, what goes wrong, and what is there already."""

import json
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from choreography.clock import utc_now
from github_app.client import build_http
from prestage.aside import NoFolderError
from prestage.credentials import Credential, CredentialError, Credentials
from prestage.github_administration import Administration, web_url
from prestage.manifest import Handshake
from prestage.rotation import RotationError
from prestage.setup import Dialogue, GitHubSetup, UnfinishedError
from prestage.stage.github import GitHubStandIn
from prestage.stage.sample import SampleRepository
from prestage.stage.serve import Server

REPOSITORY = "octo-org/shop"
WEBHOOKS = "https://api.example.com/webhooks/github"
OUTPUTS = {"WebhookSecretArn": "webhook", "GitHubAppSecretArn": "app", "FlySecretArn": "fly"}


class KeptSecrets:
    """Secrets Manager, which refuses as many values as it is told to."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.refusals = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803  # boto3's name
        if SecretId not in self.values:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")
        return {"SecretString": self.values[SecretId]}

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803  # boto3's names
        self.meanwhile()
        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutSecretValue")
        self.values[SecretId] = SecretString


class SettingUp:
    """A GitHub without the App, and somebody who confirms whatever is asked, unless told not to."""

    def __init__(self, github: GitHubStandIn, url: str, http: httpx.Client, aside: Path) -> None:
        self.github, self.url = github, url
        self.kept = KeptSecrets()
        self.credentials = Credentials(self.kept, OUTPUTS)
        self.told: list[str] = []
        self.answers: list[bool] = []
        self.unnoted: Exception | None = None
        """Why a change can't be noted for the audit trail."""
        self.asked: Callable[[str], None] = lambda _: None
        self.changed: list[Sequence[Credential]] = []
        self.waits = 0
        self.owner = "octo-org"
        administration = Administration(http, url, clock=utc_now)
        dialogue = Dialogue(self.told.append, self._go_on, self._go_on, self.open, self._wait)
        self.setup = GitHubSetup(
            self.credentials, administration, url, WEBHOOKS, self._changing, dialogue, utc_now, aside
        )

    def register(self) -> None:
        self.setup.register("octo-org", "Prestage Octo", 0)

    def open(self, page: str) -> None:
        """Press the buttons, where it is the page that leads to GitHub's."""
        if "/installations/new" in page:
            return
        form = httpx.get(page, trust_env=False).text
        target, manifest = (_unescaped(re.search(rf'{name}="([^"]*)"', form)) for name in ("action", "value"))
        proposed = httpx.post(target, data={"manifest": manifest}, trust_env=False).text
        action = _unescaped(re.search(r'action="([^"]*)"', proposed))
        confirmed = {"manifest": manifest, "name": "Prestage Octo"}
        back = httpx.post(f"{self.url}{action.replace('octo-org', self.owner)}", data=confirmed, trust_env=False)
        assert httpx.get(back.headers["Location"], trust_env=False).status_code == 200

    def _go_on(self, question: str) -> bool:
        self.asked(question)
        return self.answers.pop(0) if self.answers else True

    def _wait(self, _duration: timedelta) -> None:
        self.waits += 1
        if self.github.app.is_registered:
            self.github.install()

    def _changing(self, credentials: Sequence[Credential]) -> Any:
        if self.unnoted is not None:
            raise self.unnoted
        self.changed.append(credentials)
        return nullcontext()


def _unescaped(found: re.Match[str] | None) -> str:
    assert found is not None
    return found[1].replace("&#34;", '"').replace("&amp;", "&")


@pytest.fixture
def setting_up(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[SettingUp]:
    github = GitHubStandIn(app_id="4711", slug="none-yet", public_key_pem="", webhook_secret="", webhook_url="")
    sample = SampleRepository.create(tmp_path_factory.mktemp("setup") / "shop")
    github.add_repository(REPOSITORY, sample.path, installed=False)
    with Server(github.application()) as server, build_http() as http:
        yield SettingUp(github, server.url, http, tmp_path)


def test_a_registered_app_is_kept_whole(setting_up: SettingUp) -> None:
    setting_up.register()
    app = setting_up.github.app
    assert (app.slug, app.webhook_url, app.name) == ("prestage-octo", WEBHOOKS, "Prestage Octo")
    assert setting_up.credentials.app_identity() == ("4711", "prestage-octo")
    assert [one.get_secret_value() for one in setting_up.credentials.webhook_secrets()] == [app.webhook_secret]
    assert setting_up.changed == [["github_key", "webhook_secret"]]
    said = " ".join(setting_up.told)
    assert not [one for one in (app.webhook_secret, "BEGIN RSA") if one in said]


def test_one_that_is_there_is_left(setting_up: SettingUp) -> None:
    setting_up.register()
    before = dict(setting_up.kept.values)
    setting_up.register()
    assert setting_up.kept.values == before
    assert "done already" in setting_up.told[-1]


def test_one_whose_key_github_does_not_take_is_told(setting_up: SettingUp) -> None:
    setting_up.register()
    setting_up.github.app.add_key()
    setting_up.github.app.delete_key(0)
    with pytest.raises(CredentialError, match="GitHub does not take this key"):
        setting_up.register()


def test_whoever_does_not_want_it_leaves_all_as_it_was(setting_up: SettingUp) -> None:
    setting_up.answers = [False]
    with pytest.raises(CredentialError, match="goes on"):
        setting_up.register()
    assert (setting_up.kept.values, setting_up.github.requests, setting_up.changed) == ({}, [], [])


def test_no_app_is_registered_where_that_can_not_be_noted(setting_up: SettingUp) -> None:
    setting_up.unnoted = ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutItem")
    with pytest.raises(ClientError):
        setting_up.register()
    assert (setting_up.github.app.is_registered, setting_up.github.requests) == (False, [])
    assert not any("open http" in words for words in setting_up.told)


def test_what_aws_does_not_keep_at_first_is_not_lost(setting_up: SettingUp) -> None:
    setting_up.kept.refusals = 2
    setting_up.register()
    assert setting_up.credentials.app() is not None
    assert sum("AWS did not keep" in words for words in setting_up.told) == 2


def test_whoever_gives_up_is_told_how_to_go_on(setting_up: SettingUp) -> None:
    setting_up.kept.refusals, setting_up.answers = 1, [True, False]
    with pytest.raises(UnfinishedError, match="put its key and its webhook's secret into Secrets Manager"):
        setting_up.register()
    aside = setting_up.setup.aside
    key, secret = aside / "github-app-prestage-octo.json", aside / "webhook-secret-prestage-octo"
    assert [path.stat().st_mode & 0o777 for path in (key, secret)] == [0o600, 0o600]
    assert secret.read_text() == setting_up.github.app.webhook_secret
    setting_up.kept.values["app"] = key.read_text()
    setting_up.register()
    assert "done already" in setting_up.told[-1]


def put_aside(setting_up: SettingUp) -> dict[str, str]:
    """What is in the folder, by name; every file is for its owner alone."""
    files = list(setting_up.setup.aside.iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} <= {0o600}
    return {path.name: path.read_text() for path in files}


def test_the_key_is_in_a_file_before_anybody_is_asked_and_gone_once_aws_has_it(setting_up: SettingUp) -> None:
    setting_up.kept.refusals, seen = 2, list[dict[str, str]]()
    setting_up.asked = lambda question: seen.append(put_aside(setting_up)) if "Try again" in question else None
    setting_up.register()
    assert [json.loads(files["github-app-prestage-octo.json"])["slug"] for files in seen] == ["prestage-octo"] * 2
    assert seen[0] == seen[1]
    assert seen[0]["webhook-secret-prestage-octo"] == setting_up.github.app.webhook_secret
    assert put_aside(setting_up) == {}
    assert "AWS has the key now: removed" in setting_up.told[-2]


def test_whoever_breaks_off_at_the_question_has_the_two_files_and_no_copies(setting_up: SettingUp) -> None:
    def close(question: str) -> None:
        if "Try again" in question:
            raise KeyboardInterrupt

    setting_up.kept.refusals, setting_up.asked = 1, close
    with pytest.raises(KeyboardInterrupt):
        setting_up.register()
    assert sorted(put_aside(setting_up)) == ["github-app-prestage-octo.json", "webhook-secret-prestage-octo"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_terminal_that_is_closed_while_aws_does_not_answer_loses_nothing(
    setting_up: SettingUp, number: signal.Signals
) -> None:
    def end() -> None:
        assert signal.getsignal(number) is not signal.SIG_DFL  # which would end the tests, too
        signal.raise_signal(number)

    setting_up.kept.meanwhile = end
    with pytest.raises(KeyboardInterrupt):
        setting_up.register()
    assert sorted(put_aside(setting_up)) == ["github-app-prestage-octo.json", "webhook-secret-prestage-octo"]


def test_a_key_that_was_put_aside_is_told_of_before_another_app_is_registered(setting_up: SettingUp) -> None:
    (setting_up.setup.aside / "github-app-prestage-octo.json").touch()
    setting_up.answers = [False]
    with pytest.raises(CredentialError, match="goes on"):
        setting_up.register()
    assert "github-app-prestage-octo.json has the key of an App that is registered" in setting_up.told[0]
    assert setting_up.github.requests == []


def test_a_file_of_an_older_app_stays_and_the_new_one_gets_a_name_of_its_own(setting_up: SettingUp) -> None:
    for name in ("github-app-prestage-octo.json", "github-app-prestage-octo-2.json"):
        path = setting_up.setup.aside / name
        path.write_text("an older one's")
        path.chmod(0o600)
    setting_up.kept.refusals, setting_up.answers = 1, [True, False]
    with pytest.raises(UnfinishedError):
        setting_up.register()
    files = put_aside(setting_up)
    assert json.loads(files.pop("github-app-prestage-octo-3.json"))["slug"] == "prestage-octo"
    assert list(files.values()).count("an older one's") == 2


def test_a_folder_that_can_not_be_written_is_told_before_github_is_asked(setting_up: SettingUp) -> None:
    setting_up.setup = replace(setting_up.setup, aside=setting_up.setup.aside / "gone")
    with pytest.raises(NoFolderError, match="run this in a folder that can be"):
        setting_up.register()
    assert (setting_up.github.requests, setting_up.told, setting_up.changed) == ([], [], [])


def test_a_folder_that_goes_meanwhile_is_told_and_the_key_may_still_be_kept(setting_up: SettingUp) -> None:
    setting_up.kept.refusals, aside = 1, setting_up.setup.aside
    setting_up.asked = lambda _: aside.rmdir() if aside.exists() else None
    setting_up.register()
    assert setting_up.credentials.app() is not None
    assert any("nor can it be put into" in words for words in setting_up.told)


def test_a_key_that_is_kept_nowhere_is_said_to_be(setting_up: SettingUp) -> None:
    setting_up.kept.refusals, setting_up.answers, aside = 1, [True, False], setting_up.setup.aside
    setting_up.asked = lambda _: aside.rmdir() if aside.exists() else None
    with pytest.raises(UnfinishedError, match="its key is nowhere, so delete it"):
        setting_up.register()


@pytest.mark.parametrize(("status", "words"), [(503, "Delete it in its settings"), (404, "begin again")])
def test_a_code_that_is_not_converted_leaves_nothing(setting_up: SettingUp, status: int, words: str) -> None:
    setting_up.github.fail(times=5, status=status, match="conversions")
    with pytest.raises(CredentialError, match=words):
        setting_up.register()
    assert setting_up.kept.values == {}


def test_a_conversion_that_is_not_answered_is_asked_for_again(setting_up: SettingUp) -> None:
    setting_up.github.fail(times=2, status=502, match="conversions")
    setting_up.register()
    assert (setting_up.credentials.app() is not None, setting_up.waits) == (True, 2)


def test_an_app_of_somebody_else_is_not_kept(setting_up: SettingUp) -> None:
    setting_up.owner = "mallory"
    with pytest.raises(CredentialError, match="is mallory's and not octo-org's, and was not kept"):
        setting_up.register()
    assert setting_up.kept.values == {}


def test_a_port_that_is_taken_is_told_and_nothing_is_changed(setting_up: SettingUp) -> None:
    elsewhere = Handshake("https://github.example.com", "", name="x", webhook_url=WEBHOOKS)
    with elsewhere as made, pytest.raises(CredentialError, match="choose another"):
        setting_up.setup.register("octo-org", "x", urlsplit(made.url).port or 0)
    assert (setting_up.kept.values, setting_up.changed) == ({}, [])


def test_a_secret_that_github_was_not_told_is_not_taken_for_its_own(setting_up: SettingUp) -> None:
    setting_up.register()
    setting_up.kept.values.pop("webhook")
    setting_up.github.fail(match="PATCH /app/hook/config")
    with pytest.raises(RotationError):
        setting_up.setup.point()
    setting_up.setup.point()
    assert setting_up.kept.values["webhook"] == setting_up.github.app.webhook_secret


def test_webhooks_that_go_elsewhere_are_sent_here(setting_up: SettingUp) -> None:
    setting_up.register()
    app = setting_up.github.app
    secret = app.webhook_secret
    app.webhook_url, app.content_type = "https://elsewhere.example.com", "form"
    setting_up.setup.point()
    assert (app.webhook_url, app.content_type, app.webhook_secret) == (WEBHOOKS, "json", secret)
    setting_up.setup.point()
    assert "done already" in setting_up.told[-1]


def test_webhooks_without_a_secret_get_one(setting_up: SettingUp) -> None:
    setting_up.register()
    setting_up.kept.values.pop("webhook")
    setting_up.github.app.webhook_secret = ""
    setting_up.setup.point()
    assert setting_up.kept.values["webhook"] == setting_up.github.app.webhook_secret != ""


def test_it_waits_until_the_app_is_installed(setting_up: SettingUp) -> None:
    setting_up.register()
    setting_up.setup.install()
    assert (setting_up.waits, setting_up.told[-1]) == (1, "   it is installed for octo-org")
    setting_up.setup.install()
    assert (setting_up.waits, setting_up.told[-1]) == (1, "   done already: for octo-org")


def test_github_does_not_answer_and_nothing_is_changed(setting_up: SettingUp) -> None:
    setting_up.register()
    setting_up.github.fail(times=3)
    for step in (setting_up.register, setting_up.setup.point, setting_up.setup.install):
        with pytest.raises(RotationError, match="GitHub answered 503"):
            step()


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://ghe.example.com/api/v3", "https://ghe.example.com"),
        ("https://api.octo.ghe.com", "https://octo.ghe.com"),
        ("http://127.0.0.1:4011", "http://127.0.0.1:4011"),
    ],
)
def test_where_people_see_the_github_of_an_api(api: str, web: str) -> None:
    assert web_url(api) == web


def test_a_token_is_kept_as_it_is() -> None:
    kept = KeptSecrets()
    Credentials(kept, OUTPUTS).put_fly_token(SecretStr("FlyV1 fm2_planted"))
    assert kept.values == {"fly": "FlyV1 fm2_planted"}
