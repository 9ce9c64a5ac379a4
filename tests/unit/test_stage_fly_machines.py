import io
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from werkzeug.wrappers import Response

from fly_io.client import FlyRefused, Machine
from prestage.stage.serve import Server
from tests.unit.fly_stage import APP, SERVE, Stage, file, service, shell, stage, web

IDLE = "exec tail -f /dev/null"
BOOT = Path(__file__).parents[2] / "services" / "runtimes" / "boot.sh"


@pytest.fixture
def fly(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


def alive(process_id: int) -> bool:
    """Whether the process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def event_types(fly: Stage, machine: Machine) -> list[str]:
    """Oldest first."""
    events = fly.api.get(f"/apps/{APP}/machines/{machine.id}").json()["events"]
    return [event["type"] for event in events][::-1]


def test_a_machine_is_created_and_then_started(fly: Stage) -> None:
    machine = fly.run(shell(IDLE))
    assert machine.state == "created"
    assert fly.wait(machine, "started").state == "started"
    assert event_types(fly, machine) == ["launch", "start"]


def test_a_machine_that_is_not_to_be_launched_is_not(fly: Stage) -> None:
    fly.run(shell(IDLE))
    body = {"name": "later", "config": shell(IDLE), "skip_launch": True}
    later = fly.api.post(f"/apps/{APP}/machines", json=body).json()["id"]
    assert fly.fly.get_machine(APP, later).state == "created"
    assert fly.api.post(f"/apps/{APP}/machines/{later}/start").status_code == 200
    assert fly.fly.get_machine(APP, later).state == "started"


def test_a_process_gets_its_environment_and_nothing_of_ours(fly: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    fly.run(shell("exit"), "first")
    fly.fly.set_secrets(APP, {"KEY": "hunter2", "COLOUR": "secret's"})
    ended = fly.finish(shell("", init={"exec": ["env"]}, env={"COLOUR": "config's", "PORT": "9"}))
    environment = dict(line.split("=", 1) for line in fly.stand_in.log(ended.id).splitlines())
    machine = fly.stand_in.machine(ended.id)
    assert environment.pop("PATH").split(":")[0] == str(Path(sys.executable).parent)
    assert Path(environment.pop("HOME")).is_relative_to(machine.disk)
    assert {name for name in environment if name.startswith("FLY_")} == {
        "FLY_APP_NAME",
        "FLY_MACHINE_ID",
        "FLY_REGION",
        "FLY_PRIVATE_IP",
        "FLY_IMAGE_REF",
        "FLY_MACHINE_VERSION",
        "FLY_VM_MEMORY_MB",
    }
    assert environment["FLY_MACHINE_ID"] == ended.id
    own = {name: value for name, value in environment.items() if not name.startswith("FLY_")}
    assert own == {"KEY": "hunter2", "COLOUR": "secret's", "PORT": "9"}
    assert fly.stand_in.process_environment(ended.id).keys() == environment.keys() | {"PATH", "HOME"}


def test_files_are_written_where_the_machine_takes_them_for(fly: Stage) -> None:
    fly.run(shell("exit"), "first")
    fly.fly.set_secrets(APP, {"KEY": "aGlkZGVu"})
    files = [file("/prestage/boot.sh", 'cat "${0%/*}/../etc/key"', mode=0o700)]
    files.append({"guest_path": "/etc/key", "secret_name": "KEY"})
    ended = fly.finish(shell("", init={"exec": ["/bin/sh", "/prestage/boot.sh"]}, files=files))
    assert (ended.exit_code, fly.stand_in.log(ended.id)) == (0, "hidden")
    assert (fly.stand_in.machine(ended.id).disk / "prestage" / "boot.sh").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("script", "restart", "boots", "code"),
    [
        ("exit 83", {"policy": "on-failure", "max_retries": 2}, 3, 83),
        ("exit 83", {"policy": "no"}, 1, 83),
        ("exit 83", {}, 11, 83),
        ("exit 0", {"policy": "on-failure", "max_retries": 2}, 1, 0),
        ("exit 0", {"policy": "always"}, 11, 0),
        ("kill -KILL $$", {"policy": "no"}, 1, 137),
    ],
)
def test_a_machine_that_ends_is_restarted_as_its_policy_says(
    fly: Stage, script: str, restart: dict[str, Any], boots: int, code: int
) -> None:
    ended = fly.finish(shell(script, restart=restart))
    assert (ended.state, ended.exit_code) == ("stopped", code)
    assert fly.stand_in.machine(ended.id).boots == boots
    assert event_types(fly, ended).count("exit") == boots


def test_a_machine_that_has_nothing_to_run_has_failed(fly: Stage) -> None:
    ended = fly.finish(shell("", init={"exec": ["/no/such/program"]}))
    assert (ended.state, ended.exit_code) == ("failed", None)
    assert "/no/such/program" in fly.stand_in.log(ended.id)


def test_a_stopped_machine_starts_again_and_is_not_restarted_by_its_policy(fly: Stage) -> None:
    machine = fly.run(shell(IDLE, restart={"policy": "always"}))
    path = f"/apps/{APP}/machines/{machine.id}"
    for _ in range(2):
        assert fly.api.post(f"{path}/stop").status_code == 200
        stopped = fly.fly.get_machine(APP, machine.id)
        assert (stopped.state, stopped.exit_code) == ("stopped", 143)
    for _ in range(2):
        fly.fly.start_machine(APP, machine.id)
        assert fly.fly.get_machine(APP, machine.id).state == "started"
    assert event_types(fly, machine) == ["launch", "start", "stop", "exit", "start"]


def test_a_machine_that_the_proxy_stops_was_stopped_on_request_and_not_by_a_user(fly: Stage) -> None:
    machine = fly.run(shell(IDLE))
    fly.stand_in.stop_machine(machine.id)
    stopped = fly.fly.get_machine(APP, machine.id)
    assert stopped.last_exit is not None
    assert (stopped.state, stopped.last_exit.requested_stop, stopped.last_exit.restarting) == ("stopped", True, False)
    [stop] = [
        event for event in fly.api.get(f"/apps/{APP}/machines/{machine.id}").json()["events"] if event["type"] == "stop"
    ]
    assert stop["source"] == "proxy"


def test_a_machine_that_ends_for_good_was_not_asked_to(fly: Stage) -> None:
    ended = fly.finish(shell("exit 83", restart={"policy": "on-failure", "max_retries": 1}))
    assert ended.last_exit is not None
    assert (ended.last_exit.requested_stop, ended.last_exit.restarting) == (False, False)
    assert [event.exit.restarting for event in ended.events if event.exit] == [False, True]


def test_a_process_that_will_not_stop_is_ended(fly: Stage) -> None:
    machine = fly.run(shell(f"trap '' TERM HUP; {IDLE}"))
    answer = fly.api.post(f"/apps/{APP}/machines/{machine.id}/stop", json={"signal": "SIGHUP", "timeout": "1ms"})
    assert answer.status_code == 200
    assert not fly.stand_in.machine(machine.id).running


@pytest.mark.parametrize(
    ("persist", "after_stop", "after_update", "after_new_image"),
    [("never", 1, 1, 1), ("restart", 2, 1, 1), ("always", 2, 3, 1)],
)
def test_a_disk_lasts_as_long_as_it_is_to_persist(
    fly: Stage, persist: str, after_stop: int, after_update: int, after_new_image: int
) -> None:
    config = shell("echo x >>count; wc -l <count", rootfs={"persist": persist})
    machine = fly.finish(config)

    def count() -> int:
        fly.wait(machine, "stopped")
        return int(fly.stand_in.log(machine.id).split()[-1])

    def update(config: dict[str, Any]) -> int:
        version = fly.fly.get_machine(APP, machine.id).instance_id
        fly.fly.update_machine(APP, machine.id, config=config, current_version=version)
        return count()

    assert count() == 1
    fly.stand_in.start_machine(machine.id)
    assert count() == after_stop
    assert update(config) == after_update
    assert update(config | {"image": "debian:13"}) == after_new_image
    fly.stand_in.forget_disk(machine.id)
    fly.stand_in.start_machine(machine.id)
    assert count() == 1


def test_a_disk_that_does_not_persist_is_lost_in_a_crash_too(fly: Stage) -> None:
    script = "test ! -e here && touch here && exit 1; exit 7"
    for persist, code in (("never", 1), ("restart", 7)):
        restart = {"policy": "on-failure", "max_retries": 1}
        ended = fly.finish(shell(script, restart=restart, rootfs={"persist": persist}), persist)
        assert ended.exit_code == code


def test_an_update_replaces_the_process_and_the_version(fly: Stage) -> None:
    machine = fly.run(web())
    first = fly.visit().json()["environment"]
    updated = fly.fly.update_machine(
        APP, machine.id, config=web(env={"PORT": "8080", "NEW": "1"}), current_version=machine.instance_id
    )
    second = fly.visit().json()["environment"]
    assert (updated.id, updated.state) == (machine.id, "replacing")
    assert updated.instance_id == second["FLY_MACHINE_VERSION"] != first["FLY_MACHINE_VERSION"]
    assert "NEW" in second


def test_an_update_from_a_stale_version_changes_nothing(fly: Stage) -> None:
    machine = fly.run(shell(IDLE))
    with pytest.raises(FlyRefused) as raised:
        fly.fly.update_machine(APP, machine.id, config=shell("exit"), current_version="01OLD")
    assert raised.value.status == 409
    with pytest.raises(FlyRefused) as moved:
        fly.fly.update_machine(APP, machine.id, config=shell("exit"), current_version=machine.instance_id, region="ams")
    assert moved.value.status == 400
    assert event_types(fly, machine) == ["launch", "start"]


def test_secrets_are_read_at_each_boot(fly: Stage) -> None:
    machine = fly.run(web())
    version = fly.fly.set_secrets(APP, {"KEY": "1"})
    assert "KEY" not in fly.visit().json()["environment"]
    fly.fly.update_machine(
        APP, machine.id, config=web(), current_version=machine.instance_id, min_secrets_version=version
    )
    assert fly.visit().json()["environment"]["KEY"] == "1"


def test_a_running_machine_is_destroyed_only_by_force(fly: Stage) -> None:
    machine = fly.run(shell(IDLE))
    path = f"/apps/{APP}/machines/{machine.id}"
    assert fly.api.delete(path).status_code == 412
    assert fly.api.delete(path, params={"force": "true"}).status_code == 200
    assert fly.api.delete(path).status_code == 404
    assert fly.fly.list_machines(APP) == ()


def test_deleting_the_app_ends_all_that_runs_in_it(fly: Stage) -> None:
    process = fly.stand_in.machine(fly.run(shell(IDLE)).id).process_id
    assert process is not None
    assert alive(process)
    fly.fly.delete_app(APP)
    assert not alive(process)
    assert fly.stand_in.machines() == ()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_closing_leaves_no_process_no_thread_and_no_file(tmp_path: Path) -> None:
    child, stray, folder = tmp_path / "child", tmp_path / "stray", tmp_path / "stage"
    os.mkfifo(child)
    os.mkfifo(stray)
    folder.mkdir()
    left = f"setsid /bin/sh -c 'echo $$ >{stray}; {IDLE}' & tail -f /dev/null & echo $! >{child}; {IDLE}"
    with stage(folder) as fly:
        fly.run(shell(left), "job")
        fly.run(web())
        assert fly.visit().status_code == 200
        processes = [int(child.read_text()), int(stray.read_text())]
        processes += [machine.process_id or 0 for machine in fly.stand_in.machines()]
        assert all(map(alive, processes))
    assert not any(map(alive, processes))
    assert list(folder.iterdir()) == []
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("machine-")] == []


def test_a_visit_reaches_the_application_as_it_was_made(fly: Stage) -> None:
    fly.run(web())
    answer = fly.visit("/a%2Fb//c?q=%20x", method="POST", content=b"hello", headers={"X-Own": "1"})
    said = answer.json()
    assert (said["method"], said["path"], said["body"]) == ("POST", "/a%2Fb//c?q=%20x", "hello")
    assert said["headers"]["X-Own"] == "1"
    assert said["headers"]["Host"] == f"{APP}.fly.localhost:4280"
    assert {"Fly-Client-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Fly-Region"} <= set(said["headers"])


def test_an_answer_reaches_the_visitor_as_it_was_given(fly: Stage) -> None:
    fly.run(web())
    answer = fly.visit("/missing")
    assert (answer.status_code, answer.reason_phrase) == (404, "Said")
    assert answer.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers["Fly-Request-Id"]
    assert "X-Robots-Tag" not in answer.headers


def test_the_edge_adds_and_removes_the_headers_that_the_service_says(fly: Stage) -> None:
    headers = {"X-Robots-Tag": "noindex", "X-Powered-By": False, "X-Many": ["1", "2"]}
    ports = [{"port": 443, "handlers": ["tls", "http"], "http_options": {"response": {"headers": headers}}}]
    ports.append({"port": 80, "handlers": ["http"]})
    fly.run(web(services=[service(ports=ports)]))
    answer = fly.visit()
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "X-Powered-By" not in answer.headers
    assert answer.headers.get_list("X-Many") == ["1", "2"]


def test_a_visit_wakes_a_stopped_machine(fly: Stage) -> None:
    machine = fly.run(web())
    fly.stand_in.stop_machine(machine.id)
    assert fly.visit().status_code == 200
    assert fly.stand_in.machine(machine.id).state == "started"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (shell("exit 1"), "no machine with a service"),
        (shell("exit 1", services=[service()]), "the machine is stopped"),
        (shell("", init={"exec": ["/none"]}, services=[service()]), "the machine is failed"),
    ],
)
def test_a_visitor_is_told_why_nothing_answers(fly: Stage, config: dict[str, Any], words: str) -> None:
    fly.finish(config)
    answer = fly.visit()
    assert (answer.status_code, words in answer.text) == (503, True), answer.text


def test_a_stopped_machine_without_autostart_stays_stopped(fly: Stage) -> None:
    machine = fly.run(web(services=[service(autostart=False)]))
    fly.stand_in.stop_machine(machine.id)
    assert fly.visit().status_code == 503
    assert fly.stand_in.machine(machine.id).state == "stopped"


def test_an_application_that_dies_in_the_middle_is_a_bad_gateway(fly: Stage) -> None:
    fly.run(web())
    assert fly.visit().status_code == 200
    assert fly.visit("/die").status_code == 502


def test_only_apps_with_a_public_address_have_a_host_name(fly: Stage) -> None:
    fly.run(web())
    assert fly.visit(app="other").status_code == 404
    assert fly.edge.get("/", headers={"Host": "localhost"}).status_code == 404
    address = fly.api.get(f"/apps/{APP}/ip_assignments").json()["ips"][0]["ip"]
    fly.api.delete(f"/apps/{APP}/ip_assignments/{address}")
    assert fly.visit().status_code == 404


def test_nothing_here_waits_for_a_clock_that_stands_still(fly: Stage) -> None:
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False):
        machine = fly.run(web())
        assert fly.visit().status_code == 200
        fly.stand_in.stop_machine(machine.id)
        assert fly.fly.get_machine(APP, machine.id).exit_code == 143


def test_a_preview_boots_from_its_source_and_keeps_it(fly: Stage) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        info = tarfile.TarInfo("octo-shop/serve.py")
        info.size = len(SERVE)
        packed.addfile(info, io.BytesIO(SERVE.encode()))
    asked: list[str] = []

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        asked.append(environ["PATH_INFO"])
        return Response(archive.getvalue())(environ, start_response)

    with Server(serve) as server:
        config = web(
            init={"exec": ["/bin/sh", "/prestage/boot.sh"]},
            files=[file("/prestage/boot.sh", BOOT.read_text())],
            rootfs={"persist": "always"},
            env={
                "PORT": "8080",
                "PRESTAGE_SOURCE_URL": f"{server.url}/source/capability",
                "PRESTAGE_SHA": "4f3c2b1a",
                "PRESTAGE_START": "exec python3 serve.py",
            },
        )
        machine = fly.run(config)
        environment = fly.visit().json()["environment"]
        assert {name for name in environment if name.startswith("PRESTAGE_")} == {"PRESTAGE_SHA"}
        fly.stand_in.stop_machine(machine.id)
        assert fly.visit().status_code == 200
        assert asked == ["/source/capability"]
        fly.stand_in.stop_machine(machine.id)
        fly.stand_in.forget_disk(machine.id)
        assert fly.visit().status_code == 200
        assert asked == ["/source/capability"] * 2
