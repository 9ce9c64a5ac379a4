"""The first run, as docs/first-run.md has it: its commands are typed on a stage where nothing is set up.

On the same stage then everything else that pages say to type, page by page, as it stands there.
"""

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from prestage.github_administration import EVENTS, PERMISSIONS
from prestage.stage.serve import Server
from prestage.stage.stage import Stage
from tests.unit.agreeable import AgreeableCloudFormation
from tests.unit.documented import ROOT, commands, commands_of, name, pages, section, typed_words
from tests.unit.documented_before import is_agreed, typing_of
from tests.unit.documented_elsewhere import elsewhere
from tests.unit.log_pattern import LogPattern
from tests.unit.typed import BRANCH, REPOSITORY, Typed, preamble
from tests.unit.warm_programs import WarmPrograms

PAGE = (ROOT / "docs" / "first-run.md").read_text()
OF_THE_SYSTEM = ("curl", "jq", "openssl")
"""Programs on pages that a machine may be without."""


def overrides(command: str) -> Mapping[str, str]:
    """The parameters of a `sam deploy`, whose environment samconfig.toml knows."""
    words = shlex.split(command)
    assert f"[{words[words.index('--config-env') + 1]}.deploy.parameters]" in (ROOT / "samconfig.toml").read_text()
    given = words[words.index("--parameter-overrides") + 1 :]
    return dict(one.split("=", 1) for one in given)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    """After all commands of parts 1 to 3 were typed, in their order, and a pull request was opened in between.

    The stack has a zone, too, for what pages say of own domains.
    """
    [deploy] = [one for one in commands(section(PAGE, "1. Deploy")) if one.startswith("sam ")]
    logged: list[tuple[str, str]] = []
    with (
        WarmPrograms() as programs,
        Stage(
            ROOT / "template.yaml",
            parameters=overrides(deploy),
            set_up=False,
            domain="example.com",
            log=lambda function, line: logged.append((function, line)),
        ) as stage,
    ):
        run = Typed(stage, tmp_path_factory.mktemp("clone"), programs, logged)
        stage.github.add_repository(REPOSITORY, run.sample.path, installed=False)
        for command in commands(section(PAGE, "2. Set up")):
            run.type(command)
        run.sample.branch(BRANCH, {"colour.txt": "teal\n"})
        stage.github.open_pull_request(REPOSITORY, branch=BRANCH, title="Make it teal")
        stage.settle_until(lambda: bool(live(stage)), timedelta(minutes=1))
        stage.settle_through(timedelta(seconds=30))
        for command in commands(section(PAGE, "3. See that all is right, and open a pull request")):
            run.type(command)
        yield run


def live(stage: Stage) -> list[str]:
    return [one.address for one in stage.stack.environments.list_all() if one.status == "ready"]


def test_it_ends_with_a_live_preview(first_run: Typed) -> None:
    [address] = live(first_run.stage)
    assert "Good morning" in first_run.stage.fetch(address).text
    assert address in first_run.said["prestage environments show storefront#1"]
    assert [one.status for one in first_run.stage.github.deliveries if one.event == "pull_request"] == [202]


def test_the_app_may_and_hears_what_it_needs_and_no_more(first_run: Typed) -> None:
    app = first_run.stage.github.app
    assert (dict(app.permissions), app.events) == (dict(PERMISSIONS), EVENTS)
    assert app.webhook_url == first_run.stage.deployment.outputs["WebhookUrl"]
    told = dict(re.findall(r"\| \*([a-z ]+): ([a-z -]+)\* \|", PAGE))
    words = {"read": "read-only", "write": "read and write"}
    assert told == {name.replace("_", " "): words[level] for name, level in PERMISSIONS.items()}


def test_nothing_that_was_said_is_a_secret(first_run: Typed) -> None:
    kept = first_run.stage.stack.credentials
    key = kept.app_identity()
    assert key is not None
    secrets = [first_run.stage.fly_token, first_run.stage.github.app.webhook_secret, "BEGIN RSA", "planted"]
    typed = {command: said.replace(command, "") for command, said in first_run.said.items()}
    assert [(command, one) for command, said in typed.items() for one in secrets if one in said] == []


def test_what_was_set_up_is_in_the_audit_trail(first_run: Typed) -> None:
    told = first_run.said["prestage audit"]
    for words in ("GitHub", "webhook", "Fly", "added the user shop-team", "added the app storefront", "API_KEY"):
        assert words.lower() in told.lower()


def test_run_again_it_finds_all_done_and_changes_nothing(first_run: Typed) -> None:
    stage = first_run.stage
    asked = stage.github.count("PATCH|conversions")
    [setup] = [command for command in first_run.said if command.startswith("prestage setup")]
    first_run.type(setup.replace("--fly-token fly-token", ""))
    assert first_run.said[setup.replace("--fly-token fly-token", "")].count("done already") == 5
    assert stage.github.count("PATCH|conversions") == asked
    assert len(stage.stack.apps.list_all()) == 1


# ---- All that pages have besides


@pytest.fixture(scope="module")
def agreeable() -> Iterator[tuple[AgreeableCloudFormation, str]]:
    """A CloudFormation, and its URL."""
    made = AgreeableCloudFormation()
    with Server(made) as server:
        yield made, server.url


@pytest.fixture(autouse=True)
def real_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have moto filter logs as the runbook asks it to."""
    monkeypatch.setattr("moto.logs.models.EventMessageFilter", LogPattern)


@pytest.mark.parametrize("page", [one for one in pages() if set(commands_of(one)) - elsewhere()], ids=name)
def test_what_a_page_says_to_type_does_what_it_says(
    first_run: Typed, agreeable: tuple[AgreeableCloudFormation, str], page: Path
) -> None:
    typed = [one for one in commands_of(page) if one not in elsewhere()]
    lacking = set()
    for number, command in enumerate(typed):
        if command in first_run.said:  # on another page, or in the first run
            continue
        if lacks := {one for one in OF_THE_SYSTEM if typed_words(command, one) is not None and not shutil.which(one)}:
            lacking |= lacks
            continue
        typing = typing_of(command)
        typing.before(first_run)
        agreed = {"AWS_ENDPOINT_URL_CLOUDFORMATION": agreeable[1]} if is_agreed(command) else {}
        said = first_run.type(command, after=preamble(typed[:number]), **agreed)
        first_run.stage.settle()
        assert [words for words in typing.says if words not in said] == [], (command, said)
        assert typing.holds(first_run, said), (command, said)
    if lacking:
        pytest.skip(f"this machine has no {', '.join(sorted(lacking))}: what needs it was not typed")
