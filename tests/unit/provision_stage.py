"""The Fly stand-in within the process, what is asked of it, and what is wanted there."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from fly_io.client import Fly
from prestage.stage.fly import FlyStandIn
from prestage.stage.fly_machines import Machine
from prestage_contracts.runtimes import Runtime
from records.environments import Environment
from runtimes.deletion import Deletion
from runtimes.machine import Gate
from runtimes.provision import Provision, Wanted
from tests.unit.record_examples import app, preview

ORGANIZATION = "previews"
TOKEN = "fm2_lJPECAAAAAAAA"
NAME = preview().fly_app
SOURCE = "none://hooks.example.com/source/planted-capability"
"""The script gives up on it at once: what the machine does is not the matter here."""

GATE = Gate("https://releases.example.com/caddy.tar.gz", "5a" * 64)
SECRETS = {"API_KEY": "planted-key", "EMPTY": ""}

type Edit = Callable[[httpx.Request, httpx.Response], httpx.Response]


type Stop = Callable[[int, bool], None]
"""Called before (False) and after (True) the effect of each call, which are numbered from 1."""


class CrashError(BaseException):
    """The function was stopped."""


def stop_at(call: int, *, after_effect: bool, act: Callable[[], object] = lambda: None) -> Stop:
    """Stop the function at that call; `act` looks at what it leaves."""

    def stop(number: int, after: bool) -> None:
        if (number, after) == (call, after_effect):
            act()
            raise CrashError

    return stop


class Wire(httpx.WSGITransport):
    """To the stand-in; remembers what was asked, may change what is answered, and may stop who asks."""

    def __init__(self, stand_in: FlyStandIn) -> None:
        super().__init__(stand_in.application())
        self.asked: list[tuple[str, str, Any]] = []
        self.edit: Edit = lambda _, answer: answer
        self.stop: Stop = lambda *_: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/apps").replace(NAME, "it")
        self.asked.append((request.method, path, json.loads(request.content or "null")))
        self.stop(len(self.asked), False)
        answer = super().handle_request(request)
        answer.read()
        self.stop(len(self.asked), True)
        return self.edit(request, answer)


@dataclass
class World:
    stand_in: FlyStandIn
    wire: Wire
    token: str = TOKEN
    fly: Fly = field(init=False)
    delete: Deletion = field(init=False)

    def __post_init__(self) -> None:
        self.fly = Fly(httpx.Client(transport=self.wire), "http://127.0.0.1/v1", lambda: SecretStr(self.token))
        self.delete = Deletion(self.fly, ORGANIZATION)

    def provision(self, wanted: Wanted) -> Runtime:
        runtime = Provision(self.fly, ORGANIZATION, GATE)(wanted)
        assert runtime is not None
        return runtime

    def is_left_alone(self, wanted: Wanted) -> bool:
        return Provision(self.fly, ORGANIZATION, GATE)(wanted) is None

    def calls(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.wire.asked]

    def changes(self) -> list[str]:
        return [call for call in self.calls() if not call.startswith("GET ")]

    def body(self, call: str) -> Any:
        """What was asked for by the only call of that kind."""
        [found] = [body for method, path, body in self.wire.asked if f"{method} {path}" == call]
        return found

    def forget(self) -> None:
        self.wire.asked.clear()

    def machine(self) -> Machine:
        """The only one there is, once its process has ended and it is left alone."""
        [found] = self.stand_in.machines()
        assert found.wait_for(frozenset({"stopped"}), 10)
        return found

    def edit_machines(self, **changes: Any) -> None:
        """Let Fly tell of its machines otherwise than they are."""

        def edit(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if request.method == "GET" and request.url.path.endswith("/machines"):
                return httpx.Response(200, json=[{**machine, **changes} for machine in answer.json()])
            return answer

        self.wire.edit = edit


@contextmanager
def provisioning(folder: Path) -> Iterator[World]:
    with FlyStandIn(token=TOKEN, organization=ORGANIZATION, root=folder) as stand_in:
        yield World(stand_in, Wire(stand_in))


def wanted(generation: int = 1, *, secrets: dict[str, str] | None = None, **settings: Any) -> Wanted:
    given = app(**settings)
    environment: Environment = preview(of=given).model_copy(update={"generation": generation})
    return Wanted(environment, given, SOURCE, SECRETS if secrets is None else secrets)
