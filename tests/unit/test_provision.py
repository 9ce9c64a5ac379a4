"""Fly.io is driven to what is wanted, from whatever an earlier attempt left there."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from choreography.reaction import RetryLaterError
from runtimes.machine import MACHINE_NAME, metadata
from tests.unit.provision_stage import NAME, ORGANIZATION, SECRETS, World, provisioning, wanted
from tests.unit.record_examples import preview


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with provisioning(tmp_path) as staged:
        yield staged


# ---- From nothing


def test_what_is_made_from_nothing(world: World) -> None:
    runtime = world.provision(wanted())
    assert world.calls() == [
        "GET /it",
        "POST ",
        "POST /it/ip_assignments",
        "POST /it/ip_assignments",
        "POST /it/secrets",
        "POST /it/machines",
    ]
    [made] = world.stand_in.apps()
    assert (made.organization, made.network) == (ORGANIZATION, NAME)
    assert made.secrets == SECRETS
    assert (runtime.fly_app, runtime.machine_id, runtime.region) == (NAME, world.machine().id, "iad")
    assert runtime.address == preview().address


def test_the_machine_starts_with_the_secrets_that_were_just_set(world: World) -> None:
    world.provision(wanted())
    asked = world.body("POST /it/machines")
    assert asked["min_secrets_version"] == 1
    assert asked["name"] == MACHINE_NAME
    assert "planted-key" not in json.dumps(asked)


def test_without_secrets_none_are_set_and_no_version_is_asked_for(world: World) -> None:
    world.provision(wanted(secrets={}))
    assert "POST /it/secrets" not in world.calls()
    assert "min_secrets_version" not in world.body("POST /it/machines")


# ---- Again


def test_again_for_the_same_generation_makes_and_changes_no_machine(world: World) -> None:
    first = world.provision(wanted())
    version = world.machine().instance_id
    world.forget()
    assert world.provision(wanted()) == first
    assert world.changes() == ["POST /it/secrets"]
    assert world.machine().instance_id == version


@pytest.mark.parametrize("state", ["created", "starting", "started", "stopped", "suspended", "something new"])
def test_a_machine_of_the_same_generation_is_left_alone_while_it_is_or_can_be_well(world: World, state: str) -> None:
    first = world.provision(wanted())
    world.edit_machines(state=state)
    world.forget()
    assert world.provision(wanted()) == first
    assert world.changes() == ["POST /it/secrets"]


@pytest.mark.parametrize("state", ["failed", "launch_failed"])
def test_a_machine_of_the_same_generation_that_failed_is_booted_anew(world: World, state: str) -> None:
    first = world.provision(wanted())
    version = world.machine().instance_id
    world.edit_machines(state=state)
    assert world.provision(wanted()) == first
    assert world.machine().instance_id != version


def test_what_others_write_on_the_machine_is_no_reason_to_boot_it_anew(world: World) -> None:
    world.provision(wanted())
    machine = world.machine()
    machine.set_metadata({**metadata(wanted().environment), "fly_platform_version": "v2"})
    world.forget()
    world.provision(wanted())
    assert world.changes() == ["POST /it/secrets"]


@pytest.mark.parametrize("state", ["destroying", "destroyed"])
def test_a_machine_that_is_going_is_neither_updated_nor_taken_for_the_one_wanted(world: World, state: str) -> None:
    world.provision(wanted())
    world.machine()
    world.edit_machines(state=state)
    with pytest.raises(RetryLaterError, match="does not show it yet"):
        world.provision(wanted())
    world.stand_in.apps()[0].machines.clear()
    again = world.provision(wanted())
    assert again.machine_id in {machine.id for machine in world.stand_in.machines()}


@pytest.mark.parametrize("generation", [1, 2])
def test_a_machine_whose_host_is_not_reached_is_waited_for(world: World, generation: int) -> None:
    """Fly leaves its config out then, so that nobody knows what it is."""
    world.provision(wanted())
    world.edit_machines(config=None)
    world.forget()
    with pytest.raises(RetryLaterError, match="host"):
        world.provision(wanted(generation))
    assert world.changes() == []


def test_another_machine_in_the_app_is_not_taken_for_ours(world: World) -> None:
    world.provision(wanted())
    theirs = world.machine()
    theirs.name = "by-hand"
    ours = world.provision(wanted())
    assert ours.machine_id != theirs.id
    assert len(world.stand_in.machines()) == 2


# ---- The next generation


def test_the_next_generation_is_the_same_machine_in_place(world: World) -> None:
    first = world.provision(wanted())
    before = world.machine()
    version = before.instance_id
    world.forget()
    second = world.provision(wanted(2, image="node:22"))
    assert second == first
    asked = world.body(f"POST /it/machines/{before.id}")
    assert asked["current_version"] == version
    assert asked["min_secrets_version"] == 2
    assert asked["config"]["metadata"]["generation"] == "2"
    assert asked["config"]["image"] == "node:22"
    assert "region" not in asked


def test_a_machine_stays_where_it_is_when_the_app_moves(world: World) -> None:
    world.provision(wanted())
    assert world.provision(wanted(2, region="fra")).region == "iad"


def test_secrets_that_are_no_longer_there_are_removed(world: World) -> None:
    world.provision(wanted())
    world.forget()
    world.provision(wanted(2, secrets={"NEW": "planted-new"}))
    assert world.body("POST /it/secrets") == {"values": {"API_KEY": None, "EMPTY": None, "NEW": "planted-new"}}
    assert world.stand_in.apps()[0].secrets == {"NEW": "planted-new"}


def test_the_last_secrets_are_removed_too_and_the_machine_waits_for_that(world: World) -> None:
    world.provision(wanted())
    world.forget()
    world.provision(wanted(2, secrets={}))
    assert world.stand_in.apps()[0].secrets == {}
    assert world.body(f"POST /it/machines/{world.machine().id}")["min_secrets_version"] == 2


@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_machine_that_somebody_else_is_changing_is_looked_at_again(world: World, status: int) -> None:
    world.provision(wanted())
    world.machine()
    world.stand_in.fail(1, status=status, match=r"^POST .*/machines/")
    with pytest.raises(RetryLaterError, match="being changed") as raised:
        world.provision(wanted(2))
    assert raised.value.after == timedelta(seconds=3)
    world.provision(wanted(2))
    assert world.machine().config.metadata["generation"] == "2"


def test_a_version_that_is_stale_by_the_time_is_not_overwritten(world: World) -> None:
    world.provision(wanted())
    machine = world.machine()
    world.edit_machines(instance_id="01STALE")
    with pytest.raises(RetryLaterError, match="being changed"):
        world.provision(wanted(2))
    assert machine.config.metadata["generation"] == "1"


def test_a_machine_of_a_newer_generation_is_left_alone_with_all_that_its_app_has(world: World) -> None:
    world.provision(wanted(10))
    machine = world.machine()
    version = machine.instance_id
    world.stand_in.apps()[0].ips.clear()
    world.forget()
    assert world.is_left_alone(wanted(9, secrets={"API_KEY": "planted-old"}))
    assert world.changes() == []
    assert (machine.instance_id, machine.config.metadata["generation"]) == (version, "10")


def test_a_machine_that_says_no_generation_is_an_older_one(world: World) -> None:
    world.provision(wanted())
    world.machine().set_metadata({"generation": "newest"})
    world.provision(wanted())
    assert world.machine().config.metadata["generation"] == "1"


# ---- Half made


@pytest.mark.parametrize(
    ("given", "missing"), [((), ["shared_v4", "v6"]), (("v6",), ["shared_v4"]), (("shared_v4",), ["v6"])]
)
def test_only_the_addresses_that_are_missing_are_assigned(
    world: World, given: tuple[str, ...], missing: list[str]
) -> None:
    world.stand_in.plant_app(NAME, ORGANIZATION, NAME)
    for ip_type in given:
        world.stand_in.apps()[0].assign_ip(ip_type)
    world.provision(wanted())
    asked = [body["type"] for _, path, body in world.wire.asked if body and path == "/it/ip_assignments"]
    assert asked == missing


@pytest.mark.parametrize("fault", [{"status": 408}, {"status": 500}, {"status": 504}])
@pytest.mark.parametrize("call", ["^POST /v1/apps$", "ip_assignments$", "secrets$", "machines$"])
def test_a_call_that_worked_though_fly_did_not_say_so_is_not_done_twice(
    world: World, call: str, fault: dict[str, Any]
) -> None:
    match = call if call.startswith("^") else rf"^POST .*/{call}"
    world.stand_in.fail(1, match=match, after_effect=True, **fault)
    with pytest.raises(RetryLaterError):
        world.provision(wanted())
    world.provision(wanted())
    [made] = world.stand_in.apps()
    assert len(made.machines) == 1
    assert len(made.ips) == 2
    assert made.secrets == SECRETS


def test_a_time_out_after_a_create_is_looked_into_soon(world: World) -> None:
    def time_out(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/machines"):
            raise httpx.ReadTimeout("planted")
        return answer

    world.wire.edit = time_out
    with pytest.raises(RetryLaterError) as raised:
        world.provision(wanted())
    assert raised.value.after == timedelta(seconds=3)
    first = world.machine().id
    world.wire.edit = lambda _, answer: answer
    assert world.provision(wanted()).machine_id == first


def test_a_machine_that_is_not_shown_yet_is_not_made_a_second_time(world: World) -> None:
    """Fly's list may lag behind what it has made; the name is what can't be there twice."""

    def lag(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        is_list = request.method == "GET" and request.url.path.endswith("/machines")
        return httpx.Response(200, json=[]) if is_list else answer

    first = world.provision(wanted())
    world.wire.edit = lag
    with pytest.raises(RetryLaterError, match="does not show it yet"):
        world.provision(wanted())
    world.wire.edit = lambda _, answer: answer
    assert world.provision(wanted()) == first


@pytest.mark.parametrize("status", [401, 404])
def test_an_app_that_not_all_of_fly_sees_yet_is_waited_for(world: World, status: int) -> None:
    world.stand_in.fail(1, status=status, match="^POST .*/ip_assignments")
    with pytest.raises(RetryLaterError) as raised:
        world.provision(wanted())
    assert raised.value.after == timedelta(seconds=1)
    world.provision(wanted())
