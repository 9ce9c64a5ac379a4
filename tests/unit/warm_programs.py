"""`aws` and `prestage` on a PATH, as processes that are forked from one which has imported both.

A page's commands are typed into a real shell, and what they start are processes with descriptors, an environment and a
folder of their own. But each of the two takes most of a second to be imported, and there are a hundred commands.
"""

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import time_machine

from prestage.stage.closing import Closing

ROOT = Path(__file__).parents[2]
_STANDARD = (0, 1, 2)
_CHUNK = 1 << 16
_UP = "up\n"
OFFSET = "PROGRAMS_CLOCK_OFFSET"
"""The variable that tells how many seconds a program's clock is ahead: that of a stage may be moved."""

_STATUS = 255
"""That a program ends with whose process ended without one."""

_PROGRAM = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    asked = {{"arguments": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}}
    socket.send_fds(server, [b"?"], [0, 1, 2])
    server.sendall(json.dumps(asked).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(8) or {status}))
"""


class WarmPrograms(Closing):
    """Programs for a PATH, in a `folder` of their own, from construction until `close`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="prestage-"))  # a short name: that of a socket may not be long
        path = self.folder / "socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(path)],
            env={"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'services'}", "PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in PROGRAMS:
            self.add(name, _PROGRAM.format(python=sys.executable, path=str(path), status=_STATUS))
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == _UP

    def add(self, name: str, text: str) -> Path:
        """Put another one there, which is what its first line says."""
        program = self.folder / name
        program.write_text(text)
        program.chmod(0o755)
        return program

    def close(self) -> None:
        """End the process, and remove the programs; those that were forked end by themselves."""
        self._process.communicate()
        shutil.rmtree(self.folder)


def _aws() -> int:
    from awscli.clidriver import main  # noqa: PLC0415  # whoever only looks for programs need not have it

    return int(main())


def _prestage() -> int:
    from prestage.cli import main  # noqa: PLC0415

    return main()


PROGRAMS: Mapping[str, Callable[[], int]] = {"aws": _aws, "prestage": _prestage}


def _serve(path: str) -> None:
    import awscli.clidriver  # noqa: F401, PLC0415
    import boto3  # noqa: F401, PLC0415

    import prestage.cli  # noqa: F401, PLC0415

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        sys.stdout.write(_UP)
        sys.stdout.flush()
        wanted = [listening, sys.stdin]  # which is closed by whoever began this
        while sys.stdin not in select.select(wanted, [], [])[0]:
            connection, _ = listening.accept()
            _reap()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    _run(connection)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):  # there is none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(connection: socket.socket) -> None:
    """Be the program that is asked for, and end as it does."""
    status = _STATUS
    try:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, len(_STANDARD))
        asked = json.loads(b"".join(iter(lambda: connection.recv(_CHUNK), b"")))
        _become(asked, descriptors)
        status = PROGRAMS[Path(asked["arguments"][0]).name]()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
            connection.sendall(str(status).encode())
        os._exit(status)


def _become(asked: Mapping[str, Any], descriptors: list[int]) -> None:
    for standard, descriptor in zip(_STANDARD, descriptors, strict=True):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(asked["folder"])
    awss_own = os.environ["AWS_DATA_PATH"]  # which the AWS CLI sets where it is imported
    os.environ.clear()
    os.environ.update({"AWS_DATA_PATH": awss_own, **asked["environment"]})
    sys.argv = asked["arguments"]
    if ahead := float(os.environ.get(OFFSET, "0")):
        time_machine.travel(time.time() + ahead, tick=True).start()
    for name, mode, descriptor in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  # a descriptor


if __name__ == "__main__":
    _serve(sys.argv[1])
