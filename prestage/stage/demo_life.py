"""The life of a repository's previews, shown as it happens, and held against what is promised of it."""

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from prestage.stage.demo_comment import rows, show_comment
from prestage.stage.demo_facts import show_fact
from prestage.stage.demo_story import DemoError, Story
from prestage.stage.github_hook import Delivery
from prestage.stage.sample import SampleRepository
from prestage.stage.stage import Stage
from prestage.stage.subscriber import CHECK
from records.apps import App

GREETING = "Good morning"

CHECKED = ("CheckReported/success", "CheckRecorded")
"""What follows where another team checks each preview that is ready."""

OPENED = (
    "PullRequestOpened",
    "EnvironmentCreated",
    "SecretsResolved",
    "PrCommented",
    "RuntimeRequested",
    "RuntimeReady",
    "EnvironmentReady",
    "DeploymentReported/success",
    *CHECKED,
)
"""The facts of the main job, in the order in which each can first be stated."""

PUSHED = (
    "BranchPushed",
    "PullRequestUpdated",
    "EnvironmentUpdated",
    "SecretsResolved",
    "RuntimeRequested",
    "RuntimeReady",
    "EnvironmentReady",
    "DeploymentReported/success",
    *CHECKED,
)
MERGED = (
    "PullRequestClosed",
    "BranchPushed",
    "EnvironmentClosed",
    "DeploymentReported/inactive",
    "RuntimeRemoved",
    "EnvironmentStopped",
)


class Life:
    """One repository's previews.

    Args:
        console: what it is shown on.
        stage: was started.
        repository: of the sample application.
        app: on record, in that repository.
        api_key: the value of its secret API_KEY.
    """

    def __init__(self, console: Console, stage: Stage, repository: SampleRepository, app: App, *, api_key: str) -> None:
        self._console = console
        self._stage = stage
        self._repository = repository
        self._place = app.repository
        self._api_key = api_key
        self._story = Story(group=str(app.repository.id), began=time.monotonic())
        self._number = 0
        self._runtime: Mapping[str, str] = {}
        stage.bus.subscribe(self._story.hear)

    def open(self, branch: str, title: str) -> float:
        """A pull request is opened: a page at an address. Gives the seconds that it took."""
        sha = self._repository.branch(branch, _files(branch))
        self._story.begin_chapter()
        self._number = self._stage.github.open_pull_request(self._place.full_name, branch=branch, title=title)
        told = self._stage.github.deliveries[-1:]
        seconds = self._follow("A pull request is opened", told, OPENED, self._is_check_shown)
        [self._runtime] = [said["runtime"] for said in self._story.said("RuntimeRequested")]
        check_page(self._console, self._page(), sha, self._api_key, branch)
        self._show_deployment("success")
        comment = self._stage.github.comments(self._place.full_name, self._number)[0]
        show_comment(self._console, comment.author_login, comment.body)
        row = rf"\| ↳ `{CHECK}` \| Passed: `answered 200`"
        check(self._console, {"the other team's check has its row": re.search(row, comment.body) is not None})
        return seconds

    def push(self, branch: str) -> float:
        """A commit is pushed: the same address shows it. Gives the seconds that it took."""
        sha = self._repository.commit_to(branch, _files(f"deep {branch}"))
        self._story.begin_chapter()
        told = self._stage.github.push(self._place.full_name, branch)
        seconds = self._follow("A commit is pushed", told, PUSHED)
        page = self._page()
        runtime = [said["runtime"] for said in self._story.said("RuntimeReady")]
        check(self._console, {"it is the same address, on the same machine": runtime == [self._runtime]})
        check_page(self._console, page, sha, self._api_key, f"deep {branch}")
        self._show_deployment("success")
        self._show_row("Ready")
        return seconds

    def merge(self) -> float:
        """The pull request is merged: nothing is left that costs. Gives the seconds that it took."""
        self._story.begin_chapter()
        told = self._stage.github.merge_pull_request(self._place.full_name, self._number)
        seconds = self._follow("The pull request is merged", told, MERGED)
        answer, fly = self._stage.fetch(self._runtime["address"]), self._stage.fly
        self._console.print(f"GET {self._runtime['address']} → {answer.status_code}", highlight=False, soft_wrap=True)
        is_left = self._runtime["fly_app"] in {app.name for app in fly.apps()}
        runs = self._runtime["machine_id"] in {machine.id for machine in fly.machines()}
        check(
            self._console,
            {"nobody answers any more": not answer.is_success, "its app on Fly.io is gone": not (is_left or runs)},
        )
        self._show_deployment("inactive")
        self._show_row("Stopped")
        return seconds

    def _follow(
        self,
        happening: str,
        told: Sequence[Delivery],
        wanted: tuple[str, ...],
        is_all: Callable[[], bool] = lambda: True,
    ) -> float:
        """Show what follows. Gives the seconds until the last of it that is wanted."""
        answers = ", ".join(f"{one.event} {one.status}" for one in told)
        self._console.print(f"\n[bold]{happening}[/bold] [dim](GitHub's webhooks: {answers})[/dim]", highlight=False)
        ended = 0.0
        for seconds, fact in self._story.follow(wanted, lambda: self._is_shown() and is_all()):
            show_fact(self._console, seconds, fact)
            if fact["detail-type"] in {"EnvironmentReady", "EnvironmentStopped"}:
                ended = seconds
        return ended

    def _is_shown(self) -> bool:
        """Whether the comment shows the environment's record as it is now."""
        shown = [one["revision"] for said in self._story.said("PrCommented")[-1:] for one in said["shows"]]
        now = self._stage.stack.environments.list_by_pull_request(self._place.id, self._number)
        return shown == [environment.revision for environment in now]

    def _is_check_shown(self) -> bool:
        """Whether the comment has a row for the other team's check."""
        comments = self._stage.github.comments(self._place.full_name, self._number)
        return f"`{CHECK}`" in comments[0].body

    def _page(self) -> str:
        answer = self._stage.fetch(self._runtime["address"])
        self._console.print(f"GET {self._runtime['address']} → {answer.status_code}", highlight=False, soft_wrap=True)
        if not answer.is_success:
            log = self._stage.fly.log(self._runtime["machine_id"])
            raise DemoError(f"the preview answers {answer.status_code}; its machine said:\n{log}")
        return answer.text

    def _show_row(self, state: str) -> None:
        """See that the pull request's one comment says so."""
        comments = self._stage.github.comments(self._place.full_name, self._number)
        [[_, said, commit, _]] = rows(comments[-1].body)
        check(
            self._console,
            {f"the same comment: {said} ({commit})": len(comments) == 1 and said.startswith(state)},
        )

    def _show_deployment(self, state: str) -> None:
        """See that GitHub shows the latest deployment so."""
        deployment = self._stage.github.deployments(self._place.full_name)[-1]
        link = " with “View deployment”" if deployment.statuses[-1].environment_url else ""
        said = f"GitHub's deployment of {deployment.environment} is {deployment.state}{link}"
        check(self._console, {said: deployment.state == state})


def _files(colour: str) -> dict[str, str]:
    return {"headline.txt": f"A {colour} headline\n", "colour.txt": f"{colour.rsplit(maxsplit=1)[-1]}\n"}


def check_page(console: Console, page: str, sha: str, api_key: str, headline: str) -> None:
    """See that the page shows what its machine was to be given.

    Raises:
        DemoError: it does not.
    """
    shown = dict(re.findall(r'<dd id="(\w+)">([^<]*)</dd>', page))
    check(
        console,
        {
            f"it shows the commit {sha[:7]}": shown.get("commit") == sha and f"A {headline} headline" in page,
            f"the config value arrived: {GREETING}": shown.get("greeting") == GREETING,
            "the secret arrived (by its SHA-256)": shown.get("secret") == hashlib.sha256(api_key.encode()).hexdigest(),
        },
    )


def check(console: Console, promises: Mapping[str, bool]) -> None:
    """Show whether each holds.

    Raises:
        DemoError: one does not.
    """
    for promise, holds in promises.items():
        console.print(f"  {'[green]✓[/green]' if holds else '[red]✗[/red]'} {promise}", highlight=False, soft_wrap=True)
    if not all(promises.values()):
        raise DemoError(f"not as promised: {', '.join(promise for promise, holds in promises.items() if not holds)}")
