import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from github_app.auth import AppCredentials, InstallationTokens, InvalidCredentialsError, app_jwt
from github_app.client import GitHub, GitHubUnauthorizedError
from tests.unit.github_stage import Now, credentials, pem, private_key, public_pem
from tests.unit.github_wire import shown

READ = {"contents": "read"}


def secret(**changes: Any) -> str:
    return json.dumps({"app_id": "4711", "slug": "prestage", "private_key": pem(), **changes})


@pytest.mark.parametrize(
    "app_id", ["4711", 4711, "Iv23liABCDEF", " 4711\n"], ids=["text", "number", "client id", "untidy"]
)
def test_the_app_goes_by_its_id_or_its_client_id(app_id: str | int) -> None:
    assert AppCredentials.parse(secret(app_id=app_id)).app_id == str(app_id).strip()


def written(kind: serialization.PrivateFormat) -> str:
    return private_key().private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(
    "key",
    [
        pem(),
        pem().strip(),
        pem().replace("\n", "\\n"),
        pem().replace("\n", "\r\n"),
        written(serialization.PrivateFormat.PKCS8),
    ],
    ids=["as downloaded", "without its end", "on one line", "from Windows", "PKCS 8"],
)
def test_a_private_key_is_read_however_it_was_put_in(key: str) -> None:
    parsed = AppCredentials.parse(secret(private_key=key))
    assert parsed.private_key.private_numbers() == private_key().private_numbers()


def elliptic() -> str:
    shape, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, shape, none).decode()


def locked() -> str:
    shape = serialization.PrivateFormat.PKCS8
    lock = serialization.BestAvailableEncryption(b"hunter2")
    return private_key().private_bytes(serialization.Encoding.PEM, shape, lock).decode()


@pytest.mark.parametrize(
    "key",
    ["", "hunter2", pem()[:200], pem().replace("A", "*"), public_pem(), elliptic(), locked()],
    ids=["empty", "no PEM", "cut", "garbled", "public", "another kind", "with a pass phrase"],
)
def test_what_is_no_rsa_key_is_refused_with_what_to_do(key: str) -> None:
    with pytest.raises(InvalidCredentialsError, match="generate one in the App's settings") as raised:
        AppCredentials.parse(secret(private_key=key))
    for line in key.splitlines():
        assert line not in shown(raised.value) or not line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "all of it"),
        ("change me hunter2", "all of it"),
        ('["hunter2"]', "all of it"),
        (secret(slug=None), "slug"),
        (secret(slug="prestage[bot]"), "slug"),
        (secret(slug=""), "slug"),
        (secret(app_id=[4711]), "app_id"),
        (secret(app_id=""), "app_id"),
        (json.dumps({"app_id": 4711, "slug": "prestage", "privateKey": "hunter2"}), "private_key: missing"),
    ],
)
def test_what_are_no_credentials_is_refused_with_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(InvalidCredentialsError, match="put in the JSON object") as raised:
        AppCredentials.parse(text)
    assert told in str(raised.value)
    assert "hunter2" not in shown(raised.value)
    assert "PRIVATE KEY" not in shown(raised.value)


@given(st.text() | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_nothing_else_is_raised_whatever_the_secret_is(text: str) -> None:
    with pytest.raises(InvalidCredentialsError):
        AppCredentials.parse(text)


def test_credentials_do_not_show_the_key() -> None:
    assert repr(credentials()) == "AppCredentials(app_id='4711', slug='prestage-test')"


def test_the_jwt_says_who_and_for_how_long() -> None:
    now = datetime(2026, 11, 24, 10, 0, 0, 700_000, tzinfo=UTC)
    made = app_jwt(AppCredentials.parse(secret(app_id=4711)), now)
    assert "eyJ" not in repr(made)
    unchecked = {"verify_exp": False, "verify_iat": False}
    text = made.get_secret_value()
    claims = jwt.decode(text, public_pem(), algorithms=["RS256"], options=unchecked)  # type: ignore[arg-type]
    second = int(now.timestamp())
    assert claims == {"iss": "4711", "iat": second - 60, "exp": second + 540}
    assert jwt.get_unverified_header(text)["alg"] == "RS256"


class Mint:
    """Mints tokens that tell what they are for, each good for an hour."""

    def __init__(self) -> None:
        self.now = Now()
        self.asked: list[dict[str, Any]] = []
        self.status = 201
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        github = GitHub(http, "https://api.example.com", clock=self.now)
        self.tokens = InstallationTokens(github, credentials, self.now)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append({"path": request.url.path, **json.loads(request.content)})
        expires_at = (self.now() + timedelta(hours=1)).isoformat()
        return httpx.Response(self.status, json={"token": f"ghs_{len(self.asked)}", "expires_at": expires_at})

    def token(self, installation_id: int = 42, repository_id: int = 9, **permissions: str) -> str:
        return self.tokens.token(installation_id, repository_id, permissions or READ).get_secret_value()


def test_a_token_is_minted_for_one_repository_and_what_is_needed() -> None:
    mint = Mint()
    assert mint.token() == "ghs_1"
    expected = {"path": "/app/installations/42/access_tokens", "repository_ids": [9], "permissions": READ}
    assert mint.asked == [expected]


def test_a_token_is_used_again_until_ten_minutes_before_its_end() -> None:
    mint = Mint()
    assert mint.token() == "ghs_1"
    mint.now.advance(minutes=49, seconds=59)
    assert mint.token() == "ghs_1"
    mint.now.advance(seconds=1)
    assert mint.token() == "ghs_2"


def test_a_token_is_never_used_for_something_else() -> None:
    mint = Mint()
    made = [mint.token(), mint.token(installation_id=43), mint.token(repository_id=10), mint.token(contents="write")]
    made.append(mint.token(contents="read", pull_requests="write"))
    assert made == ["ghs_1", "ghs_2", "ghs_3", "ghs_4", "ghs_5"]
    assert mint.token(pull_requests="write", contents="read") == "ghs_5"


def test_a_forgotten_token_is_minted_anew_and_others_stay() -> None:
    mint = Mint()
    assert [mint.token(), mint.token(repository_id=10)] == ["ghs_1", "ghs_2"]
    mint.tokens.forget(42, 9, READ)
    mint.tokens.forget(42, 9, READ)
    assert [mint.token(), mint.token(repository_id=10)] == ["ghs_3", "ghs_2"]


def test_a_token_settles_within_a_minute_of_its_minting() -> None:
    mint = Mint()
    assert not mint.tokens.is_settling(42, 9, READ)
    mint.token()
    mint.now.advance(seconds=59)
    assert mint.tokens.is_settling(42, 9, READ)
    assert not mint.tokens.is_settling(42, 10, READ)
    mint.now.advance(seconds=1)
    assert not mint.tokens.is_settling(42, 9, READ)


def test_a_token_that_is_not_minted_is_not_kept() -> None:
    mint = Mint()
    mint.status = 401
    with pytest.raises(GitHubUnauthorizedError):
        mint.token()
    assert not mint.tokens.is_settling(42, 9, READ)
    mint.status = 201
    assert mint.token() == "ghs_2"


def test_a_rotated_key_is_seen_at_the_next_minting() -> None:
    seen: list[str] = []

    def read() -> AppCredentials:
        seen.append("read")
        return credentials()

    mint = Mint()
    tokens = InstallationTokens(mint.tokens._github, read, mint.now)
    for repository_id in (9, 9, 10):
        tokens.token(42, repository_id, READ)
    assert len(seen) == 2


def test_kept_tokens_do_not_show() -> None:
    mint = Mint()
    mint.token()
    assert "ghs_1" not in repr(mint.tokens._minted)
