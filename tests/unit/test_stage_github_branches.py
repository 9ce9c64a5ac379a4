from collections.abc import Iterator
from pathlib import Path

import pytest

from github_app.client import GitHubNotFoundError, GitHubRefusedError
from prestage.stage.github_git import ConflictError
from prestage.stage.sample import GitError
from prestage_contracts.ingress import BranchPushedData, PullRequestClosedData, PullRequestUpdatedData
from tests.unit.github_stage import REPOSITORY, Stage, stage

READ = {"contents": "read"}
NOTHING = "0" * 40


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


def head(github: Stage, branch: str) -> str | None:
    return github.github.branch_head(github.token(**READ), REPOSITORY, branch)


def test_a_branch_has_the_newest_commit(github: Stage) -> None:
    assert head(github, "teal") == github.sample.git("rev-parse", "teal")
    sha = github.sample.commit_to("teal", {"colour.txt": "dark\n"})
    assert head(github, "teal") == sha
    assert github.sample.git("symbolic-ref", "--short", "HEAD") == "main"
    answer = github.ask("GET", f"/repos/{REPOSITORY}/branches/teal", github.token(**READ)).json()
    assert answer["commit"]["commit"]["message"] == "Change colour.txt"
    assert answer["commit"]["parents"][0]["sha"] == github.sample.git("rev-parse", "teal~1")
    assert answer["commit"]["commit"]["author"]["name"] == "Octo Cat"


def test_a_branch_may_have_slashes(github: Stage) -> None:
    assert head(github, "feature/a/b") is None
    assert head(github, "feature/ä b") is None
    sha = github.sample.branch("feature/a/b", {"colour.txt": "red\n"})
    other = github.sample.branch("feature/ä-#", {"colour.txt": "blue\n"})
    assert (head(github, "feature/a/b"), head(github, "feature/ä-#")) == (sha, other)


def test_a_branch_is_found_in_a_renamed_repository(github: Stage) -> None:
    sha = github.sample.branch("feature/a#%41", {"colour.txt": "red\n"})
    github.stand_in.rename_repository(REPOSITORY, "octo-org/store")
    assert head(github, "feature/a#%41") == sha


def test_a_branch_needs_a_permission_and_its_repository(github: Stage) -> None:
    with pytest.raises(GitHubRefusedError, match="Resource not accessible by integration"):
        github.github.branch_head(github.token(pull_requests="write"), REPOSITORY, "teal")
    with pytest.raises(GitHubNotFoundError):
        github.github.branch_head(github.token(**READ), "octo-org/none", "teal")


def test_a_commit_needs_a_branch_that_is_there_and_a_change(github: Stage) -> None:
    with pytest.raises(GitError, match="git checkout failed"):
        github.sample.commit_to("none", {"colour.txt": "red\n"})
    with pytest.raises(GitError, match="git commit failed"):
        github.sample.commit_to("teal", {"colour.txt": "teal\n"})
    assert github.sample.git("symbolic-ref", "--short", "HEAD") == "main"
    assert not github.sample.git("status", "--porcelain")


def test_a_push_to_the_default_branch_is_told_as_that_alone(github: Stage) -> None:
    github.open()
    before = github.sample.git("rev-parse", "main")
    after = github.sample.commit({"headline.txt": "News\n"}, "News")
    [delivery] = github.stand_in.push(REPOSITORY, "main")
    assert (delivery.event, delivery.status) == ("push", 202)
    [_, (_, said)] = github.heard()
    assert (said["ref"], said["before"], said["after"]) == ("refs/heads/main", before, after)
    assert (said["created"], said["deleted"], said["forced"]) == (False, False, False)
    assert (said["head_commit"]["id"], said["head_commit"]["modified"]) == (after, ["headline.txt"])
    assert said["repository"]["pushed_at"] == int(github.now().timestamp())
    told = github.read()[-1]
    assert isinstance(told, BranchPushedData)
    assert (told.branch, told.default_branch, told.before, told.sha) == ("main", "main", before, after)
    assert told.installation_id == github.installation_id


def test_a_push_is_told_to_every_open_pull_request_of_the_branch(github: Stage) -> None:
    first, second = github.open(), github.open()
    closed, fork = github.open(), github.stand_in.open_pull_request(REPOSITORY, branch="teal", title="t", fork=True)
    github.stand_in.close_pull_request(REPOSITORY, closed)
    before = github.sample.git("rev-parse", "teal")
    after = github.sample.commit_to("teal", {"colour.txt": "dark\n"})
    pushed = github.stand_in.push(REPOSITORY, "teal")
    assert [delivery.event for delivery in pushed] == ["push", "pull_request", "pull_request"]
    said = [delivery.said() for delivery in pushed[1:]]
    assert [one["number"] for one in said] == [first, second]
    assert {one["action"] for one in said} == {"synchronize"}
    assert {(one["before"], one["after"], one["pull_request"]["head"]["sha"]) for one in said} == {
        (before, after, after)
    }
    assert {one["pull_request"]["updated_at"] for one in said} == {"2026-11-24T10:00:01Z"}
    assert isinstance(github.read()[-1], PullRequestUpdatedData)
    token = github.token(pull_requests="read")
    heads = [github.github.pull_request(token, REPOSITORY, one).head.sha for one in (first, closed, fork)]
    assert heads == [after, before, before]


def test_nothing_is_told_of_what_is_pushed_already(github: Stage) -> None:
    github.open()
    assert github.stand_in.push(REPOSITORY, "teal") == ()
    with pytest.raises(KeyError):
        github.stand_in.push(REPOSITORY, "none")
    assert len(github.listener.taken) == 1


def test_a_branch_comes_to_be_and_is_rewritten(github: Stage) -> None:
    first = github.sample.branch("red", {"colour.txt": "red\n"})
    [made] = github.stand_in.push(REPOSITORY, "red")
    second = github.sample.branch("red", {"colour.txt": "bright red\n"})
    [rewritten] = github.stand_in.push(REPOSITORY, "red")
    said = [made.said(), rewritten.said()]
    assert [(one["before"], one["after"]) for one in said] == [(NOTHING, first), (first, second)]
    assert [(one["created"], one["forced"]) for one in said] == [(True, False), (False, True)]


def test_a_fork_s_pull_request_follows_the_fork_and_not_the_branch_of_the_same_name(github: Stage) -> None:
    number = github.stand_in.open_pull_request(REPOSITORY, branch="main", title="From my main", fork=True)
    before = github.sample.git("rev-parse", "main")
    after = github.sample.commit({"headline.txt": "News\n"}, "News")
    assert [one.event for one in github.stand_in.push(REPOSITORY, "main")] == ["push"]
    token = github.token(pull_requests="read")
    assert github.github.pull_request(token, REPOSITORY, number).head.sha == before
    delivery = github.stand_in.push_to_fork(REPOSITORY, number)
    assert delivery is not None
    assert (delivery.event, delivery.said()["action"], delivery.said()["after"]) == (
        "pull_request",
        "synchronize",
        after,
    )
    assert github.stand_in.push_to_fork(REPOSITORY, number) is None


def test_a_branch_is_deleted_and_its_pull_requests_with_it(github: Stage) -> None:
    number, sha = github.open(), github.sample.git("rev-parse", "teal")
    pushed, closed = github.stand_in.delete_branch(REPOSITORY, "teal")
    said = pushed.said()
    assert (said["before"], said["after"], said["deleted"], said["head_commit"]) == (sha, NOTHING, True, None)
    assert (closed.said()["action"], closed.said()["number"], closed.said()["pull_request"]["merged"]) == (
        "closed",
        number,
        False,
    )
    deleted, last = github.read()[-2:]
    assert isinstance(deleted, BranchPushedData)
    assert (deleted.before, deleted.sha) == (sha, None)
    assert isinstance(last, PullRequestClosedData)
    assert head(github, "teal") is None
    with pytest.raises(KeyError):
        github.stand_in.reopen_pull_request(REPOSITORY, number)


def test_the_default_branch_is_not_deleted(github: Stage) -> None:
    with pytest.raises(ValueError, match="main is the default branch"):
        github.stand_in.delete_branch(REPOSITORY, "main")
    with pytest.raises(KeyError):
        github.stand_in.delete_branch(REPOSITORY, "none")


def test_a_renamed_default_branch_is_another_branch_under_another_name(github: Stage) -> None:
    number, sha = github.open(), github.sample.git("rev-parse", "main")
    told = github.stand_in.rename_default_branch(REPOSITORY, "trunk")
    assert [(one.event, one.said().get("action")) for one in told] == [
        ("push", None),
        ("push", None),
        ("pull_request", "edited"),
    ]
    made, gone, edited = (one.said() for one in told)
    assert (made["ref"], made["before"], made["after"]) == ("refs/heads/trunk", NOTHING, sha)
    assert (gone["ref"], gone["before"], gone["after"]) == ("refs/heads/main", sha, NOTHING)
    assert {one["repository"]["default_branch"] for one in (made, gone, edited)} == {"trunk"}
    assert (edited["number"], edited["changes"]["base"]["ref"]["from"]) == (number, "main")
    assert edited["pull_request"]["base"]["ref"] == "trunk"
    assert github.github.repository(github.token(**READ), REPOSITORY).default_branch == "trunk"
    assert (head(github, "trunk"), head(github, "main")) == (sha, None)
    answer = github.ask("GET", f"/repos/{REPOSITORY}/branches/main", github.token(**READ))
    assert answer.status_code == 301
    assert answer.headers["Location"].endswith(f"/repositories/{github.repository_id}/branches/trunk")


def test_branches_are_made_off_a_renamed_default_branch(github: Stage) -> None:
    github.stand_in.rename_default_branch(REPOSITORY, "trunk")
    sha = github.sample.branch("red", {"colour.txt": "red\n"})
    assert github.sample.git("rev-parse", "red~1") == github.sample.git("rev-parse", "trunk")
    assert head(github, "red") == sha


def test_where_there_is_no_master_github_leads_to_the_default_branch(github: Stage) -> None:
    answer = github.ask("GET", f"/repos/{REPOSITORY}/branches/master", github.token(**READ))
    assert answer.status_code == 301
    assert answer.headers["Location"].endswith("/branches/main")
    assert head(github, "master") is None
    sha = github.sample.branch("master", {"colour.txt": "red\n"})
    assert head(github, "master") == sha


def test_a_merge_closes_the_pull_request_and_pushes_to_its_base(github: Stage) -> None:
    number = github.open()
    github.sample.commit({"other.txt": "x\n"}, "Other")
    github.stand_in.push(REPOSITORY, "main")
    closed, pushed = github.stand_in.merge_pull_request(REPOSITORY, number)
    merged = github.sample.git("rev-parse", "main")
    told = closed.said()["pull_request"]
    assert (told["state"], told["merged"], told["merge_commit_sha"]) == ("closed", True, merged)
    assert (pushed.said()["ref"], pushed.said()["after"]) == ("refs/heads/main", merged)
    parents = github.sample.git("show", "--no-patch", "--format=%P", "main").split()
    assert parents[1] == github.sample.git("rev-parse", "teal")
    assert github.sample.git("show", "main:colour.txt") == "teal"
    assert not github.sample.git("status", "--porcelain")
    found = github.github.pull_request(github.token(pull_requests="read"), REPOSITORY, number)
    assert (found.state, found.merged) == ("closed", True)


def test_what_conflicts_is_not_merged(github: Stage) -> None:
    number = github.open()
    github.sample.commit({"colour.txt": "red\n"}, "Red")
    with pytest.raises(ConflictError):
        github.stand_in.merge_pull_request(REPOSITORY, number)
    assert len(github.listener.taken) == 1
    assert github.sample.git("worktree", "list").count("\n") == 0
    assert github.github.pull_request(github.token(pull_requests="read"), REPOSITORY, number).state == "open"
