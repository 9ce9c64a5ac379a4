"""What is written of an environment: begun, raised, closed, reported on; by whom, and over what it is not."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from prestage_contracts.snapshot import Repository
from records.apps import Apps
from records.environments import Environment, Environments, SupersededError
from records.pull_requests import still_told_by
from records.revocations import Revocation, Revocations
from records.table import Check, ConflictError
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY, SHA, ad_hoc, app, preview, production, put_on_record, tell
from tests.unit.steps import CLOSED

LATER = NOW.replace(hour=11)
OTHER_SHA = "b" * 40
APP = app()


@pytest.fixture
def environments(local: Local) -> Environments:
    put_on_record(local.table, APP)
    return Environments(local.table)


def last_word(event_id: str = "event-1", number: int = 3) -> Check:
    return still_told_by(REPOSITORY.id, number, event_id)


def newer_word(local: Local, event_id: str = "event-2") -> Check:
    return tell(local.table, event_id, updated_at=LATER)


def begin(environments: Environments, wanted: Environment | None = None, **options: Any) -> Environment:
    return environments.deploy(wanted or preview(), "event-1", [last_word()], **options)


def close(environments: Environments, of: Environment, cause: str = "event-9", **options: Any) -> Environment:
    closed = environments.close(of.id, cause, CLOSED, LATER, **options)
    assert closed is not None
    return closed


def shown(local: Local, pk: str, sk: str) -> dict[str, Any]:
    return {name: value for name, value in local.item(pk, sk).items() if name not in {"pk", "sk"}}


def assert_three_equal(local: Local, environment: Environment, tracks: str = "") -> None:
    tracks = tracks or f"PULL_REQUEST#3#{environment.app_id}"
    keys = [
        (f"ENVIRONMENT#{environment.id}", "ENVIRONMENT"),
        (f"APP#{environment.app_id}", f"ENVIRONMENT#{environment.id}"),
        (f"REPOSITORY#{REPOSITORY.id}", f"TRACKS#{tracks}"),
    ]
    assert [shown(local, *key) for key in keys] == [environment.model_dump(mode="json")] * 3


# ---- Beginning


def test_an_environment_that_begins_is_three_equal_records(local: Local, environments: Environments) -> None:
    begun = begin(environments)
    assert (begun.status, begun.generation, begun.revision) == ("deploying", 1, 1)
    mark = begun.mark("event-1")
    assert mark is not None
    assert (mark.move, mark.generation, mark.sha) == ("begin", 1, SHA)
    assert begun == preview().model_copy(update={"marks": (mark,)})
    assert_three_equal(local, begun)


@pytest.mark.parametrize(
    ("wanted", "tracks"),
    [(ad_hoc("a#b/c"), f"BRANCH#{APP.id}#a#b/c"), (production(), f"PRODUCTION#{APP.id}")],
    ids=["a branch's", "production"],
)
def test_what_tracks_a_branch_is_three_equal_records_too(
    local: Local, environments: Environments, wanted: Environment, tracks: str
) -> None:
    begun = environments.deploy(wanted, "event-1")
    assert_three_equal(local, begun, tracks)


def test_an_environment_is_found_by_every_key(environments: Environments) -> None:
    begun = begin(environments)
    other = environments.deploy(production(now=LATER), "event-2")
    assert environments.get(begun.id) == begun
    assert environments.list_by_app(APP.id) == environments.list_all() == [begun, other]
    assert environments.list_by_repository(REPOSITORY.id) == [begun, other]
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == [begun]


def test_what_is_not_on_record_is_not_found(environments: Environments) -> None:
    assert environments.get(preview().id) is None
    assert environments.live_at(preview().id, 1) is None
    assert environments.list_by_app(APP.id) == []
    assert environments.list_by_repository(REPOSITORY.id) == []
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []


def test_the_same_cause_begins_it_once(local: Local, environments: Environments) -> None:
    begun = begin(environments)
    assert begin(environments, preview(sha=OTHER_SHA, now=LATER), afresh=True) == begun
    assert_three_equal(local, begun)


# ---- Raising


def test_another_commit_raises_the_generation_at_the_same_address(local: Local, environments: Environments) -> None:
    first = begin(environments)
    wanted = preview(sha=OTHER_SHA, branch="renamed", fly_app="x", address="https://x.test", now=LATER)
    second = environments.deploy(wanted, "event-2", [newer_word(local)])
    assert (second.fly_app, second.address, second.created_at) == (first.fly_app, first.address, NOW)
    assert (second.sha, second.branch, second.intended_at, second.updated_at) == (OTHER_SHA, "renamed", LATER, LATER)
    assert (second.generation, second.revision, second.status) == (2, 2, "deploying")
    assert [(mark.move, mark.cause, mark.sha) for mark in second.marks] == [
        ("begin", "event-1", SHA),
        ("update", "event-2", OTHER_SHA),
    ]
    assert_three_equal(local, second)
    assert len(environments.list_by_app(APP.id)) == 1


def test_the_same_commit_stays_as_it_is_and_is_raised_afresh(local: Local, environments: Environments) -> None:
    first = begin(environments)
    check = newer_word(local)
    assert environments.deploy(preview(now=LATER), "event-2", [check]) == first
    again = environments.deploy(preview(now=LATER), "event-2", [check], afresh=True)
    assert (again.generation, again.sha) == (2, SHA)


@pytest.mark.parametrize(
    "changed",
    [
        {"with_secrets": False},
        {"with_password": True},
        {"branch": "renamed"},
        {"installation_id": 8},
        {"sha": OTHER_SHA},
    ],
    ids=str,
)
def test_whatever_a_machine_is_made_of_raises_it(local: Local, environments: Environments, changed: Any) -> None:
    begin(environments)
    assert environments.deploy(preview(**changed), "event-2", [newer_word(local)]).generation == 2


def test_each_cause_raises_the_generation_once(local: Local, environments: Environments) -> None:
    begin(environments)
    check = newer_word(local)
    generations = [environments.deploy(preview(), "event-2", [check], afresh=True).generation for _ in range(3)]
    assert generations == [2, 2, 2]


def test_a_renamed_app_or_repository_leaves_no_old_name_behind(local: Local, environments: Environments) -> None:
    begin(environments)
    renamed = preview(sha=OTHER_SHA, repository=Repository(id=REPOSITORY.id, full_name="octo-org/renamed"))
    raised = environments.deploy(renamed, "event-2", [newer_word(local)])
    assert raised.repository.full_name == "octo-org/renamed"
    assert_three_equal(local, raised)


def test_a_closed_environment_begins_again_at_the_address_that_it_would_have_now(
    local: Local, environments: Environments
) -> None:
    first = begin(environments)
    closed = close(environments, first)
    wanted = preview(address="https://teal.example.com", fly_app="another")
    second = environments.deploy(wanted, "event-2", [newer_word(local)])
    assert (second.status, second.generation, second.revision) == ("deploying", 3, closed.revision + 1)
    assert (second.fly_app, second.address, second.reason) == (first.fly_app, "https://teal.example.com", None)
    assert [mark.move for mark in second.marks] == ["begin", "close", "begin"]
    assert_three_equal(local, second)


# ---- Closing


def test_a_closed_environment_says_why_in_its_next_generation(local: Local, environments: Environments) -> None:
    closed = close(environments, begin(environments))
    assert (closed.status, closed.generation, closed.reason, closed.is_live) == ("closing", 2, CLOSED, False)
    mark = closed.mark("event-9")
    assert mark is not None
    assert (mark.move, mark.reason) == ("close", CLOSED)
    assert_three_equal(local, closed)


def test_what_is_closed_or_never_was_is_not_closed_again(environments: Environments) -> None:
    assert environments.close(preview().id, "event-9", CLOSED, LATER) is None
    closed = close(environments, begin(environments))
    assert close(environments, closed, "event-10") == closed
    assert closed.mark("event-10") is None


def test_who_closed_it_does_not_close_what_began_since(local: Local, environments: Environments) -> None:
    close(environments, begin(environments))
    again = environments.deploy(preview(), "event-2", [newer_word(local)])
    assert close(environments, again) == again
    assert again.is_live


def test_closing_needs_neither_the_app_nor_the_app_s_reach(local: Local, environments: Environments) -> None:
    begun = begin(environments)
    Apps(local.table).update(APP.model_copy(update={"removing": True}))
    Revocations(local.table).keep(Revocation(installation_id=7, repository_id=REPOSITORY.id, at=NOW, told_by="e"))
    assert not close(environments, begun).is_live


# ---- Live


def test_an_environment_is_live_at_its_current_generation_only(local: Local, environments: Environments) -> None:
    begin(environments)
    raised = environments.deploy(preview(sha=OTHER_SHA), "event-2", [newer_word(local)])
    assert environments.live_at(raised.id, 2) == raised
    assert environments.live_at(raised.id, 1) is None
    assert environments.live_at(raised.id, 3) is None
    assert environments.live_at(raised.id, close(environments, raised).generation) is None


# ---- Superseded


def test_a_newer_word_on_the_pull_request_supersedes(local: Local, environments: Environments) -> None:
    newer_word(local)
    with pytest.raises(SupersededError):
        begin(environments)
    assert environments.get(preview().id) is None
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []


def test_a_newer_word_supersedes_a_close_too(local: Local, environments: Environments) -> None:
    begun = begin(environments)
    newer_word(local)
    with pytest.raises(SupersededError):
        close(environments, begun, while_holds=[last_word()])
    assert environments.get(begun.id) == begun


def test_an_older_word_does_not_take_a_newer_generation_back(local: Local, environments: Environments) -> None:
    begin(environments)
    second = environments.deploy(preview(sha=OTHER_SHA), "event-2", [newer_word(local)])
    with pytest.raises(SupersededError):
        environments.deploy(preview(), "event-0", [last_word()])
    assert_three_equal(local, second)


def test_a_word_that_comes_between_reading_and_writing_supersedes(local: Local, environments: Environments) -> None:
    local.before("TransactWriteItems", lambda: newer_word(local))
    with pytest.raises(SupersededError):
        begin(environments)
    assert environments.get(preview().id) is None


def test_an_app_that_is_being_removed_or_not_there_gets_no_environment(
    local: Local, environments: Environments
) -> None:
    Apps(local.table).update(APP.model_copy(update={"removing": True}))
    for wanted in (preview(), preview(of=app("another"))):
        with pytest.raises(SupersededError):
            begin(environments, wanted)
        assert environments.get(wanted.id) is None


def test_a_repository_that_the_app_lost_meanwhile_gets_no_environment(local: Local, environments: Environments) -> None:
    lost = Revocation(installation_id=7, repository_id=REPOSITORY.id, at=NOW, told_by="event-9")
    local.before("TransactWriteItems", lambda: Revocations(local.table).keep(lost))
    with pytest.raises(SupersededError):
        begin(environments)
    assert environments.get(preview().id) is None
    assert begin(environments, preview(installation_id=8)).generation == 1


@pytest.mark.parametrize("seen_at", [0, 2])
def test_what_was_decided_at_another_revision_is_superseded(environments: Environments, seen_at: int) -> None:
    begun = begin(environments)
    with pytest.raises(SupersededError):
        environments.deploy(preview(sha=OTHER_SHA), "event-2", seen_at=seen_at)
    with pytest.raises(SupersededError):
        close(environments, begun, seen_at=seen_at)
    assert environments.get(begun.id) == begun
    assert environments.deploy(preview(), "event-1", seen_at=seen_at) == begun
    assert environments.deploy(preview(sha=OTHER_SHA), "event-2", seen_at=1).generation == 2


def test_what_is_gone_since_it_was_seen_is_superseded(environments: Environments) -> None:
    with pytest.raises(SupersededError):
        environments.deploy(preview(), "event-1", seen_at=3)
    assert environments.deploy(preview(), "event-1", seen_at=0).generation == 1


# ---- Side by side


def test_the_same_cause_at_the_same_moment_begins_it_once(local: Local, environments: Environments) -> None:
    inner: list[Environment] = []
    local.before("TransactWriteItems", lambda: inner.append(begin(environments)))
    assert begin(environments) == inner[0]
    assert_three_equal(local, inner[0])


def test_a_write_that_comes_between_is_kept_and_followed(local: Local, environments: Environments) -> None:
    first = begin(environments)
    check = newer_word(local)
    local.before("TransactWriteItems", lambda: close(environments, first))
    second = environments.deploy(preview(sha=OTHER_SHA), "event-2", [check])
    assert (second.generation, second.revision, [mark.move for mark in second.marks][-2:]) == (3, 3, ["close", "begin"])
    assert_three_equal(local, second)


def test_writes_that_keep_coming_between_are_a_conflict_and_not_superseded(
    local: Local, environments: Environments
) -> None:
    def come(number: int) -> None:
        environments.deploy(preview(), f"other-{number}", afresh=True)
        local.before("TransactWriteItems", lambda: come(number + 1))

    begin(environments)
    check = newer_word(local)
    local.before("TransactWriteItems", lambda: come(1))
    with pytest.raises(ConflictError):
        environments.deploy(preview(sha=OTHER_SHA), "event-2", [check])
    stands = environments.get(preview().id)
    assert stands is not None
    assert stands.sha == SHA


def _conflict(local: Local) -> None:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "no"},
        "CancellationReasons": [{"Code": "TransactionConflict"}, *[{"Code": "None"}] * 6],
    }
    raise local.dynamodb.exceptions.TransactionCanceledException(response, "TransactWriteItems")


def test_a_transaction_conflict_is_tried_again_and_not_taken_for_superseded(
    local: Local, environments: Environments
) -> None:
    local.before("TransactWriteItems", lambda: _conflict(local))
    assert_three_equal(local, begin(environments))


def test_transaction_conflicts_without_end_are_a_conflict(local: Local, environments: Environments) -> None:
    for _ in range(10):
        local.before("TransactWriteItems", lambda: _conflict(local))
    with pytest.raises(ConflictError):
        begin(environments)
    assert environments.get(preview().id) is None


def test_what_stops_a_transaction_half_way_leaves_no_record(local: Local, environments: Environments) -> None:
    """One of the three keys is in the way: neither the others nor the count are written."""
    odd = preview()
    local.table.put({"pk": f"APP#{APP.id}", "sk": f"ENVIRONMENT#{odd.id}", "revision": 7})
    with pytest.raises((ConflictError, ClientError)):
        begin(environments, odd)
    assert environments.get(odd.id) is None
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []
    assert environments.count_live(APP.id) == 0


# ---- Lists


def test_two_apps_of_one_pull_request_have_an_environment_each_by_app_name(
    local: Local, environments: Environments
) -> None:
    admin = app("admin")
    Apps(local.table).add(admin)
    begun = [begin(environments, preview(of=each)) for each in (APP, admin)]
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == [begun[1], begun[0]]


def test_pull_request_3_is_not_33(environments: Environments) -> None:
    environments.deploy(preview(number=33), "event-1")
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []
