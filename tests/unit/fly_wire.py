"""A Fly client whose answers are given, and what it asks."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from fly_io.client import Certificate, Fly

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
TOKEN = "fm2_lJPECAAAAAAAA"
CAPABILITY = "https://hooks.example.com/source/8f3a9c1d77"
CONFIG = {"image": "node:22", "env": {"PORT": "8080", "PRESTAGE_SOURCE_URL": CAPABILITY}}
MACHINE = {
    "id": "3d8d9014b32d89",
    "name": "web",
    "state": "started",
    "region": "iad",
    "instance_id": "01HXYZ",
    "config": {**CONFIG, "metadata": {"generation": "3"}},
}
HOSTNAME = "pr-7.previews.example.com"
CHAIN = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"


class Wire:
    """Answers from a list, remembering what was asked."""

    def __init__(self, *answers: httpx.Response | type[Exception]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        raise answer("the connection")

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def body(self) -> Any:
        return json.loads(self.last.content)


def client(wire: Wire, token: str = TOKEN) -> Fly:
    http = httpx.Client(transport=httpx.MockTransport(wire))
    return Fly(http, "https://fly.example.com/v1/", lambda: SecretStr(token), clock=lambda: NOW)


def answered(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[Fly, Wire]:
    content = body if isinstance(body, str) else json.dumps(body)
    wire = Wire(httpx.Response(status, text=content, headers=headers))
    return client(wire), wire


def import_certificate(fly: Fly) -> Certificate:
    return fly.import_certificate("a", HOSTNAME, fullchain=CHAIN, private_key=SecretStr(PRIVATE_KEY))
