"""What the GitHub App lost, so that what was said before and comes after it begins nothing there."""

from boto3.dynamodb.conditions import Attr
from pydantic import AwareDatetime

from prestage_contracts.envelope import Frozen, Text
from prestage_contracts.snapshot import GitHubId
from records.table import ABSENT, Check, ConditionFailedError, Table


class Revocation(Frozen):
    """A repository that an installation of the App reaches no more. `at` is when that was told, by `told_by`."""

    installation_id: GitHubId
    repository_id: GitHubId
    at: AwareDatetime
    told_by: Text


class Revocations:
    """The revocations on record: one per installation and repository at most."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, installation_id: int, repository_id: int) -> Revocation | None:
        """The revocation, or None."""
        item = self._table.get(**_key(installation_id, repository_id))
        return Revocation.model_validate(item) if item else None

    def keep(self, revocation: Revocation) -> None:
        """Write it down. From then on `not_revoked` does not hold."""
        key = _key(revocation.installation_id, revocation.repository_id)
        self._table.put({**revocation.model_dump(mode="json"), **key})

    def lift(self, revocation: Revocation) -> None:
        """Forget it, if it is still the one on record."""
        key = _key(revocation.installation_id, revocation.repository_id)
        try:
            self._table.delete(**key, condition=Attr("told_by").eq(revocation.told_by))
        except ConditionFailedError:
            return


def not_revoked(installation_id: int, repository_id: int) -> Check:
    """Holds while nothing says that the App lost the repository."""
    return Check(**_key(installation_id, repository_id), condition=ABSENT)


def _key(installation_id: int, repository_id: int) -> dict[str, str]:
    return {"pk": f"REPOSITORY#{repository_id}", "sk": f"REVOKED#{installation_id}"}
