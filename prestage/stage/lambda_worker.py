"""Execution environments of functions: what Lambda's runtime does, over a socket, in processes forked from one.

Run in the folder of the functions' code, by its path, with a file descriptor and the packages to import beforehand:
every function begins with them, and an import takes longer than all else that a process does before it is ready. What
is asked over the descriptor is in `prestage.stage.execution`. It needs nothing but Python's own library, so that
another interpreter than the stage's can run it.
"""

import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import time_machine

NOT_IN_LAMBDA = ("OpenSSL", "awscrt", "pytest")
"""Packages that the tools for this repository bring, no function's package has, and botocore or time-machine take where
they are.
"""

MESSAGE_BYTES = 65536
"""The most that one message of the stage's has: a function's settings are 4 KB at most."""
END_SECONDS = 3.0
"""How long a process may take to end once the stage is gone."""
_END_INTERVAL = 0.005

type Handler = Callable[[dict[str, Any], "Context"], Any]


@dataclass(frozen=True)
class Context:
    """What a handler is told of its invocation; the names are Lambda's."""

    aws_request_id: str
    deadline: float
    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    function_version: str = "$LATEST"

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is ended."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class _Clock:
    """Follows the stage's clock."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._travel: time_machine.travel | None = None

    def follow(self, offset: float) -> None:
        if offset == self._offset:
            return
        import time_machine  # noqa: PLC0415  # not Python's own: for functions on a stage whose clock is moved alone

        if self._travel is not None:
            self._travel.stop()
        self._offset = offset
        self._travel = time_machine.travel(time.time() + offset, tick=True)
        self._travel.start()
        time.time()  # the first look is when time begins to pass


def _load(handler: str) -> Handler:
    module, _, name = handler.rpartition(".")
    found: Handler = getattr(importlib.import_module(module), name)
    return found


def _invoke(handler: Handler, asked: dict[str, Any]) -> dict[str, Any]:
    context = Context(
        aws_request_id=asked["request_id"],
        deadline=time.monotonic() + asked["timeout"],
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        invoked_function_arn=asked["arn"],
        memory_limit_in_mb=int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
    )
    try:
        return {"result": handler(asked["event"], context)}
    except Exception as error:  # noqa: BLE001  # Lambda's runtime, too, tells of whatever a handler raises
        traceback.print_exc()
        return {"error": type(error).__name__}


def _serve(handler_name: str, stage: Connection) -> None:
    """Load the handler, say so, and answer invocations until the stage is gone."""
    clock = _Clock()
    handler = _load(handler_name)
    stage.send_bytes(b'{"result": null}')
    while True:
        try:
            asked = json.loads(stage.recv_bytes())
        except EOFError:
            return
        clock.follow(asked["offset"])
        stage.send_bytes(json.dumps(_invoke(handler, asked)).encode())


class _Children:
    """The processes forked so far. Their ids stay theirs until they are waited for here."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    def fork(self, asked: Mapping[str, Any], control: socket.socket, connection: int, output: int) -> int:
        child = os.fork()
        if not child:
            control.close()
            _become(asked, connection, output)
        self._running.add(child)
        return child

    def kill(self, child: int) -> None:
        self._forget_the_ended()
        if child in self._running:
            os.kill(child, signal.SIGKILL)

    def end(self) -> None:
        """Wait for all: each sees that the stage is gone."""
        deadline = time.monotonic() + END_SECONDS
        while self._running and time.monotonic() < deadline:
            self._forget_the_ended()
            time.sleep(_END_INTERVAL)
        for child in self._running:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _forget_the_ended(self) -> None:
        self._running = {child for child in self._running if os.waitpid(child, os.WNOHANG) == (0, 0)}


def _become(asked: Mapping[str, Any], connection: int, output: int) -> None:
    """Be the function's process, and never return."""
    status = 1
    try:
        os.setsid()  # Ctrl-C is for the stage, which ends its functions itself
        for standard in (sys.stdout, sys.stderr):
            os.dup2(output, standard.fileno())
            standard.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper, which can
        os.close(output)
        os.environ.clear()
        os.environ.update(asked["environment"])
        time.tzset()
        _serve(asked["handler"], Connection(connection))
        status = 0
    except BaseException:  # noqa: BLE001  # told, and then this process ends, whatever it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def main(control: socket.socket, packages: Sequence[str]) -> None:
    """Fork a process for each that is asked for, until the stage is gone."""
    sys.path.insert(0, str(Path.cwd()))
    sys.modules.update(dict.fromkeys(NOT_IN_LAMBDA))  # type: ignore[arg-type]  # None is a package that is not there
    for package in packages:
        importlib.import_module(package)
    children = _Children()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 2)
        if not message:
            break
        match json.loads(message):
            case {"kill": child}:
                children.kill(child)
                answer = child
            case asked:
                answer = children.fork(asked, control, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(b"%d" % answer)
    children.end()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
