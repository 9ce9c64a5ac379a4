"""Fly.io, stood in for: a Machines API that checks what it is asked, machines that really boot, and the proxy before
them. See fly_config.py, fly_machines.py, fly_api.py and fly_edge.py.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prestage.stage.closing import Closing
from prestage.stage.faults import Faulty, StandIn
from prestage.stage.fly_api import MachinesApi
from prestage.stage.fly_apps import App, Apps
from prestage.stage.fly_edge import Edge
from prestage.stage.fly_machines import Machine

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What machines find programs in, after `path_prefix`."""


class FlyStandIn(StandIn, Closing):
    """One organisation on a pretended Fly.io.

    What it can't pretend: images (every machine sees this machine's programs and files, and boots with `init.exec`),
    networks (machines share this machine's), TLS, WebSockets, autostop (use `stop_machine`), leases and volumes.

    Args:
        token: what the API accepts.
        organization: the slug of the organisation that the token is for.
        root: a folder of its own, for the machines' disks; `close` removes it.
        path_prefix: folders to put first in the machines' PATH.
        app_domain: the app `x` is at `x.<app_domain>`.
        patience: seconds that the edge waits for a machine to be ready.
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
    ) -> None:
        path = os.pathsep.join([*path_prefix, SYSTEM_PATH])
        self._apps = Apps(organization=organization, root=root / "machines", path=path)
        self._edge = Edge(self._apps, app_domain, patience)
        api = MachinesApi(self._apps, token=token, describe_checks=self._edge.describe_checks)
        self._api = Faulty(api.application())

    def edge(self) -> "WSGIApplication":
        """The proxy before the apps, for the host names under `app_domain`."""
        return self._edge

    def let_deletions_linger(self, looks: int) -> None:
        """Let a deleted app be seen by that many GETs before it is gone, its name taken until then."""
        self._apps.linger = looks

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
        """Stop the machine and wait until it has, as autostop does to one that nobody visits."""
        self.machine(machine_id).stop()

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
        log = self.machine(machine_id).log
        return log.read_text(errors="replace") if log.exists() else ""

    def close(self) -> None:
        """End every machine, with every process in it, and remove their disks."""
        self._apps.close()
