import pytest

from records.revocations import Revocation, Revocations, not_revoked
from records.table import ConditionFailedError, Put
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY

LOST = Revocation(installation_id=7, repository_id=REPOSITORY.id, at=NOW, told_by="event-1")
AGAIN = LOST.model_copy(update={"told_by": "event-2"})
WRITE = Put({"pk": "A", "sk": "B"})


@pytest.fixture
def revocations(local: Local) -> Revocations:
    return Revocations(local.table)


def test_a_revocation_is_read_as_it_was_kept_and_is_of_one_installation_and_repository(
    revocations: Revocations,
) -> None:
    assert revocations.get(7, REPOSITORY.id) is None
    revocations.keep(LOST)
    assert revocations.get(7, REPOSITORY.id) == LOST
    assert revocations.get(8, REPOSITORY.id) is None
    assert revocations.get(7, 1) is None


def test_the_check_holds_until_it_is_kept_and_once_it_is_lifted(local: Local, revocations: Revocations) -> None:
    check = not_revoked(7, REPOSITORY.id)
    local.table.transact([check, WRITE])
    revocations.keep(LOST)
    with pytest.raises(ConditionFailedError):
        local.table.transact([check, WRITE])
    local.table.transact([not_revoked(8, REPOSITORY.id), WRITE])
    revocations.lift(LOST)
    local.table.transact([check, WRITE])


def test_what_was_revoked_again_is_not_lifted_for_the_former(revocations: Revocations) -> None:
    revocations.keep(LOST)
    revocations.keep(AGAIN)
    revocations.lift(LOST)
    assert revocations.get(7, REPOSITORY.id) == AGAIN


def test_what_is_not_on_record_is_lifted_already(revocations: Revocations) -> None:
    revocations.lift(LOST)
    assert revocations.get(7, REPOSITORY.id) is None
