"""The container engine that `sam local` runs functions in, as far as the stage has to do with it."""

import json
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

HOST = "host.docker.internal"
"""What a container calls this machine, by `--add-host host.docker.internal:host-gateway`."""

LOOPBACK = "127.0.0.1"
"""Where an engine in a virtual machine, as on a Mac, leads who asks for this machine."""

_SECONDS = 30
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}

type Docker = Callable[[Sequence[str]], str]
"""Runs docker with these arguments and gives its output, or raises `NoEngineError`."""


class NoEngineError(Exception):
    """No container engine answers, or it is none that Lambda's images run in; the text says why."""


def docker(arguments: Sequence[str]) -> str:
    """Run docker; the engine is where DOCKER_HOST says, or where docker looks by itself.

    Raises:
        NoEngineError: there is no docker, or it did not do it.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise NoEngineError("docker is not installed, or not in PATH") from None
    except subprocess.TimeoutExpired:
        raise NoEngineError(f"docker gave no answer within {_SECONDS} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"docker ended with {done.returncode}"]
        raise NoEngineError(lines[-1])
    return done.stdout.strip()


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        architecture: of its containers, in Lambda's words.
        address: at which this machine has to listen to be found as `HOST`.
        run: docker.
    """

    architecture: str
    address: str
    run: Docker = docker

    def has_image(self, name: str) -> bool:
        """Whether it need not be pulled."""
        return bool(self.run(["image", "ls", "--quiet", name]))

    def containers_with(self, variable: str, value: str) -> list[str]:
        """The ids of containers in whose environment that variable has that value, those that have ended too."""
        ids = self.run(["ps", "--all", "--quiet", "--no-trunc"]).split()
        return [one for one in ids if f"{variable}={value}" in self._environment(one)]

    def remove(self, container: str) -> None:
        """Remove a container, which ends it."""
        self.run(["rm", "--force", container])

    def _environment(self, container: str) -> list[str]:
        try:
            told: list[str] | None = json.loads(self.run(["inspect", "--format", "{{json .Config.Env}}", container]))
        except NoEngineError:  # it is gone by now
            return []
        return told or []


def find(run: Docker = docker) -> Engine:
    """The engine.

    Raises:
        NoEngineError: there is none, or its containers are none that Lambda's images run in.
    """
    system, _, processor = run(["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]).partition("/")
    if system != "linux" or processor not in _ARCHITECTURES:
        raise NoEngineError(f"its containers are for {system}/{processor}")
    return Engine(_ARCHITECTURES[processor], _address(json.loads(run(["network", "inspect", "bridge"]))), run)


def _address(networks: Sequence[Any]) -> str:
    """The bridge's address, where it is this machine's."""
    for settings in networks[0]["IPAM"]["Config"] or ():
        network = ip_network(settings["Subnet"])
        address = settings.get("Gateway") or str(network[1])
        if network.version == 4 and _is_ours(address):  # noqa: PLR2004  # IPv4
            return address
    return LOOPBACK


def _is_ours(address: str) -> bool:
    try:
        socket.create_server((address, 0)).close()
    except OSError:
        return False
    return True
