from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fly_io.client import FlyRefused, NameTaken
from tests.unit.fly_stage import APP, FOLLOWS_A_FILE, ORGANIZATION, Stage, file, service, stage, web


@pytest.fixture
def fly(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        staged.run(web())
        yield staged


def gone(fly: Stage) -> bool:
    return fly.fly.get_app(APP) is None


def test_a_deletion_that_lingers_is_seen_to_its_end(fly: Stage) -> None:
    fly.stand_in.let_deletions_linger(2)
    fly.fly.delete_app(APP)
    with pytest.raises(NameTaken):
        fly.fly.create_app(APP, ORGANIZATION, "net")
    assert [gone(fly) for _ in range(3)] == [False, False, True]
    fly.fly.create_app(APP, ORGANIZATION, "net")


def test_only_who_asks_for_the_app_itself_sees_its_deletion_go_on(fly: Stage) -> None:
    fly.stand_in.let_deletions_linger(1)
    fly.fly.delete_app(APP)
    for _ in range(3):
        assert [app.name for app in fly.fly.list_apps(ORGANIZATION)] == [APP]
        assert fly.fly.list_machines(APP) == ()
    assert [gone(fly) for _ in range(2)] == [False, True]
    assert fly.fly.list_apps(ORGANIZATION) == ()


def test_deleting_again_does_not_make_it_last_longer(fly: Stage) -> None:
    fly.stand_in.let_deletions_linger(1)
    fly.fly.delete_app(APP)
    assert not gone(fly)
    fly.fly.delete_app(APP)
    assert gone(fly)


@pytest.mark.parametrize("status", ["deployed", "removing"])
def test_an_app_that_is_dying_may_be_told_to_be_as_alive_as_ever(fly: Stage, status: str) -> None:
    fly.stand_in.let_deletions_linger(1, status=status)
    fly.fly.delete_app(APP)
    found = fly.fly.get_app(APP)
    assert found is not None
    assert found.status == status
    assert fly.stand_in.apps() == ()


@pytest.mark.parametrize("machines_run", [False, True])
def test_machines_end_with_the_deletion_or_only_at_its_end(fly: Stage, machines_run: bool) -> None:
    fly.stand_in.let_deletions_linger(1, machines_run=machines_run)
    fly.fly.delete_app(APP)
    assert not gone(fly)
    assert [machine.running for machine in fly.stand_in.machines()] == [True] * machines_run
    assert len(fly.fly.list_machines(APP)) == machines_run
    assert gone(fly)
    assert fly.stand_in.machines() == ()


def test_a_dying_app_gets_no_new_machine(fly: Stage) -> None:
    fly.stand_in.let_deletions_linger(1, machines_run=True)
    fly.fly.delete_app(APP)
    with pytest.raises(FlyRefused) as raised:
        fly.fly.create_machine(APP, name="new", region="iad", config=web())
    assert raised.value.status == 404


def test_a_deleted_app_is_never_served_though_its_machine_runs(fly: Stage) -> None:
    assert fly.visit().status_code == 200
    fly.stand_in.let_deletions_linger(1, machines_run=True)
    fly.fly.delete_app(APP)
    assert fly.visit().status_code == 404


def test_no_visitor_wakes_the_machine_of_a_deleted_app(fly: Stage) -> None:
    [machine] = fly.stand_in.machines()
    fly.stand_in.let_deletions_linger(1, machines_run=True)
    fly.stand_in.stop_machine(machine.id)
    fly.fly.delete_app(APP)
    assert (fly.visit().status_code, machine.running) == (404, False)


def test_what_is_deleted_while_a_visitor_waits_is_not_served(fly: Stage) -> None:
    files = [file("/app/serve.py", FOLLOWS_A_FILE)]
    checks = [{"type": "http", "path": "/healthz"}]
    [old] = fly.fly.list_machines(APP)
    fly.api.delete(f"/apps/{APP}/machines/{old.id}", params={"force": "true"})
    machine = fly.run(web(services=[service(checks=checks)], files=files))
    fly.stand_in.let_deletions_linger(1, machines_run=True)
    with ThreadPoolExecutor() as pool:
        visit = pool.submit(fly.visit)
        while "GET /healthz" not in fly.stand_in.log(machine.id):
            assert not visit.done()
        fly.fly.delete_app(APP)
        (fly.home(machine) / "well").touch()
        assert visit.result().status_code == 404
    assert fly.stand_in.machine(machine.id).running


def test_the_next_app_of_the_name_is_another_one(fly: Stage) -> None:
    before = fly.fly.get_app(APP)
    fly.fly.delete_app(APP)
    fly.fly.create_app(APP, ORGANIZATION, "net")
    after = fly.fly.get_app(APP)
    assert before is not None
    assert after is not None
    assert before.id != after.id
    assert fly.visit().status_code == 404
