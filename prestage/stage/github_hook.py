"""Webhook deliveries: https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers."""

import hashlib
import hmac
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx

from choreography.clock import Clock
from prestage.stage.github_registration import Registration

UNANSWERED = 0
"""The status of a delivery that got no answer in time."""

KEPT = timedelta(days=3)
"""For how long a delivery is remembered, and can be had again."""

_DEADLINE_SECONDS = 10.0
_HOOK_ID = "481516"
_FIRST_ID = 12_345_678_001


@dataclass(frozen=True)
class Delivery:
    """A delivery that was tried. The `guid` is the same when it is redelivered, the `id` is not."""

    id: int
    guid: str
    event: str
    status: int
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    answer: str
    redelivery: bool
    delivered_at: datetime
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether it was taken."""
        return HTTPStatus.OK <= self.status < HTTPStatus.BAD_REQUEST

    def said(self) -> dict[str, Any]:
        """What the body says; nothing where it is no JSON object."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Hook:
    """The App's webhook. A delivery is tried once, as GitHub does, and never again unless asked for.

    Args:
        registration: the App: where to deliver, and what to sign with.
        clock: the time.
    """

    def __init__(self, registration: Registration, clock: Clock) -> None:
        self.deliveries: list[Delivery] = []
        self._registration = registration
        self._clock = clock
        self._ids = itertools.count(_FIRST_ID)
        self._to_lose = 0
        self._lock = threading.Lock()

    def lose(self, times: int) -> None:
        """Let the next deliveries reach nobody."""
        with self._lock:
            self._to_lose += times

    def deliver(self, event: str, body: bytes, *, guid: str | None = None, redelivery: bool = False) -> Delivery:
        """POST it, signed, and wait for the answer."""
        guid = guid or str(uuid4())
        headers = self.headers(event, body, guid)
        now, began = self._clock(), time.monotonic()
        status, answer = (UNANSWERED, "lost") if self._is_lost() else self._post(body, headers)
        delivery = Delivery(
            id=next(self._ids),
            guid=guid,
            event=event,
            status=status,
            body=body,
            headers=headers,
            answer=answer,
            redelivery=redelivery,
            delivered_at=now,
            seconds=time.monotonic() - began,
        )
        self.deliveries.append(delivery)
        return delivery

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Deliver it again, under the same GUID."""
        return self.deliver(delivery.event, delivery.body, guid=delivery.guid, redelivery=True)

    def kept(self) -> list[Delivery]:
        """The deliveries that are remembered, newest first."""
        since = self._clock() - KEPT
        return [one for one in reversed(tuple(self.deliveries)) if one.delivered_at >= since]

    def headers(self, event: str, body: bytes, guid: str) -> dict[str, str]:
        """What a delivery is sent with, its signature among it."""
        secret = self._registration.webhook_secret.encode()
        signatures = {
            "X-Hub-Signature": f"sha1={hmac.new(secret, body, hashlib.sha1).hexdigest()}",
            "X-Hub-Signature-256": f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}",
        }
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/7cd31a0",
            "X-GitHub-Delivery": guid,
            "X-GitHub-Event": event,
            "X-GitHub-Hook-ID": _HOOK_ID,
            "X-GitHub-Hook-Installation-Target-ID": self._registration.app_id,
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            **(signatures if secret else {}),
        }

    def _is_lost(self) -> bool:
        with self._lock:
            lost = self._to_lose > 0
            self._to_lose -= lost
        return lost

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        # The stage's gateway is on this machine: no proxy is for it, and no certificates need to be read for it.
        with httpx.Client(trust_env=False, verify=False, timeout=_DEADLINE_SECONDS) as http:  # noqa: S501  # plain HTTP
            try:
                answer = http.post(self._registration.webhook_url, content=body, headers=headers)
            except httpx.TransportError as error:
                return UNANSWERED, type(error).__name__
        return answer.status_code, answer.text
