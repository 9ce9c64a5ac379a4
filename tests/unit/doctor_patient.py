"""A stack with everything in it that `prestage doctor` looks at, and everything that can be wrong with it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from werkzeug.wrappers import Response

from prestage.stage.fly import FlyStandIn
from prestage.stage.serve import Server
from records.apps import App
from tests.unit.cli_stage import CREDENTIALS_TEXT, Deployed, Shell, deployed_stack

ORGANIZATION, DOMAIN = "previews", "previews.example.com"
WEBHOOK_SECRET, FLY_TOKEN = "planted-webhook-secret-41c7", "fm2_planted-fly-token-9d02"
OTHER_SECRET, OTHER_TOKEN = "planted-webhook-secret-b83e", "fm2_planted-fly-token-55aa"


@dataclass
class Door:
    """What answers GitHub's webhooks."""

    status: int = 202

    def __call__(self, environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return Response(status=self.status)(environ, start_response)


@dataclass
class Diagnosis:
    """What the command said."""

    status: int
    text: str
    checks: list[dict[str, Any]] = field(repr=False)

    @property
    def findings(self) -> list[dict[str, str]]:
        return [found for check in self.checks for found in check["findings"]]

    @property
    def unmade(self) -> dict[str, str]:
        return {check["name"]: check["unmade"] for check in self.checks if check["unmade"]}


@dataclass
class Patient:
    """A stack that is well until something is planted, and whoever looks at it."""

    at: Deployed
    fly: FlyStandIn
    door: Door
    shell: Shell

    def diagnose(self) -> Diagnosis:
        """What `prestage doctor --json` says; no secret is ever in it."""
        ran = self.shell.run("doctor", "--json")
        assert ran.err == ""
        assert not self.leaked(ran.out)
        return Diagnosis(ran.status, ran.out, json.loads(ran.out)["checks"])

    def leaked(self, text: str) -> set[str]:
        """Those secrets that are in it."""
        secretsmanager = self.at.aws.client("secretsmanager")
        key: str = secretsmanager.get_secret_value(SecretId=self.at.outputs["StackKeyArn"])["SecretString"]
        pem: str = json.loads(CREDENTIALS_TEXT)["private_key"].splitlines()[1]
        tokens = self.at.github.tokens_issued
        planted = (WEBHOOK_SECRET, OTHER_SECRET, FLY_TOKEN, OTHER_TOKEN, key, pem, *tokens)
        return {value for value in planted if value in text}

    def client(self, service: str) -> Any:
        return self.at.aws.client(service)

    @property
    def events(self) -> Any:
        return self.shell.at.session.client("events")

    def physical(self, logical_id: str) -> str:
        pages = self.client("cloudformation").list_stack_resources(StackName="prestage")["StackResourceSummaries"]
        return next(str(one["PhysicalResourceId"]) for one in pages if one["LogicalResourceId"] == logical_id)

    @property
    def app(self) -> App:
        return self.at.stack.app("storefront")

    # ---- What AWS answers, where it can't be had to be so

    @contextmanager
    def answering(self, operation: str, change: Callable[[Any], object]) -> Iterator[None]:
        """Have answers to an operation, such as `dynamodb.DescribeTable`, changed."""

        def altered(parsed: Any, **_: Any) -> None:
            change(parsed)

        with self._hooked(f"after-call.{operation}", altered):
            yield

    @contextmanager
    def refusing(
        self, operation: str, code: str, about: str = "", message: str = "planted", *, unless: str = "-"
    ) -> Iterator[None]:
        """Have an operation refused, where its parameters have something in them."""

        def refuse(params: Mapping[str, Any], **_: Any) -> None:
            if about in str(params) and unless not in params:
                raise ClientError({"Error": {"Code": code, "Message": message}}, operation.partition(".")[2])

        with self._hooked(f"provide-client-params.{operation}", refuse):
            yield

    @contextmanager
    def _hooked(self, event: str, handler: Callable[..., None]) -> Iterator[None]:
        self.at.session.events.register(event, handler)
        yield
        self.at.session.events.unregister(event, handler)

    @contextmanager
    def secret(self, output: str, value: str, before: str) -> Iterator[None]:
        """Have another value in an operator's secret."""
        arn = self.at.outputs[output]
        self.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=value)
        yield
        self.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=before)


@contextmanager
def patient_stack(folder: Path) -> Iterator[tuple[Deployed, FlyStandIn, Door]]:
    door = Door()
    with ExitStack() as parts:
        fly = parts.enter_context(FlyStandIn(token=FLY_TOKEN, organization=ORGANIZATION, root=folder / "fly"))
        fly_url = parts.enter_context(Server(fly.application())).url
        at = parts.enter_context(
            deployed_stack(
                folder,
                zone="example.com",
                api_url=parts.enter_context(Server(door)).url,
                parameters={
                    "FlyApiUrl": f"{fly_url}/v1",
                    "FlyOrganization": ORGANIZATION,
                    "AlarmEmail": "a@example.com",
                },
                secrets={"WebhookSecret": WEBHOOK_SECRET, "FlySecret": FLY_TOKEN},
            )
        )
        yield at, fly, door
