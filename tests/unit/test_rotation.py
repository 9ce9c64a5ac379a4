"""Other credentials for a stack that works meanwhile: on a stage of its own, whose ingress gets webhooks throughout."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import boto3
import pytest
from pydantic import SecretStr

from fly_io.client import Fly
from fly_io.client import build_http as fly_http
from github_app.client import GitHub, build_http
from prestage import cli_rotate
from prestage.cli import main
from prestage.credentials import CredentialError, Credentials
from prestage.github_administration import Administration
from prestage.rotation import REREAD, RotationError, WebhookRotation, check_fly_token, fingerprint, rotate_key
from prestage.stage.aws import REGION
from prestage.stage.sample import SampleRepository
from prestage.stage.session import CREDENTIALS
from prestage.stage.stage import Stage

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
REPOSITORY = "octo-org/shop"
NEW = SecretStr("new-secret-planted-91c4")


class BrokenOffError(Exception):
    """Somebody pressed Ctrl-C."""


class Rotating:
    """A stage, and webhooks that GitHub sends at every step of what is done to it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.credentials = Credentials(stage.aws.client("secretsmanager"), stage.deployment.outputs)
        self.sent: list[int] = []
        self.told: list[str] = []
        self.number = 0

    def send(self) -> None:
        """A webhook of GitHub's, and one that somebody else signed."""
        self.number += 1
        body = {"zen": "Keep it logically awesome.", "hook_id": self.number}
        self.sent.append(self.stage.github.deliver(body, event="ping").status)
        kept = self.stage.github.app.webhook_secret
        self.stage.github.app.webhook_secret = "somebody else's"
        assert self.stage.github.deliver(body, event="ping").status == HTTPStatus.UNAUTHORIZED
        self.stage.github.app.webhook_secret = kept

    def tell(self, words: str) -> None:
        self.told.append(words)
        self.send()

    def wait(self, duration: timedelta) -> None:
        self.send()
        self.stage.time.advance(duration)
        self.send()

    def rotate(self, *, stop_at: int | None = None, wait: Callable[[timedelta], None] | None = None) -> None:
        """Rotate the webhook's secret, and break off where the step with that number is told."""

        def tell(words: str) -> None:
            self.tell(words)
            if stop_at is not None and words.startswith(f"{stop_at}."):
                raise BrokenOffError

        with build_http() as http:
            url, clock = self.stage.deployment.outputs["GitHubApiUrl"], self.stage.time.now
            WebhookRotation(
                self.credentials,
                Administration(http, url, clock=clock),
                GitHub(http, url, clock=clock),
                clock=clock,
                wait=wait or self.wait,
                tell=tell,
                mint=lambda: NEW,
            )()

    def rotate_key(self, pem: str) -> str | None:
        with build_http() as http:
            url, clock = self.stage.deployment.outputs["GitHubApiUrl"], self.stage.time.now
            return rotate_key(self.credentials, Administration(http, url, clock=clock), clock, SecretStr(pem))

    def check(self, token: str) -> None:
        with fly_http() as http:
            outputs = self.stage.deployment.outputs
            check_fly_token(Fly(http, outputs["FlyApiUrl"], lambda: SecretStr(token)), "stage", "prestage")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(TEMPLATE) as made:
        made.github.add_repository(
            REPOSITORY, SampleRepository.create(tmp_path_factory.mktemp("rotation") / "shop").path
        )
        yield made


@pytest.fixture
def rotating(stage: Stage) -> Iterator[Rotating]:
    made = Rotating(stage)
    kept = stage.github.app.webhook_secret
    yield made
    stage.github.mend()
    stage.github.app.webhook_secret = kept
    made.credentials.put_webhook_secrets(SecretStr(kept))
    stage.time.advance(REREAD)


def secrets(rotating: Rotating) -> list[str]:
    return [one.get_secret_value() for one in rotating.credentials.webhook_secrets()]


def test_no_webhook_is_refused_while_the_secret_is_rotated(rotating: Rotating) -> None:
    old = rotating.stage.github.app.webhook_secret
    rotating.send()
    rotating.rotate()
    rotating.wait(REREAD)
    assert len(rotating.sent) > 8
    assert set(rotating.sent) == {HTTPStatus.ACCEPTED}
    assert (secrets(rotating), rotating.stage.github.app.webhook_secret) == (
        [NEW.get_secret_value()],
        NEW.get_secret_value(),
    )
    rotating.stage.github.app.webhook_secret = old
    assert rotating.stage.github.deliver({"zen": "old"}, event="ping").status == HTTPStatus.UNAUTHORIZED
    assert not [words for words in rotating.told if NEW.get_secret_value() in words or old in words]


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_what_broke_off_refuses_nothing_and_is_gone_on_with(rotating: Rotating, step: int) -> None:
    with pytest.raises(BrokenOffError):
        rotating.rotate(stop_at=step)
    rotating.wait(REREAD)
    rotating.rotate()
    rotating.wait(REREAD)
    assert set(rotating.sent) == {HTTPStatus.ACCEPTED}
    assert secrets(rotating) == [rotating.stage.github.app.webhook_secret] == [NEW.get_secret_value()]


@pytest.mark.parametrize("after_effect", [False, True])
def test_github_does_not_answer_and_both_are_taken(rotating: Rotating, after_effect: bool) -> None:
    rotating.stage.github.fail(match="PATCH /app/hook/config", after_effect=after_effect)
    with pytest.raises(RotationError, match="run this again"):
        rotating.rotate()
    assert len(secrets(rotating)) == 2
    rotating.wait(REREAD)
    rotating.rotate()
    assert set(rotating.sent) == {HTTPStatus.ACCEPTED}
    assert secrets(rotating) == [NEW.get_secret_value()]


def test_what_was_refused_all_the_same_comes_again(rotating: Rotating) -> None:
    def meanwhile(duration: timedelta) -> None:
        if duration == REREAD:
            rotating.stage.github.app.webhook_secret = "not yet known"
            lost = rotating.stage.github.deliver({"zen": "lost"}, event="ping")
            assert lost.status == HTTPStatus.UNAUTHORIZED
        rotating.stage.time.advance(duration)

    rotating.rotate(wait=meanwhile)
    again = [one for one in rotating.stage.github.deliveries if one.redelivery and one.said() == {"zen": "lost"}]
    assert [one.status for one in again] == [HTTPStatus.ACCEPTED]
    assert any("come again" in words for words in rotating.told)


def test_another_key_of_the_app_is_taken_and_the_old_one_named(rotating: Rotating) -> None:
    app = rotating.stage.github.app
    before = rotating.credentials.app()
    assert before is not None
    pem = app.add_key()
    assert rotating.rotate_key(pem) == fingerprint(before)
    app.delete_key(0)
    now = rotating.credentials.app()
    assert now is not None
    assert fingerprint(now) != fingerprint(before)
    with pytest.raises(CredentialError, match="in use"):
        rotating.rotate_key(pem)


@pytest.mark.parametrize(
    ("pem", "words"), [("-----BEGIN NOTHING-----", "no RSA private key"), ("", "no RSA private key")]
)
def test_what_is_no_key_changes_nothing(rotating: Rotating, pem: str, words: str) -> None:
    before = rotating.credentials.app()
    with pytest.raises(CredentialError, match=words):
        rotating.rotate_key(pem)
    assert rotating.credentials.app() is not None
    assert before is not None


def test_a_key_that_is_not_the_apps_changes_nothing(rotating: Rotating) -> None:
    app = rotating.stage.github.app
    pem = app.add_key()
    app.delete_key(-1)
    before = rotating.credentials.app_identity()
    with pytest.raises(CredentialError, match="GitHub does not take this key") as refused:
        rotating.rotate_key(pem)
    assert pem.splitlines()[1] not in str(refused.value)
    assert rotating.credentials.app_identity() == before


def test_a_key_is_replaced_where_the_one_before_is_broken(rotating: Rotating) -> None:
    app_id, slug = rotating.credentials.app_identity() or ("", "")
    rotating.credentials.put_app(app_id, slug, SecretStr("no key"))
    assert rotating.rotate_key(rotating.stage.github.app.add_key()) is None
    assert rotating.credentials.app() is not None


def test_a_token_that_may_make_apps_leaves_none(rotating: Rotating) -> None:
    rotating.check(f"FlyV1 {rotating.stage.fly.tokens.add('stage')}")
    assert rotating.stage.fly.apps() == ()


def test_an_app_that_stays_of_trying_a_token_is_the_janitors_to_remove(rotating: Rotating) -> None:
    stage = rotating.stage
    stage.fly.fail(match="DELETE /v1/apps/")
    with pytest.raises(RotationError, match="has the token that it had"):
        rotating.check(stage.fly_token)
    assert len(stage.fly.apps()) == 1
    stage.time.advance(timedelta(days=4))  # what the other tests' forgers sent is not asked for again, a second each
    stage.sweep()
    stage.settle_until(lambda: not stage.fly.apps(), timedelta(minutes=5))
    assert stage.fly.apps() == ()


def test_a_token_that_will_not_do_is_told_why(rotating: Rotating) -> None:
    tokens = rotating.stage.fly.tokens
    for token, words in (
        (tokens.add("elsewhere"), "is for elsewhere"),
        (tokens.add("stage", read_only=True), "may not make and delete apps"),
        ("fm2_nobodys", "does not take that token"),
        ("two\nlines", "what `fly tokens create org` prints"),
    ):
        with pytest.raises(CredentialError, match=words) as refused:
            rotating.check(token)
        assert token not in str(refused.value)
    assert json.dumps([one.name for one in rotating.stage.fly.apps()]) == "[]"


# ---- The commands


@pytest.fixture
def typed(rotating: Rotating, monkeypatch: pytest.MonkeyPatch) -> Rotating:
    """Where commands lead to the stage, and waiting takes no time."""
    stage = rotating.stage
    endpoints = {"AWS_ENDPOINT_URL": stage.aws.endpoint, "AWS_ENDPOINT_URL_EVENTBRIDGE": stage.bus_server.url}
    for name, value in {**CREDENTIALS, **endpoints, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(cli_rotate, "wait", rotating.wait)
    return rotating


def changed(stage: Stage, before: int) -> list[tuple[str, bool]]:
    """The credentials that are said to be changed since, and whether that is confirmed."""
    events = [one for one in stage.bus.events[before:] if one["detail-type"] == "CredentialChanged"]
    return [(one["detail"]["data"]["credential"], one["detail"]["data"]["confirmed"]) for one in events]


def test_the_commands_state_what_they_change(
    typed: Rotating, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage, before = typed.stage, len(typed.stage.bus.events)
    pem, token = stage.github.app.add_key(), stage.fly.tokens.add("stage")
    (tmp_path / "key.pem").write_text(pem)
    (tmp_path / "token").write_text(f"FlyV1 {token}\n")
    assert main(["rotate", "webhook-secret"]) == 0
    assert main(["rotate", "github-key", "--file", str(tmp_path / "key.pem")]) == 0
    assert main(["rotate", "fly-token", "--file", str(tmp_path / "token")]) == 0
    assert set(typed.sent) == {HTTPStatus.ACCEPTED}
    assert changed(stage, before) == [("webhook_secret", True), ("github_key", True), ("fly_token", True)]
    said = "".join(capsys.readouterr())
    new = stage.github.app.webhook_secret
    assert not [one for one in (pem.splitlines()[1], token, new) if one in said + json.dumps(stage.bus.events[before:])]


def test_a_refused_credential_states_nothing(
    typed: Rotating, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(typed.stage.bus.events)
    (tmp_path / "wrong").write_text("planted-wrong")
    assert main(["rotate", "github-key", "--file", str(tmp_path / "wrong")]) == 1
    assert main(["rotate", "fly-token", "--file", str(tmp_path / "wrong")]) == 1
    assert changed(typed.stage, before) == []
    said = capsys.readouterr().err
    assert ("planted-wrong" in said, said.count("error: ")) == (False, 2)


def test_a_token_that_is_in_use_is_no_other_one(
    typed: Rotating, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text(typed.credentials.fly_token().get_secret_value())  # type: ignore[union-attr]
    assert main(["rotate", "fly-token", "--file", str(tmp_path / "token")]) == 1
    assert "in use" in capsys.readouterr().err


def test_a_rotation_that_github_did_not_answer_is_stated_as_not_confirmed(typed: Rotating) -> None:
    before = len(typed.stage.bus.events)
    typed.stage.github.fail(match="PATCH /app/hook/config")
    assert main(["rotate", "webhook-secret"]) == 1
    assert changed(typed.stage, before) == [("webhook_secret", False)]
