import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fly_io.client import FlyAmbiguous, FlyRefused, FlyUnavailable, NameTaken
from prestage.stage.faults import DROPPED, Request
from tests.unit.fly_stage import APP, ORGANIZATION, TOKEN, Stage, file, service, shell, stage, web


@pytest.fixture
def fly(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        yield staged


@pytest.fixture
def app(fly: Stage) -> Stage:
    fly.fly.create_app(APP, ORGANIZATION, "net-1")
    return fly


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"FlyV1 {TOKEN}"])
def test_the_token_is_taken_under_both_schemes(app: Stage, authorization: str) -> None:
    assert app.api.get(f"/apps/{APP}", headers={"Authorization": authorization}).status_code == 200


@pytest.mark.parametrize("authorization", ["", TOKEN, "Bearer wrong", f"Basic {TOKEN}", f"Bearer FlyV1 {TOKEN}"])
def test_anything_else_is_not_taken(app: Stage, authorization: str) -> None:
    answer = app.api.get(f"/apps/{APP}", headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()) == (401, {"error": "Authenticate: token validation error"})
    assert answer.headers["fly-request-id"]


def test_an_app_keeps_its_network_and_organisation(app: Stage) -> None:
    found = app.fly.get_app(APP)
    assert found is not None
    assert (found.network, found.organization_slug, found.status) == ("net-1", ORGANIZATION, "pending")
    assert app.fly.list_apps(ORGANIZATION) == (found,)
    app.stand_in.plant_app("theirs", "others")
    assert app.fly.list_apps(ORGANIZATION) == (found,)
    with pytest.raises(FlyRefused):
        app.fly.list_apps("others")


def test_an_apps_name_is_taken_whoever_has_it(app: Stage) -> None:
    app.stand_in.plant_app("theirs", "others")
    for name in (APP, "theirs"):
        with pytest.raises(NameTaken) as raised:
            app.fly.create_app(name, ORGANIZATION, "net")
        assert raised.value.status == 422


def test_anothers_app_is_not_shown_whatever_is_asked_of_it(fly: Stage) -> None:
    fly.stand_in.plant_app("theirs", "others")
    with pytest.raises(FlyRefused) as raised:
        fly.fly.get_app("theirs")
    assert raised.value.status == 403
    for attempt in (fly.fly.list_machines, fly.fly.list_secret_names, fly.fly.delete_app):
        with pytest.raises(FlyRefused) as refused:
            attempt("theirs")
        assert refused.value.status == 403
    assert [one.name for one in fly.stand_in.apps()] == ["theirs"]


@pytest.mark.parametrize("name", ["", "1abc", "Abc", "a_b", "a-", "a" * 63])
def test_a_name_that_no_app_can_have_is_refused_and_is_not_taken(fly: Stage, name: str) -> None:
    with pytest.raises(FlyRefused) as raised:
        fly.fly.create_app(name, ORGANIZATION, "net")
    assert raised.value.status in {400, 422}
    assert not isinstance(raised.value, NameTaken)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "a", "org_slug": "others"}, 403),
        ({"name": "a"}, 400),
        ({"name": "a", "app_name": "a", "org_slug": ORGANIZATION}, 400),
        ({"name": "a", "org_slug": ORGANIZATION, "network": "1-net"}, 400),
        ({"name": "a", "org_slug": ORGANIZATION, "colour": "red"}, 400),
        ({"app_name": "a", "org_slug": ORGANIZATION}, 201),
    ],
)
def test_what_creates_an_app_is_checked(fly: Stage, body: dict[str, str], status: int) -> None:
    assert fly.api.post("/apps", json=body).status_code == status


def test_a_deleted_app_is_gone_and_its_name_is_free(app: Stage) -> None:
    assert app.api.delete(f"/apps/{APP}").status_code == 202
    assert app.fly.get_app(APP) is None
    assert app.api.delete(f"/apps/{APP}").status_code == 404
    app.fly.delete_app(APP)
    app.fly.create_app(APP, ORGANIZATION, "net")


def test_addresses_are_given_and_taken(app: Stage) -> None:
    assert app.fly.list_ip_types(APP) == frozenset()
    for ip_type in ("shared_v4", "shared_v4", "v6", "private_v6"):
        app.fly.assign_ip(APP, ip_type)
    assert app.fly.list_ip_types(APP) == {"shared_v4", "v6", "private_v6"}
    ips = app.api.get(f"/apps/{APP}/ip_assignments").json()["ips"]
    assert len(ips) == 3
    for ip in ips:
        assert app.api.delete(f"/apps/{APP}/ip_assignments/{ip['ip']}").status_code == 204
    assert app.api.delete(f"/apps/{APP}/ip_assignments/{ips[0]['ip']}").status_code == 404
    assert app.fly.list_ip_types(APP) == frozenset()
    with pytest.raises(FlyRefused):
        app.fly.assign_ip(APP, "v5")


def test_secrets_have_names_and_versions_and_are_never_shown(app: Stage) -> None:
    assert app.fly.set_secrets(APP, {"KEY": "hunter2", "OLD": "x"}) == 1
    assert app.fly.set_secrets(APP, {"OLD": None, "NEVER": None}) == 2
    assert app.fly.list_secret_names(APP) == {"KEY"}
    assert "hunter2" not in app.api.get(f"/apps/{APP}/secrets").text
    assert app.api.get(f"/apps/{APP}/secrets", params={"show_secrets": "true"}).status_code == 403
    assert app.api.post(f"/apps/{APP}/secrets", json={"values": {"A=B": "x"}}).status_code == 400
    assert app.api.post(f"/apps/{APP}/secrets", json={"values": {"A": 1}}).status_code == 400


def test_a_machine_can_need_only_secrets_that_there_are(app: Stage) -> None:
    with pytest.raises(FlyRefused) as raised:
        app.fly.create_machine(APP, name="web", region="iad", config=shell("exit"), min_secrets_version=1)
    assert raised.value.status == 400


def test_a_machines_name_is_taken_once_in_its_app(app: Stage) -> None:
    app.fly.create_machine(APP, name="web", region="iad", config=shell("exit"))
    with pytest.raises(NameTaken) as raised:
        app.fly.create_machine(APP, name="web", region="iad", config=shell("exit"))
    assert raised.value.status == 409
    assert len(app.stand_in.machines()) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": None}, "config.image"),
        ({"image": "No Image"}, "config.image"),
        ({"colour": "red"}, "config.colour"),
        ({"guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 300}}, "memory_mb must be 256 to 2048"),
        ({"guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 256}}, "memory_mb must be 512 to 4096"),
        ({"guest": {"cpu_kind": "performance", "cpus": 1, "memory_mb": 512}}, "memory_mb must be 2048 to 8192"),
        ({"guest": {"cpu_kind": "big"}}, "config.guest.cpu_kind"),
        ({"guest": {"cpus": "1"}}, "config.guest.cpus"),
        ({"env": {"PORT": 8080}}, "config.env.PORT"),
        ({"env": {"": "x"}}, "config.env"),
        ({"init": {"exec": "sh boot.sh"}}, "config.init.exec"),
        ({"init": {}}, "init.exec is required"),
        ({"restart": {"policy": "sometimes"}}, "config.restart.policy"),
        ({"restart": {"max_retries": -1}}, "config.restart.max_retries"),
        ({"rootfs": {"persist": True}}, "config.rootfs.persist"),
        ({"metadata": {"generation": 3}}, "config.metadata.generation"),
        ({"stop_config": {"timeout": 10}}, "config.stop_config.timeout"),
        ({"stop_config": {"signal": "TERM"}}, "config.stop_config.signal"),
        ({"files": [file("app.py", "")]}, "must be an absolute path"),
        ({"files": [file("/a/../../b", "")]}, "must be an absolute path"),
        ({"files": [{"guest_path": "/a", "raw_value": "not base64!"}]}, "must be base64"),
        ({"files": [{"guest_path": "/a"}]}, "one of raw_value and secret_name"),
        ({"files": [file("/a", "", mode="0644")]}, "config.files.0.mode"),
        ({"mounts": [{"volume": "vol_1", "path": "/data"}]}, "config.mounts"),
        ({"services": [service(internal_port="8080")]}, "config.services.0.internal_port"),
        ({"services": [service(protocol="http")]}, "config.services.0.protocol"),
        ({"services": [service(autostart="yes")]}, "config.services.0.autostart"),
        ({"services": [service(autostop="sleep")]}, "config.services.0.autostop"),
        ({"services": [service(ports=[{"port": 70000}])]}, "config.services.0.ports.0.port"),
        ({"services": [service(ports=[{"port": 443, "handlers": ["https"]}])]}, "handlers"),
        ({"services": [service(checks=[{"type": "http", "interval": 15}])]}, "checks.0.interval"),
        ({"services": [service(checks=[{"type": "http", "timeout": "5"}])]}, "checks.0.timeout"),
        ({"services": [service(checks=[{"type": "grpc"}])]}, "checks.0.type"),
        ({"services": [service(checks=[{"type": "http", "path": "healthz"}])]}, "checks.0.path"),
        ({"checks": {"alive": {"type": "tcp"}}}, "config.checks.alive.port"),
    ],
)
def test_a_config_is_checked_field_by_field(app: Stage, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FlyRefused) as raised:
        app.fly.create_machine(APP, name="web", region="iad", config=shell("exit") | changes)
    assert raised.value.status == 400
    assert words in raised.value.message
    assert app.stand_in.machines() == ()


def test_the_whole_config_of_a_preview_is_taken_and_read_back(app: Stage) -> None:
    check = {"type": "http", "port": 8080, "method": "GET", "path": "/", "interval": "10s", "timeout": "5s"}
    config = web(
        guest={"cpu_kind": "shared", "cpus": 1, "memory_mb": 512},
        restart={"policy": "on-failure", "max_retries": 3},
        rootfs={"persist": "always"},
        metadata={"generation": "3"},
        stop_config={"signal": "SIGTERM", "timeout": "10s"},
        services=[
            service(
                min_machines_running=0,
                concurrency={"type": "requests", "soft_limit": 20, "hard_limit": 50},
                checks=[check | {"grace_period": "30s"}],
            )
        ],
        checks={"alive": {"type": "tcp", "port": 8080}},
        mounts=[],
    )
    machine = app.fly.create_machine(APP, name="web", region="iad", config=json.loads(json.dumps(config)))
    expected = config | {"services": [config["services"][0] | {"autostop": True}]}
    assert machine.config == expected
    assert (machine.state, machine.metadata) == ("created", {"generation": "3"})


@pytest.mark.parametrize("region", ["xyz", "", "iad,mars"])
def test_a_region_must_exist(app: Stage, region: str) -> None:
    with pytest.raises(FlyRefused) as raised:
        app.fly.create_machine(APP, name="web", region=region, config=shell("exit"))
    assert raised.value.status == 400


def test_the_first_of_several_regions_is_taken(app: Stage) -> None:
    assert app.fly.create_machine(APP, name="web", region="lhr,any", config=shell("exit")).region == "lhr"


def test_machines_are_narrowed_by_state_and_metadata(app: Stage) -> None:
    one, two = (app.run(shell("exec tail -f /dev/null", metadata={"sha": sha}), sha) for sha in ("a1", "b2"))
    app.stand_in.stop_machine(one.id)

    def listed(**query: str) -> list[str]:
        answer = app.api.get(f"/apps/{APP}/machines", params=query)
        return [machine["id"] for machine in answer.json()]

    assert listed() == [one.id, two.id]
    assert listed(**{"metadata.sha": "b2"}) == [two.id]
    assert listed(state="stopped,failed") == [one.id]
    assert listed(region="ams") == []


def test_metadata_changes_without_a_boot(app: Stage) -> None:
    machine = app.run(shell("exec tail -f /dev/null", metadata={"a": "1"}))
    path = f"/apps/{APP}/machines/{machine.id}/metadata"
    assert app.api.post(f"{path}/b", json={"value": "2"}).status_code == 204
    assert app.api.delete(f"{path}/a").status_code == 204
    assert app.api.get(path).json() == {"b": "2"}
    found = app.fly.get_machine(APP, machine.id)
    assert (found.metadata, found.instance_id) == ({"b": "2"}, machine.instance_id)


def test_an_absent_machine_is_not_found(app: Stage) -> None:
    with pytest.raises(FlyRefused) as raised:
        app.fly.get_machine(APP, "00000000000000")
    assert raised.value.status == 404
    assert app.api.get("/nothing").status_code == 404


@pytest.mark.parametrize("query", [{"timeout": "90"}, {"timeout": "0"}, {"timeout": "x"}, {"state": "happy"}])
def test_a_wait_has_its_bounds(app: Stage, query: dict[str, str]) -> None:
    machine = app.run(shell("exit"))
    assert app.api.get(f"/apps/{APP}/machines/{machine.id}/wait", params=query).status_code == 400


def test_a_wait_that_is_in_vain_ends(app: Stage) -> None:
    machine = app.run(shell("exec tail -f /dev/null"))
    answer = app.api.get(f"/apps/{APP}/machines/{machine.id}/wait", params={"state": "stopped", "timeout": 1})
    assert answer.status_code == 408
    assert "currently started" in answer.json()["error"]


def test_every_request_is_on_record(app: Stage) -> None:
    app.fly.get_app("none")
    assert app.stand_in.requests == [Request("POST", "/v1/apps", 201), Request("GET", "/v1/apps/none", 404)]
    assert (app.stand_in.count(), app.stand_in.count("^POST "), app.stand_in.count("/none$")) == (2, 1, 1)


def test_a_planted_failure_hits_only_what_it_is_meant_for_and_as_often(app: Stage) -> None:
    app.stand_in.fail(2, status=429, headers={"Retry-After": "7"}, match=r"GET .*/secrets$")
    assert app.fly.get_app(APP)
    for _ in range(2):
        with pytest.raises(FlyUnavailable) as raised:
            app.fly.list_secret_names(APP)
        assert raised.value.after == timedelta(seconds=7)
    assert app.fly.list_secret_names(APP) == frozenset()


def test_a_failure_before_the_effect_leaves_none(app: Stage) -> None:
    app.stand_in.fail(match="POST .*/machines$")
    with pytest.raises(FlyUnavailable):
        app.fly.create_machine(APP, name="web", region="iad", config=web())
    assert app.stand_in.machines() == ()


@pytest.mark.parametrize(("status", "drop"), [(408, False), (200, True)])
def test_a_failure_after_the_effect_is_ambiguous_and_leaves_it(app: Stage, status: int, drop: bool) -> None:
    app.stand_in.fail(status=status, match="POST .*/machines$", after_effect=True, drop=drop)
    with pytest.raises(FlyAmbiguous):
        app.fly.create_machine(APP, name="web", region="iad", config=shell("exit"))
    assert [machine.name for machine in app.fly.list_machines(APP)] == ["web"]
    assert app.stand_in.requests[-2].status == (DROPPED if drop else 408)


def test_a_dropped_request_has_no_effect_and_no_answer(app: Stage) -> None:
    app.stand_in.fail(match="secrets", drop=True)
    with pytest.raises(FlyAmbiguous):
        app.fly.set_secrets(APP, {"KEY": "x" * 100_000})
    assert app.fly.list_secret_names(APP) == frozenset()
    app.stand_in.fail(drop=True)
    with pytest.raises(httpx.RemoteProtocolError):
        app.api.get(f"/apps/{APP}")
