"""Which pull requests get a preview, and with what: every combination of policy and pull request, against the rules."""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest

from environments.policy import is_from_fork, is_trusted_with_secrets, over_cap, reason_to_skip
from prestage_contracts.envelope import Reason
from prestage_contracts.ingress import PullRequestTold
from records.apps import App
from records.pull_requests import Command, PullRequest
from tests.unit.record_examples import NOW, REPOSITORY, app, told

HERE, FORK, DELETED_FORK = REPOSITORY.id, 9, None
POLICIES: dict[str, Any] = {
    "forks": ("ignore", "without_secrets", "trusted"),
    "bots": ("ignore", "without_secrets", "trusted"),
    "drafts": ("ignore", "preview"),
    "previews": ("every", "label", "command"),
}


class Case(NamedTuple):
    """A policy and a pull request."""

    forks: str
    bots: str
    drafts: str
    previews: str
    head: int | None
    is_bot: bool
    is_draft: bool
    is_labelled: bool
    command: str | None

    @property
    def app(self) -> App:
        return SHOP.model_copy(
            update={"forks": self.forks, "bots": self.bots, "drafts": self.drafts, "previews": self.previews}
        )

    @property
    def word(self) -> PullRequestTold:
        told = WORDS[self.head]
        return told.model_copy(
            update={
                "author_type": "Bot" if self.is_bot else "User",
                "draft": self.is_draft,
                "labels": ("ui", "preview") if self.is_labelled else ("ui",),
            }
        )

    @property
    def reason(self) -> Reason | None:
        command = COMMANDS[self.command]
        return reason_to_skip(self.app, PullRequest(word=self.word, state="open", told_by="event-1", command=command))


SHOP = app()
WORDS = {head: told(head=head) for head in (HERE, FORK, DELETED_FORK)}
COMMANDS: dict[str | None, Command | None] = {
    None: None,
    "start": Command(what="start", comment_id=1, at=NOW),
    "stop": Command(what="stop", comment_id=1, at=NOW),
}


def every_case() -> Iterator[Case]:
    pull_requests = product(WORDS, (False, True), (False, True), (False, True), COMMANDS)
    for policy, pull_request in product(product(*POLICIES.values()), pull_requests):
        yield Case._make((*policy, *pull_request))


def reasons(case: Case) -> list[str]:
    """All that stands against a preview, what counts first first."""
    standing = [
        ("fork", case.head != HERE and case.forks == "ignore"),
        ("stop_requested", case.command == "stop"),
        ("bot", case.command is None and case.is_bot and case.bots == "ignore"),
        ("draft", case.command is None and case.is_draft and case.drafts == "ignore"),
        ("label", case.command is None and case.previews == "label" and not case.is_labelled),
        ("command", case.command is None and case.previews == "command"),
    ]
    return [code for code, holds in standing if holds]


def test_a_pull_request_gets_a_preview_where_nothing_stands_against_it_and_is_told_what_does() -> None:
    cases = list(every_case())
    assert len(cases) == 3 * 3 * 2 * 3 * 3 * 2 * 2 * 2 * 3
    for case in cases:
        expected, found = reasons(case), case.reason
        assert (found.code if found else None) == (expected[0] if expected else None), case


def test_no_comment_and_no_label_gives_an_ignored_fork_a_preview() -> None:
    ignored = [case for case in every_case() if case.head != HERE and case.forks == "ignore"]
    assert {case.reason.code for case in ignored if case.reason} == {"fork"}
    assert all(case.reason for case in ignored)


def test_whoever_asked_for_a_preview_gets_it_but_of_an_ignored_fork() -> None:
    asked = [case for case in every_case() if case.command == "start" and (case.head == HERE or case.forks != "ignore")]
    assert asked
    assert all(case.reason is None for case in asked)


def test_what_was_stopped_stays_so_whatever_it_is() -> None:
    assert all(case.reason for case in every_case() if case.command == "stop")


def test_every_reason_says_what_to_do_in_a_sentence() -> None:
    found = {case.reason for case in every_case() if case.reason} | {over_cap(SHOP)}
    assert {reason.code for reason in found} == {"fork", "stop_requested", "bot", "draft", "label", "command", "cap"}
    for reason in found:
        assert reason.message.endswith((".", ")."))
        assert reason.code == "fork" or "/preview" in reason.message


def test_the_label_that_is_asked_for_is_the_app_s() -> None:
    labelled = SHOP.model_copy(update={"previews": "label", "preview_label": "show me"})
    found = PullRequest(word=told(labels=("preview",)), state="open", told_by="event-1")
    reason = reason_to_skip(labelled, found)
    assert reason is not None
    assert "show me" in reason.message
    shown = found.model_copy(update={"word": told(labels=("show me",))})
    assert reason_to_skip(labelled, shown) is None


def test_over_the_cap_says_how_many_there_may_be() -> None:
    assert "20 live previews" in over_cap(SHOP).message


# ---- Secrets


@pytest.mark.parametrize(("head", "is_fork"), [(HERE, False), (FORK, True), (DELETED_FORK, True)])
def test_a_commit_of_any_other_repository_is_a_fork_s(head: int | None, is_fork: bool) -> None:
    assert is_from_fork(told(head=head)) == is_fork


@pytest.mark.parametrize("may_write", [False, True])
def test_secrets_are_for_those_whom_the_policy_trusts_and_for_a_fork_only_if_its_author_may_write(
    may_write: bool,
) -> None:
    for case in every_case():
        asked: list[bool] = []

        def answer(asked: list[bool] = asked) -> bool:
            asked.append(may_write)
            return may_write

        is_person = not case.is_bot or case.bots == "trusted"
        is_ours = case.head == HERE
        expected = is_person and (is_ours or (case.forks == "trusted" and may_write))
        assert is_trusted_with_secrets(case.app, case.word, answer) == expected, case
        assert bool(asked) == (is_person and not is_ours and case.forks == "trusted"), case


def test_no_fork_s_code_sees_secrets_unless_the_policy_says_trusted() -> None:
    for case in every_case():
        if case.head != HERE and case.forks != "trusted":
            assert not is_trusted_with_secrets(case.app, case.word, lambda: True)


@pytest.mark.parametrize("author_type", ["User", "Organization", "Mannequin"])
def test_everyone_who_is_no_bot_is_a_person(author_type: str) -> None:
    assert is_trusted_with_secrets(SHOP, told(author_type=author_type), lambda: False)


def test_a_branch_named_like_the_default_one_makes_a_fork_no_more_trusted() -> None:
    assert not is_trusted_with_secrets(SHOP, told(head=FORK, branch="main"), lambda: True)
