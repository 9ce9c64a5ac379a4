"""`prestage demo`: what it shows, and what it says when something is not as promised."""

import hashlib
import io
import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from prestage.stage import demo, demo_life
from prestage.stage.demo_comment import rows, show_comment
from prestage.stage.demo_facts import show_fact
from prestage.stage.demo_life import GREETING, MERGED, OPENED, PUSHED
from prestage.stage.demo_story import DemoError, Story
from prestage.stage.stage import Stage
from tests.privileges import observed_stage

ROOT = Path(__file__).parents[2]
TEMPLATE, EXAMPLES = ROOT / "template.yaml", ROOT / "events-schema"


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def paper(width: int = 110) -> Console:
    return Console(file=io.StringIO(), width=width)


def fact(name: str, *, group: str = "7", **data: Any) -> dict[str, Any]:
    return {"detail-type": name, "source": "prestage.test", "detail": {"metadata": {"group": group}, "data": data}}


def story(patience: timedelta = timedelta(minutes=1)) -> Story:
    return Story(group="7", began=time.monotonic(), patience=patience)


# ---- The whole of it


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with observed_stage(TEMPLATE) as found:
        demo.start(found)
        yield found


def test_the_demo_shows_the_life_of_a_preview(stage: Stage) -> None:
    console = paper()
    logged = [("RuntimesFunction", '{"level":"ERROR","message":"mended since"}')]
    status = demo.attempt(console, logged, lambda: demo.perform(console, stage))
    shown = printed(console)
    assert status == 0, shown
    first, opened, pushed, merged = re.split(
        r"^(?=(?:A pull|A commit|The pull) .*GitHub's webhooks)", shown, flags=re.MULTILINE
    )
    [environment] = stage.stack.environments.list_by_app(stage.stack.app(f"{demo.REPOSITORY}:storefront").id)
    address = environment.address
    for chapter, wanted, answer in ((opened, OPENED, 200), (pushed, PUSHED, 200), (merged, MERGED, 404)):
        told = re.findall(r"^ *\d+\.\d\d s  (\w+) +[\w.]+ +(.*)$", chapter, re.MULTILINE)
        assert {name for name, _ in told} == {"PrCommented", *(name.partition("/")[0] for name in wanted)}, chapter
        assert f"GET {address} → {answer}" in chapter
    assert "storefront" in first
    assert "prestage-stage[bot] commented" in opened
    assert f" {address.removeprefix('http://')} " in opened
    assert "with “View deployment”" in pushed
    assert "Stopped: The pull request was merged." in merged
    assert (shown.count("✓"), shown.count("✗")) == (5 + 6 + 4, 0)
    assert "mended since" not in shown
    assert environment.status == "stopped"


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*/example.json")), ids=lambda path: path.parent.name)
def test_any_fact_is_one_line_in_a_narrow_terminal_too(example: Path) -> None:
    console = paper(60)
    show_fact(console, 1.5, json.loads(example.read_text(encoding="utf-8")))
    [line] = printed(console).splitlines()
    assert line.startswith(f" 1.50 s  {example.parent.name}")
    assert 42 < len(line) <= 60


@pytest.mark.parametrize("detail", [{}, {"metadata": {"version": "1.0"}, "data": {"name": "[red]"}}])
def test_what_somebody_else_states_is_a_line_whatever_is_in_it(detail: dict[str, Any]) -> None:
    console = paper(60)
    show_fact(console, 1.5, {"detail-type": "CheckReported", "source": "acme.quality", "detail": detail})
    [line] = printed(console).splitlines()
    assert line.strip().endswith("acme.quality")


def test_a_fly_that_refuses_ends_the_demo_with_its_reason(stage: Stage) -> None:
    stage.fly.fail(1, status=422, match="^POST /v1/apps$")
    console = paper()
    logged = [("RuntimesFunction", '{"level":"ERROR","message":"Fly said [/no]"}'), ("Other", '{"level":"INFO"}')]
    status = demo.attempt(console, logged, lambda: demo.perform(console, stage, "octo-org/refused"))
    shown = printed(console)
    assert status == 1, shown
    assert re.search(r"^the demo failed: RuntimeFailed: Fly.io refused: planted", shown, re.MULTILINE), shown
    assert "RuntimesFunction: " in shown
    assert "Fly said [/no]" in shown
    assert "INFO" not in shown


# ---- The story


def test_a_story_ends_when_all_that_is_wanted_was_stated() -> None:
    told = story()
    told.hear(fact("A", group="8"))
    for name in ("B", "C", "A", "D"):
        told.hear(fact(name, said=name))
    assert [one["detail-type"] for _, one in told.follow(("A", "B"))] == ["B", "C", "A"]
    assert told.said("C") == [{"said": "C"}]


def test_a_story_waits_for_a_state_and_for_what_is_to_be_shown() -> None:
    told = story()
    for state in ("in_progress", "success"):
        told.hear(fact("A", state=state))
    told.hear(fact("B"))
    assert len(list(told.follow(("A/success",), lambda: bool(told.said("B"))))) == 3


def test_another_chapter_begins_with_nothing_told() -> None:
    told = story()
    told.hear(fact("A", number=1))
    list(told.follow(("A",)))
    told.begin_chapter()
    told.hear(fact("A", number=2))
    list(told.follow(("A",)))
    assert told.said("A") == [{"number": 2}]


def test_a_story_tells_what_was_not_stated_in_time() -> None:
    told = story(patience=timedelta(0))
    told.hear(fact("A"))
    with pytest.raises(DemoError, match=r"^not stated within 0 s: B, C/ready$"):
        list(told.follow(("A", "B", "C/ready")))
    with pytest.raises(DemoError, match=r"^not stated within 0 s: that the comment shows what is now$"):
        list(told.follow((), lambda: False))


def test_a_failure_ends_a_story_with_its_reason() -> None:
    told = story()
    told.hear(fact("RuntimeFailed", reason={"code": "refused", "message": "the name is taken"}))
    with pytest.raises(DemoError, match=r"^RuntimeFailed: the name is taken$"):
        list(told.follow(("A",)))


# ---- What is promised of the page

PAGE = '<h1>A teal headline</h1><dd id="commit">{}</dd><dd id="greeting">{}</dd><dd id="secret">{}</dd>'
SHA = "a" * 40


@pytest.mark.parametrize(
    ("commit", "greeting", "api_key", "broken"),
    [
        ("b" * 40, GREETING, "hush", "it shows the commit"),
        (SHA, "missing", "hush", "the config value arrived"),
        (SHA, GREETING, "missing", "the secret arrived"),
    ],
)
def test_a_page_that_breaks_a_promise_fails_the_demo(commit: str, greeting: str, api_key: str, broken: str) -> None:
    console = paper()
    page = PAGE.format(commit, greeting, hashlib.sha256(api_key.encode()).hexdigest())
    with pytest.raises(DemoError, match="not as promised"):
        demo_life.check_page(console, page, SHA, "hush", "teal")
    [wrong] = [line for line in printed(console).splitlines() if "✗" in line]
    assert broken in wrong


def test_a_narrow_terminal_cuts_no_address() -> None:
    console = paper(60)
    host = "prestage-ari6jc3j3obbypmplbvr.fly.localhost:40733"
    comment = f"| App | Address |\n|---|---|\n| `storefront` | [{host}](http://{host}) |"
    show_comment(console, "prestage[bot]", comment)
    lines = printed(console).splitlines()
    assert max(map(len, lines)) <= 60
    assert "prestage[bot] commented" in lines[0]
    assert "…" not in printed(console)
    assert host in "".join(re.findall(r"([\w.:-]+) +│", printed(console)))


def test_the_rows_of_a_comment_in_plain_text() -> None:
    body = "### Preview\n\n| App | Preview |\n|---|---|\n| `web` | Ready at [`a.fly.dev`](https://a.fly.dev) |\n\nMore."
    assert rows(body) == [["web", "Ready at a.fly.dev"]]
