import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from comments.body import MARKER, MAX_ROWS, literal, render
from prestage_contracts.snapshot import PullRequestReference, Repository
from records.environments import Environment, new_preview

NOW = datetime(2026, 11, 1, tzinfo=UTC)
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


def environment(name: str = "storefront", branch: str = "teal", number: int = 7) -> Environment:
    return new_preview(
        app_id="00000000-0000-5000-8000-000000000001",
        app_name=name,
        repository=Repository(id=9, full_name="octo-org/shop"),
        installation_id=42,
        branch=branch,
        sha="a" * 40,
        pull_request=PullRequestReference(
            number=number, title="t", html_url="https://github.com/o/r/pull/7", author="x"
        ),
        intent="x",
        with_secrets=True,
        fly_app="prestage-abc",
        address="https://prestage-abc.fly.dev",
        now=NOW,
    )


def cells(markdown: str) -> list[list[Token]]:
    """The inline tokens of each cell of the table's body."""
    tokens = READER.parse(markdown)
    types = [token.type for token in tokens]
    body = tokens[types.index("tbody_open") : types.index("tbody_close")]
    return [token.children or [] for token in body if token.type == "inline"]


def assert_harmless(text: str) -> None:
    markdown = render([environment(name=text or "x", branch=text or "x")])
    found = cells(markdown)
    assert len(found) == 4
    for cell in (found[0], found[3]):
        assert [token.type for token in cell] == ["code_inline"]
    assert [token.type for token in found[1]] == ["link_open", "text", "link_close"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_code_span_in_its_cell(text: str) -> None:
    assert_harmless(text)


@given(st.text(min_size=1, max_size=120))
def test_any_text_stays_one_code_span_in_its_cell(text: str) -> None:
    assert_harmless(text)


@given(st.text(alphabet="`|\\ \n@<>[]()*_#&;a", max_size=40))
def test_no_mix_of_markup_breaks_out(text: str) -> None:
    assert_harmless(text)


@given(st.text(max_size=200))
def test_nothing_unprintable_is_shown_and_nothing_long(text: str) -> None:
    shown = literal(text)
    assert len(shown.strip("` ")) <= 80
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in shown)


def test_ordinary_names_are_shown_as_they_are() -> None:
    assert literal("feature/käse_1.2") == "`feature/käse_1.2`"


def test_the_comment_begins_with_its_marker_and_has_a_row_for_each_environment() -> None:
    markdown = render([environment(name="api"), environment(name="web")])
    assert markdown.startswith(MARKER + "\n")
    assert len(cells(markdown)) == 8
    assert "[prestage-abc.fly.dev](https://prestage-abc.fly.dev)" in markdown


def test_however_many_environments_there_are_github_takes_the_comment() -> None:
    markdown = render([environment(name="`" * 100, branch="`" * 255)] * 500)
    assert len(markdown) < 65_536
    assert f"And {500 - MAX_ROWS} more." in markdown
