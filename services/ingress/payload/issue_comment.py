"""`issue_comment`: https://docs.github.com/en/webhooks/webhook-events-and-payloads#issue_comment."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import AwareDatetime

from ingress.payload.parts import Id, Identified, Inside, Part, Told
from prestage_contracts.envelope import Text
from prestage_contracts.ingress import (
    PreviewRequested,
    PreviewRequestedData,
    PreviewStopRequested,
    PreviewStopRequestedData,
)


def told(said: Mapping[str, Any]) -> Sequence[Told]:
    """What follows from it: a fact if a person commented a command on a pull request, or nothing.

    Raises:
        pydantic.ValidationError: it is not in the promised shape.
    """
    match said:
        case {"action": "created", "issue": {"pull_request": {}}, "comment": {"user": {"type": "Bot"} | None}}:
            return []
        case {"action": "created", "issue": {"pull_request": {}}, "comment": {"body": str(body)}}:
            return _asked(body.partition("\n")[0].strip().lower(), said)
    return []


def _asked(command: str, said: Mapping[str, Any]) -> Sequence[Told]:
    match command:
        case "/preview":
            return [_Payload.model_validate(said).requested(retry=False)]
        case "/preview retry":
            return [_Payload.model_validate(said).requested(retry=True)]
        case "/preview stop":
            return [_Payload.model_validate(said).stop_requested()]
    return []


class _Issue(Part):
    number: Id


class _User(Part):
    login: Text


class _Comment(Identified):
    user: _User
    created_at: AwareDatetime


class _Payload(Inside):
    issue: _Issue
    comment: _Comment

    def requested(self, *, retry: bool) -> Told:
        data = PreviewRequestedData(**self._command(), retry=retry)
        return Told(PreviewRequested, data, self.repository.id)

    def stop_requested(self) -> Told:
        return Told(PreviewStopRequested, PreviewStopRequestedData(**self._command()), self.repository.id)

    def _command(self) -> dict[str, Any]:
        return {
            **self.place(),
            "pull_request_number": self.issue.number,
            "comment_id": self.comment.id,
            "by": self.comment.user.login,
            "requested_at": self.comment.created_at,
        }
