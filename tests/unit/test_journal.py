"""The journal: what was stated, by story and by what it is about."""

from datetime import UTC, timedelta, timezone
from typing import Any

import pytest

from prestage_contracts.envelope import Event
from records.journal import KEPT, Entry, Journal
from tests.unit.dynamodb import Local
from tests.unit.janitor_stage import Now
from tests.unit.journal_facts import DELIVERY, ENVIRONMENT, SECOND, about, after, first
from tests.unit.record_examples import NOW, REPOSITORY, ad_hoc, app, preview, production

AT_ONCE = timedelta(0)
PULL_REQUEST = (REPOSITORY.id, 3)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def journal(local: Local, now: Now) -> Journal:
    return Journal(local.table, now)


def keep(journal: Journal, *facts: Event) -> None:
    """In an order that means nothing: that is how they come."""
    for fact in reversed(facts):
        journal.keep(fact)


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.name for entry in entries]


def ids(*facts: Event) -> list[str]:
    return [str(fact.metadata.event_id) for fact in facts]


def keys(local: Local) -> set[str]:
    return {item["pk"]["S"].partition("#")[0] for item in local.items()}


# ---- Keeping


def test_a_fact_is_read_as_it_was_stated(journal: Journal) -> None:
    opened = first("PullRequestOpened")
    created = after(opened, "EnvironmentCreated")
    journal.keep(created)
    [entry] = journal.of_correlation(DELIVERY)
    assert entry.name == "EnvironmentCreated"
    assert entry.source == "prestage.environments"
    assert entry.event_id == str(created.metadata.event_id)
    assert entry.causation_id == str(opened.metadata.event_id)
    assert (entry.correlation_id, entry.occurred_at, entry.hop) == (DELIVERY, NOW + SECOND, 1)
    assert type(created.data).model_validate(entry.data) == created.data


def test_the_same_fact_again_is_the_same_entry(local: Local, journal: Journal, now: Now) -> None:
    fact = first("EnvironmentCreated")
    journal.keep(fact)
    before = local.items()
    now.advance(hours=11)
    journal.keep(fact)
    assert local.items() == before


def test_entries_are_sorted_by_the_moment_in_utc_and_expire_after_ninety_days(local: Local, journal: Journal) -> None:
    moment = NOW.replace(microsecond=7).astimezone(timezone(timedelta(hours=5, minutes=30)))
    journal.keep(fact := first("PullRequestOpened", at=moment))
    expires_at = int((moment + KEPT).timestamp())
    for item in local.items():
        assert item["sk"]["S"] == f"2026-11-01T10:00:05.000007Z#{fact.metadata.event_id}"
        assert item["expires_at"]["N"] == str(expires_at)
    assert journal.of_correlation(DELIVERY)[0].occurred_at == moment.astimezone(UTC)


@pytest.mark.parametrize(
    "name", ["EnvironmentCreated", "RuntimeLost", "SecretsResolved", "PrCommentFailed", "StopRequested"]
)
def test_a_fact_about_a_preview_is_found_by_it_and_by_its_pull_request(journal: Journal, name: str) -> None:
    journal.keep(first(name))
    assert names(journal.of_environment(ENVIRONMENT.id)) == [name]
    assert names(journal.of_pull_request(*PULL_REQUEST)) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "PullRequestOpened",
        "PullRequestClosed",
        "PreviewRequested",
        "PullRequestDrifted",
        "PreviewSkipped",
        "PreviewFailed",
        "PrCommented",
        "RequestFailed",
    ],
)
def test_a_fact_about_a_pull_request_is_found_by_it(local: Local, journal: Journal, name: str) -> None:
    journal.keep(first(name))
    assert names(journal.of_pull_request(*PULL_REQUEST)) == [name]
    assert keys(local) == {"CORRELATION", "PULL_REQUEST"}


@pytest.mark.parametrize("environment", [ad_hoc(), production()], ids=lambda one: one.type)
def test_a_fact_about_an_environment_without_a_pull_request_is_found_by_the_environment(
    local: Local, journal: Journal, environment: object
) -> None:
    assert isinstance(environment, type(ENVIRONMENT))
    journal.keep(first("EnvironmentCreated", **about(environment)))
    assert names(journal.of_environment(environment.id)) == ["EnvironmentCreated"]
    assert keys(local) == {"CORRELATION", "ENVIRONMENT"}


def test_a_runtime_is_found_by_the_environment_that_it_was_of(local: Local, journal: Journal) -> None:
    journal.keep(first("RuntimeOrphaned"))
    assert names(journal.of_environment(ENVIRONMENT.id)) == ["RuntimeOrphaned"]
    assert keys(local) == {"CORRELATION", "ENVIRONMENT"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("BranchPushed", {}),
        ("InstallationRevoked", {}),
        ("RuntimeOrphaned", {"environment_id": None}),
        ("RequestFailed", {"pull_request_number": None}),
    ],
)
def test_what_is_about_neither_is_found_by_its_story(
    local: Local, journal: Journal, name: str, changes: dict[str, Any]
) -> None:
    journal.keep(first(name, **changes))
    assert names(journal.of_correlation(DELIVERY)) == [name]
    assert keys(local) == {"CORRELATION"}


@pytest.mark.parametrize("name", ["DeployRequested", "UserAdded", "SecretChanged", "CredentialChanged"])
def test_what_operators_do_is_found_by_time_whatever_it_is_about(local: Local, journal: Journal, name: str) -> None:
    journal.keep(first(name, story="before", at=NOW - SECOND))
    journal.keep(first(name))
    journal.keep(first("BranchPushed"))
    assert [entry.occurred_at for entry in journal.of_operators(NOW)] == [NOW]
    assert names(journal.of_operators(NOW - SECOND)) == [name, name]
    assert keys(local) == {"CORRELATION", "OPERATORS"}


# ---- Reading


def test_a_story_is_told_in_the_order_of_time(journal: Journal) -> None:
    opened = first("PullRequestOpened")
    created = after(opened, "EnvironmentCreated", later=timedelta(microseconds=1))
    resolved = after(created, "SecretsResolved", later=timedelta(milliseconds=999))
    ready = after(resolved, "RuntimeReady", later=timedelta(days=1))
    keep(journal, opened, created, resolved, ready)
    told = ["PullRequestOpened", "EnvironmentCreated", "SecretsResolved", "RuntimeReady"]
    assert names(journal.of_correlation(DELIVERY)) == told
    assert names(journal.of_environment(ENVIRONMENT.id)) == told[1:]


def test_in_one_moment_a_cause_comes_before_what_followed(journal: Journal) -> None:
    facts = [first("PullRequestOpened")]
    for name in ("EnvironmentCreated", "SecretsResolved", "RuntimeRequested", "RuntimeReady", "EnvironmentReady"):
        facts.append(after(facts[-1], name, later=AT_ONCE))
    keep(journal, *facts)
    assert [entry.event_id for entry in journal.of_correlation(DELIVERY)] == ids(*facts)
    assert [entry.event_id for entry in journal.story_of_environment(ENVIRONMENT.id)] == ids(*facts)


def test_a_fact_that_was_stated_twice_is_told_once_as_it_was_first(journal: Journal) -> None:
    again = first("RuntimeLost", at=NOW + timedelta(days=40))
    keep(journal, first("RuntimeLost"), again)
    assert [entry.occurred_at for entry in journal.of_environment(ENVIRONMENT.id)] == [NOW]


def test_what_expired_is_not_told_before_it_is_deleted_either(journal: Journal, now: Now) -> None:
    keep(journal, first("EnvironmentCreated"), first("EnvironmentReady", at=NOW + SECOND))
    now.moment = NOW + KEPT
    assert names(journal.of_environment(ENVIRONMENT.id)) == ["EnvironmentReady"]
    now.advance(seconds=1)
    assert journal.story_of_environment(ENVIRONMENT.id) == ()


def test_pull_request_3_is_not_33(journal: Journal) -> None:
    journal.keep(first("EnvironmentCreated", **about(preview(number=33))))
    assert journal.of_pull_request(*PULL_REQUEST) == ()
    assert len(journal.of_pull_request(REPOSITORY.id, 33)) == 1


def test_a_long_story_is_read_to_its_end(local: Local, journal: Journal) -> None:
    title = {"number": 3, "title": "x" * 1024, "html_url": "https://github.com/octo-org/shop/pull/3", "author": "y"}
    facts = [
        first(
            "PullRequestOpened",
            at=NOW + number * SECOND,
            story=str(number),
            pull_request=title,
            labels=["x" * 1024] * 30,
        )
        for number in range(40)
    ]
    keep(journal, *facts)
    local.calls.clear()
    assert [entry.event_id for entry in journal.of_pull_request(*PULL_REQUEST)] == ids(*facts)
    assert len(local.calls) > 1


# ---- An environment's story


def test_an_environment_s_story_has_what_its_pull_request_led_to(journal: Journal) -> None:
    opened = first("PullRequestOpened")
    created = after(opened, "EnvironmentCreated")
    commented = after(created, "PrCommented", later=3 * SECOND)
    closed = first("PullRequestClosed", story="closing", at=NOW + timedelta(hours=1))
    ended = after(closed, "EnvironmentClosed", **about(ENVIRONMENT, 2))
    keep(journal, opened, created, commented, closed, ended)
    story = journal.story_of_environment(ENVIRONMENT.id)
    assert [entry.event_id for entry in story] == ids(opened, created, commented, closed, ended)


def test_an_environment_s_story_has_nothing_of_another_app_s_environment_or_of_another_delivery(
    journal: Journal,
) -> None:
    other = preview(of=app("admin"))
    opened = first("PullRequestOpened")
    created = after(opened, "EnvironmentCreated")
    beside = after(opened, "EnvironmentCreated", **about(other))
    labeled = first("PullRequestUpdated", story="labeled", action="labeled")
    elsewhere = first("PullRequestOpened", story="elsewhere", pull_request=preview(number=4).pull_request)
    keep(journal, opened, created, beside, labeled, elsewhere)
    assert [entry.event_id for entry in journal.story_of_environment(ENVIRONMENT.id)] == ids(opened, created)
    assert [entry.event_id for entry in journal.story_of_environment(other.id)] == ids(opened, beside)


def test_a_push_or_a_request_that_led_to_an_environment_is_in_its_story(journal: Journal) -> None:
    environment = production()
    asked = first("DeployRequested", branch=None)
    created = after(asked, "EnvironmentCreated", **about(environment))
    pushed = first("BranchPushed", story="push", at=NOW + timedelta(hours=1))
    updated = after(pushed, "EnvironmentUpdated", **about(environment, 2))
    resolved = after(updated, "SecretsResolved", **about(environment, 2))
    another = after(pushed, "EnvironmentUpdated", **about(production(of=app("admin")), 2))
    keep(journal, asked, created, pushed, updated, resolved, another)
    story = journal.story_of_environment(environment.id)
    assert [entry.event_id for entry in story] == ids(asked, created, pushed, updated, resolved)


def test_what_ended_many_environments_at_once_is_in_the_story_of_each(journal: Journal) -> None:
    revoked = first("InstallationRevoked")
    environments = [preview(number=number) for number in (3, 4)]
    ended = [after(revoked, "EnvironmentClosed", **about(one)) for one in environments]
    keep(journal, revoked, *ended)
    for one, closed in zip(environments, ended, strict=True):
        assert [entry.event_id for entry in journal.story_of_environment(one.id)] == ids(revoked, closed)


def test_a_cause_s_own_cause_is_in_the_story(journal: Journal) -> None:
    revoked = first("InstallationRevoked")
    pushed = after(revoked, "BranchPushed")
    ended = after(pushed, "EnvironmentClosed")
    keep(journal, revoked, pushed, ended)
    assert [entry.event_id for entry in journal.story_of_environment(ENVIRONMENT.id)] == ids(revoked, pushed, ended)


def test_a_sweep_s_other_findings_are_not_in_an_environment_s_story(journal: Journal) -> None:
    expired = first("EnvironmentExpired", story="janitor-2026-11-01T10Z")
    other = first("EnvironmentExpired", story="janitor-2026-11-01T10Z", **about(preview(number=4)))
    orphan = first("RuntimeOrphaned", story="janitor-2026-11-01T10Z", environment_id=None)
    ended = after(expired, "EnvironmentClosed")
    keep(journal, expired, other, orphan, ended)
    assert [entry.event_id for entry in journal.story_of_environment(ENVIRONMENT.id)] == ids(expired, ended)


def test_a_preview_s_story_is_read_in_two_queries_and_one_more_for_each_cause_beside(
    local: Local, journal: Journal
) -> None:
    opened = first("PullRequestOpened")
    keep(journal, opened, after(opened, "EnvironmentCreated"))
    local.calls.clear()
    journal.story_of_environment(ENVIRONMENT.id)
    assert local.calls == ["Query", "Query"]
    revoked = first("InstallationRevoked", story="revoked", at=NOW + timedelta(hours=1))
    keep(journal, revoked, after(revoked, "EnvironmentClosed"))
    local.calls.clear()
    assert names(journal.story_of_environment(ENVIRONMENT.id))[-2:] == ["InstallationRevoked", "EnvironmentClosed"]
    assert local.calls == ["Query", "Query", "Query"]


def test_an_environment_that_nobody_spoke_of_has_no_story(journal: Journal) -> None:
    assert journal.story_of_environment(ENVIRONMENT.id) == ()
