"""A shell in a clone whose AWS, GitHub and Fly.io are a stage's: what pages say is typed there."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from prestage.stage.aws import REGION
from prestage.stage.sam_local import PORT
from prestage.stage.sample import SampleRepository
from prestage.stage.session import CREDENTIALS
from prestage.stage.stage import Stage
from records.environments import Environment
from tests.unit.documented import ROOT, defines
from tests.unit.warm_programs import OFFSET, WarmPrograms

REPOSITORY = "octo-org/shop"
BRANCH = "teal"
_PATIENCE = timedelta(minutes=5)
"""How much time may pass on the stage until something that was asked for has come."""

_BROWSER = '''\
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

_FLY = """\
#!/bin/sh
[ "$*" = "tokens create org --org my-org" ] || exit 2
echo "FlyV1 {token}"
"""

_CURL = 'connect-to = "127.0.0.1:{documented}:127.0.0.1:{port}"\nsilent\n'
"""What `curl` is told in its own configuration: the stage has another port than `make sam-local`."""


class Typed:
    """The shell, and what was said in it.

    Args:
        stage: where what is typed leads.
        folder: its folder, the user's home, and the clone as far as commands have to do with it.
        programs: `aws` and `prestage`; `fly` and a browser are put there too.
        logged: each line that a function of the stage logs, with its logical id.
    """

    def __init__(self, stage: Stage, folder: Path, programs: WarmPrograms, logged: list[tuple[str, str]]) -> None:
        self.stage = stage
        self.logged = logged
        self.folder = folder
        self.sample = SampleRepository.create(stage.folder / REPOSITORY)
        self.said: dict[str, str] = {}
        browser = programs.add("browser", _BROWSER.format(python=sys.executable))
        programs.add("fly", _FLY.format(token=stage.fly_token))
        (folder / "docs").symlink_to(ROOT / "docs")
        (folder / ".curlrc").write_text(_CURL.format(documented=PORT, port=stage.gateway.port))
        self.environment = {
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": stage.aws.endpoint,
            "AWS_ENDPOINT_URL_EVENTBRIDGE": stage.bus_server.url,
            "BROWSER": f"{browser} %s",
            "HOME": str(folder),
            "NO_PROXY": "127.0.0.1",
            "SAM_CLI_TELEMETRY": "0",
            "PATH": os.pathsep.join([str(programs.folder), str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def type(self, command: str, *, after: str = "", **environment: str) -> str:
        """Type it, and say yes to whatever is asked. It has to succeed. Gives what it said.

        Args:
            command: as a page has it.
            after: what made the functions and variables that it uses.
            environment: variables besides the shell's.
        """
        ran = subprocess.run(  # noqa: S602  # commands of the documentation, as a shell takes them
            f"{after}{command}",
            shell=True,
            cwd=self.folder,
            env={**self.environment, **environment, OFFSET: str(self.stage.time.offset.total_seconds())},
            input="y\n" * 20 if "discard" in command else "\n" * 20,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.said[command] = ran.stdout + ran.stderr
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        return self.said[command]

    def write(self, name: str, text: str) -> None:
        """Have a file that a command reads."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def have_repository(self, name: str) -> None:
        """Have one on GitHub that the App is installed in."""
        self.stage.github.add_repository(name, SampleRepository.create(self.stage.folder / name).path)

    def client(self, service: str) -> Any:
        """The boto3 client of a service on the stage."""
        return self.stage.aws.client(service)

    def live(self) -> list[Environment]:
        """The environments of the first app that are not stopped."""
        return [one for one in self.stage.stack.environments.list_all() if one.app_name == "storefront" and one.is_live]

    def have_preview(self) -> None:
        """Have the preview of the first pull request wanted, by a push where it is not."""
        if not any(one.pull_request for one in self.live()):
            self.push()

    def push(self) -> None:
        """Commit to the first pull request's branch, and let that be heard."""
        self.sample.commit_to(BRANCH, {"headline.txt": f"Number {len(self.said)}\n"})
        self.stage.github.push(REPOSITORY, BRANCH)
        self.stage.settle()

    def stop_all(self) -> None:
        """Stop the first app's environments, and wait until they have."""
        for one in self.live():
            self.type(f"prestage environments stop {one.id}")
        all_of = self.stage.stack.environments.list_all
        self.stage.settle_until(
            lambda: all(one.status == "stopped" for one in all_of() if one.app_name == "storefront"), _PATIENCE
        )


def preamble(commands: list[str]) -> str:
    """Those of the commands that make functions and variables, for others after them."""
    return "".join(f"{command}\n" for command in commands if defines(command))
