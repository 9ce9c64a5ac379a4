from collections.abc import Iterator
from pathlib import Path

import pytest

from github_app.client import GitHubNotFoundError, GitHubRefusedError, GitHubUnauthorizedError
from prestage_contracts.ingress import InstallationRevokedData
from tests.unit.github_stage import REPOSITORY, Stage, stage

OWNER = "octo-org"
READ = {"contents": "read"}


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


def test_an_uninstalled_app_is_told_so_and_may_nothing_any_more(github: Stage) -> None:
    token = github.token(**READ)
    delivery = github.stand_in.uninstall(OWNER)
    said = delivery.said()
    assert (delivery.event, delivery.status, said["action"]) == ("installation", 202, "deleted")
    assert [sorted(one) for one in said["repositories"]] == [["full_name", "id", "name", "node_id", "private"]]
    [told] = github.read()
    assert isinstance(told, InstallationRevokedData)
    assert (told.installation_id, told.account, told.why) == (github.installation_id, OWNER, "deleted")
    with pytest.raises(GitHubUnauthorizedError, match="Bad credentials"):
        github.github.repository(token, REPOSITORY)
    with pytest.raises(GitHubNotFoundError):
        github.token(**READ)
    with pytest.raises(GitHubNotFoundError):
        github.github.repository_installation(github.jwt(), REPOSITORY)


def test_a_suspended_app_may_nothing_until_it_is_let_again(github: Stage) -> None:
    token = github.token(**READ)
    said = github.stand_in.suspend(OWNER).said()
    assert (said["action"], said["installation"]["suspended_at"]) == ("suspend", "2026-11-24T10:00:00Z")
    assert "repositories" not in said
    [told] = github.read()
    assert isinstance(told, InstallationRevokedData)
    assert (told.why, told.repositories) == ("suspended", None)
    with pytest.raises(GitHubRefusedError, match="This installation has been suspended") as raised:
        github.github.repository(token, REPOSITORY)
    assert raised.value.status == 403
    with pytest.raises(GitHubRefusedError, match="This installation has been suspended"):
        github.token(**READ)
    assert github.stand_in.unsuspend(OWNER).said()["action"] == "unsuspend"
    assert github.github.repository(token, REPOSITORY).id == github.repository_id
    assert github.github.repository(github.token(**READ), REPOSITORY).id == github.repository_id


def test_a_repository_taken_from_the_app_is_not_there_for_it(github: Stage) -> None:
    other = github.stand_in.add_repository("octo-org/other", github.sample.path)
    token = github.token(**READ)
    delivery = github.stand_in.remove_from_installation(REPOSITORY)
    said = delivery.said()
    assert (delivery.event, said["action"], said["repositories_added"]) == ("installation_repositories", "removed", [])
    assert said["installation"]["account"]["login"] == OWNER
    [told] = github.read()
    assert isinstance(told, InstallationRevokedData)
    assert told.why == "repositories_removed"
    assert told.repositories
    assert [(one.id, one.full_name) for one in told.repositories] == [(github.repository_id, REPOSITORY)]
    with pytest.raises(GitHubNotFoundError):
        github.github.repository(token, REPOSITORY)
    with pytest.raises(GitHubRefusedError) as raised:
        github.token(**READ)
    assert raised.value.status == 422
    with pytest.raises(GitHubNotFoundError):
        github.github.repository_installation(github.jwt(), REPOSITORY)
    made = github.github.create_installation_token(
        github.jwt(), github.installation_id, repository_id=other, permissions=READ
    )
    assert github.github.repository(made.token, "octo-org/other").id == other


def test_a_repository_given_back_to_the_app_is_there_again(github: Stage) -> None:
    github.stand_in.remove_from_installation(REPOSITORY)
    said = github.stand_in.add_to_installation(REPOSITORY).said()
    assert (said["action"], [one["full_name"] for one in said["repositories_added"]]) == ("added", [REPOSITORY])
    assert github.github.repository(github.token(**READ), REPOSITORY).id == github.repository_id


def test_an_owner_who_comes_back_has_another_installation(github: Stage) -> None:
    github.stand_in.uninstall(OWNER)
    with pytest.raises(KeyError):
        github.stand_in.uninstall(OWNER)
    github.stand_in.add_repository("octo-org/other", github.sample.path)
    installation_id = github.github.repository_installation(github.jwt(), "octo-org/other")
    assert installation_id != github.installation_id


@pytest.mark.parametrize("how", ["suspend", "uninstall", "remove"])
def test_what_happens_where_the_app_may_nothing_is_not_told_to_it(github: Stage, how: str) -> None:
    number = github.open()
    if how == "remove":
        github.stand_in.remove_from_installation(REPOSITORY)
    else:
        getattr(github.stand_in, how)(OWNER)
    before = len(github.listener.taken)
    assert github.stand_in.close_pull_request(REPOSITORY, number) is None
    github.sample.commit_to("teal", {"colour.txt": "dark\n"})
    assert github.stand_in.push(REPOSITORY, "teal") == ()
    github.open()
    assert len(github.listener.taken) == before
