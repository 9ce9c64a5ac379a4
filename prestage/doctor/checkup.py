"""What `prestage doctor` looks at, in order: the stack, its parts along a fact's way, and what is outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from choreography.clock import Clock
from fly_io.client import Fly
from fly_io.client import build_http as build_http_for_fly
from github_app.client import build_http as build_http_for_github
from prestage.doctor import contract, fly, stack
from prestage.doctor.bus import BusOfStack
from prestage.doctor.check import Check
from prestage.doctor.deployed import Deployed
from prestage.doctor.findings import Finding, finding
from prestage.doctor.github import AppAtGitHub
from prestage.doctor.operator_secrets import OperatorSecrets
from prestage.doctor.reactions import Reactions
from prestage.stage.template import load
from records.apps import App, Apps
from records.certificates import Certificates
from records.table import Table

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

EXPIRING = timedelta(days=30)
"""How long before its end a certificate is told of."""


@contextmanager
def checkup(
    name: str, client: Callable[[str], Any], clock: Clock, template: Path = TEMPLATE
) -> Iterator[tuple[Check, ...]]:
    """The checks of a stack, to be made before this is left.

    Args:
        name: of the stack.
        client: gives the boto3 client for a service.
        clock: the time.
        template: what the stack is to be; the contract's files are beside it.
    """
    with build_http_for_github() as to_github, build_http_for_fly() as to_fly:
        deployed = Deployed(name, client, load(template))
        outputs = deployed.outputs
        secrets = OperatorSecrets(lambda: client("secretsmanager"), outputs, name)
        app = AppAtGitHub(to_github, outputs, name, lambda: secrets.credentials, clock)

        def flying() -> Iterator[Finding]:
            api = Fly(to_fly, outputs["FlyApiUrl"], secrets.token, clock=clock)
            return fly.token(api, outputs["FlyOrganization"], name)

        def records() -> Table:
            return Table(client("dynamodb"), outputs["RecordsTable"])

        def apps() -> list[App]:
            return Apps(records()).list_all()

        yield (
            *_inside(deployed, secrets, template.parent),
            Check("GitHub App", app.settings),
            Check("webhook", app.webhook),
            Check("webhook deliveries", app.deliveries),
            Check("installations", lambda: app.installations(apps())),
            Check("Fly.io", flying),
            Check("hosted zone", lambda: stack.zone(deployed)),
            Check("certificates", lambda: certificates(Certificates(records()), clock, name)),
            Check("alarms", lambda: stack.alarms(deployed)),
        )


def _inside(deployed: Deployed, secrets: OperatorSecrets, root: Path) -> Iterator[Check]:
    bus, reactions = BusOfStack(deployed), Reactions(deployed)
    yield Check("stack", lambda: stack.status(deployed))
    yield Check("resources", lambda: stack.resources(deployed))
    yield Check("webhook secret", secrets.webhook_secret)
    yield Check("GitHub App's secret", secrets.github_app)
    yield Check("Fly.io token", secrets.fly_token)
    yield Check("stack key", secrets.stack_key)
    yield Check("KMS key", lambda: stack.key(deployed))
    yield Check("tables", lambda: stack.tables(deployed))
    yield Check("bus policy", bus.policy)
    yield Check("rules", bus.rules)
    yield Check("archive", bus.archive)
    yield Check("queues", reactions.queues)
    yield Check("functions", reactions.functions)
    yield Check("event source mappings", reactions.mappings)
    yield Check("schedules", bus.schedules)
    yield Check("dead letters", reactions.dead_letters)
    yield Check("schema registry", lambda: contract.registry(deployed.client("schemas"), deployed.name, root))


def certificates(on_record: Certificates, clock: Clock, stack_name: str) -> Iterator[Finding]:
    """Whether certificates are good for a while yet."""
    now = clock()
    for one in on_record.list_all():
        about = {"domain": one.domain, "date": f"{one.not_after:%Y-%m-%d}", "stack": stack_name}
        left = one.not_after - now
        if left <= timedelta():
            yield finding("certificate-expired", **about)
        elif left <= EXPIRING:
            days = f"{left.days} days" if left.days != 1 else "1 day"
            yield finding("certificate-expiring", **about, days=days)
