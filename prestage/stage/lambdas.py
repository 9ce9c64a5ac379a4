"""Functions as Lambda runs them: warm processes, each with its function's settings and credentials."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from prestage.stage.aws import ACCOUNT
from prestage.stage.closing import Closing
from prestage.stage.deployment import DeployedFunction
from prestage.stage.time_travel import TimeTravel

_START_SECONDS = 60.0
_END_SECONDS = 3.0


class InvocationError(Exception):
    """A function raised, ran out of time, or its process ended; the text says which, and quotes nothing."""


class _Worker:
    """One execution environment: a process that has loaded its handler, from construction until `close`."""

    def __init__(
        self, function: DeployedFunction, services: Path, environment: Mapping[str, str], log: Callable[[str], None]
    ) -> None:
        self.name = function.logical_id
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prestage.stage.lambda_worker", function.handler, str(theirs.fileno())],
                cwd=services,
                env=dict(environment),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C is for the stage, which ends its functions itself
            )
        self._function = Connection(ours.detach())
        self._logged = threading.Thread(target=_pass_on, args=(self._process.stdout, log), daemon=True)
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
        """Whether it can be asked again."""
        return self._process.poll() is None

    def close(self, *, at_once: bool = False) -> None:
        """End the process; `at_once` does not let it finish what it does."""
        self._function.close()
        if at_once:
            self._process.kill()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._logged.join()
        if self._process.stdout:
            self._process.stdout.close()


class Lambdas(Closing):
    """The functions of a deployment, until `close`. Each invocation takes a free process, or starts one.

    Args:
        functions: what to run.
        services: the folder that the functions' modules are in.
        endpoints: variables that say where AWS is.
        region: the AWS region.
        time: what the functions' clocks show.
        log: is given each line that a function logs, after its logical id.
    """

    def __init__(
        self,
        functions: Sequence[DeployedFunction],
        *,
        services: Path,
        endpoints: Mapping[str, str],
        region: str,
        time: TimeTravel,
        log: Callable[[str, str], None] | None = None,
    ) -> None:
        self._functions = {function.logical_id: function for function in functions}
        self._by_key = {function.access_key_id: function for function in functions}
        self._services = services
        self._endpoints = endpoints
        self._region = region
        self._time = time
        self._log = log or (lambda _function, _line: None)
        self._free: defaultdict[str, list[_Worker]] = defaultdict(list)
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """The handler's result. A process that gives no answer is ended; one whose handler raised is used again.

        Raises:
            InvocationError: there is none.
        """
        function = self._functions[logical_id]
        worker = self._take(function)
        asked = {
            "request_id": str(uuid4()),
            "arn": f"arn:aws:lambda:{self._region}:{ACCOUNT}:function:{logical_id}",
            "timeout": function.timeout,
            "offset": self._time.offset.total_seconds(),
            "event": event,
        }
        answered = False
        try:
            worker.send(asked)
            answer = worker.receive(function.timeout)
            answered = True
        finally:
            self._put_back(worker, reusable=answered)
        if "error" in answer:
            raise InvocationError(f"{logical_id} raised {answer['error']}")
        return answer["result"]

    def warm(self, logical_ids: Iterable[str]) -> None:
        """Have a process ready for each of these functions.

        Raises:
            InvocationError: a handler can't be imported.
        """
        functions = [self._functions[logical_id] for logical_id in logical_ids]
        with ThreadPoolExecutor(max_workers=len(functions) or 1) as pool:
            for worker in list(pool.map(self._take, functions)):
                self._put_back(worker, reusable=True)

    def environment(self, logical_id: str) -> dict[str, str]:
        """What Lambda sets, what the template sets, and where AWS is; nothing of this process's own environment."""
        function = self._functions[logical_id]
        return {
            **function.environment,
            "AWS_ACCESS_KEY_ID": function.access_key_id,
            "AWS_SECRET_ACCESS_KEY": "stage",
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_LAMBDA_FUNCTION_NAME": function.logical_id,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TZ": "UTC",
            "NO_PROXY": "*",
            **self._endpoints,
        }

    def owner(self, access_key_id: str) -> DeployedFunction | None:
        """The function whose credentials these are, None if they are somebody else's."""
        return self._by_key.get(access_key_id)

    def redeploy(self, *logical_ids: str) -> None:
        """End the processes of these functions, or of all, so that what runs next is the code as it is then."""
        with self._lock:
            names = logical_ids or tuple(self._free)
            workers = [worker for name in names for worker in self._free.pop(name, [])]
            self._all.difference_update(workers)
        _close(workers)

    def close(self) -> None:
        """End every process."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
            self._all.clear()
            self._free.clear()
        _close(workers)

    def _take(self, function: DeployedFunction) -> _Worker:
        with self._lock:
            if self._closed:
                raise InvocationError("the stage is being taken down")
            free = self._free[function.logical_id]
            if free:
                return free.pop()
            log = self._log
            worker = _Worker(
                function,
                self._services,
                self.environment(function.logical_id),
                lambda line: log(function.logical_id, line),
            )
            self._all.add(worker)
        try:
            worker.receive(_START_SECONDS)
        except InvocationError as error:
            self._put_back(worker, reusable=False)
            raise InvocationError(f"{function.handler} could not be loaded: {error}") from None
        return worker

    def _put_back(self, worker: _Worker, *, reusable: bool) -> None:
        with self._lock:
            if reusable and worker.alive and worker in self._all:
                self._free[worker.name].append(worker)
                return
            self._all.discard(worker)
        worker.close(at_once=True)


def _pass_on(output: IO[str], log: Callable[[str], None]) -> None:
    for line in output:
        log(line.rstrip("\n"))


def _close(workers: Sequence[_Worker]) -> None:
    with ThreadPoolExecutor(max_workers=len(workers) or 1) as pool:
        list(pool.map(_Worker.close, workers))
