"""What the comment says of each state, and that nothing which comes from outside is more than text in it."""

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from comments.body import MARKER, MAX_ROWS, literal, render
from comments.rows import Row
from prestage_contracts.envelope import Reason
from prestage_contracts.snapshot import PullRequestReference, Repository
from records.environments import Environment, new_environment
from records.skips import Skip

NOW = datetime(2026, 11, 1, 10, 59, 58, tzinfo=UTC)
READER = MarkdownIt("commonmark").enable("table")
HOSTILE = [
    "@octocat",
    "a|b",
    "a\\|b",
    "ends with a backslash\\",
    "`code`",
    "``",
    "`",
    "line\nbreak",
    "line\r\n| a | b | c | d |",
    "<script>alert(1)</script>",
    "<!-- hidden",
    "[text](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "https://evil.example",
    "octo@example.com",
    "#1",
    "octo-org/shop#1",
    "&#64;octocat",
    "# heading",
    "***",
    "\u202egnp.exe",
    "\u2028",
    "\x00",
    "",
    "   ",
    "x" * 500,
    "| `a` |",
]


def environment(name: str = "storefront", **changes: Any) -> Environment:
    made = new_environment(
        app_id="00000000-0000-5000-8000-000000000001",
        app_name=name,
        type="preview",
        repository=Repository(id=9, full_name="octo-org/shop"),
        installation_id=42,
        branch="teal",
        sha="a" * 40,
        pull_request=PullRequestReference(number=7, title="t", html_url="https://github.com/o/r/pull/7", author="x"),
        with_secrets=True,
        fly_app="prestage-abc",
        address="https://prestage-abc.fly.dev",
        now=NOW,
    )
    return made.model_copy(update=changes)


def skip(name: str = "storefront", message: str = "No.", code: str = "fork") -> Skip:
    reason = Reason(code=code, message=message)
    app_id = "00000000-0000-5000-8000-000000000001"
    return Skip(repository_id=9, number=7, app_id=app_id, app_name=name, reason=reason, decided_by="x")


def told(message: str) -> Reason:
    """Longer than a reason may be, and empty: the renderer does not rely on it."""
    return Reason.model_construct(code="x", message=message)


def cells(markdown: str) -> list[list[Token]]:
    """The inline tokens of each cell of the table's body."""
    tokens = READER.parse(markdown)
    types = [token.type for token in tokens]
    body = tokens[types.index("tbody_open") : types.index("tbody_close")]
    return [token.children or [] for token in body if token.type == "inline"]


CODE = ["code_inline"]
LINK = ["link_open", "code_inline", "link_close"]
LOG = ["text", "link_open", "text", "link_close"]
SHAPES: list[tuple[dict[str, Any], list[str]]] = [
    ({"status": "deploying"}, ["text", *LINK]),
    ({"status": "ready"}, ["text", *LINK]),
    ({"status": "failed", "stage": "build", "log_url": "https://fly.io/apps/x"}, ["text", *CODE, *LOG]),
    ({"status": "failed"}, ["text", *CODE]),
    ({"status": "closing"}, ["text", *CODE]),
    ({"status": "stopped"}, ["text", *CODE]),
]


def types(cell: list[Token]) -> list[str]:
    return [token.type for token in cell]


def assert_harmless(text: str) -> None:
    """In every string that comes from outside, and in every state."""
    for changes, shape in SHAPES:
        row = environment(text or "x", reason=told(text), branch=text or "x", **changes)
        found = cells(render([row]))
        assert [types(cell) for cell in found] == [CODE, shape, CODE, ["text"]]
    refused = skip().model_copy(update={"app_name": text or "x", "reason": told(text)})
    assert [types(cell) for cell in cells(render([refused]))] == [CODE, ["text", *CODE], ["text"], ["text"]]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_code_span_in_its_cell(text: str) -> None:
    assert_harmless(text)


@given(st.text(min_size=1, max_size=120))
def test_any_text_stays_one_code_span_in_its_cell(text: str) -> None:
    assert_harmless(text)


@given(st.text(alphabet="`|\\ \n@<>[]()*_#&;a", max_size=40))
def test_no_mix_of_markup_breaks_out(text: str) -> None:
    assert_harmless(text)


@given(st.text(alphabet="`|\\@<>[]()*_#&;a\"'!~ä", max_size=40))
def test_no_address_breaks_out_of_its_link(rest: str) -> None:
    url = f"https://a{rest}"
    [_, state, _, _] = cells(render([environment(status="ready", address=url)]))
    assert types(state) == ["text", *LINK]
    [_, state, _, _] = cells(render([environment(status="failed", reason=told("no"), log_url=url)]))
    assert types(state) == ["text", *CODE, *LOG]


@given(st.text(max_size=400), st.sampled_from([80, 300]))
def test_nothing_unprintable_is_shown_and_nothing_long(text: str, longest: int) -> None:
    shown = literal(text, longest)
    assert len(shown.strip("` ")) <= longest
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in shown)


def test_ordinary_names_are_shown_as_they_are() -> None:
    assert literal("feature/käse_1.2") == "`feature/käse_1.2`"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Deploying to [`prestage-abc.fly.dev`](https://prestage-abc.fly.dev)"),
        ({"status": "ready"}, "Ready at [`prestage-abc.fly.dev`](https://prestage-abc.fly.dev)"),
        (
            {"status": "failed", "reason": told("It exited with 83."), "stage": "build", "log_url": "https://l.x/a"},
            "Failed (build): `It exited with 83.`, see [its log](https://l.x/a)",
        ),
        ({"status": "failed", "reason": told("Refused.")}, "Failed: `Refused.`"),
        ({"status": "closing", "reason": told("It was merged.")}, "Stopping: `It was merged.`"),
        ({"status": "stopped", "reason": told("It was merged.")}, "Stopped: `It was merged.`"),
    ],
)
def test_a_row_says_the_state_the_commit_and_since_when(changes: dict[str, Any], said: str) -> None:
    assert f"| `storefront` | {said} | `aaaaaaa` | 2026-11-01 10:59 UTC |" in render([environment(**changes)])


def test_a_skip_says_why_in_a_row_of_its_own() -> None:
    assert "| `storefront` | Skipped: `Not for forks.` | - | - |" in render([skip(message="Not for forks.")])


def test_a_whole_reason_is_shown_that_says_what_to_do() -> None:
    message = "The app has 1000 live previews, which is all that it may have. Close one, then comment /preview."
    assert message in render([skip(message=message)])


def test_a_moment_is_told_in_utc_whatever_it_was_recorded_in() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-8)))
    assert render([environment(updated_at=elsewhere)]) == render([environment()])


def test_the_same_rows_are_the_same_comment() -> None:
    rows: list[Row] = [environment("api"), skip("web")]
    assert render(rows) == render(rows)


def test_the_comment_begins_with_its_marker_and_has_a_row_for_each_app() -> None:
    markdown = render([environment("api"), skip("web")])
    assert markdown.startswith(MARKER + "\n")
    assert len(cells(markdown)) == 8


def test_what_is_promised_of_addresses_is_not_promised_of_what_has_stopped() -> None:
    assert "stays the same" in render([environment(), skip("web")])
    assert "stays the same" not in render([environment(status="stopped", reason=told("Merged.")), skip("web")])


def test_a_comment_with_nothing_to_show_says_so() -> None:
    markdown = render([])
    assert markdown.startswith(MARKER + "\n")
    assert "No app of this repository has a preview" in markdown


@pytest.mark.parametrize(
    "row",
    [
        environment("`" * 100, status="failed", reason=told("`" * 500), log_url=f"https://l.x/{'<' * 2000}"),
        environment("x", address=f"https://{'|' * 2000}"),
        environment("x"),
        skip("`" * 100, "`" * 500),
    ],
)
def test_however_many_rows_there_are_and_whatever_is_in_them_github_takes_the_comment(row: Row) -> None:
    markdown = render([row] * 500)
    assert len(markdown) < 65_536
    written = len(cells(markdown)) // 4
    assert 0 < written <= MAX_ROWS
    assert f"And {500 - written} more." in markdown


def test_a_hundred_ordinary_rows_are_shown() -> None:
    markdown = render([environment("storefront")] * 101)
    assert len(cells(markdown)) == 4 * MAX_ROWS
    assert "And 1 more." in markdown


def test_an_address_that_asks_for_a_password_says_who_tells_it() -> None:
    [_, state, *_] = cells(render([environment("store`front", status="ready", with_password=True)]))
    text = "".join(token.content for token in state)
    assert text.endswith(", which asks for a password: prestage environments password store`front#7 tells it")
    assert "password" not in render([environment("storefront", status="ready")])
    assert "password" not in render([environment("storefront", with_password=True)])
