"""An environment's story in words."""

from datetime import timedelta
from typing import Any

import pytest

from prestage.cli_story import gist, show_story
from prestage_contracts import EVENTS
from prestage_contracts.envelope import Event
from records.journal import Entry
from tests.unit.journal_facts import REASON, after, first
from tests.unit.record_examples import NOW, SHA

SAY_ALL_BY_THEIR_NAME = {"EnvironmentStopped", "RuntimeLost", "RuntimeRemoved"}


def said(name: str, **changes: Any) -> str:
    names = {"host": "shop.example.com", "target": "prestage-3.fly.dev"}
    return gist(Entry.of(first(name, **{**names, **changes})))


def printed(capsys: pytest.CaptureFixture[str], *events: Event) -> list[list[str]]:
    show_story([Entry.of(event) for event in events])
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("name", sorted(EVENTS.keys() - SAY_ALL_BY_THEIR_NAME))
def test_every_fact_says_what_its_name_does_not(name: str) -> None:
    assert said(name, action=action_of(name))


@pytest.mark.parametrize("name", sorted(SAY_ALL_BY_THEIR_NAME))
def test_a_fact_that_says_no_more_than_its_name_adds_nothing(name: str) -> None:
    assert said(name) == ""


@pytest.mark.parametrize("name", sorted(name for name in EVENTS if name.endswith("Failed")))
def test_a_failure_says_why(name: str) -> None:
    assert REASON["message"] in said(name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "#3 “Make it teal” by octocat was opened at aaaaaaa"),
        ({"action": "reopened", "draft": True}, "#3 “Make it teal” by octocat (a draft) was reopened at aaaaaaa"),
        (
            {"head": {"branch": "teal", "sha": SHA, "repository_id": None}, "author_type": "Bot"},
            "#3 “Make it teal” by octocat (from a fork, a bot's) was opened at aaaaaaa",
        ),
    ],
)
def test_an_opened_pull_request_says_what_counts_for_a_policy(changes: dict[str, Any], words: str) -> None:
    assert said("PullRequestOpened", **changes) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action": "synchronize"}, "#3: new commits: aaaaaaa"),
        ({"action": "edited"}, "#3: another base branch"),
        ({"action": "ready_for_review"}, "#3: no draft any more"),
        ({"action": "converted_to_draft"}, "#3: a draft now"),
        ({"action": "labeled", "labels": ("keep-preview", "ui")}, "#3: labels keep-preview, ui"),
        ({"action": "unlabeled"}, "#3: labels no more"),
    ],
)
def test_a_changed_pull_request_says_what_changed(changes: dict[str, Any], words: str) -> None:
    assert said("PullRequestUpdated", **changes) == words


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("PullRequestClosed", {"merged": True}, "#3 was merged"),
        ("BranchPushed", {"sha": None}, "teal was deleted"),
        ("PreviewRequested", {"retry": True}, "octocat commented /preview retry"),
        ("DeployRequested", {"branch": None}, "production, by arn:aws:iam::111122223333:user/maria"),
        ("SecretsResolved", {"names": ()}, "none"),
        ("RuntimeFailed", {"exit_status": 83}, f"build: exit status 83: {REASON['message']}"),
        ("RuntimeFailed", {"stage": None}, REASON["message"]),
        ("PrCommented", {"created": False}, "comment 5"),
    ],
)
def test_a_fact_is_told_in_words(name: str, changes: dict[str, Any], words: str) -> None:
    assert said(name, **changes) == words


def test_a_fact_that_this_version_does_not_know_says_its_reason() -> None:
    known = Entry.of(first("EnvironmentFailed"))
    assert gist(known.model_copy(update={"name": "EnvironmentArchived"})) == REASON["message"]
    assert gist(known.model_copy(update={"name": "EnvironmentArchived", "data": {}})) == ""


def test_a_fact_of_another_shape_says_its_reason_and_breaks_nothing() -> None:
    known = Entry.of(first("EnvironmentFailed"))
    assert gist(known.model_copy(update={"data": {"reason": REASON}})) == REASON["message"]


def test_a_story_has_the_time_of_each_fact_and_after_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    opened = first("PullRequestOpened")
    created = after(opened, "EnvironmentCreated", later=timedelta(milliseconds=250))
    ready = after(created, "EnvironmentReady", later=timedelta(minutes=4, seconds=10))
    expired = after(ready, "EnvironmentExpired", later=timedelta(days=7, hours=1))
    rows = printed(capsys, opened, created, ready, expired)
    assert [row[:4] for row in rows] == [
        [f"{NOW:%Y-%m-%d %H:%M:%S}", "", "", "PullRequestOpened"],
        ["2026-11-01 10:00:05", "0.2 s", "1", "EnvironmentCreated"],
        ["2026-11-01 10:04:15", "0:04:10", "1", "EnvironmentReady"],
        ["2026-11-08 11:04:15", "7 days, 1:00:00", "1", "EnvironmentExpired"],
    ]


def test_what_strangers_wrote_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    title = "Teal\x1b[2J\nPrCommented\tnothing"
    about = {"number": 3, "title": title, "html_url": "https://github.com/o/s/pull/3", "author": "octocat"}
    [row] = printed(capsys, first("PullRequestOpened", pull_request=about))
    assert row[4] == r"#3 “Teal\x1b[2J\nPrCommented\tnothing” by octocat was opened at aaaaaaa"


def action_of(name: str) -> str:
    return "synchronize" if name == "PullRequestUpdated" else "opened"
