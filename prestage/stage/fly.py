"""Fly.io, stood in for: a Machines API that checks what it is asked, machines that really boot, and the proxy before
them. See fly_config.py, fly_machines.py, fly_api.py, fly_certificates_api.py and fly_edge.py.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prestage.stage.closing import Closing
from prestage.stage.faults import Faulty, StandIn
from prestage.stage.fly_api import MachinesApi
from prestage.stage.fly_apps import App, Apps, Lingering
from prestage.stage.fly_edge import Edge
from prestage.stage.fly_machines import Machine
from prestage.stage.fly_tokens import Token, Tokens

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What machines find programs in, after `path_prefix`."""


class FlyStandIn(StandIn, Closing):
    """One organisation on a pretended Fly.io, whose `tokens` can be more and fewer.

    What it can't pretend: images (every machine sees this machine's programs and files, and boots with `init.exec`),
    networks (machines share this machine's), TLS and certificates by ACME, WebSockets, autostop (use `stop_machine`),
    DNS (give it `resolve`, or use `prove_ownership`), leases and volumes.

    Args:
        token: what the API accepts.
        organization: the slug of the organisation that the token is for.
        root: a folder of its own, for the machines' disks; `close` removes it.
        path_prefix: folders to put first in the machines' PATH.
        app_domain: the app `x` is at `x.<app_domain>`.
        patience: seconds that the edge waits for a machine to be ready.
        resolve: what DNS leads a host name to, None if to nothing. A name that leads to an app is proven to be its.
    """

    def __init__(
        self,
        *,
        token: str,
        organization: str,
        root: Path,
        path_prefix: Sequence[str] = (),
        app_domain: str = "fly.localhost",
        patience: float = 10.0,
        resolve: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        path = os.pathsep.join([*path_prefix, SYSTEM_PATH])

        def leads_to(hostname: str, app: str) -> bool:
            return resolve(hostname) == f"{app}.{app_domain}"

        self._apps = Apps(organization=organization, root=root / "machines", path=path, leads_to=leads_to)
        self._edge = Edge(self._apps, app_domain, patience)
        self.tokens = Tokens(Token(token, organization))
        api = MachinesApi(self._apps, tokens=self.tokens, domain=app_domain)
        self._api = Faulty(api.application())

    def edge(self) -> "WSGIApplication":
        """The proxy before the apps, for the host names under `app_domain` and those of active certificates.

        On 127.0.0.1 itself, `/logs/<app>` is the log of an app's machines.
        """
        return self._edge

    def let_deletions_linger(self, looks: int, *, status: str = "deployed", machines_run: bool = False) -> None:
        """Let an app that is deleted from now on be seen by that many GETs of it before it is gone.

        Its name is taken until then, and the edge serves it no more.

        Args:
            looks: how many.
            status: what it is said to be meanwhile, such as `deployed` or `removing`.
            machines_run: whether its machines are there until it is gone, or end at once.
        """
        self._apps.lingering = Lingering(looks, status, machines_run)

    def prove_ownership(self, hostname: str, app: str) -> None:
        """Let DNS prove that the host name is the app's: a certificate of the app for just this name is active."""
        self._apps.prove(hostname, app)

    def plant_app(self, name: str, organization: str, network: str = "default") -> None:
        """Make an app that nobody asked the API for, such as another organisation's."""
        self._apps.add(name, organization, network)

    def apps(self) -> tuple[App, ...]:
        """All apps that are not deleted, other organisations' too."""
        return self._apps.live()

    def machines(self) -> tuple[Machine, ...]:
        """All machines that are not destroyed."""
        return self._apps.machines()

    def machine(self, machine_id: str) -> Machine:
        """The machine; KeyError if there is none."""
        return {machine.id: machine for machine in self.machines()}[machine_id]

    def stop_machine(self, machine_id: str) -> None:
        """Stop the machine and wait until it has, as the proxy does to one that nobody visits."""
        self.machine(machine_id).stop(by="proxy")

    def start_machine(self, machine_id: str) -> None:
        """Boot the machine, unless it runs."""
        self.machine(machine_id).start()

    def forget_disk(self, machine_id: str) -> None:
        """Lose what is on the machine's disk, as when its host is lost."""
        self.machine(machine_id).forget_disk()

    def process_environment(self, machine_id: str) -> Mapping[str, str]:
        """The whole environment that the machine's main process was given at its latest boot."""
        return dict(self.machine(machine_id).environment)

    def log(self, machine_id: str) -> str:
        """What the machine has said in all its boots, on both outputs."""
        return self.machine(machine_id).read_log()

    def close(self) -> None:
        """End every machine, with every process in it, and remove their disks."""
        self._apps.close()
