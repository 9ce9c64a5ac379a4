from typing import Any

import pytest

from environments.policy import is_from_fork, is_trusted_with_secrets, reason_to_skip
from tests.unit.record_examples import REPOSITORY, app
from tests.unit.steps import opened

HERE, FORK, DELETED_FORK = REPOSITORY.id, 9, None


@pytest.mark.parametrize(("head", "is_fork"), [(HERE, False), (FORK, True), (DELETED_FORK, True)])
def test_a_commit_of_any_other_repository_is_a_forks(head: int | None, is_fork: bool) -> None:
    assert is_from_fork(opened(head=head).data) == is_fork


@pytest.mark.parametrize("head", [FORK, DELETED_FORK])
def test_a_fork_is_ignored_unless_the_app_says_otherwise(head: int | None) -> None:
    told = opened(head=head).data
    reason = reason_to_skip(told, app())
    assert reason is not None
    assert reason.code == "fork"
    assert reason_to_skip(told, app(forks="without_secrets")) is None


@pytest.mark.parametrize("forks", ["ignore", "without_secrets"])
def test_a_pull_request_from_the_repository_itself_is_never_skipped(forks: str) -> None:
    for told in (opened().data, opened(author_type="Bot").data, opened(draft=True).data):
        assert reason_to_skip(told, app(forks=forks)) is None


@pytest.mark.parametrize(
    ("told", "trusted"),
    [
        ({}, True),
        ({"author_type": "Organization"}, True),
        ({"author_type": "Bot"}, False),
        ({"head": FORK}, False),
        ({"head": DELETED_FORK}, False),
        ({"head": FORK, "author_type": "Bot"}, False),
    ],
)
def test_secrets_are_for_neither_a_forks_code_nor_a_bots(told: dict[str, Any], trusted: bool) -> None:
    assert is_trusted_with_secrets(opened(**told).data) == trusted


def test_a_branch_named_like_the_default_one_makes_a_fork_no_more_trusted() -> None:
    assert not is_trusted_with_secrets(opened(head=FORK, branch="main").data)
