"""The Fly stand-in on loopback, and machines' configs to boot on it."""

import base64
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from fly_io.client import Fly, Machine, build_http
from prestage.stage.fly import FlyStandIn
from prestage.stage.serve import Server

ORGANIZATION = "previews"
TOKEN = "fm2_lJPECAAAAAAAA"
APP = "prv-3f9a1c"

SERVE = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/die":
            os._exit(7)
        said = {"method": self.command, "path": self.path, "body": body, "headers": dict(self.headers.items())}
        content = json.dumps(said | {"environment": dict(os.environ)}).encode()
        self.send_response(404 if self.path.startswith("/missing") else 200, "Said")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("X-Powered-By", "python")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""

FOLLOWS_A_FILE = SERVE.replace('self.path.startswith("/missing")', 'not os.path.exists(os.environ["HOME"] + "/well")')
"""The same, but well only while there is a file of that name in its home."""


def file(path: str, text: str, **more: Any) -> dict[str, Any]:
    return {"guest_path": path, "raw_value": base64.b64encode(text.encode()).decode(), **more}


def service(**changes: Any) -> dict[str, Any]:
    return {
        "protocol": "tcp",
        "internal_port": 8080,
        "autostart": True,
        "autostop": "stop",
        "ports": [{"port": 80, "handlers": ["http"]}, {"port": 443, "handlers": ["tls", "http"]}],
    } | changes


def shell(script: str, **changes: Any) -> dict[str, Any]:
    """A machine that runs a script and ends with it."""
    return {"image": "debian:12", "init": {"exec": ["/bin/sh", "-c", script]}, "restart": {"policy": "no"}} | changes


def web(**changes: Any) -> dict[str, Any]:
    """A machine that tells of each request that it gets."""
    return {
        "image": "python:3.13",
        "env": {"PORT": "8080"},
        "init": {"exec": ["python3", "/app/serve.py"]},
        "files": [file("/app/serve.py", SERVE)],
        "services": [service()],
    } | changes


@dataclass
class Stage:
    fly: Fly
    stand_in: FlyStandIn
    api: httpx.Client
    edge: httpx.Client

    def run(self, config: Mapping[str, Any], name: str = "web") -> Machine:
        """Create the machine, and the app if it is missing."""
        if self.fly.get_app(APP) is None:
            self.fly.create_app(APP, ORGANIZATION, APP)
            self.fly.assign_ip(APP, "shared_v4")
        return self.fly.create_machine(APP, name=name, region="iad", config=config)

    def finish(self, config: Mapping[str, Any], name: str = "job") -> Machine:
        """Create the machine and wait until it has ended for good."""
        return self.wait(self.run(config, name), "stopped,failed")

    def wait(self, machine: Machine, states: str) -> Machine:
        path = f"/apps/{APP}/machines/{machine.id}"
        assert self.api.get(f"{path}/wait", params={"state": states, "timeout": 30}).status_code == 200
        return self.fly.get_machine(APP, machine.id)

    def home(self, machine: Machine) -> Path:
        """Of the application in the machine, where a test may write as well."""
        return Path(self.stand_in.process_environment(machine.id)["HOME"])

    def visit(self, path: str = "/", *, method: str = "GET", app: str = APP, **more: Any) -> httpx.Response:
        headers = {"Host": f"{app}.fly.localhost:4280", **more.pop("headers", {})}
        return self.edge.request(method, path, headers=headers, **more)


@contextmanager
def stage(folder: Path, patience: float = 10.0) -> Iterator[Stage]:
    stand_in = FlyStandIn(
        token=TOKEN,
        organization=ORGANIZATION,
        root=folder,
        path_prefix=[str(Path(sys.executable).parent)],
        patience=patience,
    )
    authorization = {"Authorization": f"Bearer {TOKEN}"}
    with (
        Server(stand_in.application()) as api,
        Server(stand_in.edge()) as edge,
        stand_in,
        build_http() as http,
        httpx.Client(base_url=f"{api.url}/v1", headers=authorization, timeout=60) as api_client,
        httpx.Client(base_url=edge.url, timeout=60) as edge_client,
    ):
        fly = Fly(http, f"{api.url}/v1", lambda: SecretStr(TOKEN))
        yield Stage(fly, stand_in, api_client, edge_client)
