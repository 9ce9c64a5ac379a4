"""Why an app gives a pull request no preview: kept so that the comment can say it."""

from prestage_contracts.envelope import Frozen, Reason, Text
from prestage_contracts.snapshot import GitHubId, Identifier, PullRequestNumber
from records.table import Check, ConditionFailedError, Delete, Put, Table


class Skip(Frozen):
    """An app that gives the pull request no preview, why, and which event decided so."""

    repository_id: GitHubId
    number: PullRequestNumber
    app_id: Identifier
    app_name: Text
    reason: Reason
    decided_by: Text


class Skips:
    """The skips on record: one per pull request and app at most, and none where there is a live environment."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, repository_id: int, number: int, app_id: str) -> Skip | None:
        """The skip, or None."""
        item = self._table.get(**_key(repository_id, number, app_id))
        return Skip.model_validate(item) if item else None

    def list_by_pull_request(self, repository_id: int, number: int) -> list[Skip]:
        """The skips of a pull request, by app name."""
        items = self._table.query(f"REPOSITORY#{repository_id}", begins_with=_prefix(number))
        return sorted((Skip.model_validate(item) for item in items), key=lambda found: found.app_name)

    def keep(self, skip: Skip, while_holds: Check) -> bool:
        """Write it down; False if `while_holds` no longer does."""
        key = _key(skip.repository_id, skip.number, skip.app_id)
        return self._write(Put({**skip.model_dump(mode="json"), **key}), while_holds)

    def forget(self, repository_id: int, number: int, app_id: str, while_holds: Check) -> bool:
        """Remove it, if there is one; False if `while_holds` no longer does."""
        key = _key(repository_id, number, app_id)
        if self._table.get(**key) is None:
            return True
        return self._write(Delete(key["pk"], key["sk"]), while_holds)

    def _write(self, write: Put | Delete, while_holds: Check) -> bool:
        try:
            self._table.transact([while_holds, write])
        except ConditionFailedError:
            return False
        return True


def _prefix(number: int) -> str:
    return f"SKIPPED#PULL_REQUEST#{number}#"


def _key(repository_id: int, number: int, app_id: str) -> dict[str, str]:
    return {"pk": f"REPOSITORY#{repository_id}", "sk": f"{_prefix(number)}{app_id}"}
