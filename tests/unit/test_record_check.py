"""Reports of other teams: what is taken, what is refused, and that a refusal shows nowhere."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from choreography import reports
from prestage_contracts.envelope import Reason
from records.apps import Apps
from records.checks import MOST_CHECKS, MOST_IN_A_MINUTE, MOST_OF_ALL, NotTakenError
from records.environments import Environments
from tests.logs import written_by
from tests.unit.checks_stage import OTHERS, QUALITY, World
from tests.unit.dynamodb import local_aws
from tests.unit.record_examples import NOW, app, preview


@pytest.fixture
def world() -> Iterator[World]:
    with local_aws() as local:
        yield World(local)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with written_by(reports.logger) as stream:
        yield stream


def refusals(log: io.StringIO) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in told if line["message"] == "a report is refused"]


def codes(log: io.StringIO) -> list[str]:
    return [line["reason"] for line in refusals(log)]


def test_a_report_is_recorded_and_stated_with_what_our_record_says(world: World) -> None:
    world.report(summary="128 passed", link="https://quality.example/1")
    [fact] = world.sent.facts
    assert fact.data.environment == world.environment.snapshot()
    said = {"name": "smoke", "state": "success", "summary": "128 passed", "link": "https://quality.example/1"}
    assert fact.data.check.model_dump() == {**said, "account": QUALITY}
    assert (fact.metadata.group, fact.metadata.hop) == (str(world.environment.repository.id), 1)
    assert world.stands() == {"smoke": "success"}


@pytest.mark.parametrize("correlation_id", ["a b", "x" * 65, "</td>", "a\nb"])
def test_what_began_a_report_is_only_believed_if_it_reads_like_an_id(world: World, correlation_id: str) -> None:
    event = world.delivered()
    event["detail"]["metadata"] |= {"correlation_id": correlation_id, "hop": 15, "group": "999"}
    world.deliver(json.dumps(event))
    [fact] = world.sent.facts
    assert fact.metadata.correlation_id == event["detail"]["metadata"]["event_id"]
    assert (fact.metadata.group, fact.metadata.hop) == (str(world.environment.repository.id), 1)


def test_a_report_that_comes_again_changes_nothing(world: World) -> None:
    world.report()
    before = world.local.items()
    world.report()
    assert world.local.items() == before
    assert len(world.sent.facts) == 1


def test_whoever_publishes_another_s_event_id_first_takes_nothing_from_them(world: World, log: io.StringIO) -> None:
    world.report(OTHERS, report_id="same", name="theirs")
    world.report(QUALITY, report_id="same", name="smoke")
    assert world.stands() == {"smoke": "success", "theirs": "success"}
    assert len({fact.metadata.event_id for fact in world.sent.facts}) == 2
    assert codes(log) == []


@pytest.mark.parametrize("said", ["smoke", "SMOKE", "Smoke"])
def test_a_name_belongs_to_the_account_that_reported_it_first(world: World, log: io.StringIO, said: str) -> None:
    world.report(QUALITY, state="failure")
    world.report(OTHERS, name=said, state="success", seconds=1)
    assert world.stands() == {"smoke": "failure"}
    assert codes(log) == ["name_taken"]


def test_white_space_makes_no_other_name(world: World, log: io.StringIO) -> None:
    world.report(QUALITY, name="smoke test")
    world.report(OTHERS, name="smoke  test ", seconds=1)
    assert codes(log) == ["name_taken"]


def test_a_name_that_is_given_back_is_the_next_one_s(world: World, log: io.StringIO) -> None:
    world.report(QUALITY, state="failure", seconds=60)
    owner = world.checks.owner(world.app.id, "Smoke")
    assert owner
    assert world.checks.release(owner)
    assert owner is not None
    assert (owner.account, world.checks.owners(world.app.id)) == (QUALITY, [])
    world.report(OTHERS, state="success", seconds=1)
    world.report(QUALITY, state="failure", seconds=61)
    assert world.stands() == {"smoke": "success"}
    assert codes(log) == ["name_taken"]


def test_a_name_of_one_app_is_free_in_another(world: World, log: io.StringIO) -> None:
    world.report(QUALITY)
    other = world.add(app("api"))
    begun = world.begin(preview(of=other), 901)
    world.report(OTHERS, environment_id=begun.id)
    assert codes(log) == []
    assert [owner.account for owner in world.checks.owners(other.id)] == [OTHERS]


def test_the_latest_report_of_a_check_counts_in_whatever_order_they_come(world: World) -> None:
    world.report(state="success", seconds=20)
    world.report(state="pending", seconds=10)
    assert world.stands() == {"smoke": "success"}
    world.report(state="failure", seconds=30)
    world.report(state="success", seconds=25)
    assert world.stands() == {"smoke": "failure"}
    assert [fact.data.check.state for fact in world.sent.facts] == ["success", "failure"]


def test_what_ended_in_the_same_moment_is_not_pending(world: World) -> None:
    world.report(state="success")
    world.report(state="pending")
    assert world.stands() == {"smoke": "success"}


def test_a_new_generation_has_no_checks(world: World, log: io.StringIO) -> None:
    world.report()
    world.environment = world.begin(preview(sha="b" * 40), 902)
    assert world.stands() == {}
    world.report(generation=1, seconds=1)
    world.report(generation=3, seconds=2)
    assert codes(log) == ["another_generation"] * 2
    assert world.stands() == {}


def test_an_environment_that_is_closed_takes_no_reports(world: World, log: io.StringIO) -> None:
    reason = Reason(code="pull_request_closed", message="The pull request was closed.")
    closed = Environments(world.local.table).close(world.environment.id, "event-903", reason, NOW)
    assert closed is not None
    world.report(generation=closed.generation)
    assert codes(log) == ["closed"]


def test_an_environment_that_moves_on_meanwhile_takes_nothing(world: World, log: io.StringIO) -> None:
    world.local.before("TransactWriteItems", lambda: world.begin(preview(sha="b" * 40), 904))
    world.report()
    assert codes(log) == ["another_generation"]
    assert world.checks.owners(world.app.id) == []


def test_so_many_reports_are_taken_in_a_minute(world: World, log: io.StringIO) -> None:
    for second in range(MOST_IN_A_MINUTE + 5):
        world.report(summary=f"{second}", seconds=second)
    assert codes(log) == ["flood"] * 5
    world.now.advance(minutes=1)
    world.report(summary="a minute later", seconds=90)
    assert codes(log) == ["flood"] * 5
    assert world.checks.of(world.environment).checks[0].check.summary == "a minute later"


def test_a_new_generation_does_not_end_a_flood(world: World, log: io.StringIO) -> None:
    for second in range(MOST_IN_A_MINUTE):
        world.report(summary=f"{second}", seconds=second)
    world.environment = world.begin(preview(sha="b" * 40), 905)
    world.report(generation=2, seconds=40)
    assert codes(log) == ["flood"]


def test_so_many_checks_are_shown_and_those_that_are_required_beyond_that(world: World, log: io.StringIO) -> None:
    world.environment = world.begin(preview(sha="b" * 40, required_checks=("End to end",)), 908)
    for number in range(MOST_CHECKS + 1):
        world.report(OTHERS, name=f"check {number}")
    world.report(QUALITY, name="end to end")
    assert codes(log) == ["too_many_checks"]
    assert len(world.stands()) == MOST_CHECKS + 1
    assert len(world.checks.owners(world.app.id)) == MOST_CHECKS + 1


def test_no_team_uses_up_what_another_may_report(world: World, log: io.StringIO) -> None:
    for number in range(MOST_IN_A_MINUTE + 1):
        world.report(OTHERS, name="noise", summary=f"{number}", seconds=number)
    world.report(QUALITY)
    assert codes(log) == ["flood"]
    assert world.stands()["smoke"] == "success"


def test_no_team_takes_another_s_place_for_checks(world: World, log: io.StringIO) -> None:
    for number in range(MOST_CHECKS + 1):
        world.report(OTHERS, name=f"check {number}")
    world.report(QUALITY)
    assert codes(log) == ["too_many_checks"]
    assert world.stands()["smoke"] == "success"


def test_all_teams_together_may_report_so_much_and_no_more(world: World, log: io.StringIO) -> None:
    for account in range(MOST_OF_ALL + 1):
        for number in range(MOST_IN_A_MINUTE):
            world.report(f"{account:012}", name=f"of {account}", summary=f"{number}", seconds=number)
    assert codes(log) == ["flood"] * MOST_IN_A_MINUTE


def test_a_result_that_comes_back_counts(world: World) -> None:
    """A report is made by `CheckReported.state`, under another id at each moment."""
    for seconds, state in enumerate(("failure", "success", "failure")):
        world.report(report_id=str(uuid4()), state=state, seconds=seconds)
    assert world.stands() == {"smoke": "failure"}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00-01:00"])
def test_since_when_a_check_stands_is_not_its_sender_s_to_say(world: World, moment: str) -> None:
    event = world.delivered()
    event["detail"]["metadata"]["occurred_at"] = moment
    world.deliver(json.dumps(event))
    [kept] = world.checks.of(world.environment).checks
    assert (kept.since, kept.reported_at.tzinfo) == (world.now(), UTC)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("metadata", "occurred_at", "0001-01-01T00:00:00+23:59"),
        ("metadata", "occurred_at", 1_700_000_000),
        ("metadata", "occurred_at", "1700000000"),
        ("metadata", "occurred_at", "2026-01-01 10:00:00Z"),
        ("metadata", "event_id", "urn:uuid:0d5be1a7-90f6-5c3c-8d2a-6f1b7c4e9a35"),
        ("metadata", "event_id", "0d5be1a790f65c3c8d2a6f1b7c4e9a35"),
        ("metadata", "hop", "1"),
        ("data", "generation", "1"),
        ("data", "generation", True),
    ],
    ids=repr,
)
def test_what_the_published_schema_refuses_is_refused(
    world: World, log: io.StringIO, part: str, field: str, value: Any
) -> None:
    event = world.delivered()
    event["detail"][part][field] = value
    world.deliver(json.dumps(event))
    assert (codes(log), world.stands()) == (["malformed"], {})


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("unknown_environment", {"environment_id": "0d5be1a7-90f6-5c3c-8d2a-6f1b7c4e9a35"}),
        ("malformed", {"name": "<img src=x>"}),
        ("malformed", {"name": "@octocat"}),
        ("malformed", {"summary": "a\nb"}),
        ("malformed", {"summary": "x" * 201}),
        ("malformed", {"state": "approved"}),
        ("malformed", {"link": "javascript:alert(1)"}),
        ("malformed", {"link": "https://github.com@evil.example/"}),
        ("malformed", {"generation": 10**400}),
        ("malformed", {"generation": "1; DROP"}),
        ("too_large", {"extra": "x" * 9000}),
    ],
)
def test_a_bad_report_is_refused_with_its_reason(
    world: World, log: io.StringIO, code: str, change: dict[str, Any]
) -> None:
    event, before = world.delivered(), world.local.items()
    event["detail"]["data"] |= change
    world.deliver(json.dumps(event))
    assert codes(log) == [code]
    assert (world.sent.facts, world.sent.buried, world.stands()) == ([], [], {})
    if code in {"malformed", "too_large"}:
        assert world.local.items() == before


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("not_taken", {"source": "prestage.checks"}),
        ("not_taken", {"source": "prestage."}),
        ("not_taken", {"detail-type": "EnvironmentReady"}),
        ("malformed", {"account": "me"}),
        ("malformed", {"source": ""}),
        ("malformed", {"detail": []}),
    ],
)
def test_what_is_no_report_is_refused(world: World, log: io.StringIO, code: str, change: dict[str, Any]) -> None:
    world.deliver(json.dumps({**world.delivered(), **change}))
    assert codes(log) == [code]
    assert (world.sent.facts, world.sent.buried) == ([], [])


@pytest.mark.parametrize("body", ["", "null", "[" * 4000, "{}", '{"account": "210987654321"}', "\ud800"])
def test_what_is_no_event_is_refused(world: World, log: io.StringIO, body: str) -> None:
    world.deliver(body)
    assert codes(log) == ["malformed"]
    assert world.sent.buried == []


def test_another_major_version_is_refused(world: World, log: io.StringIO) -> None:
    event = world.delivered()
    event["detail"]["metadata"]["version"] = "2.0"
    world.deliver(json.dumps(event))
    assert codes(log) == ["another_version"]


def test_a_report_of_tomorrow_is_refused(world: World, log: io.StringIO) -> None:
    later = world.now() - NOW
    world.report(seconds=int((later + timedelta(minutes=6)).total_seconds()))
    assert (codes(log), world.stands()) == (["ahead_of_time"], {})
    world.report(seconds=int((later + timedelta(minutes=4)).total_seconds()))
    assert (codes(log), world.stands()) == (["ahead_of_time"], {"smoke": "success"})


def test_an_old_report_is_taken_however_long_ago_it_was_stated(world: World, log: io.StringIO) -> None:
    world.report(seconds=-90_000)
    assert (codes(log), world.stands()) == ([], {"smoke": "success"})


def test_a_refusal_is_a_log_line_and_a_metric_by_its_reason_alone(
    world: World, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    event = world.delivered()
    event["detail"]["data"]["summary"] = "leaked-token\n"
    world.deliver(json.dumps(event))
    [line] = refusals(log)
    assert (line["account"], line["source"], line["reason"]) == (QUALITY, "acme.quality", "malformed")
    assert "leaked-token" not in log.getvalue()
    told = [json.loads(each) for each in capsys.readouterr().out.splitlines() if "ReportRefused" in each]
    assert [one["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for one in told] == [[["reason"]]]
    assert [(one["reason"], one["ReportRefused"]) for one in told] == [("malformed", [1.0])]


def test_an_app_that_is_removed_leaves_no_names(world: World) -> None:
    world.report()
    environments = Environments(world.local.table)
    reason = Reason(code="pull_request_closed", message="The pull request was closed.")
    closed = environments.close(world.environment.id, "event-906", reason, NOW)
    assert closed is not None
    environments.report(closed.id, closed.generation, "remove", "event-907", NOW)
    Apps(world.local.table).remove(world.app.id)
    assert world.checks.owners(world.app.id) == []


def test_an_app_that_is_going_gives_nobody_a_name(world: World) -> None:
    Apps(world.local.table).update(world.app.model_copy(update={"removing": True}))
    world.report()
    assert (world.checks.owners(world.app.id), world.sent.facts) == ([], [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from([("data", name) for name in ("environment_id", "generation", "name", "state", "summary", "link")])
    | st.sampled_from([("metadata", name) for name in ("event_id", "occurred_at", "hop", "group", "version")]),
    JSON,
)
def test_whatever_a_report_says_it_is_taken_or_refused_and_never_a_dead_letter(
    world: World, place: tuple[str, str], value: Any
) -> None:
    event = world.delivered()
    event["detail"][place[0]][place[1]] = value
    world.deliver(json.dumps(event))
    assert (world.sent.buried, world.sent.hidden) == ([], [])
    assert set(world.stands()) <= {"smoke", value if isinstance(value, str) else "smoke"}


def test_why_a_report_is_not_taken_quotes_nothing() -> None:
    assert str(NotTakenError("flood")) == "flood"
