"""Functions as Lambda runs them: warm processes, each with its function's settings and credentials."""

import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from prestage.stage.aws import ACCOUNT
from prestage.stage.closing import Closing
from prestage.stage.deployment import DeployedFunction
from prestage.stage.execution import PACKAGES, Execution, ForkServer, InvocationError
from prestage.stage.time_travel import TimeTravel

_START_SECONDS = 60.0


class Lambdas(Closing):
    """The functions of a deployment, until `close`. Each invocation takes a free process, or starts one.

    Args:
        functions: what to run.
        services: the folder that the functions' modules are in.
        endpoints: variables that say where AWS is.
        region: the AWS region.
        time: what the functions' clocks show.
        packages: what is imported before a function's process begins; none where a cold start is to be measured.
        python: the interpreter that runs them.
        may_run: whether a function may be invoked now.
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
        packages: Sequence[str] = PACKAGES,
        python: str = sys.executable,
        may_run: Callable[[DeployedFunction], bool] = lambda _: True,
        log: Callable[[str, str], None] | None = None,
    ) -> None:
        self._functions = {function.logical_id: function for function in functions}
        self._endpoints = endpoints
        self._region = region
        self._time = time
        self._may_run = may_run
        self._log = log or (lambda _function, _line: None)
        self._free: defaultdict[str, list[Execution]] = defaultdict(list)
        self._all: set[Execution] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._begin = partial(ForkServer, services, packages, python)
        self._forked: ForkServer | None = None

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """The handler's result. A process that gives no answer is ended; one whose handler raised is used again.

        Raises:
            InvocationError: there is none.
        """
        function = self._functions[logical_id]
        if not self._may_run(function):
            raise InvocationError(f"{logical_id} is throttled: no execution is reserved for it")
        execution = self._take(function)
        asked = {
            "request_id": str(uuid4()),
            "arn": f"arn:aws:lambda:{self._region}:{ACCOUNT}:function:{logical_id}",
            "timeout": function.timeout,
            "offset": self._time.offset.total_seconds(),
            "event": event,
        }
        answered = False
        try:
            execution.send(asked)
            answer = execution.receive(function.timeout)
            answered = True
        finally:
            self._put_back(execution, reusable=answered)
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
            for execution in list(pool.map(self._take, functions)):
                self._put_back(execution, reusable=True)

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

    def redeploy(self, *logical_ids: str) -> None:
        """End the processes of these functions, or of all, so that what runs next is the code as it is then."""
        with self._lock:
            names = logical_ids or tuple(self._free)
            executions = [execution for name in names for execution in self._free.pop(name, [])]
            self._all.difference_update(executions)
        _close(executions)

    def close(self) -> None:
        """End every process."""
        with self._lock:
            self._closed = True
            executions = list(self._all)
            self._all.clear()
            self._free.clear()
        _close(executions)
        if self._forked is not None:
            self._forked.close()

    def _take(self, function: DeployedFunction) -> Execution:
        with self._lock:
            if self._closed:
                raise InvocationError("the stage is being taken down")
            free = self._free[function.logical_id]
            if free:
                return free.pop()
            if self._forked is None:  # whose functions others run has no use for it, nor the folder of their code
                self._forked = self._begin()
            log = self._log
            execution = Execution(
                function.logical_id,
                self._forked,
                function.handler,
                self.environment(function.logical_id),
                lambda line: log(function.logical_id, line),
            )
            self._all.add(execution)
        try:
            execution.receive(_START_SECONDS)
        except InvocationError as error:
            self._put_back(execution, reusable=False)
            raise InvocationError(f"{function.handler} could not be loaded: {error}") from None
        return execution

    def _put_back(self, execution: Execution, *, reusable: bool) -> None:
        with self._lock:
            if reusable and execution in self._all and execution.alive:
                self._free[execution.name].append(execution)
                return
            self._all.discard(execution)
        execution.close(at_once=True)


def _close(executions: Sequence[Execution]) -> None:
    with ThreadPoolExecutor(max_workers=len(executions) or 1) as pool:
        list(pool.map(Execution.close, executions))
