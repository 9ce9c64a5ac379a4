"""Built functions under the Lambda runtime interface emulator that aws-sam-cli ships: no container, no registry."""

import json
import logging
import os
import platform
import re
import select
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from prestage.stage.built import BuiltFunction

_START_SECONDS = 30.0
_END_SECONDS = 5.0
_TRIES = 5
_MARGIN_SECONDS = 20.0
"""What an invocation may take on top of the function's time-out: the first one loads the handler."""

_PROCESSORS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}

logger = logging.getLogger(__name__)


class EmulatorError(Exception):
    """A built function could not be run, or gave no result; the text says which, and where its log is."""


def lay_out_runtime(folder: Path) -> Path:
    """Fill `folder` as Lambda's /var/runtime is: the runtime interface client, and nothing else of the virtualenv."""
    folder.mkdir()
    for name in _with_requirements("awslambdaric"):
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or ()}:
            if not top.startswith((".", "__pycache__")) and not top.endswith(".dist-info"):
                (folder / top).symlink_to(Path(str(installed.locate_file(top))))
    return folder


def _with_requirements(name: str) -> Iterator[str]:
    yield name
    for requirement in distribution(name).requires or ():
        if found := re.match(r"[\w.-]+", requirement):
            yield from _with_requirements(found[0])


class Emulator:
    """One built function, from construction until `close`. The emulator takes one invocation at a time: others wait.

    Args:
        function: what to run.
        environment: all the variables that it is to have; nothing of this process's own is added.
        timeout: the function's, in seconds.
        runtime: a folder with the runtime interface client.
        log: the file that is given what the function and the emulator print.
    """

    def __init__(
        self, function: BuiltFunction, environment: Mapping[str, str], *, timeout: int, runtime: Path, log: Path
    ) -> None:
        self._name = function.logical_id
        self._seconds = timeout + _MARGIN_SECONDS
        self._log = log
        self._one_at_a_time = threading.Lock()
        self._all_ended, ours = os.pipe()
        weakref.finalize(self, os.close, self._all_ended)
        variables = {
            **environment,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "PYTHONPATH": str(runtime),
            "PYTHONDONTWRITEBYTECODE": "1",  # the package stays as it was built
        }
        try:
            for _ in range(_TRIES):
                if self._starts(function, variables, ours):
                    return
        finally:
            os.close(ours)
        raise self._error("could not be started")

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """The handler's result.

        Raises:
            EmulatorError: there is none.
        """
        url = f"http://{self._address[0]}:{self._address[1]}/2015-03-31/functions/function/invocations"
        # Plain HTTP to this machine: no proxy is for it, and no certificates need to be read for it.
        with (
            self._one_at_a_time,
            httpx.Client(trust_env=False, verify=False, timeout=self._seconds) as http,  # noqa: S501  # plain HTTP
        ):
            try:
                answer = http.post(url, content=json.dumps(event))
                result = answer.json()
            except (httpx.TransportError, ValueError) as error:
                raise self._error(f"gave no result ({type(error).__name__})") from None
        if answer.status_code != httpx.codes.OK or (isinstance(result, dict) and "errorType" in result):
            raise self._error(f"failed ({answer.status_code}, {result.get('errorType', 'no type')})")
        return result

    @property
    def running(self) -> bool:
        """Whether any process of it is left, the emulator's own or the function's."""
        return not select.select([self._all_ended], [], [], 0)[0]

    def close(self) -> None:
        """End the emulator, which ends the function.

        Raises:
            EmulatorError: a process is left.
        """
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        ended, _, _ = select.select([self._all_ended], [], [], _END_SECONDS)
        if not ended:
            raise self._error("did not end")

    def _starts(self, function: BuiltFunction, variables: Mapping[str, str], lifeline: int) -> bool:
        """Whether it listens; not if it ended, as when somebody took a port that was free a moment ago."""
        listening, served = _free_ports()
        self._address = ("127.0.0.1", listening)
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                _command(function.handler, listening, served),
                cwd=function.folder,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lifeline,),  # whoever is descended from it holds this end open
                start_new_session=True,
            )
        for _ in range(int(_START_SECONDS / 0.05)):
            try:
                socket.create_connection(self._address, timeout=1).close()
            except OSError:
                if self._ends_within(0.05):
                    return False
            else:
                return True
        self.close()
        raise self._error(f"did not listen within {_START_SECONDS:g} s")

    def _ends_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _error(self, what: str) -> EmulatorError:
        return EmulatorError(f"{self._name} {what}; its log is {self._log}")


@dataclass
class EmulatedFunctions:
    """Functions under emulators of their own, by logical id, until `close`; `answers` keeps what each gave."""

    emulators: Mapping[str, Emulator]
    answers: list[tuple[str, Any]] = field(default_factory=list)

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """The result of that function's handler.

        Raises:
            EmulatorError: there is none.
        """
        try:
            answer = self.emulators[logical_id].invoke(event)
        except EmulatorError as error:
            logger.warning("%s", error)  # the gateway tells its caller nothing of it
            raise
        self.answers.append((logical_id, answer))
        return answer

    def close(self) -> None:
        """End them all."""
        with ThreadPoolExecutor(max_workers=len(self.emulators) or 1) as pool:
            list(pool.map(Emulator.close, self.emulators.values()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _command(handler: str, listening: int, served: int) -> list[str]:
    return [
        str(_emulator()),
        "--log-level",
        "info",
        "--runtime-interface-emulator-address",  # both are named: it listens on every interface otherwise
        f"127.0.0.1:{listening}",
        "--runtime-api-address",
        f"127.0.0.1:{served}",
        sys.executable,
        "-S",  # no site-packages: a dependency that the package lacks is missing here too
        "-m",
        "awslambdaric",
        handler,
    ]


def _emulator() -> Path:
    found = find_spec("samcli")
    processor = _PROCESSORS.get(platform.machine().lower())
    if found is None or found.origin is None or processor is None or sys.platform != "linux":
        raise EmulatorError("the emulator is a Linux program of aws-sam-cli's, for x86_64 and arm64")
    return Path(found.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{processor}"


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]
