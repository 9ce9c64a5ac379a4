import hashlib
import hmac
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from github_app.client import (
    GitHubNotFoundError,
    GitHubRefusedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
)
from ingress.signature import is_signed
from prestage.stage.faults import DROPPED, Request
from prestage_contracts.ingress import PullRequestOpenedData
from tests.unit.github_stage import APP_ID, REPOSITORY, SLUG, WEBHOOK_SECRET, Stage, private_key, stage

WRITE = {"pull_requests": "write"}


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """For tests of many cases that change nothing that another would see."""
    with stage(tmp_path_factory.mktemp("github")) as staged:
        yield staged


def claims(github: Stage, **changes: Any) -> str:
    now = int(github.now().timestamp())
    made = {"iss": APP_ID, "iat": now - 60, "exp": now + 540, **changes}
    return jwt.encode({name: value for name, value in made.items() if value is not None}, private_key(), "RS256")


def test_the_app_proves_itself_with_its_key(github: Stage) -> None:
    answer = github.ask("GET", f"/repos/{REPOSITORY}/installation", claims(github))
    assert (answer.status_code, answer.json()["app_slug"]) == (200, SLUG)
    assert answer.headers["x-github-request-id"]


@pytest.mark.parametrize(
    "changes",
    [{"iss": "4712"}, {"iss": None}, {"iat": 30}, {"iat": None}, {"exp": -1}, {"exp": 601}, {"exp": None}],
    ids=str,
)
def test_a_jwt_with_other_claims_is_not_taken(shared: Stage, changes: dict[str, Any]) -> None:
    now = int(shared.now().timestamp())
    moments = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    assert shared.ask("GET", f"/repos/{REPOSITORY}/installation", claims(shared, **moments)).status_code == 401


def test_a_jwt_of_another_algorithm_or_hand_is_not_taken(github: Stage) -> None:
    now = int(github.now().timestamp())
    made = {"iss": APP_ID, "iat": now - 60, "exp": now + 540}
    good = claims(github)
    for forged in (jwt.encode(made, "k" * 32, "HS256"), jwt.encode(made, "", "none"), f"{good[:-8]}AAAAAAAA", "x"):
        answer = github.ask("POST", f"/app/installations/{github.installation_id}/access_tokens", forged)
        assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_tokens_and_jwts_do_not_stand_in_for_each_other(github: Stage) -> None:
    token = github.token(**WRITE).get_secret_value()
    assert github.ask("GET", f"/repos/{REPOSITORY}/installation", token).status_code == 401
    assert github.ask("GET", f"/repos/{REPOSITORY}", claims(github)).status_code == 401
    assert github.api.get(f"/repos/{REPOSITORY}").status_code == 401


def test_tokens_are_long_dotted_and_all_remembered(github: Stage) -> None:
    made = [github.token(**WRITE).get_secret_value() for _ in range(2)]
    assert github.stand_in.tokens_issued == made
    assert len(set(made)) == 2
    for token in made:
        assert token.startswith(f"ghs_{APP_ID}_")
        assert token.count(".") == 2
        assert len(token) > 450


def test_a_token_lives_an_hour(github: Stage) -> None:
    token = github.token(**WRITE)
    github.now.advance(minutes=59, seconds=59)
    assert github.github.repository(token, REPOSITORY).id == github.repository_id
    github.now.advance(seconds=1)
    with pytest.raises(GitHubUnauthorizedError, match="Bad credentials"):
        github.github.repository(token, REPOSITORY)


def test_a_token_can_be_revoked(github: Stage) -> None:
    token = github.token(**WRITE)
    github.stand_in.revoke_tokens()
    with pytest.raises(GitHubUnauthorizedError):
        github.github.repository(token, REPOSITORY)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"permissions": {"contents": "write"}}, 422),
        ({"permissions": {"issues": "write"}}, 422),
        ({"permissions": {"contents": "all"}}, 422),
        ({"repository_ids": [1]}, 422),
        ({"repository_ids": []}, 422),
        ({"repositories": [REPOSITORY]}, 422),
        ({"repository_id": 1}, 422),
        ([], 422),
        ({"repositories": ["SHOP"], "permissions": {"pull_requests": "read"}}, 201),
        ({}, 201),
    ],
    ids=str,
)
def test_a_token_is_for_no_more_than_the_app_has(shared: Stage, body: Any, status: int) -> None:
    path = f"/app/installations/{shared.installation_id}/access_tokens"
    assert shared.ask("POST", path, claims(shared), body).status_code == status


def test_another_installation_has_no_tokens_for_us(github: Stage) -> None:
    assert github.ask("POST", "/app/installations/1/access_tokens", claims(github)).status_code == 404
    other = github.stand_in.add_repository("hexa-org/shop", github.sample.path)
    installation = github.github.repository_installation(github.jwt(), "hexa-org/shop")
    assert installation != github.installation_id
    with pytest.raises(GitHubRefusedError) as raised:
        github.github.create_installation_token(
            github.jwt(), github.installation_id, repository_id=other, permissions=WRITE
        )
    assert raised.value.status == 422


def test_a_repository_that_the_token_is_not_for_is_not_there(github: Stage) -> None:
    github.stand_in.add_repository("octo-org/other", github.sample.path)
    token = github.token(**WRITE)
    for full_name in ("octo-org/other", "octo-org/none"):
        with pytest.raises(GitHubNotFoundError):
            github.github.repository(token, full_name)


def test_what_the_token_may_not_do_is_refused_with_what_is_missing(github: Stage) -> None:
    number = github.open()
    reader, commenter = github.token(contents="read"), github.token(**WRITE)
    sha = github.sample.git("rev-parse", "teal")
    with pytest.raises(GitHubRefusedError, match="Resource not accessible by integration"):
        github.github.create_comment(reader, REPOSITORY, number, "hello")
    with pytest.raises(GitHubRefusedError, match="Resource not accessible by integration"):
        github.github.archive_link(commenter, REPOSITORY, sha)
    path = f"/repos/{REPOSITORY}/issues/{number}/comments"
    answer = github.ask("POST", path, github.token(pull_requests="read").get_secret_value(), {"body": "x"})
    assert answer.status_code == 403
    assert answer.headers["X-Accepted-GitHub-Permissions"] == "pull_requests=write"
    assert not github.stand_in.comments(REPOSITORY, number)


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("User-Agent", "", 403),
        ("Accept", "*/*", 415),
        ("X-GitHub-Api-Version", "2020-01-01", 400),
        ("X-GitHub-Api-Version", "", 400),
    ],
)
def test_a_request_without_the_headers_is_refused(shared: Stage, header: str, value: str, status: int) -> None:
    given = {"Authorization": f"Bearer {claims(shared)}", header: value}
    assert shared.api.get(f"/repos/{REPOSITORY}/installation", headers=given).status_code == status


def test_a_pull_request_is_told_of_by_a_signed_webhook(github: Stage) -> None:
    number = github.stand_in.open_pull_request(
        REPOSITORY, branch="teal", title="Grün \N{GREEN HEART}", author="dependabot[bot]", author_type="Bot", draft=True
    )
    [(headers, body)] = github.listener.taken
    [delivery] = github.stand_in.deliveries
    assert (delivery.status, delivery.succeeded, delivery.event, delivery.body) == (202, True, "pull_request", body)
    assert is_signed(body, headers["x-hub-signature-256"], WEBHOOK_SECRET)
    sha1 = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha1).hexdigest()
    assert headers["x-hub-signature"] == f"sha1={sha1}"
    assert headers["x-github-delivery"] == delivery.guid
    assert headers["x-github-event"] == "pull_request"
    assert headers["x-github-hook-installation-target-type"] == "integration"
    assert headers["x-github-hook-installation-target-id"] == APP_ID
    assert headers["user-agent"].startswith("GitHub-Hookshot/")
    [told] = github.read()
    assert isinstance(told, PullRequestOpenedData)
    assert (told.action, told.pull_request.number, told.draft) == ("opened", number, True)
    assert (told.repository.id, told.repository.full_name) == (github.repository_id, REPOSITORY)
    assert (told.installation_id, told.default_branch) == (github.installation_id, "main")
    assert (told.pull_request.title, told.pull_request.author) == ("Grün \N{GREEN HEART}", "dependabot[bot]")
    assert told.author_type == "Bot"
    assert (told.head.branch, told.head.sha) == ("teal", github.sample.git("rev-parse", "teal"))
    assert told.head.repository_id == github.repository_id


def test_a_fork_s_pull_request_comes_from_another_repository_or_from_none(github: Stage) -> None:
    number = github.stand_in.open_pull_request(REPOSITORY, branch="teal", title="t", author="mallory", fork=True)
    told = json.loads(github.listener.taken[-1][1])["pull_request"]
    assert told["head"]["repo"]["full_name"] == "mallory/shop"
    assert told["head"]["repo"]["fork"]
    assert told["head"]["repo"]["id"] != github.repository_id == told["base"]["repo"]["id"]
    github.stand_in.delete_fork(REPOSITORY, number)
    github.stand_in.close_pull_request(REPOSITORY, number)
    assert json.loads(github.listener.taken[-1][1])["pull_request"]["head"]["repo"] is None


def test_a_pull_request_is_closed_and_reopened_later_than_it_was_opened(github: Stage) -> None:
    number = github.open()
    github.stand_in.close_pull_request(REPOSITORY, number, merged=True)
    sha = github.sample.branch("teal", {"colour.txt": "dark\n"})
    github.stand_in.reopen_pull_request(REPOSITORY, number)
    told = [json.loads(body) for _, body in github.listener.taken]
    assert [one["action"] for one in told] == ["opened", "closed", "reopened"]
    assert [one["pull_request"]["state"] for one in told] == ["open", "closed", "open"]
    assert told[1]["pull_request"]["merged"]
    moments = [one["pull_request"]["updated_at"] for one in told]
    assert moments == ["2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z", "2026-11-24T10:00:02Z"]
    assert told[2]["pull_request"]["head"]["sha"] == sha
    read = github.ask("GET", f"/repos/{REPOSITORY}/pulls/{number}", github.token(**WRITE).get_secret_value()).json()
    assert (read["state"], read["head"]["sha"]) == ("open", sha)


def test_a_branch_that_is_not_there_has_no_pull_request(github: Stage) -> None:
    with pytest.raises(KeyError):
        github.open(branch="none")
    assert not github.listener.taken


def test_a_redelivery_is_the_same_under_the_same_guid(github: Stage) -> None:
    github.open()
    first = github.stand_in.deliveries[0]
    again = github.stand_in.redeliver(first)
    assert (again.guid, again.body, again.redelivery) == (first.guid, first.body, True)
    assert again.id != first.id
    assert github.listener.taken[0] == github.listener.taken[1]


def test_a_replay_is_the_same_body_under_another_guid(github: Stage) -> None:
    github.open()
    first = github.stand_in.deliveries[0]
    replay = github.stand_in.deliver(first.body)
    ping = github.stand_in.deliver({"zen": "Keep it logically awesome."}, event="ping")
    assert replay.body == first.body
    assert len({first.guid, replay.guid, ping.guid}) == 3
    headers, body = github.listener.taken[-1]
    assert (headers["x-github-event"], json.loads(body)["zen"]) == ("ping", "Keep it logically awesome.")


def test_a_delivery_that_fails_is_not_tried_again(github: Stage) -> None:
    github.listener.status = "503 Service Unavailable"
    github.open()
    [delivery] = github.stand_in.deliveries
    assert (delivery.status, delivery.succeeded) == (503, False)
    assert len(github.listener.taken) == 1


def test_a_proxy_of_this_machine_s_is_not_used(github: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    github.open()
    assert github.stand_in.deliveries[0].status == 202


def test_comments_are_the_app_s_and_are_listed_in_pages(github: Stage) -> None:
    number, token = github.open(), github.token(**WRITE)
    planted = [github.stand_in.plant_comment(REPOSITORY, number, f"{one}") for one in range(201)]
    made = github.github.create_comment(token, REPOSITORY, number, "hello")
    assert (made.author_login, made.author_type) == (f"{SLUG}[bot]", "Bot")
    listed = list(github.github.list_comments(token, REPOSITORY, number))
    assert [one.id for one in listed] == [*planted, made.id]
    assert (listed[0].author_login, listed[0].author_type) == ("mallory", "User")
    assert github.stand_in.count("GET .*/comments") == 3
    short = github.ask("GET", f"/repos/{REPOSITORY}/issues/{number}/comments", token.get_secret_value())
    assert len(short.json()) == 30


def test_a_comment_is_updated_until_somebody_deletes_it(github: Stage) -> None:
    number, token = github.open(), github.token(**WRITE)
    made = github.github.create_comment(token, REPOSITORY, number, "hello")
    github.now.advance(seconds=5)
    github.github.update_comment(token, REPOSITORY, made.id, "bye")
    [shown] = github.stand_in.comments(REPOSITORY, number)
    assert (shown.id, shown.body, shown.author_login) == (made.id, "bye", f"{SLUG}[bot]")
    assert shown.updated_at > shown.created_at
    github.stand_in.delete_comment(REPOSITORY, number, made.id)
    with pytest.raises(GitHubNotFoundError):
        github.github.update_comment(token, REPOSITORY, made.id, "bye")
    other = github.github.create_comment(token, REPOSITORY, number, "hello")
    path = f"/repos/{REPOSITORY}/issues/comments/{other.id}"
    assert [github.ask("DELETE", path, token.get_secret_value()).status_code for _ in range(2)] == [204, 404]
    assert not github.stand_in.comments(REPOSITORY, number)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"body": " "}, 422),
        ({"body": "x" * 65537}, 422),
        ({"body": None}, 422),
        ({}, 422),
        ({"body": "x" * 65536}, 201),
    ],
    ids=["blank", "too long", "null", "none", "longest"],
)
def test_what_no_comment_can_say_is_refused(shared: Stage, body: Any, status: int) -> None:
    path = f"/repos/{REPOSITORY}/issues/{shared.open()}/comments"
    assert shared.ask("POST", path, shared.token(**WRITE).get_secret_value(), body).status_code == status


def test_a_comment_needs_a_pull_request(github: Stage) -> None:
    with pytest.raises(GitHubNotFoundError):
        github.github.create_comment(github.token(**WRITE), REPOSITORY, 1, "hello")


def test_a_commit_s_archive_is_had_by_its_link_alone_for_five_minutes(github: Stage) -> None:
    sha = github.sample.git("rev-parse", "teal")
    link = github.github.archive_link(github.token(contents="read"), REPOSITORY, sha)
    answer = github.api.get(link)
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as archive:
        assert {name.partition("/")[0] for name in archive.getnames()} == {f"octo-org-shop-{sha[:7]}"}
        colour = archive.extractfile(f"octo-org-shop-{sha[:7]}/colour.txt")
        assert colour is not None
        assert colour.read() == b"teal\n"
    assert github.api.get(link, headers={"Authorization": "Bearer x"}).status_code == 400
    for wrong in (link[:-1], link.replace(sha, github.sample.git("rev-parse", "main")), link.partition("?")[0]):
        assert github.api.get(wrong).status_code == 404
    github.now.advance(minutes=5)
    assert github.api.get(link).status_code == 404


@pytest.mark.parametrize("sha", ["f" * 40, "teal", "--output=x", "HEAD"])
def test_what_is_no_commit_of_the_repository_has_no_archive(shared: Stage, sha: str) -> None:
    with pytest.raises(GitHubNotFoundError):
        shared.github.archive_link(shared.token(contents="read"), REPOSITORY, sha)


def test_a_renamed_repository_is_found_under_both_names(github: Stage) -> None:
    number, token = github.open(), github.token(contents="read", **WRITE)
    github.stand_in.rename_repository(REPOSITORY, "octo-org/store")
    assert github.github.repository(token, REPOSITORY).full_name == "octo-org/store"
    assert github.github.repository_installation(github.jwt(), REPOSITORY) == github.installation_id
    made = github.github.create_comment(token, REPOSITORY, number, "hello")
    assert [one.id for one in github.github.list_comments(token, REPOSITORY, number)] == [made.id]
    sha = github.sample.git("rev-parse", "teal")
    assert github.api.get(github.github.archive_link(token, REPOSITORY, sha)).status_code == 200
    github.stand_in.add_repository("octo-org/other", github.sample.path)
    github.stand_in.rename_repository("octo-org/other", "octo-org/another")
    with pytest.raises(GitHubNotFoundError):
        github.github.repository(token, "octo-org/other")


def test_requests_go_wrong_as_planted_and_are_counted(github: Stage) -> None:
    number, token = github.open(), github.token(**WRITE)
    github.stand_in.fail(status=429, headers={"Retry-After": "7"}, match="POST .*/comments")
    github.stand_in.fail(drop=True, after_effect=True, match="POST .*/comments")
    for seconds in (7, 10):
        with pytest.raises(GitHubUnavailableError) as raised:
            github.github.create_comment(token, REPOSITORY, number, "hello")
        assert raised.value.after.total_seconds() == seconds
    assert len(github.stand_in.comments(REPOSITORY, number)) == 1
    path = f"/repos/{REPOSITORY}/issues/{number}/comments"
    assert github.stand_in.requests[-2:] == [Request("POST", path, 429), Request("POST", path, DROPPED)]
    assert github.stand_in.count("POST .*/comments") == 2


def test_what_there_is_not_is_not_found_in_github_s_words(github: Stage) -> None:
    for method, path in (("GET", "/"), ("PUT", f"/repos/{REPOSITORY}"), ("GET", f"/repos/{REPOSITORY}/")):
        answer = github.ask(method, path, github.token(**WRITE).get_secret_value())
        assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")
