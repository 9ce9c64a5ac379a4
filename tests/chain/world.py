"""The stage with repositories and apps on it, and what a test asks of them."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from prestage.stage.github_repositories import Deployment, IssueComment
from prestage.stage.sample import SampleRepository
from prestage.stage.stage import Stage
from prestage_contracts.envelope import EnvironmentType
from prestage_contracts.operators import (
    DeployRequested,
    DeployRequestedData,
    OperatorRequestData,
    RetryRequested,
    StopRequested,
)
from records.apps import App, new_app
from records.environments import Environment, environment_id
from records.users import User

OWNER = "shop-team"
OPERATOR = "arn:aws:iam::123456789012:user/ana"
FOR_A_WHILE = timedelta(minutes=30)
A_BOOT = timedelta(minutes=1)

type Fact = Mapping[str, Any]

MAIN_JOB = (
    "PullRequestOpened",
    "EnvironmentCreated",
    "SecretsResolved",
    "RuntimeRequested",
    "RuntimeReady",
    "EnvironmentReady",
    "DeploymentReported",
    "PrCommented",
)
AS_OFTEN_AS_NEEDED = frozenset({"DeploymentReported", "PrCommented"})
"""Stated for what GitHub was told, which is what is as it is told: one of two changes may be skipped."""


@dataclass
class World:
    """The stage, with what its functions log, and the folder of code that they run."""

    stage: Stage
    services: Path
    logged: list[tuple[str, str]] = field(default_factory=list)
    repositories: int = 0

    def place(self, *app_names: str, organization: str = "octo-org", **settings: Any) -> "Place":
        """A repository of its own, with the sample application as an app of each name."""
        self.repositories += 1
        full_name = f"{organization}/shop-{self.repositories}"
        repository = SampleRepository.create(self.stage.folder / full_name)
        self.stage.github.add_repository(full_name, repository.path)
        told, installation_id = self.stage.stack.look_up(full_name)
        if self.stage.stack.users.get(OWNER) is None:
            self.stage.stack.users.add(User(id=OWNER, name="The shop's team", created_at=self.stage.stack.clock()))
        given = {
            "installation_id": installation_id,
            "owner": OWNER,
            "image": "python:3.13-slim",
            "start": "exec python3 server.py",
            **settings,
        }
        apps = [new_app(repository=told, name=name, now=self.stage.stack.clock(), **given) for name in app_names]
        for app in apps:
            self.stage.stack.apps.add(app)
        return Place(self, full_name, told.id, repository, apps)

    def forget(self) -> None:
        """Have nothing on record, and nothing run; what was not delivered is too old to be had again."""
        table, client = self.stage.deployment.outputs["RecordsTable"], self.stage.aws.client("dynamodb")
        for item in client.scan(TableName=table)["Items"]:
            client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
        for app in self.stage.fly.apps():
            self.remove_by_hand(app.name)
        self.stage.time.advance(timedelta(days=4))

    def remove_by_hand(self, fly_app: str) -> None:
        """Delete an app on Fly.io, as somebody may, if it is one of the organisation's."""
        headers = {"Authorization": f"Bearer {self.stage.fly_token}"}
        httpx.delete(f"{self.stage.fly_server.url}/v1/apps/{fly_app}?force=true", headers=headers, trust_env=False)

    def errors(self) -> list[dict[str, Any]]:
        """What was logged as an error, parsed."""
        told = [json.loads(line) for _, line in self.logged if line.startswith('{"level":"ERROR"')]
        return [line for line in told if line["level"] == "ERROR"]

    def messages(self, queue_output: str) -> list[dict[str, Any]]:
        """The messages in the queue whose URL is in that output of the stack; they stay there."""
        sqs, url = self.stage.aws.client("sqs"), self.stage.deployment.outputs[queue_output]
        found: list[dict[str, Any]] = []
        asked = {"QueueUrl": url, "MessageAttributeNames": ["All"], "AttributeNames": ["All"], "WaitTimeSeconds": 0}
        while batch := sqs.receive_message(**asked, MaxNumberOfMessages=10, VisibilityTimeout=30).get("Messages"):
            found += batch
        self.stage.time.advance(timedelta(seconds=31))
        return found

    def redrive(self, reaction: str) -> int:
        """Give the dead letters of a reaction to it again, as an operator does. Gives how many there were."""
        redriven, left = self.stage.stack.dead_letters.redrive_all(reaction.lower())
        assert left == []
        return len(redriven)


@dataclass
class Place:
    """A repository with apps, and all that was told of it."""

    world: World
    full_name: str
    id: int
    repository: SampleRepository
    apps: Sequence[App]

    @property
    def stage(self) -> Stage:
        return self.world.stage

    def commit(self, branch: str = "teal", **files: str) -> str:
        """A branch with a commit of its own. Gives the SHA."""
        return self.repository.branch(branch, {"headline.txt": "A teal headline\n", **files})

    def open(self, branch: str = "teal", **how: Any) -> int:
        """Open a pull request from a new branch, and let its webhook be answered; nothing follows yet."""
        self.commit(branch)
        number = self.stage.github.open_pull_request(self.full_name, branch=branch, title="Make it teal", **how)
        assert self.stage.github.deliveries[-1].status == 202
        return number

    def push(self, branch: str = "teal", **files: str) -> str:
        """Push a commit to the branch, and let its webhooks be answered; nothing follows yet. Gives the SHA."""
        sha = self.repository.commit_to(branch, files or {"headline.txt": f"Commit {len(self.facts())}\n"})
        assert {one.status for one in self.stage.github.push(self.full_name, branch)} == {202}
        return sha

    def close(self, number: int = 1, *, merged: bool = False) -> None:
        """Close the pull request, and let its webhook be answered; nothing follows yet."""
        delivery = self.stage.github.close_pull_request(self.full_name, number, merged=merged)
        assert delivery is not None
        assert delivery.status == 202

    def reopen(self, number: int = 1) -> None:
        """Reopen the pull request, and let its webhook be answered; nothing follows yet."""
        delivery = self.stage.github.reopen_pull_request(self.full_name, number)
        assert delivery is not None
        assert delivery.status == 202

    def run(self, branch: str = "teal", **how: Any) -> int:
        """Open a pull request, and let all that follows from it happen, but for what waits longer than a boot."""
        number = self.open(branch, **how)
        self.settle()
        return number

    def settle(self) -> None:
        """Let all happen until no environment is on its way any more, but for what waits longer than a boot."""
        self.stage.settle_until(lambda: not any(map(is_on_its_way, self._all_environments())), A_BOOT)

    def deploy(self, branch: str | None = None) -> Environment:
        """Deploy production, or a branch of its own, on an operator's word; gives it."""
        [app] = self.apps
        about = {"app_id": app.id, "app_name": app.name, "repository": app.repository}
        data = DeployRequestedData(**about, branch=branch, requested_by=OPERATOR)
        self.stage.stack.state(DeployRequested, data, app.repository)
        self.settle()
        return self.of_branch(branch)

    def of_branch(self, branch: str | None = None) -> Environment:
        """Production, or a branch's environment."""
        kind: EnvironmentType = "production" if branch is None else "preview"
        found = self.stage.stack.environments.get(environment_id(self.apps[0].id, kind, branch))
        assert found is not None
        return found

    def order(self, event: type[RetryRequested | StopRequested], environment: Environment) -> None:
        """Have an operator ask that of an environment."""
        data = OperatorRequestData(environment=environment.snapshot(), requested_by=OPERATOR)
        self.stage.stack.state(event, data, environment.repository)
        self.settle()

    def facts(self, name: str = "") -> list[Fact]:
        """The facts about this repository, of that name or all, in the order in which they were stated."""
        group = str(self.id)
        facts = [fact for fact in self.stage.bus.events if (fact["detail"].get("metadata") or {}).get("group") == group]
        return [fact for fact in facts if name in {"", fact["detail-type"]}]

    def names(self) -> list[str]:
        """The names of the facts about this repository, sorted."""
        return sorted(fact["detail-type"] for fact in self.facts())

    def event_ids(self) -> set[str]:
        """The ids of the facts about this repository."""
        return {fact["detail"]["metadata"]["event_id"] for fact in self.facts()}

    def data(self, name: str) -> Any:
        """What the only fact of that name says."""
        [fact] = self.facts(name)
        return fact["detail"]["data"]

    def environments(self, number: int = 1) -> list[Environment]:
        return self.stage.stack.environments.list_by_pull_request(self.id, number)

    def environment(self, number: int = 1) -> Environment:
        [found] = self.environments(number)
        return found

    def comments(self, number: int = 1) -> tuple[IssueComment, ...]:
        return self.stage.github.comments(self.full_name, number)

    def comment(self, number: int = 1) -> str:
        """What the pull request's one comment says."""
        [found] = [one for one in self.comments(number) if one.author_type == "Bot"]
        return found.body

    def comment_writes(self) -> int:
        return self.stage.github.count(rf"^(POST|PATCH) /repos/{self.full_name}/issues/")

    def deployments(self) -> tuple[Deployment, ...]:
        return self.stage.github.deployments(self.full_name)

    def fly_apps(self) -> list[str]:
        wanted = {environment.fly_app for environment in self._all_environments()}
        return [app.name for app in self.stage.fly.apps() if app.name in wanted]

    def machine_ids(self) -> list[str]:
        wanted = set(self.fly_apps())
        return [machine.id for machine in self.stage.fly.machines() if machine.app in wanted]

    def machine_id(self) -> str:
        [found] = self.machine_ids()
        return found

    def page(self, number: int = 1) -> httpx.Response:
        return self.stage.fetch(self.environment(number).address)

    def shown(self, number: int = 1) -> dict[str, str]:
        """What the preview's page says it was given."""
        answer = self.page(number)
        assert answer.status_code == 200, self.stage.fly.log(self.machine_id())
        return dict(re.findall(r'<dd id="(\w+)">([^<]*)</dd>', answer.text))

    def records(self) -> list[Mapping[str, Any]]:
        """Every item of the records table that is about this repository, its apps or their environments."""
        table = self.stage.deployment.outputs["RecordsTable"]
        items = self.stage.aws.client("dynamodb").scan(TableName=table)["Items"]
        ids = {*(app.id for app in self.apps), *(found.id for found in self._all_environments())}
        partitions = {f"REPOSITORY#{self.id}", *(f"APP#{one}" for one in ids), *(f"ENVIRONMENT#{one}" for one in ids)}
        return sorted((item for item in items if item["pk"]["S"] in partitions), key=json.dumps)

    def put_again(self, fact: Fact, **changes: Any) -> None:
        """Put a fact on the bus as its owner would, once more; `changes` replace parts of its detail."""
        assert "EventId" in self.put(fact, **changes)

    def put(self, fact: Fact, **changes: Any) -> Mapping[str, str]:
        """What the bus says to that."""
        owner = next(one for one in self.stage.deployment.functions if fact["source"] in one.publishes)
        detail = {**fact["detail"], **changes}
        entry = {
            "EventBusName": self.stage.bus.name,
            "Source": fact["source"],
            "DetailType": fact["detail-type"],
            "Detail": json.dumps(detail),
        }
        [result] = self.stage.bus.put_events([entry], f"stage-{owner.logical_id}")
        return result

    def _all_environments(self) -> Iterator[Environment]:
        for app in self.apps:
            yield from self.stage.stack.environments.list_by_app(app.id)


def is_on_its_way(environment: Environment) -> bool:
    return environment.status in {"deploying", "closing"}


def assert_completed(place: Place) -> None:
    """The chain ended as it should: each fact once, one comment that says ready, one Fly app, one machine."""
    told = Counter(place.names())
    assert sorted(told) == sorted(MAIN_JOB)
    assert [name for name, times in told.items() if times > (2 if name in AS_OFTEN_AS_NEEDED else 1)] == []
    assert place.environment().status == "ready"
    [comment] = place.comments()
    assert "Ready at " in comment.body
    assert place.deployments()[-1].state == "success"
    assert len(place.fly_apps()) == 1
    assert len(place.machine_ids()) == 1
