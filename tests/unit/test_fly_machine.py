from typing import Any

import pytest

from fly_io.client import Machine
from fly_io.shapes import Exit


def ended(timestamp: int = 1, **exit_event: Any) -> Machine:
    event = {"type": "exit", "timestamp": timestamp, "request": {"exit_event": exit_event}}
    return Machine.model_validate({"id": "m", "events": [event]})


def test_a_machine_on_a_host_that_is_down_has_no_config() -> None:
    machine = Machine.model_validate({"id": "m", "config": None, "checks": None, "events": None, "new": 1})
    assert (machine.config, machine.metadata, machine.checks, machine.exit_code) == ({}, {}, (), None)
    assert Machine.model_validate({"id": "m", "config": {"metadata": None}}).metadata == {}


def test_a_machine_tells_how_it_last_ended_in_whatever_order_its_events_come() -> None:
    def end(code: int, timestamp: int) -> dict[str, Any]:
        return {"type": "exit", "timestamp": timestamp, "request": {"exit_event": {"exit_code": code}}}

    older = {"timestamp": 1, "request": {"MonitorEvent": {"exit_event": {"exit_code": 81}}}}
    events = [{"type": "start", "timestamp": 9}, end(83, 5), older, {"request": {"exit_event": None}}]
    assert Machine.model_validate({"id": "m", "events": events}).exit_code == 83
    assert Machine.model_validate({"id": "m", "events": events[::-1]}).exit_code == 83
    assert Machine.model_validate({"id": "m", "events": [older]}).exit_code == 81


def test_a_machine_tells_whether_it_was_stopped_or_ended_by_itself() -> None:
    told = {"exit_code": 137, "exited_at": 1653346105255, "guest_signal": 9, "oom_killed": True, "signal": -1}
    assert ended(**told, restarting=True).last_exit == Exit(exit_code=137, oom_killed=True, restarting=True)
    assert ended(exit_code=143, requested_stop=True).last_exit == Exit(exit_code=143, requested_stop=True)


def test_what_fly_does_not_tell_of_an_end_did_not_happen() -> None:
    assert ended(oom_killed=None, restarting=None).last_exit == Exit(exit_code=None)
    assert Machine.model_validate({"id": "m", "events": [{"type": "start", "request": None}]}).last_exit is None


def test_the_last_end_counts_even_if_its_exit_code_is_not_told() -> None:
    events = [{"timestamp": at, "request": {"exit_event": end}} for at, end in ((2, {}), (1, {"exit_code": 83}))]
    assert Machine.model_validate({"id": "m", "events": events}).exit_code is None


def test_of_two_ends_at_one_time_the_first_told_is_the_last() -> None:
    events = [{"timestamp": 1, "request": {"exit_event": {"exit_code": code}}} for code in (83, 81)]
    assert Machine.model_validate({"id": "m", "events": events}).exit_code == 83


@pytest.mark.parametrize("event", [{}, {"timestamp": None}, {"type": None, "source": 5, "request": []}])
def test_an_event_of_which_fly_says_little_is_none_that_ended_anything(event: dict[str, Any]) -> None:
    assert Machine.model_validate({"id": "m", "events": [event]}).exit_code is None


def test_a_machines_checks_are_read_without_those_for_old_clients() -> None:
    told = [
        {"name": "servicecheck-00-http-8080", "status": "passing", "output": "ok", "updated_at": "now"},
        {"name": "bg_deployments_compat-00-http-8080", "status": "critical"},
        {"name": "alive", "status": "warning"},
    ]
    checks = Machine.model_validate({"id": "m", "checks": told}).checks
    assert [(check.name, check.status) for check in checks] == [
        ("servicecheck-00-http-8080", "passing"),
        ("alive", "warning"),
    ]
