"""`prestage demo`: what it shows, and what it says when something is not as promised."""

import hashlib
import io
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from prestage.stage import demo
from prestage.stage.demo import DemoError, Story
from prestage.stage.stage import Stage

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


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
    with Stage(TEMPLATE) as found:
        demo.start(found)
        yield found


def test_the_demo_shows_each_fact_the_comment_and_the_page(stage: Stage) -> None:
    console = paper()
    logged = [("RuntimesFunction", '{"level":"ERROR","message":"mended since"}')]
    status = demo.attempt(console, logged, lambda: demo.perform(console, stage))
    shown = printed(console)
    assert status == 0, shown
    facts = re.findall(r"^ +\d+ ms  (\w+) +prestage\.(\w+) ", shown, re.MULTILINE)
    assert sorted(facts) == [
        ("EnvironmentCreated", "environments"),
        ("PrCommented", "comments"),
        ("PullRequestOpened", "ingress"),
        ("RuntimeRequested", "runtimes"),
        ("SecretsResolved", "vault"),
    ]
    [environment] = stage.stack.environments.list_by_app(stage.stack.app(f"{demo.REPOSITORY}:storefront").id)
    assert "prestage-stage[bot] commented" in shown
    assert f" {environment.address.removeprefix('http://')} " in shown
    assert f"GET {environment.address} → 200" in shown
    assert (shown.count("✓"), shown.count("✗")) == (3, 0)
    assert "mended since" not in shown


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
    assert told.data("C") == {"said": "C"}


def test_a_story_tells_what_was_not_stated_in_time() -> None:
    told = story(patience=timedelta(0))
    told.hear(fact("A"))
    with pytest.raises(DemoError, match=r"^not stated within 0 s: B, C$"):
        list(told.follow(("A", "B", "C")))


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
        ("b" * 40, demo.GREETING, "hush", "it shows the commit"),
        (SHA, "missing", "hush", "the config value arrived"),
        (SHA, demo.GREETING, "missing", "the secret arrived"),
    ],
)
def test_a_page_that_breaks_a_promise_fails_the_demo(commit: str, greeting: str, api_key: str, broken: str) -> None:
    console = paper()
    page = PAGE.format(commit, greeting, hashlib.sha256(api_key.encode()).hexdigest())
    with pytest.raises(DemoError, match="not what was promised"):
        demo.check_page(console, page, SHA, "hush")
    [wrong] = [line for line in printed(console).splitlines() if "✗" in line]
    assert broken in wrong


def test_a_narrow_terminal_cuts_no_address() -> None:
    console = paper(60)
    host = "prestage-ari6jc3j3obbypmplbvr.fly.localhost:40733"
    comment = f"| App | Address |\n|---|---|\n| `storefront` | [{host}](http://{host}) |"
    demo.show_comment(console, "prestage[bot]", comment)
    lines = printed(console).splitlines()
    assert max(map(len, lines)) <= 60
    assert "prestage[bot] commented" in lines[1]
    assert "…" not in printed(console)
    assert host in "".join(re.findall(r"([\w.:-]+) +│", printed(console)))
