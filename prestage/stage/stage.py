"""The local stage: template.yaml, deployed to this machine, with stand-ins for what is outside.

See docs/architecture.md.
"""

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from prestage.stack import Stack
from prestage.stage import bus_http, caddy, contract, gateway
from prestage.stage.aws import ACCOUNT, REGION, LocalAws
from prestage.stage.aws_calls import Recorded
from prestage.stage.bus import Bus, Delivery
from prestage.stage.closing import Closing
from prestage.stage.deployment import Deployment
from prestage.stage.dns import LocalZone
from prestage.stage.execution import PACKAGES
from prestage.stage.fly import FlyStandIn
from prestage.stage.github import GitHubStandIn
from prestage.stage.lambdas import Lambdas
from prestage.stage.poller import Poller
from prestage.stage.roles import Role, Wish
from prestage.stage.schedules import Schedules
from prestage.stage.serve import Server
from prestage.stage.settling import BOOT_PATIENCE, Boots, Settling
from prestage.stage.time_travel import TimeTravel
from prestage_contracts.operators import DeployRequested
from runtimes.machine import VISITOR

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STACK_NAME = "prestage"
APP_SLUG = "prestage-stage"
ORGANIZATION = "stage"
_APP_ID = "4711"
_RSA_BITS = 2048
_OPERATORS = DeployRequested.SOURCE


class _Later:
    """A WSGI application that is known after its address is."""

    application: "WSGIApplication"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self.application(environ, start_response)


class Stage(Closing):
    """Everything, from construction until `close`.

    Functions with a schedule run when `sweep` says so, and not by themselves.

    Args:
        template: the SAM template to deploy; `services/` is beside it.
        parameters: of the template, where they are not to have the stage's values.
        warm_imports: whether functions' processes begin with others' packages imported; not where that is measured.
        set_up: whether there is an App, and a token of Fly.io; where not, `prestage setup` is yet to see to that.
        webhook_secret: what GitHub signs with, where it has to be known before; a fresh one otherwise.
        domain: a zone's name, below which apps can have host names of their own; None for no zone.
        log: is given each line that a function logs, with its logical id.
    """

    def __init__(
        self,
        template: Path,
        *,
        parameters: Mapping[str, str] | None = None,
        domain: str | None = None,
        warm_imports: bool = True,
        set_up: bool = True,
        webhook_secret: str | None = None,
        log: Callable[[str, str], None] | None = None,
    ) -> None:
        with ExitStack() as parts:
            self._parts = parts
            self._domain = domain
            self._set_up = set_up
            self._organization = (parameters or {}).get("FlyOrganization", ORGANIZATION)
            self._packages = PACKAGES if warm_imports else ()
            self._log = log
            self.webhook_secret = webhook_secret or secrets.token_hex(20)
            self._build(template, parameters or {})
            self._parts = parts.pop_all()

    def _build(self, template: Path, parameters: Mapping[str, str]) -> None:
        enter = self._parts.enter_context
        self.folder = Path(tempfile.mkdtemp(prefix="prestage-stage-"))
        self._parts.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.time = TimeTravel()
        self._parts.callback(self.time.close)
        self.aws = enter(LocalAws())
        self.zone = LocalZone(self.aws.client("route53"), self._domain) if self._domain else None
        routes = _Later()
        self.gateway = enter(Server(routes))
        self._stand_in_for_github()
        self._stand_in_for_fly()
        self.deployment = self.aws.deploy(
            template,
            {**self._parameters(), **parameters},
            stack_name=STACK_NAME,
            api_url=self.gateway.url,
            secrets=self.secrets if self._set_up else None,
        )
        self._run_functions(template.resolve().parent / "services")
        routes.application = gateway.application(self.deployment.routes, self.lambdas.invoke)
        self.stack = Stack.named(STACK_NAME, self.aws.client)

    def _stand_in_for_github(self) -> None:
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        self.private_key = private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()
        public_key = private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.github = GitHubStandIn(
            app_id=_APP_ID,
            slug=APP_SLUG,
            public_key_pem=public_key.decode() if self._set_up else "",
            webhook_secret=self.webhook_secret if self._set_up else "",
            webhook_url=f"{self.gateway.url}/webhooks/github" if self._set_up else "",
        )
        served = DispatcherMiddleware(self.github.application(), {caddy.RELEASES: caddy.application(caddy.stand_in())})
        self.github_server = self._parts.enter_context(Server(served))

    def _stand_in_for_fly(self) -> None:
        self.fly_token = f"fm2_{secrets.token_hex(20)}"
        self.fly = self._parts.enter_context(
            FlyStandIn(
                token=self.fly_token,
                organization=self._organization,
                root=self.folder / "fly",
                path_prefix=[str(Path(sys.executable).parent)],
                resolve=self.zone.resolve if self.zone else lambda _: None,
            )
        )
        self.fly_server = self._parts.enter_context(Server(self.fly.application()))
        self.fly_edge = self._parts.enter_context(Server(self.fly.edge()))

    def _parameters(self) -> dict[str, str]:
        return {
            "Architecture": "arm64" if os.uname().machine in {"arm64", "aarch64"} else "x86_64",
            "GitHubApiUrl": self.github_server.url,
            "FlyApiUrl": f"{self.fly_server.url}/v1",
            "FlyOrganization": self._organization,
            "HostedZoneId": self.zone.id if self.zone else "",
            "PreviewAddress": f"http://{{fly_app}}.fly.localhost:{self.fly_edge.port}",
            "LogAddress": f"{self.fly_edge.url}/logs/{{fly_app}}",
            "GateUrl": f"{self.github_server.url}{caddy.RELEASES}/caddy.tar.gz",
            "GateSha512": caddy.sha512(caddy.stand_in()),
        }

    @property
    def secrets(self) -> dict[str, str]:
        """The operator's secrets, by logical id."""
        credentials = {"app_id": _APP_ID, "slug": APP_SLUG, "private_key": self.private_key}
        return {
            "WebhookSecret": self.webhook_secret,
            "GitHubAppSecret": json.dumps(credentials),
            "FlySecret": self.fly_token,
        }

    def _run_functions(self, services: Path) -> None:
        self._queues: Any = self.aws.client("sqs")
        self._queue_urls: dict[str, str] = {}
        self.bus = Bus(
            name=self.deployment.outputs["BusName"],
            account=ACCOUNT,
            region=REGION,
            deliver=self._deliver,
            may_publish=self._may_publish,
            violation=contract.violation,
        )
        for rule in self.deployment.rules:
            self.bus.put_rule(rule)
        for archive in self.deployment.archives:
            self.bus.put_archive(archive)
        self.bus.policy.have(self.deployment.statements)
        self.schedules = Schedules(self.deployment.schedules)
        self.bus_calls = Recorded(bus_http.application(self.bus, self.schedules))
        self.bus_server = self._parts.enter_context(Server(self.bus_calls))
        self.aws.send_elsewhere("events", self.bus_server.url)
        self.roles: dict[str, Role] = {}
        """What functions' requests are allowed by, by access key id."""
        self._owners: list[Lambdas] = []
        self.lambdas = self._ready(self.deployment, services, self._packages)
        self.poller = Poller(
            self.deployment.functions, self.lambdas, self._queues, self.aws.next_visible, self.aws.functions.is_fed
        )
        self._parts.callback(self.poller.stop)
        self._settling = Settling(self.poller, self.time, Boots(self.fly.machines))

    def _ready(
        self,
        deployment: Deployment,
        code: Path,
        packages: Sequence[str],
        python: str = sys.executable,
        proxies: Mapping[str, str] | None = None,
    ) -> Lambdas:
        made = Lambdas(
            deployment.functions,
            services=code,
            endpoints={
                "AWS_ENDPOINT_URL": self.aws.endpoint,
                "AWS_ENDPOINT_URL_EVENTBRIDGE": self.bus_server.url,
                **(proxies or {}),
            },
            region=REGION,
            time=self.time,
            packages=packages,
            python=python,
            may_run=self.aws.functions.may_run,
            log=self._log,
        )
        self._parts.callback(made.close)
        self._owners.append(made)
        self.aws.functions.run_with(made.invoke, deployment.functions)
        self.roles |= {one.access_key_id: deployment.roles[one.logical_id] for one in deployment.functions}
        return made

    def beside(
        self, template: Path, *, name: str, code: Path, python: str, parameters: Mapping[str, str] | None = None
    ) -> Deployment:
        """Deploy another team's stack on the same bus, before the functions are fed.

        Args:
            template: its SAM template.
            name: of its stack.
            code: the folder of its functions' modules.
            python: the interpreter of its own environment.
            parameters: of the template.

        Raises:
            TemplateError: it is not what the stage can deploy.
        """
        deployment = self.aws.deploy(template, parameters or {}, stack_name=name, api_url=self.gateway.url)
        for rule in deployment.rules:
            self.bus.put_rule(rule)
        # Names below localhost are not known everywhere: the edge is their proxy.
        proxies = {"HTTP_PROXY": self.fly_edge.url, "NO_PROXY": "127.0.0.1"}
        self.poller.add(deployment.functions, self._ready(deployment, code, (), python, proxies))
        return deployment

    def listen_also_at(self, host: str) -> None:
        """Serve what functions call at another address of this machine too, for those that run elsewhere than here.

        Raises:
            OSError: it is no address of this machine, or a port is taken there.
        """
        for server in (self.aws.server, self.bus_server, self.github_server, self.fly_server):
            self._parts.enter_context(server.also_at(host))

    def redeploy(self) -> None:
        """Have every function be run anew, with the code as it is then."""
        for one in self._owners:
            one.redeploy()

    def _deliver(self, delivery: Delivery) -> None:
        group = {"MessageGroupId": delivery.message_group_id} if delivery.message_group_id else {}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in delivery.attributes.items()}
        self._queues.send_message(
            QueueUrl=self.queue_url(delivery.queue_arn),
            MessageBody=delivery.body,
            MessageAttributes=attributes,
            **group,
        )
        self.poller.wake(delivery.queue_arn)

    def queue_url(self, queue_arn: str) -> str:
        """The URL of the queue with that ARN."""
        if queue_arn not in self._queue_urls:
            found = self._queues.get_queue_url(QueueName=queue_arn.rpartition(":")[2])
            self._queue_urls[queue_arn] = found["QueueUrl"]
        return self._queue_urls[queue_arn]

    def _may_publish(self, access_key_id: str, source: str, name: str) -> bool:
        """What the bus policy and the roles say: a source belongs to the one function that owns it, or to operators."""
        role = self.roles.get(access_key_id)
        if role is None:
            return source == _OPERATORS or not source.startswith("prestage.")
        wish = Wish("events:PutEvents", self.bus.arn, {"events:source": [source], "events:detail-type": [name]})
        if role.allows(wish):
            role.use(wish)
            return True
        return False

    def settle(self, *, parallel: bool = False) -> None:
        """Let the functions work until no message is there to be received now."""
        self.poller.settle(parallel=parallel)

    def settle_until(
        self,
        holds: Callable[[], bool],
        at_most: timedelta,
        *,
        parallel: bool = False,
        boot_patience: float = BOOT_PATIENCE,
    ) -> bool:
        """Let the functions work, and time pass to each moment at which one has waited enough, until `holds` does.

        Gives whether it does: not where nothing waits any more, or more than `at_most` would have to pass.

        Args:
            holds: looks whether what is waited for has come.
            at_most: how much time may pass on the stage.
            parallel: as many functions at once as may run.
            boot_patience: real seconds that a machine's boot is waited for before the clock is moved.
        """
        return self._settling.until(holds, at_most, parallel=parallel, boot_patience=boot_patience)

    def settle_through(self, at_most: timedelta, *, boot_patience: float = BOOT_PATIENCE) -> None:
        """Let the functions work, and time pass as in `settle_until`, until nothing waits, but at most that much."""
        self.settle_until(lambda: False, at_most, boot_patience=boot_patience)

    def sweep(self) -> None:
        """Run each function that has a schedule, once, as its schedule would unless it is disabled.

        Raises:
            InvocationError: one raised, or took too long; nobody tries it again before its next time.
        """
        for schedule in self.schedules.enabled:
            event = {
                "version": "0",
                "id": str(uuid4()),
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": ACCOUNT,
                "time": f"{self.time.now():%Y-%m-%dT%H:%M:%SZ}",
                "region": REGION,
                "resources": [schedule.arn],
                "detail": {},
            }
            self.lambdas.invoke(schedule.function, event)

    def fetch(self, address: str, path: str = "/", *, password: str | None = None) -> httpx.Response:
        """GET a preview, by its address, as a browser would that resolves *.localhost to this machine."""
        url = httpx.URL(address)
        return httpx.get(
            f"http://127.0.0.1:{url.port}{path}",
            headers={"Host": url.netloc.decode()},
            auth=None if password is None else (VISITOR, password),
            timeout=30,
            trust_env=False,
        )

    def close(self) -> None:
        """End every function, machine and server, and remove what they wrote."""
        self.fly.close()  # first, so that no machine asks a function that is gone
        self._parts.close()
