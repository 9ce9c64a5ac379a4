"""One execution environment of a function: what Lambda's runtime does, over a socket.

Run in the folder of the functions' code as `python -m prestage.stage.lambda_worker HANDLER FD`. Each message that
comes over the file descriptor is an invocation, each that goes its result, both JSON.
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import time_machine

NOT_IN_LAMBDA = ("OpenSSL", "awscrt")
"""Packages that the tools for this repository bring, no function's package has, and botocore takes where they are."""

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
        import time_machine  # noqa: PLC0415  # a fifth of a second, for functions on a stage whose clock is never moved

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


def serve(handler_name: str, stage: Connection) -> None:
    """Load the handler, say so, and answer invocations until the stage is gone."""
    sys.modules.update(dict.fromkeys(NOT_IN_LAMBDA))  # type: ignore[arg-type]  # None is a package that is not there
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


if __name__ == "__main__":
    serve(sys.argv[1], Connection(int(sys.argv[2])))
