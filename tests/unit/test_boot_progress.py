"""What Fly.io tells of a machine, and what that means for the boot of its generation."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fly_io.client import Machine
from records.apps import App
from runtimes.boot import explain, last_end, not_ready, progress
from tests.unit.record_examples import app

SHOP = app("storefront", build="npm ci", start="node server.js", directory="services/web", health_path="/healthz")
PASSING = {"name": "servicecheck-00-http-8080", "status": "passing", "output": "planted"}
START, LAUNCH, UPDATE = ({"type": kind, "status": "…"} for kind in ("start", "launch", "update"))


def ended(**exit_event: Any) -> dict[str, Any]:
    return {"type": "exit", "status": "stopped", "request": {"exit_event": {"exit_code": 1, **exit_event}}}


def machine(state: str, *newest_first: dict[str, Any], checks: tuple[dict[str, Any], ...] = ()) -> Machine:
    """Its events are a second apart."""
    last = len(newest_first)
    events = [{"timestamp": (last - age) * 1000, **event} for age, event in enumerate(newest_first)]
    return Machine.model_validate({"id": "m", "state": state, "events": events, "checks": checks})


# ---- How far it is


def test_a_machine_is_ready_when_it_runs_and_all_its_checks_pass() -> None:
    assert progress(machine("started", START, checks=(PASSING,))) == "ready"
    assert progress(machine("started", START, checks=(PASSING, PASSING))) == "ready"


@pytest.mark.parametrize("status", ["warning", "critical", "", "something new"])
def test_a_check_that_does_not_pass_is_waited_for(status: str) -> None:
    assert progress(machine("started", START, checks=(PASSING, {**PASSING, "status": status}))) == "booting"


def test_no_check_is_nothing_that_passed() -> None:
    """Fly tells of none for a while, and what its own clients have is none."""
    assert progress(machine("started", START)) == "booting"
    assert progress(machine("started", START, checks=({**PASSING, "name": "bg_deployments_compat"},))) == "booting"


@pytest.mark.parametrize(
    "state", ["created", "starting", "stopping", "restarting", "replacing", "updating", "stopped", "", "something new"]
)
def test_any_other_state_is_on_its_way_whatever_its_checks_say(state: str) -> None:
    assert progress(machine(state, START, checks=(PASSING,))) == "booting"


@pytest.mark.parametrize("code", [0, 1, 81, 83, 137, None])
def test_a_process_that_ended_by_itself_has_ended_for_good(code: int | None) -> None:
    assert progress(machine("stopped", ended(exit_code=code), START, LAUNCH)) == "ended"


def test_a_process_that_is_booted_again_by_its_policy_has_not() -> None:
    assert progress(machine("stopped", ended(restarting=True), START, LAUNCH)) == "booting"
    assert progress(machine("stopped", ended(), START, ended(restarting=True), START, LAUNCH)) == "ended"


def test_a_machine_that_somebody_stopped_has_not_failed() -> None:
    assert progress(machine("stopped", ended(requested_stop=True, exit_code=143), START)) == "stopped"
    assert progress(machine("suspended", START)) == "stopped"


@pytest.mark.parametrize("since", [START, LAUNCH, UPDATE, {"type": "restart"}])
@pytest.mark.parametrize("before", [ended(exit_code=83), ended(requested_stop=True)])
def test_how_an_earlier_boot_ended_says_nothing_of_this_one(since: dict[str, Any], before: dict[str, Any]) -> None:
    """Such as of the generation before, in the moment before its machine is booted with the new one."""
    found = machine("stopped", {"type": "stop"}, since, before, START)
    assert progress(found) == "booting"
    assert last_end(found) is None


@pytest.mark.parametrize("state", ["failed", "launch_failed"])
def test_a_machine_that_failed_has_ended_whether_or_not_its_process_began(state: str) -> None:
    assert progress(machine(state, LAUNCH)) == "ended"
    assert progress(machine(state, ended(), START, LAUNCH)) == "ended"


def test_of_events_at_one_moment_the_one_told_first_is_the_latest() -> None:
    def at_once(*events: dict[str, Any]) -> Machine:
        return machine("stopped", *({**event, "timestamp": 5} for event in events))

    assert progress(at_once(ended(), START)) == "ended"
    assert progress(at_once(START, ended())) == "booting"


def test_the_latest_event_counts_in_whatever_order_they_come() -> None:
    events = [{**ended(exit_code=83), "timestamp": 9}, {**START, "timestamp": 5}, {**ended(), "timestamp": 1}]
    for told in (events, events[::-1]):
        assert explain(Machine.model_validate({"id": "m", "state": "stopped", "events": told}), SHOP).exit_status == 83


# ---- Why it ended


def explained(code: int | None, of: App | None = SHOP, **told: Any) -> tuple[str, int | None, str, str]:
    stage, status, reason = explain(machine("stopped", ended(exit_code=code, **told), START), of)
    return stage, status, reason.code, reason.message


@pytest.mark.parametrize(
    ("code", "stage", "words"),
    [
        (81, "fetch", "The commit could not be fetched"),
        (82, "unpack", "The commit could not be unpacked"),
        (83, "build", "The build failed: `npm ci` did not succeed"),
        (84, "start", "the commit has no folder `services/web`"),
        (126, "start", "`node server.js` was not found"),
        (127, "start", "`node server.js` was not found"),
        (0, "start", "`node server.js` ended with exit status 0"),
        (1, "start", "`node server.js` ended with exit status 1"),
        (143, "start", "`node server.js` ended with exit status 143"),
    ],
)
def test_the_exit_status_says_at_which_stage_and_a_person_is_told_in_words(code: int, stage: str, words: str) -> None:
    told = explained(code)
    assert told[:3] == (stage, code, f"{stage}_failed")
    assert words in told[3]


@pytest.mark.parametrize("code", [None, -1, 256, 10**9])
def test_an_exit_status_that_is_none_is_not_told(code: int | None) -> None:
    assert explained(code)[:3] == ("start", None, "start_failed")


@pytest.mark.parametrize(
    ("code", "stage", "what"), [(83, "build", "build"), (137, "start", "app"), (1, "start", "app")]
)
def test_running_out_of_memory_is_told_as_that(code: int, stage: str, what: str) -> None:
    told = explained(code, oom_killed=True)
    assert told == (stage, code, "out_of_memory", f"The {what} ran out of memory: the machine has 512 MB")


@pytest.mark.parametrize("state", ["failed", "launch_failed"])
def test_a_machine_that_was_never_launched_is_told_with_its_image(state: str) -> None:
    stage, status, reason = explain(machine(state, LAUNCH), SHOP)
    assert (stage, status, reason.code) == ("provision", None, "launch_failed")
    assert "python:3.13" in reason.message


@pytest.mark.parametrize("code", [81, 82, 83, 84, 126, 1, None])
@pytest.mark.parametrize("oom_killed", [False, True])
def test_there_are_words_for_an_app_that_is_no_longer_on_record(code: int | None, oom_killed: bool) -> None:
    assert "`" not in explained(code, None, oom_killed=oom_killed)[3]


def test_there_are_words_for_a_build_that_the_app_no_longer_has() -> None:
    assert explained(83, app())[3] == "The build failed: its command did not succeed"


@given(st.text(min_size=1, max_size=4096), st.sampled_from([83, 84, 127, 1]))
def test_a_command_is_quoted_on_one_line_and_cut(command: str, code: int) -> None:
    told = explained(code, SHOP.model_copy(update={"build": command, "start": command, "directory": command}))[3]
    assert len(told) < 250
    assert told.count("`") in {0, 2}
    assert "\n" not in told


# ---- Why it is given up


def test_an_app_that_does_not_answer_is_told_where_it_is_asked() -> None:
    stage, status, reason = not_ready(machine("started", START), SHOP, timedelta(minutes=30))
    assert (stage, status, reason.code) == ("health", None, "not_ready")
    assert "2xx on port 8080 at `/healthz` within 30 minutes" in reason.message
    assert "within 30 minutes" in not_ready(machine("started"), None, timedelta(minutes=30)).reason.message


def test_a_machine_that_does_not_start_is_told_as_that() -> None:
    reason = not_ready(machine("created", LAUNCH), SHOP, timedelta(minutes=30)).reason
    assert reason.message == "The machine did not start within 30 minutes"
