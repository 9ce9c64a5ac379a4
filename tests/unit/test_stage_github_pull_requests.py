from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from github_app.client import GitHubNotFoundError, GitHubRefusedError
from prestage.stage.github import GitHubStandIn
from prestage.stage.github_hook import Delivery
from prestage_contracts.ingress import (
    PreviewRequestedData,
    PreviewStopRequestedData,
    PullRequestOpenedData,
    PullRequestUpdatedData,
)
from tests.unit.github_stage import REPOSITORY, SLUG, Stage, stage

READ = {"pull_requests": "read"}


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


type Change = Callable[[GitHubStandIn, int], Delivery | None]

CHANGES: dict[str, Change] = {
    "labeled": lambda stand_in, number: stand_in.label(REPOSITORY, number, "preview"),
    "unlabeled": lambda stand_in, number: stand_in.unlabel(REPOSITORY, number, "ui"),
    "converted_to_draft": lambda stand_in, number: stand_in.convert_to_draft(REPOSITORY, number),
    "ready_for_review": lambda stand_in, number: stand_in.ready_for_review(REPOSITORY, number),
    "edited": lambda stand_in, number: stand_in.edit_base(REPOSITORY, number, "release"),
}


@pytest.mark.parametrize("action", CHANGES)
def test_a_change_is_told_a_second_later_and_can_be_asked_for(github: Stage, action: str) -> None:
    github.sample.branch("release", {"headline.txt": "Old\n"})
    number = github.stand_in.open_pull_request(REPOSITORY, branch="teal", title="t", labels=["ui"])
    before = github.github.pull_request(github.token(**READ), REPOSITORY, number)
    assert CHANGES[action](github.stand_in, number)
    told, found = github.read()[-1], github.github.pull_request(github.token(**READ), REPOSITORY, number)
    assert isinstance(told, PullRequestUpdatedData)
    assert (told.action, told.updated_at) == (action, found.updated_at)
    assert (told.draft, told.labels, told.head.sha) == (found.draft, found.label_names, found.head.sha)
    assert (found.updated_at - before.updated_at).total_seconds() == 1


def test_labels_are_told_of_with_what_each_change_was_about(github: Stage) -> None:
    number = github.open()
    github.stand_in.label(REPOSITORY, number, "preview")
    github.stand_in.label(REPOSITORY, number, "ui")
    github.stand_in.unlabel(REPOSITORY, number, "preview")
    said = [one for _, one in github.heard()[1:]]
    assert [(one["action"], one["label"]["name"]) for one in said] == [
        ("labeled", "preview"),
        ("labeled", "ui"),
        ("unlabeled", "preview"),
    ]
    assert [[one["name"] for one in each["pull_request"]["labels"]] for each in said] == [
        ["preview"],
        ["preview", "ui"],
        ["ui"],
    ]
    with pytest.raises(KeyError):
        github.stand_in.unlabel(REPOSITORY, number, "preview")


def test_a_pull_request_is_opened_with_labels_which_are_told_again_in_the_same_second(github: Stage) -> None:
    number = github.stand_in.open_pull_request(REPOSITORY, branch="teal", title="t", labels=["preview"], draft=True)
    opened, labelled = github.read()
    assert isinstance(opened, PullRequestOpenedData)
    assert (opened.action, opened.labels, opened.draft) == ("opened", ("preview",), True)
    assert isinstance(labelled, PullRequestUpdatedData)
    assert (labelled.action, labelled.pull_request.number) == ("labeled", number)
    assert opened.updated_at == labelled.updated_at


def test_a_draft_is_told_as_one_until_it_is_ready(github: Stage) -> None:
    number = github.open()
    github.stand_in.convert_to_draft(REPOSITORY, number)
    github.stand_in.ready_for_review(REPOSITORY, number)
    assert [one["pull_request"]["draft"] for _, one in github.heard()] == [False, True, False]


def test_an_edit_says_what_was_changed(github: Stage) -> None:
    number, main = github.open(), github.sample.git("rev-parse", "main")
    release = github.sample.branch("release", {"headline.txt": "Old\n"})
    github.stand_in.edit_title(REPOSITORY, number, "Another")
    github.stand_in.edit_base(REPOSITORY, number, "release")
    titled, based = (one for _, one in github.heard()[1:])
    assert (titled["action"], titled["changes"]) == ("edited", {"title": {"from": "Make it teal"}})
    assert titled["pull_request"]["title"] == "Another"
    assert based["changes"] == {"base": {"ref": {"from": "main"}, "sha": {"from": main}}}
    assert (based["pull_request"]["base"]["ref"], based["pull_request"]["base"]["sha"]) == ("release", release)
    assert [type(one) for one in github.read()] == [PullRequestOpenedData, PullRequestUpdatedData]
    with pytest.raises(KeyError):
        github.stand_in.edit_base(REPOSITORY, number, "none")


def test_a_comment_is_told_with_who_wrote_it_and_nothing_of_the_branch(github: Stage) -> None:
    number = github.open()
    github.now.advance(seconds=30)
    assert github.stand_in.comment(REPOSITORY, number, "octocat", "/preview retry")
    github.stand_in.comment(REPOSITORY, number, "octocat", "/preview stop")
    github.stand_in.comment(REPOSITORY, number, "dependabot[bot]", "/preview", bot=True)
    event, said = github.heard()[1]
    assert (event, said["action"], said["issue"]["number"]) == ("issue_comment", "created", number)
    assert said["issue"]["pull_request"]["html_url"].endswith(f"/pull/{number}")
    assert "head" not in said["issue"]
    _, retried, stopped = github.read()
    assert isinstance(retried, PreviewRequestedData)
    assert (retried.by, retried.retry, retried.pull_request_number) == ("octocat", True, number)
    assert (retried.requested_at, retried.installation_id) == (github.now(), github.installation_id)
    assert isinstance(stopped, PreviewStopRequestedData)
    assert [one.id for one in github.stand_in.comments(REPOSITORY, number)][:2] == [
        retried.comment_id,
        stopped.comment_id,
    ]


def test_a_comment_is_a_change_of_its_pull_request(github: Stage) -> None:
    number = github.open()
    github.now.advance(seconds=30)
    github.github.create_comment(github.token(pull_requests="write"), REPOSITORY, number, "hello")
    assert github.github.pull_request(github.token(**READ), REPOSITORY, number).updated_at == github.now()
    assert len(github.listener.taken) == 1


def test_a_pull_request_of_a_fork_that_is_gone_can_be_asked_for(github: Stage) -> None:
    number = github.stand_in.open_pull_request(REPOSITORY, branch="teal", title="t", author="mallory", fork=True)
    found = github.github.pull_request(github.token(**READ), REPOSITORY, number)
    assert found.head.repo is not None
    assert found.head.repo.id != github.repository_id == found.base.repo.id
    github.stand_in.delete_fork(REPOSITORY, number)
    assert github.github.pull_request(github.token(**READ), REPOSITORY, number).head.repo is None


def test_a_pull_request_needs_a_permission_and_a_number(github: Stage) -> None:
    number = github.open()
    with pytest.raises(GitHubRefusedError, match="Resource not accessible by integration"):
        github.github.pull_request(github.token(contents="read"), REPOSITORY, number)
    with pytest.raises(GitHubNotFoundError):
        github.github.pull_request(github.token(**READ), REPOSITORY, number + 1)


@pytest.mark.parametrize(
    ("role", "permission"),
    [
        ("admin", "admin"),
        ("maintain", "write"),
        ("write", "write"),
        ("triage", "read"),
        ("read", "read"),
        ("none", "none"),
    ],
)
def test_a_role_is_told_as_one_of_four_permissions(github: Stage, role: str, permission: str) -> None:
    github.stand_in.grant(REPOSITORY, "Hubot", role)
    token = github.token(metadata="read")
    assert github.github.permission(token, REPOSITORY, "hubot") == permission
    answer = github.ask("GET", f"/repos/{REPOSITORY}/collaborators/hubot/permission", token).json()
    assert (answer["role_name"], answer["user"]["permissions"]["push"]) == (role, permission in {"admin", "write"})


def test_the_owner_may_all_and_who_only_wrote_something_nothing(github: Stage) -> None:
    number = github.open()
    github.stand_in.comment(REPOSITORY, number, "dependabot[bot]", "hello", bot=True)
    token = github.token(contents="read")
    people = ("octo-org", "octocat", "dependabot[bot]", f"{SLUG}[bot]")
    assert [github.github.permission(token, REPOSITORY, one) for one in people] == ["admin", "none", "none", "none"]
    answer = github.ask("GET", f"/repos/{REPOSITORY}/collaborators/nobody/permission", token)
    assert (answer.status_code, answer.json()["message"]) == (404, "nobody is not a user")


def test_a_permission_that_there_is_not_is_not_granted(github: Stage) -> None:
    with pytest.raises(ValueError, match="owner is none of"):
        github.stand_in.grant(REPOSITORY, "hubot", "owner")
