from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from github_app.client import Deployment, DeploymentState, GitHubNotFoundError, GitHubRefusedError
from tests.unit.github_stage import REPOSITORY, SLUG, Stage, stage

WRITE = {"deployments": "write"}
DEPLOYMENTS = f"/repos/{REPOSITORY}/deployments"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """For tests of many cases that change nothing that another would see."""
    with stage(tmp_path_factory.mktemp("github")) as staged:
        yield staged


def deploy(github: Stage, ref: str = "teal", environment: str = "preview/1", **payload: Any) -> Deployment:
    return github.github.create_deployment(
        github.token(**WRITE),
        REPOSITORY,
        ref=ref,
        environment=environment,
        payload=payload,
        description="Preview",
        transient_environment=True,
        production_environment=False,
    )


def say(github: Stage, deployment_id: int, state: DeploymentState, url: str | None = None) -> None:
    github.github.create_deployment_status(
        github.token(**WRITE), REPOSITORY, deployment_id, state, environment_url=url, log_url=url, description=state
    )


def test_a_ref_is_deployed_to_an_environment(github: Stage) -> None:
    sha = github.sample.git("rev-parse", "teal")
    first, second = deploy(github, generation=1), deploy(github, ref=sha, generation=2)
    assert (first.ref, first.sha, first.payload) == ("teal", sha, {"generation": 1})
    assert (second.ref, second.sha, second.creator_login) == (sha, sha, f"{SLUG}[bot]")
    told, _ = github.stand_in.deployments(REPOSITORY)
    assert (told.id, told.environment, told.transient, told.production) == (first.id, "preview/1", True, False)
    assert (told.task, told.description, told.state) == ("deploy", "Preview", None)


def test_deployments_are_listed_newest_first_by_environment_and_in_pages(github: Stage) -> None:
    made = [deploy(github, generation=one).id for one in range(101)]
    other = deploy(github, environment="preview/2 & more")
    token = github.token(deployments="read")
    listed = github.github.list_deployments(token, REPOSITORY, "preview/1")
    assert [one.id for one in listed] == made[::-1]
    [found] = github.github.list_deployments(token, REPOSITORY, "preview/2 & more")
    assert found == other
    assert len(list(github.github.list_deployments(token, REPOSITORY))) == 102
    assert github.stand_in.count("GET .*/deployments") == 5


def test_what_a_deployment_is_said_to_be_is_kept(github: Stage) -> None:
    made = deploy(github)
    say(github, made.id, "in_progress", "https://logs.example.com")
    say(github, made.id, "success", "http://shop.localhost:4280")
    statuses = github.github.list_deployment_statuses(github.token(deployments="read"), REPOSITORY, made.id)
    assert [(one.state, one.environment_url) for one in statuses] == [
        ("success", "http://shop.localhost:4280"),
        ("in_progress", "https://logs.example.com"),
    ]
    [told] = github.stand_in.deployments(REPOSITORY)
    assert (told.state, told.statuses[-1].log_url) == ("success", "http://shop.localhost:4280")


def test_a_transient_deployment_stays_a_success_until_it_is_said_to_be_inactive(github: Stage) -> None:
    first, second = deploy(github), deploy(github)
    say(github, first.id, "success")
    path = f"{DEPLOYMENTS}/{second.id}/statuses"
    github.ask("POST", path, github.token(**WRITE), {"state": "success"})
    assert [one.state for one in github.stand_in.deployments(REPOSITORY)] == ["success", "success"]
    say(github, first.id, "inactive")
    assert [one.state for one in github.stand_in.deployments(REPOSITORY)] == ["inactive", "success"]


@pytest.mark.parametrize(("asked", "first"), [({}, "inactive"), ({"auto_inactive": False}, "success")])
def test_a_success_ends_earlier_ones_unless_it_is_told_not_to(github: Stage, asked: dict[str, Any], first: str) -> None:
    token = github.token(**WRITE)
    for more in ({}, asked):
        made = github.ask("POST", DEPLOYMENTS, token, {"ref": "teal", "environment": "staging", "auto_merge": False})
        github.ask("POST", f"{DEPLOYMENTS}/{made.json()['id']}/statuses", token, {"state": "success", **more})
    assert [one.state for one in github.stand_in.deployments(REPOSITORY)] == [first, "success"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"ref": ""}, 422),
        ({"ref": "none"}, 422),
        ({"ref": "f" * 40}, 422),
        ({"ref": "HEAD"}, 422),
        ({"ref": "--output=x"}, 422),
        ({"ref": "teal", "transient": True}, 422),
        ({"ref": "teal", "production_environment": "yes"}, 422),
        ({"ref": "teal", "payload": ["x"]}, 422),
        ({"ref": "teal", "required_contexts": ["ci"]}, 409),
        ({"ref": "teal", "required_contexts": []}, 201),
        ({"ref": "teal", "payload": "x", "description": None}, 201),
    ],
    ids=str,
)
def test_what_no_deployment_can_be_is_refused(shared: Stage, body: Any, status: int) -> None:
    assert shared.ask("POST", DEPLOYMENTS, shared.token(**WRITE), body).status_code == status


def test_a_commit_whose_checks_are_asked_for_conflicts_in_github_s_words(shared: Stage) -> None:
    body = {"ref": "teal", "required_contexts": ["ci"]}
    answer = shared.ask("POST", DEPLOYMENTS, shared.token(**WRITE), body).json()
    assert answer["message"] == "Conflict: Commit status checks failed for teal."
    assert answer["errors"][0]["code"] == "invalid"


def test_a_branch_behind_the_default_one_is_merged_unless_that_is_declined(github: Stage) -> None:
    token = github.token(**WRITE)
    github.sample.commit({"headline.txt": "News\n"}, "News")
    answer = github.ask("POST", DEPLOYMENTS, token, {"ref": "teal"})
    assert (answer.status_code, answer.json()) == (202, {"message": "Auto-merged main into teal on deployment."})
    assert not github.stand_in.deployments(REPOSITORY)
    assert deploy(github).ref == "teal"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"state": "ready"}, 422),
        ({"state": "success", "environment_url": "shop.example.com"}, 422),
        ({"state": "success", "log_url": "javascript:alert(1)"}, 422),
        ({"state": "success", "description": "x" * 141}, 422),
        ({"state": "success", "description": "x" * 140}, 201),
        ({"state": "pending", "target_url": "https://logs.example.com"}, 201),
    ],
    ids=str,
)
def test_what_no_deployment_can_be_said_to_be_is_refused(shared: Stage, body: Any, status: int) -> None:
    path = f"{DEPLOYMENTS}/{deploy(shared).id}/statuses"
    answer = shared.ask("POST", path, shared.token(**WRITE), body)
    assert answer.status_code == status
    assert ("Location" in answer.headers) == (status == 201)


def test_a_deployment_that_is_not_there_has_no_statuses(github: Stage) -> None:
    with pytest.raises(GitHubNotFoundError):
        say(github, 1, "success")
    with pytest.raises(GitHubNotFoundError):
        list(github.github.list_deployment_statuses(github.token(**WRITE), REPOSITORY, 1))


def test_deployments_need_a_permission(github: Stage) -> None:
    made = deploy(github)
    reader, other = github.token(deployments="read"), github.token(contents="read")
    for token, path in ((reader, DEPLOYMENTS), (reader, f"{DEPLOYMENTS}/{made.id}/statuses"), (other, DEPLOYMENTS)):
        answer = github.ask("POST", path, token, {"ref": "teal", "state": "success"})
        assert answer.status_code == 403
        assert answer.headers["X-Accepted-GitHub-Permissions"] == "deployments=write"
    with pytest.raises(GitHubRefusedError, match="Resource not accessible by integration"):
        list(github.github.list_deployments(other, REPOSITORY))
