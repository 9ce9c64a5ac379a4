"""A webhook delivery, as API Gateway's HTTP API hands it over (payload format 2.0)."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

MAX_BODY_BYTES = 5 * 1024 * 1024
"""Lambda takes 6 MB with everything around the body. GitHub's `pull_request` deliveries are far smaller."""

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class UnacceptableError(Exception):
    """The delivery is not taken; the text says why, to whoever sent it."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Delivery:
    """What was posted, nothing of it believed yet."""

    body: bytes = field(repr=False)
    signature: str | None = field(repr=False)
    event: str | None
    claimed_id: str | None

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """The delivery in an HTTP API event.

        Raises:
            UnacceptableError: it is too large, or not what its encoding says.
        """
        headers = _headers(request)
        return cls(
            body=_body(request),
            signature=headers.get("x-hub-signature-256"),
            event=headers.get("x-github-event"),
            claimed_id=claimed_id(request),
        )

    @property
    def id(self) -> str:
        """GitHub's id of the delivery, a GUID, the same when it is redelivered.

        Raises:
            UnacceptableError: there is none.
        """
        if self.claimed_id is None:
            raise UnacceptableError(HTTPStatus.BAD_REQUEST, "the header X-GitHub-Delivery has to be a GUID")
        return self.claimed_id

    @property
    def digest(self) -> str:
        """Tells apart what was said: the id of a delivery is not signed, its body is."""
        return hashlib.sha256(self.body).hexdigest()

    def json(self) -> Mapping[str, Any]:
        """The body's JSON object.

        Raises:
            UnacceptableError: it is none.
        """
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise UnacceptableError(HTTPStatus.BAD_REQUEST, "the body is not a JSON object: set the webhook to JSON")
        return found


def claimed_id(request: Mapping[str, Any]) -> str | None:
    """The delivery's id as the sender says, who may be anyone; None if it is no GUID."""
    found = _headers(request).get("x-github-delivery", "")
    return found.lower() if _GUID.fullmatch(found) else None


def _headers(request: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in (request.get("headers") or {}).items()}


def _body(request: Mapping[str, Any]) -> bytes:
    text = request.get("body") or ""
    if not request.get("isBase64Encoded"):
        return _bounded(text.encode(errors="surrogatepass"))
    try:
        return _bounded(base64.b64decode(text, validate=True))
    except ValueError:
        raise UnacceptableError(HTTPStatus.BAD_REQUEST, "the body is not base64, as it is said to be") from None


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise UnacceptableError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES} bytes")
    return body
