"""The first run, as docs/first-run.md has it: its commands are typed on a stage where nothing is set up."""

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from prestage.cli import main
from prestage.github_administration import EVENTS, PERMISSIONS
from prestage.stage.aws import REGION
from prestage.stage.sample import SampleRepository
from prestage.stage.session import CREDENTIALS
from prestage.stage.stage import Stage
from tests.unit.documented import ROOT, commands, section, typed_words

PAGE = (ROOT / "docs" / "first-run.md").read_text()
REPOSITORY = "octo-org/shop"

BROWSER = '''\
#!{python}
"""Whoever looks at pages in a browser, and presses the one button that there is on each."""
import html, re, sys, urllib.parse, urllib.request

def press(url):
    page = urllib.request.urlopen(url)
    while True:
        text = page.read().decode()
        form = re.search(r'<form method="post"(?: action="([^"]*)")?>', text)
        if form is None:
            return
        fields = re.findall(r'name="(\\w+)" value="([^"]*)"', text)
        data = urllib.parse.urlencode({{name: html.unescape(value) for name, value in fields}}).encode()
        page = urllib.request.urlopen(urllib.parse.urljoin(page.url, html.unescape(form[1] or page.url)), data=data)

press(sys.argv[1])
'''

FLY = """\
#!/bin/sh
[ "$*" = "tokens create org --org my-org" ] || exit 2
echo "FlyV1 {token}"
"""


class FirstRun:
    """A shell in a clone, with `fly` on the PATH and a browser, and what was said in it."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        self.said: dict[str, str] = {}
        programs = folder / "programs"
        programs.mkdir()
        self._program(programs / "browser", BROWSER.format(python=sys.executable))
        self._program(programs / "fly", FLY.format(token=stage.fly_token))
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        endpoints = {"AWS_ENDPOINT_URL": stage.aws.endpoint, "AWS_ENDPOINT_URL_EVENTBRIDGE": stage.bus_server.url}
        self._environment = {
            **CREDENTIALS,
            **endpoints,
            "AWS_DEFAULT_REGION": REGION,
            "BROWSER": f"{programs / 'browser'} %s",
            "HOME": str(folder),
            "NO_PROXY": "127.0.0.1",
            "PATH": path,
        }

    def lead_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have commands of this process go to the stage, too."""
        for name, value in self._environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def type(self, command: str) -> None:
        """Type it, and press Enter whenever something is asked. It has to succeed."""
        ran = subprocess.run(  # noqa: S602  # commands of the documentation, as a shell takes them
            command,
            shell=True,
            cwd=self.folder,
            env=self._environment,
            input="\n" * 20,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.said[command] = ran.stdout + ran.stderr
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)


def overrides(command: str) -> Mapping[str, str]:
    """The parameters of a `sam deploy`, whose environment samconfig.toml knows."""
    words = shlex.split(command)
    assert f"[{words[words.index('--config-env') + 1]}.deploy.parameters]" in (ROOT / "samconfig.toml").read_text()
    given = words[words.index("--parameter-overrides") + 1 :]
    return dict(one.split("=", 1) for one in given)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstRun]:
    """After all commands of the page were typed, in their order, and a pull request was opened in between."""
    deploying = list(commands(section(PAGE, "1. Deploy")))
    assert deploying[:2] == ["make package", "source .venv/bin/activate"]  # `make build` packages, in CI
    [deploy] = deploying[2:]
    with Stage(ROOT / "template.yaml", parameters=overrides(deploy), set_up=False) as stage:
        sample = SampleRepository.create(stage.folder / REPOSITORY)
        stage.github.add_repository(REPOSITORY, sample.path, installed=False)
        run = FirstRun(stage, tmp_path_factory.mktemp("clone"))
        for command in commands(section(PAGE, "2. Set up")):
            run.type(command)
        sample.branch("teal", {"colour.txt": "teal\n"})
        stage.github.open_pull_request(REPOSITORY, branch="teal", title="Make it teal")
        stage.settle_until(lambda: bool(live(stage)), timedelta(minutes=1))
        stage.settle_through(timedelta(seconds=30))
        for command in commands(section(PAGE, "3. See that all is right, and open a pull request")):
            run.type(command)
        yield run


def live(stage: Stage) -> list[str]:
    return [one.address for one in stage.stack.environments.list_all() if one.status == "ready"]


def test_it_ends_with_a_live_preview(first_run: FirstRun) -> None:
    [address] = live(first_run.stage)
    assert "Good morning" in first_run.stage.fetch(address).text
    assert address in first_run.said["prestage environments show storefront#1"]
    assert [one.status for one in first_run.stage.github.deliveries if one.event == "pull_request"] == [202]


def test_the_app_may_and_hears_what_it_needs_and_no_more(first_run: FirstRun) -> None:
    app = first_run.stage.github.app
    assert (dict(app.permissions), app.events) == (dict(PERMISSIONS), EVENTS)
    assert app.webhook_url == first_run.stage.deployment.outputs["WebhookUrl"]
    told = dict(re.findall(r"\| \*([a-z ]+): ([a-z -]+)\* \|", PAGE))
    words = {"read": "read-only", "write": "read and write"}
    assert told == {name.replace("_", " "): words[level] for name, level in PERMISSIONS.items()}


def test_nothing_that_was_said_is_a_secret(first_run: FirstRun) -> None:
    kept = first_run.stage.stack.credentials
    key = kept.app_identity()
    assert key is not None
    secrets = [first_run.stage.fly_token, first_run.stage.github.app.webhook_secret, "BEGIN RSA", "planted"]
    typed = {command: said.replace(command, "") for command, said in first_run.said.items()}
    assert [(command, one) for command, said in typed.items() for one in secrets if one in said] == []


def test_what_was_set_up_is_in_the_audit_trail(first_run: FirstRun) -> None:
    told = first_run.said["prestage audit"]
    for words in ("GitHub", "webhook", "Fly", "added the user shop-team", "added the app storefront", "API_KEY"):
        assert words.lower() in told.lower()


def test_run_again_it_finds_all_done_and_changes_nothing(first_run: FirstRun) -> None:
    stage = first_run.stage
    asked = stage.github.count("PATCH|conversions")
    [setup] = [command for command in first_run.said if command.startswith("prestage setup")]
    first_run.type(setup.replace("--fly-token fly-token", ""))
    assert first_run.said[setup.replace("--fly-token fly-token", "")].count("done already") == 5
    assert stage.github.count("PATCH|conversions") == asked
    assert len(stage.stack.apps.list_all()) == 1


# ---- What README has besides

NOT_HERE = {
    "prestage setup --github-organization my-org": "the page of the first run has more of it",
    "prestage rotate webhook-secret": "takes five minutes (tests/unit/test_rotation.py)",
    "prestage rotate github-key --file new-key.pem": "tests/unit/test_rotation.py",
    "prestage rotate fly-token --file fly-token": "tests/unit/test_rotation.py",
    "prestage environments password storefront#1": "this app asks for none (tests/unit/test_cli_password.py)",
    "prestage environments trace 72d3162e-cc78-…": "no such delivery (tests/unit/test_cli_story.py)",
    "prestage events tail --app storefront": "goes on until Ctrl-C (tests/unit/test_cli_events_tail.py)",
    "prestage events replay --from 2026-11-24 --subscriber qa-team": "no such rule (tests/unit/test_cli_events.py)",
    "prestage dead-letters show 5f2c81d0": "no such letter (tests/unit/test_cli_dead_letters.py)",
    "prestage dead-letters redrive 5f2c81d0": "no such letter (tests/unit/test_cli_dead_letters.py)",
    "prestage dead-letters discard 5f2c81d0": "no such letter (tests/unit/test_cli_dead_letters.py)",
}
"""Commands of README.md that can't be typed on the stage of the first run, and what sees to them."""


def test_the_commands_of_the_readme_do_what_they_say(
    first_run: FirstRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = SampleRepository.create(first_run.stage.folder / "my-org" / "site")
    first_run.stage.github.add_repository("my-org/site", sample.path)
    found = [one for one in commands((ROOT / "README.md").read_text()) if one.startswith("prestage ")]
    typed = {one: typed_words(one, "prestage") or [] for one in found}
    assert NOT_HERE.keys() <= typed.keys()
    first_run.lead_there(monkeypatch)
    for command, words in typed.items():
        if command not in NOT_HERE:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"planted"), encoding="utf-8"))
            assert main(words) == 0, (command, capsys.readouterr().err)
            first_run.stage.settle()
