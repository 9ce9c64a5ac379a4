"""The webhook's deliveries, in the API of a pretended GitHub: https://docs.github.com/en/rest/apps/webhooks."""

from collections.abc import Callable
from datetime import UTC
from http import HTTPStatus
from typing import Any

import flask

from prestage.stage.github_answers import Answer, RefusalError, link, not_found, page_size
from prestage.stage.github_hook import UNANSWERED, Delivery, Hook

_CURSOR = "v1_"


class Deliveries:
    """The views, for whoever has proved to be the App.

    Args:
        hook: what was delivered.
    """

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def list(self) -> Answer:
        """A page of the deliveries, newest first."""
        kept, size = self._hook.kept(), page_size()
        found = list(filter(_outcome(flask.request.args.get("status")), kept))
        if (cursor := flask.request.args.get("cursor")) is not None:
            first = _read_cursor(cursor)
            found = [one for one in found if one.id <= first]
        answer = flask.jsonify([_show(one) for one in found[:size]])
        if len(found) > size:
            link(answer, "app/hook/deliveries", next={"cursor": f"{_CURSOR}{found[size].id}"})
        return answer

    def attempt(self, delivery_id: int) -> Answer:
        """Deliver it again: here, before it is said that it will be, so that nothing is left to wait for."""
        found = next((one for one in self._hook.kept() if one.id == delivery_id), None)
        if found is None:
            raise not_found()
        self._hook.redeliver(found)
        return {}, HTTPStatus.ACCEPTED


def _outcome(wanted: str | None) -> Callable[[Delivery], bool]:
    match wanted:
        case None:
            return lambda _: True
        case "success":
            return lambda one: one.succeeded
        case "failure":
            return lambda one: not one.succeeded
        case _:
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid status: it is success or failure")


def _read_cursor(cursor: str) -> int:
    number = cursor.removeprefix(_CURSOR)
    if number == cursor or not number.isdecimal():
        raise RefusalError(HTTPStatus.BAD_REQUEST, "Invalid cursor")
    return int(number)


def _show(described: Delivery) -> dict[str, Any]:
    said = described.said()
    code, words = _outcome_of(described)
    return {
        "id": described.id,
        "guid": described.guid,
        "delivered_at": described.delivered_at.astimezone(UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "redelivery": described.redelivery,
        "duration": round(described.seconds, 2),
        "status": words,
        "status_code": code,
        "event": described.event,
        "action": said.get("action"),
        "installation_id": (said.get("installation") or {}).get("id"),
        "repository_id": (said.get("repository") or {}).get("id"),
        "throttled_at": None,
    }


def _outcome_of(described: Delivery) -> tuple[int, str]:
    """GitHub counts no answer as one of a gateway in between."""
    if described.status == UNANSWERED:
        return HTTPStatus.BAD_GATEWAY, "failed to connect to host"
    if described.succeeded:
        return described.status, "OK"
    return described.status, f"Invalid HTTP Response: {described.status}"
