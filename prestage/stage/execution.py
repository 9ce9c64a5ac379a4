"""Processes for functions: each is forked from one that has imported what all of them begin with."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from prestage.stage import lambda_worker
from prestage.stage.closing import Closing

PACKAGES = (
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.parameters",
    "boto3.dynamodb.types",
    "botocore.httpsession",
    "cryptography.hazmat.primitives.ciphers.aead",
    "httpx",
    "jwt",
    "pydantic.networks",
    "time_machine",
)
"""What functions import of others' packages, and what has them follow the stage's clock.

Their own code is imported anew in each process, as it is then.
"""


class InvocationError(Exception):
    """A function raised, ran out of time, or its process ended; the text says which, and quotes nothing."""


class Execution:
    """One execution environment: a process that has loaded its handler, from construction until `close`."""

    def __init__(
        self, name: str, forked: "ForkServer", handler: str, environment: Mapping[str, str], log: Callable[[str], None]
    ) -> None:
        self.name = name
        self._forked = forked
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        self._function = Connection(ours.detach())
        self._logged = threading.Thread(target=_pass_on, args=(os.fdopen(read), log), daemon=True)
        try:
            with theirs:
                self._process = forked.fork(handler, environment, theirs.fileno(), write)
        finally:
            os.close(write)
            self._logged.start()

    def receive(self, seconds: float) -> dict[str, Any]:
        """The answer to what was asked last; first of all, that the handler is loaded.

        Raises:
            InvocationError: there is none.
        """
        if not self._function.poll(seconds):
            raise InvocationError(f"{self.name} took more than {seconds:g} s")
        try:
            answer: dict[str, Any] = json.loads(self._function.recv_bytes())
        except (EOFError, OSError):
            raise InvocationError(f"the process of {self.name} ended") from None
        return answer

    def send(self, asked: Mapping[str, Any]) -> None:
        """Ask for an invocation.

        Raises:
            InvocationError: the process is gone.
        """
        try:
            self._function.send_bytes(json.dumps(asked).encode())
        except OSError:
            raise InvocationError(f"the process of {self.name} ended") from None

    @property
    def alive(self) -> bool:
        """Whether it can be asked again: a process that was not asked says nothing, unless it ends."""
        return not self._function.poll(0)

    def close(self, *, at_once: bool = False) -> None:
        """End the process; `at_once` does not let it finish what it does."""
        self._function.close()
        if not at_once:
            self._logged.join(lambda_worker.END_SECONDS)
        if self._logged.is_alive():
            self._forked.kill(self._process)
        self._logged.join()


class ForkServer(Closing):
    """Forks the processes of functions.

    Args:
        services: the folder that the functions' modules are in.
        packages: what it imports before; without any, each process begins as a bare interpreter.
        python: the interpreter.

    Its methods raise InvocationError where it has ended.
    """

    def __init__(self, services: Path, packages: Sequence[str] = PACKAGES, python: str = sys.executable) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        worker = Path(lambda_worker.__file__)
        with theirs:
            self._process = subprocess.Popen(
                [python, "-P", str(worker), str(theirs.fileno()), *packages],
                cwd=services,
                env={"LANG": "en_US.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC"},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the stage, which ends its functions itself
            )

    def fork(self, handler: str, environment: Mapping[str, str], connection: int, output: int) -> int:
        """The id of a new process, which serves the handler over a connection and writes to an output."""
        return self._ask({"handler": handler, "environment": dict(environment)}, connection, output)

    def kill(self, process: int) -> None:
        """End a process that was forked here, if it has not ended."""
        self._ask({"kill": process})

    def _ask(self, asked: Mapping[str, Any], *descriptors: int) -> int:
        try:
            with self._lock:
                socket.send_fds(self._control, [json.dumps(asked).encode()], descriptors)
                answer = self._control.recv(lambda_worker.MESSAGE_BYTES)
        except OSError:
            answer = b""
        if not answer:
            raise InvocationError("the process that functions are forked from has ended")
        return int(answer)

    def close(self) -> None:
        """End it, and each process that has not ended yet."""
        self._control.close()
        self._process.wait()


def _pass_on(output: IO[str], log: Callable[[str], None]) -> None:
    with output:
        for line in output:
            log(line.rstrip("\n"))
