from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fly_io.client import Machine
from prestage.stage.fly_checks import describe_checks
from tests.unit.fly_stage import APP, FOLLOWS_A_FILE, SERVE, Stage, file, service, shell, stage, web

IDLE = "exec tail -f /dev/null"


@pytest.fixture
def fly(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


def checked(path: str = "/healthz", **changes: Any) -> list[dict[str, Any]]:
    return [service(checks=[{"type": "http", "path": path, "grace_period": "0s", **changes}])]


def statuses(fly: Stage, machine: Machine) -> list[str]:
    return [check.status for check in fly.fly.get_machine(APP, machine.id).checks]


def test_a_check_is_asked_each_time_that_the_machine_is_described(fly: Stage) -> None:
    machine = fly.run(web(services=checked(), files=[file("/app/serve.py", FOLLOWS_A_FILE)]))
    well = fly.home(machine) / "well"
    well.touch()
    assert fly.visit().status_code == 200
    assert statuses(fly, machine) == ["passing"]
    well.unlink()
    assert statuses(fly, machine) == ["critical"]
    well.touch()
    assert statuses(fly, machine) == ["passing"]


def test_the_answer_to_a_check_counts_and_not_that_there_is_one(fly: Stage) -> None:
    alive = {"alive": {"type": "tcp", "port": 8080}}
    machine = fly.run(web(services=checked(), checks=alive, files=[file("/app/serve.py", FOLLOWS_A_FILE)]))
    well = fly.home(machine) / "well"
    well.touch()
    assert fly.visit().status_code == 200
    well.unlink()
    tcp, http = fly.fly.get_machine(APP, machine.id).checks
    assert (tcp.name, tcp.status) == ("alive", "passing")
    assert (http.status, http.output) == ("critical", "the check was answered with 404")


def test_a_visit_waits_for_the_check_and_not_only_for_the_port(fly: Stage) -> None:
    slow = "import os, time\nif os.environ['PORT']: time.sleep(0.3)\n"
    machine = fly.run(web(services=checked(), files=[file("/app/serve.py", slow + SERVE)]))
    assert statuses(fly, machine) == ["critical"]
    assert fly.visit().status_code == 200
    assert statuses(fly, machine) == ["passing"]


def test_what_fails_within_its_grace_period_is_a_warning(fly: Stage) -> None:
    machine = fly.run(shell(IDLE, services=checked(grace_period="1h")))
    [check] = fly.fly.get_machine(APP, machine.id).checks
    assert (check.name, check.status) == ("servicecheck-00-http-8080", "warning")
    assert "no answer" in check.output


def test_a_grace_period_begins_anew_with_each_boot(fly: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = fly.stand_in.machine(fly.run(shell(IDLE, services=checked(grace_period="30s"))).id)
    monkeypatch.setattr(machine, "_booted", machine._booted - 31)
    assert [check["status"] for check in describe_checks(machine)] == ["critical"]
    machine.stop()
    machine.start()
    assert [check["status"] for check in describe_checks(machine)] == ["warning"]


def test_what_passes_within_its_grace_period_passes(fly: Stage) -> None:
    machine = fly.run(web(services=checked(grace_period="1h")))
    assert fly.visit().status_code == 200
    assert statuses(fly, machine) == ["passing"]


def test_a_machine_that_does_not_run_is_not_asked(fly: Stage) -> None:
    machine = fly.run(web(services=checked()))
    assert fly.visit().status_code == 200
    fly.stand_in.stop_machine(machine.id)
    [check] = fly.fly.get_machine(APP, machine.id).checks
    assert (check.status, check.output) == ("warning", "the machine hasn't started")
