"""Pull requests as GitHub last told them. Never deleted: what overtakes must find what it overtook."""

from datetime import datetime
from typing import Literal

from boto3.dynamodb.conditions import Attr
from pydantic import AwareDatetime

from prestage_contracts.envelope import Frozen, Text
from prestage_contracts.snapshot import GitHubId, PullRequestNumber, Sha
from records.table import ABSENT, Check, ConditionFailedError, Table


class PullRequest(Frozen):
    """GitHub's word on a pull request. `told_by` is the id of the event that brought it."""

    repository_id: GitHubId
    number: PullRequestNumber
    state: Literal["open", "closed"]
    head_sha: Sha
    updated_at: AwareDatetime
    told_by: Text


class PullRequests:
    """The pull requests on record, with or without an environment."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, repository_id: int, number: int) -> PullRequest | None:
        """GitHub's last word, or None if it never said any."""
        item = self._table.get(**pull_request_key(repository_id, number))
        return PullRequest.model_validate(item) if item else None

    def tell(self, told: PullRequest) -> bool:
        """Write down what GitHub told; False if something newer, or another event as new, is on record.

        GitHub's `updated_at` decides, which has a resolution of one second. The same event may tell it again.
        """
        said_at = _milliseconds(told.updated_at)
        newest = ABSENT | Attr("said_at").lt(said_at) | Attr("told_by").eq(told.told_by)
        key = pull_request_key(told.repository_id, told.number)
        try:
            self._table.put({**told.model_dump(mode="json"), **key, "said_at": said_at}, newest)
        except ConditionFailedError:
            return False
        return True


def pull_request_key(repository_id: int, number: int) -> dict[str, str]:
    """The key of a pull request's record."""
    return {"pk": f"REPOSITORY#{repository_id}", "sk": f"PULL_REQUEST#{number}"}


def still_told_by(repository_id: int, number: int, event_id: str) -> Check:
    """Holds while that event's word on the pull request is the last one."""
    key = pull_request_key(repository_id, number)
    return Check(key["pk"], key["sk"], condition=Attr("told_by").eq(event_id))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
