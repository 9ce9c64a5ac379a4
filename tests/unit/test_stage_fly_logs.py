from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fly_stage import APP, Stage, shell, stage, web


@pytest.fixture
def fly(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


def log(fly: Stage, app: str = APP) -> tuple[int, str]:
    answer = fly.edge.get(f"/logs/{app}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.status_code, answer.text


def test_people_read_what_a_machine_has_said_in_all_its_boots(fly: Stage) -> None:
    restart = {"policy": "on-failure", "max_retries": 1}
    machine = fly.finish(shell("echo '<b>no such file</b>'; exit 83", restart=restart))
    said = "<b>no such file</b>\n"
    assert log(fly) == (200, f"machine {machine.id} is stopped\n\n{said * 2}")


def test_an_apps_log_has_all_its_machines(fly: Stage) -> None:
    for word in ("one", "two"):
        fly.finish(shell(f"echo {word}"), word)
    assert [line for line in log(fly)[1].splitlines() if line in {"one", "two"}] == ["one", "two"]


def test_the_log_holds_only_what_the_application_itself_prints(fly: Stage) -> None:
    fly.run(shell("exit"), "first")
    fly.fly.set_secrets(APP, {"KEY": "hunter2"})
    fly.finish(shell("", init={"exec": ["/no/such/program"]}, env={"COLOUR": "red-value"}))
    text = log(fly)[1]
    assert "/no/such/program" in text
    assert "hunter2" not in text
    assert "red-value" not in text


def test_there_is_a_log_only_of_apps_of_ours_that_are_there(fly: Stage) -> None:
    fly.stand_in.plant_app("theirs", "others")
    assert log(fly, "theirs")[0] == log(fly, "none")[0] == 404
    fly.finish(shell("echo hello"))
    assert log(fly)[0] == 200
    fly.fly.delete_app(APP)
    assert log(fly)[0] == 404


def test_an_app_without_a_machine_has_said_nothing(fly: Stage) -> None:
    fly.fly.create_app(APP, "previews", APP)
    assert log(fly) == (200, "the app has no machine\n")


def test_an_application_keeps_its_own_path_of_that_name(fly: Stage) -> None:
    fly.run(web())
    assert fly.visit(f"/logs/{APP}").json()["path"] == f"/logs/{APP}"
