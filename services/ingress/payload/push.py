"""`push`: https://docs.github.com/en/webhooks/webhook-events-and-payloads#push."""

from collections.abc import Mapping, Sequence
from typing import Any

from ingress.payload.parts import Inside, Told
from prestage_contracts.ingress import BranchPushed, BranchPushedData
from prestage_contracts.snapshot import Sha

_BRANCHES = "refs/heads/"
_NO_COMMIT = frozenset("0")


def told(said: Mapping[str, Any]) -> Sequence[Told]:
    """What follows from it: a fact, or nothing from a tag.

    Raises:
        pydantic.ValidationError: it is not in the promised shape.
    """
    match said:
        case {"ref": str(ref)} if not ref.startswith(_BRANCHES):
            return []
    return [_Payload.model_validate(said).told()]


class _Payload(Inside):
    ref: str
    before: Sha
    after: Sha

    def told(self) -> Told:
        data = BranchPushedData(
            **self.place(),
            default_branch=self.repository.default_branch,
            branch=self.ref.removeprefix(_BRANCHES),
            before=_commit(self.before),
            sha=_commit(self.after),
        )
        return Told(BranchPushed, data, self.repository.id)


def _commit(sha: str) -> str | None:
    """The commit; GitHub says zeros where there is none."""
    return None if set(sha) == _NO_COMMIT else sha
