from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from records.apps import Apps
from records.environments import Environment, Environments, SupersededError, environment_id
from records.pull_requests import PullRequests, still_told_by
from records.table import Check, ConflictError
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, REPOSITORY, app, preview, put_on_record, told

LATER = NOW.replace(hour=11)
APP = app()


@pytest.fixture
def environments(local: Local) -> Environments:
    put_on_record(local.table, APP)
    return Environments(local.table)


def last_word(event_id: str = "event-1") -> Check:
    return still_told_by(REPOSITORY.id, 3, event_id)


def tell(local: Local, event_id: str, **changes: Any) -> Check:
    assert PullRequests(local.table).tell(told(event_id, updated_at=LATER, **changes))
    return last_word(event_id)


def three(local: Local, environment: Environment) -> list[dict[str, Any]]:
    keys = [
        (f"ENVIRONMENT#{environment.id}", "ENVIRONMENT"),
        (f"APP#{environment.app_id}", f"ENVIRONMENT#{environment.id}"),
        (f"REPOSITORY#{REPOSITORY.id}", f"TRACKS#PULL_REQUEST#3#{environment.app_id}"),
    ]
    return [{name: value for name, value in local.item(*key).items() if name not in {"pk", "sk"}} for key in keys]


def put_everywhere(local: Local, environment: Environment) -> None:
    """As another writer would, by the same three keys."""
    for found in local.items():
        if found.get("id", {}).get("S") == environment.id:
            key = {"pk": found["pk"]["S"], "sk": found["sk"]["S"]}
            local.table.put({**environment.model_dump(mode="json"), **key})


def assert_three_equal(local: Local, environment: Environment) -> None:
    first, second, third = three(local, environment)
    assert first == second == third == environment.model_dump(mode="json")


# ---- Beginning


def test_an_environment_that_begins_is_three_equal_records(local: Local, environments: Environments) -> None:
    begun = environments.begin(preview(), last_word())
    assert (begun, begun.generation, begun.revision) == (preview(), 1, 1)
    assert_three_equal(local, begun)


def test_an_environment_is_found_by_every_key(environments: Environments) -> None:
    begun = environments.begin(preview(), last_word())
    assert environments.get(begun.id) == begun
    assert environments.list_by_app(APP.id) == [begun]
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == [begun]


def test_what_is_not_on_record_is_not_found(environments: Environments) -> None:
    assert environments.get(preview().id) is None
    assert environments.live_at(preview().id, 1) is None
    assert environments.list_by_app(APP.id) == []
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []


def test_the_same_intent_begins_it_once(local: Local, environments: Environments) -> None:
    begun = environments.begin(preview(), last_word())
    again = environments.begin(preview(sha="b" * 40, now=LATER), last_word())
    assert again == begun
    assert_three_equal(local, begun)


def test_another_intent_begins_the_next_generation_at_the_same_address(
    local: Local, environments: Environments
) -> None:
    first = environments.begin(preview(), last_word())
    wanted = preview("event-2", sha="b" * 40, branch="renamed", fly_app="x", address="https://x.test", now=LATER)
    second = environments.begin(wanted, tell(local, "event-2"))
    kept = {"fly_app": first.fly_app, "address": first.address, "created_at": NOW}
    assert second == wanted.model_copy(update={**kept, "generation": 2, "revision": 2})
    assert (second.sha, second.branch, second.updated_at) == ("b" * 40, "renamed", LATER)
    assert_three_equal(local, second)
    assert len(environments.list_by_app(APP.id)) == 1


def test_each_intent_raises_the_generation_once(local: Local, environments: Environments) -> None:
    environments.begin(preview(), last_word())
    check = tell(local, "event-2")
    generations = [environments.begin(preview("event-2"), check).generation for _ in range(3)]
    assert generations == [2, 2, 2]


def test_a_closed_environment_begins_again(local: Local, environments: Environments) -> None:
    first = environments.begin(preview(), last_word())
    put_everywhere(local, first.model_copy(update={"status": "closed", "revision": 2}))
    second = environments.begin(preview("event-2"), tell(local, "event-2"))
    assert (second.status, second.generation, second.revision) == ("deploying", 2, 3)
    assert_three_equal(local, second)


def test_a_renamed_app_or_repository_leaves_no_old_name_behind(local: Local, environments: Environments) -> None:
    environments.begin(preview(), last_word())
    renamed = preview("event-2", repository={"id": REPOSITORY.id, "full_name": "octo-org/renamed"})
    begun = environments.begin(renamed, tell(local, "event-2"))
    assert begun.repository.full_name == "octo-org/renamed"
    assert_three_equal(local, begun)


# ---- Live


def test_an_environment_is_live_at_its_current_generation_only(local: Local, environments: Environments) -> None:
    environments.begin(preview(), last_word())
    begun = environments.begin(preview("event-2"), tell(local, "event-2"))
    assert environments.live_at(begun.id, 2) == begun
    assert environments.live_at(begun.id, 1) is None
    assert environments.live_at(begun.id, 3) is None


def test_a_closed_environment_is_not_live(local: Local, environments: Environments) -> None:
    begun = environments.begin(preview(), last_word())
    put_everywhere(local, begun.model_copy(update={"status": "closed"}))
    assert environments.live_at(begun.id, 1) is None


# ---- Superseded


def test_a_newer_word_on_the_pull_request_supersedes(local: Local, environments: Environments) -> None:
    tell(local, "event-2", state="closed")
    with pytest.raises(SupersededError):
        environments.begin(preview(), last_word("event-1"))
    assert environments.get(preview().id) is None
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []


def test_an_older_intent_does_not_take_a_newer_generation_back(local: Local, environments: Environments) -> None:
    environments.begin(preview("event-1"), last_word("event-1"))
    second = environments.begin(preview("event-2"), tell(local, "event-2"))
    with pytest.raises(SupersededError):
        environments.begin(preview("event-1"), last_word("event-1"))
    assert_three_equal(local, second)


def test_a_word_that_comes_between_reading_and_writing_supersedes(local: Local, environments: Environments) -> None:
    local.before("TransactWriteItems", lambda: tell(local, "event-2"))
    with pytest.raises(SupersededError):
        environments.begin(preview(), last_word())
    assert environments.get(preview().id) is None


def test_an_app_that_is_being_removed_gets_no_environment(local: Local, environments: Environments) -> None:
    Apps(local.table).update(APP.model_copy(update={"removing": True}))
    with pytest.raises(SupersededError):
        environments.begin(preview(), last_word())
    assert environments.get(preview().id) is None


def test_an_app_that_is_not_on_record_gets_no_environment(environments: Environments) -> None:
    with pytest.raises(SupersededError):
        environments.begin(preview(of=app("another")), last_word())


# ---- Side by side


def test_the_same_intent_at_the_same_moment_begins_it_once(local: Local, environments: Environments) -> None:
    inner: list[Environment] = []
    local.before("TransactWriteItems", lambda: inner.append(environments.begin(preview(), last_word())))
    assert environments.begin(preview(), last_word()) == inner[0]
    assert_three_equal(local, inner[0])


def test_a_write_that_comes_between_is_kept_and_followed(local: Local, environments: Environments) -> None:
    first = environments.begin(preview(), last_word())
    check = tell(local, "event-2")
    local.before(
        "TransactWriteItems",
        lambda: put_everywhere(local, first.model_copy(update={"status": "closed", "revision": 2})),
    )
    second = environments.begin(preview("event-2"), check)
    assert (second.generation, second.revision) == (2, 3)
    assert_three_equal(local, second)


def test_writes_that_keep_coming_between_are_a_conflict_and_not_superseded(
    local: Local, environments: Environments
) -> None:
    first = environments.begin(preview(), last_word())
    check = tell(local, "event-2")
    for revision in range(2, 10):
        changed = first.model_copy(update={"revision": revision})
        local.before("TransactWriteItems", lambda changed=changed: put_everywhere(local, changed))  # type: ignore[misc]  # bound now
    with pytest.raises(ConflictError):
        environments.begin(preview("event-2"), check)
    stands = environments.get(first.id)
    assert stands is not None
    assert stands.generation == 1


def _conflict(local: Local) -> None:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "no"},
        "CancellationReasons": [{"Code": "TransactionConflict"}, *[{"Code": "None"}] * 4],
    }
    raise local.dynamodb.exceptions.TransactionCanceledException(response, "TransactWriteItems")


def test_a_transaction_conflict_is_tried_again_and_not_taken_for_superseded(
    local: Local, environments: Environments
) -> None:
    local.before("TransactWriteItems", lambda: _conflict(local))
    begun = environments.begin(preview(), last_word())
    assert_three_equal(local, begun)


def test_transaction_conflicts_without_end_are_a_conflict(local: Local, environments: Environments) -> None:
    for _ in range(10):
        local.before("TransactWriteItems", lambda: _conflict(local))
    with pytest.raises(ConflictError):
        environments.begin(preview(), last_word())
    assert environments.get(preview().id) is None


def test_what_stops_a_transaction_half_way_leaves_no_record(local: Local, environments: Environments) -> None:
    """One of the three keys is in the way: none of the others is written."""
    odd = preview()
    in_the_way = {"pk": f"APP#{APP.id}", "sk": f"ENVIRONMENT#{odd.id}", "revision": 7}
    local.table.put(in_the_way)
    with pytest.raises((ConflictError, ClientError)):
        environments.begin(odd, last_word())
    assert environments.get(odd.id) is None
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []


# ---- Lists


def test_two_apps_of_one_pull_request_have_an_environment_each_by_app_name(
    local: Local, environments: Environments
) -> None:
    admin = app("admin")
    Apps(local.table).add(admin)
    begun = [environments.begin(preview(of=each), last_word()) for each in (APP, admin)]
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == [begun[1], begun[0]]


def test_pull_request_3_is_not_33(local: Local, environments: Environments) -> None:
    PullRequests(local.table).tell(told(number=33))
    environments.begin(preview(number=33), still_told_by(REPOSITORY.id, 33, "event-1"))
    assert environments.list_by_pull_request(REPOSITORY.id, 3) == []


def test_an_app_s_environments_are_listed_the_oldest_first(local: Local, environments: Environments) -> None:
    PullRequests(local.table).tell(told(number=2))
    younger = environments.begin(preview(now=LATER), last_word())
    older = environments.begin(preview(number=2), still_told_by(REPOSITORY.id, 2, "event-1"))
    assert environments.list_by_app(APP.id) == [older, younger]


# ---- Ids


subjects = st.tuples(
    st.uuids().map(str), st.sampled_from(["preview", "production"]), st.integers(1) | st.text() | st.none()
)


@given(one=subjects, other=subjects)
def test_an_id_is_derived_from_what_it_tracks_and_from_nothing_else(one: Any, other: Any) -> None:
    assert environment_id(*one) == environment_id(*one)
    assert (environment_id(*one) == environment_id(*other)) is (one == other)


def test_a_branch_called_like_a_number_is_no_pull_request() -> None:
    assert environment_id(APP.id, "preview", 3) != environment_id(APP.id, "preview", "3")


def test_a_pull_request_s_environment_is_found_by_its_number_whatever_its_branch_is_called() -> None:
    assert preview(branch="main").id == preview(branch="teal").id
    assert preview(number=4).id != preview(number=3).id


def test_a_snapshot_says_what_the_environment_is() -> None:
    snapshot = preview().snapshot()
    assert snapshot.id == preview().id
    assert (snapshot.generation, snapshot.sha, snapshot.created_at) == (1, "a" * 40, NOW)
    assert snapshot.pull_request == preview().pull_request
