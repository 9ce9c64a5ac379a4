import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fly_io.client import LAUNCH_SECONDS, TIMEOUT_SECONDS, Fly, FlyApp, FlyRefused, Machine, NameTaken
from prestage.stage.template import load
from tests.unit.fly_wire import CAPABILITY, CONFIG, MACHINE, Wire, answered, client

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "apps", "x"]), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("token", "header"),
    [
        ("fm2_abc", "FlyV1 fm2_abc"),
        ("fm1r_abc", "FlyV1 fm1r_abc"),
        ("fm1a_abc", "FlyV1 fm1a_abc"),
        ("FlyV1 fm2_abc,fm2_def", "FlyV1 fm2_abc,fm2_def"),
        ("Bearer FlyV1 fm2_abc\n", "FlyV1 fm2_abc"),
        ("flyv1 bearer FlyV1 o7x", "Bearer o7x"),
        ("o7x", "Bearer o7x"),
    ],
)
def test_a_token_goes_out_under_the_scheme_of_its_kind(token: str, header: str) -> None:
    wire = Wire(httpx.Response(404))
    client(wire, token).get_app("a")
    assert wire.last.headers["Authorization"] == header


@pytest.mark.parametrize("token", ["", "FlyV1 ", "fm2_abc\ndef", "fm2_abcé"])
def test_what_no_header_can_carry_is_not_sent_and_not_quoted(token: str) -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="the Fly token is empty or has characters") as raised:
        client(wire, token).get_app("a")
    assert not wire.requests
    assert "fm2_abc" not in "".join(traceback.format_exception(raised.value))


def test_a_rotated_token_is_seen_by_the_next_call() -> None:
    tokens = ["old", "new"]
    wire = Wire(httpx.Response(404), httpx.Response(404))
    http = httpx.Client(transport=httpx.MockTransport(wire))
    fly = Fly(http, "https://fly.example.com/v1", lambda: SecretStr(tokens.pop(0)))
    fly.get_app("a")
    fly.get_app("a")
    assert [request.headers["Authorization"] for request in wire.requests] == ["Bearer old", "Bearer new"]


def test_the_client_waits_for_an_image_to_be_pulled_and_for_nothing_else_as_long() -> None:
    wire = Wire(httpx.Response(200, json=MACHINE), httpx.Response(200, json=MACHINE), httpx.Response(200, json=MACHINE))
    fly = client(wire)
    fly.create_machine("prv", name="web", region="iad", config=CONFIG)
    fly.update_machine("prv", "x", config=CONFIG, current_version="01HXYZ")
    fly.get_machine("prv", "x")
    waits = [request.extensions["timeout"]["read"] for request in wire.requests]
    assert waits == [LAUNCH_SECONDS, LAUNCH_SECONDS, TIMEOUT_SECONDS]


def test_all_that_a_runtime_takes_fits_into_the_functions_time() -> None:
    """Five looks and changes, and a launch."""
    function = load(Path(__file__).parents[2] / "template.yaml")["Resources"]["RuntimesFunction"]["Properties"]
    assert function["Timeout"] > 5 * TIMEOUT_SECONDS + LAUNCH_SECONDS


def test_an_app_is_created_on_its_own_network() -> None:
    fly, wire = answered(201, {"id": "x"})
    fly.create_app("prv-3f9a", "previews", "prv-3f9a")
    assert (wire.last.method, wire.last.url.path) == ("POST", "/v1/apps")
    assert wire.body == {"name": "prv-3f9a", "org_slug": "previews", "network": "prv-3f9a"}


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Validation failed: Name has already been taken", "status": "name_taken"},
        {"error": "Validation failed: Name has already been taken"},
        {"error": "no", "status": "name_taken"},
        {"error": "Uniqueness constraint violated"},
    ],
)
def test_a_taken_name_is_told_apart_however_fly_says_it(body: dict[str, str]) -> None:
    fly, _ = answered(422, body, {"fly-request-id": "01J"})
    with pytest.raises(NameTaken) as raised:
        fly.create_app("a", "org", "net")
    assert (raised.value.status, raised.value.message, raised.value.request_id) == (422, body["error"], "01J")


def test_another_validation_error_is_no_taken_name() -> None:
    fly, _ = answered(422, {"error": "Validation failed: Name under 63 chars"})
    with pytest.raises(FlyRefused) as raised:
        fly.create_app("a", "org", "net")
    assert not isinstance(raised.value, NameTaken)


def test_an_app_is_read_with_whose_it_is() -> None:
    fly, wire = answered(200, {"name": "a", "status": "deployed", "network": "n", "organization": {"slug": "org"}})
    assert fly.get_app("a") == FlyApp(name="a", organization_slug="org", network="n", status="deployed")
    assert wire.last.url.path == "/v1/apps/a"


def test_an_app_of_which_fly_says_little_is_nobodys() -> None:
    fly, _ = answered(200, {"name": "a", "status": None, "network": None})
    assert fly.get_app("a") == FlyApp(name="a", organization_slug="")


def test_the_apps_of_an_organisation_are_listed_with_their_networks() -> None:
    one = {"id": "x1", "name": "a", "network": "n", "status": "deployed", "organization": {"slug": "org"}}
    fly, wire = answered(200, {"total_apps": 2, "apps": [one, {"id": "x2", "name": "b", "machine_count": 1}]})
    assert fly.list_apps("org") == (
        FlyApp(id="x1", name="a", organization_slug="org", network="n", status="deployed"),
        FlyApp(id="x2", name="b"),
    )
    assert (wire.last.method, str(wire.last.url)) == ("GET", "https://fly.example.com/v1/apps?org_slug=org")


@pytest.mark.parametrize(
    "body", [{"total_apps": 0, "apps": []}, {"apps": []}, {"total_apps": 0, "apps": None}, {"total_apps": 0}]
)
def test_an_organisation_may_have_no_app(body: dict[str, Any]) -> None:
    assert answered(200, body)[0].list_apps("org") == ()


@pytest.mark.parametrize(
    "body",
    [
        {"total_apps": 2, "apps": [{"name": "a"}]},
        {"total_apps": 1, "apps": None},
        {"total_apps": False, "apps": None},
        {"total_apps": 1, "apps": [{"id": "x1"}]},
        {"apps": None},
        {"apps": {}},
        {},
    ],
)
def test_a_list_that_leaves_apps_out_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(FlyRefused, match="another shape"):
        answered(200, body)[0].list_apps("org")


@given(
    st.fixed_dictionaries({}, optional={"apps": JSON | st.lists(JSON), "total_apps": JSON, "error": JSON}) | JSON,
)
def test_an_answer_that_does_not_tell_of_all_apps_is_never_taken_for_fewer(body: Any) -> None:
    fly, _ = answered(200, body)
    try:
        found = fly.list_apps("org")
    except FlyRefused:
        return
    assert len(found) == len(body.get("apps") or ())
    assert len(found) >= (body.get("total_apps") or 0)
    assert found or body.get("apps") == [] or body["total_apps"] == 0


def test_an_absent_app_is_none_and_anothers_is_refused() -> None:
    fly, _ = answered(404, {"error": "not found"})
    assert fly.get_app("a") is None
    fly, _ = answered(403, {"error": "unauthorized"})
    with pytest.raises(FlyRefused) as raised:
        fly.get_app("a")
    assert raised.value.status == 403


@pytest.mark.parametrize("status", [202, 404])
def test_an_app_is_deleted_with_its_machines_running_or_is_gone_already(status: int) -> None:
    fly, wire = answered(status)
    fly.delete_app("a")
    assert (wire.last.method, str(wire.last.url)) == ("DELETE", "https://fly.example.com/v1/apps/a?force=true")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ({"ip": "66.241.124.1", "shared": True}, "shared_v4"),
        ({"ip": "66.241.124.1", "shared": True, "type": "v4"}, "shared_v4"),
        ({"ip": "66.241.124.1", "type": "shared_v4"}, "shared_v4"),
        ({"ip": "66.241.124.1"}, "v4"),
        ({"ip": "66.241.124.1", "shared": None, "type": None}, "v4"),
        ({"ip": "2a09:8280:1::1", "shared": False}, "v6"),
        ({"ip": "2a09:8280:1::1/128", "type": "something new"}, "v6"),
        ({"ip": "fdaa:0:1::3"}, "private_v6"),
        ({"ip": "2a09:8280:e601::1", "egress": True}, "egress_v6"),
        ({"ip": "2a09:8280:e601::1", "type": "egress_v6"}, "egress_v6"),
    ],
)
def test_the_type_of_an_address_is_known_from_what_fly_says_of_it(address: dict[str, Any], kind: str) -> None:
    fly, _ = answered(200, {"ips": [address]})
    assert fly.list_ip_types("a") == {kind}


def test_addresses_that_make_no_sense_are_passed_over() -> None:
    fly, wire = answered(200, {"ips": [{"ip": "?"}, {}, {"ip": "1.2.3.4", "shared": True}, {"ip": "2a09::1"}]})
    assert fly.list_ip_types("a") == {"shared_v4", "v6"}
    assert wire.last.url.path == "/v1/apps/a/ip_assignments"
    assert answered(200, {"ips": None})[0].list_ip_types("a") == frozenset()


def test_an_address_is_asked_for_by_type() -> None:
    fly, wire = answered(200, {"ip": "1.2.3.4"})
    fly.assign_ip("a", "shared_v4")
    assert (wire.last.method, wire.last.url.path) == ("POST", "/v1/apps/a/ip_assignments")
    assert wire.body == {"type": "shared_v4"}


@pytest.mark.parametrize("answer", [{"version": 7, "Version": 6}, {"Version": 7}])
def test_secrets_are_set_and_removed_in_one_call_that_gives_their_version(answer: dict[str, int]) -> None:
    fly, wire = answered(200, answer)
    assert fly.set_secrets("a", {"KEY": "value", "OLD": None}) == 7
    assert (wire.last.method, wire.last.url.path) == ("POST", "/v1/apps/a/secrets")
    assert wire.body == {"values": {"KEY": "value", "OLD": None}}


def test_names_of_secrets_are_listed() -> None:
    fly, wire = answered(200, {"secrets": [{"name": "A", "digest": "x"}, {"name": "B"}]})
    assert fly.list_secret_names("a") == {"A", "B"}
    assert str(wire.last.url) == "https://fly.example.com/v1/apps/a/secrets"


def test_a_machine_is_created_with_the_secrets_it_needs() -> None:
    fly, wire = answered(200, MACHINE)
    machine = fly.create_machine("a", name="web", region="iad", config=CONFIG, min_secrets_version=7)
    assert (wire.last.method, wire.last.url.path) == ("POST", "/v1/apps/a/machines")
    assert wire.body == {"name": "web", "region": "iad", "config": CONFIG, "min_secrets_version": 7}
    assert (machine.id, machine.instance_id, machine.metadata) == ("3d8d9014b32d89", "01HXYZ", {"generation": "3"})


def test_a_machines_name_that_exists_is_told_apart() -> None:
    fly, wire = answered(409, {"error": "already_exists: unique machine name violation"})
    with pytest.raises(NameTaken) as raised:
        fly.create_machine("a", name="web", region="iad", config=CONFIG)
    assert raised.value.status == 409
    assert "min_secrets_version" not in wire.body


def test_a_machine_is_updated_only_from_the_version_that_was_read() -> None:
    fly, wire = answered(200, MACHINE)
    fly.update_machine("a", "m", config=CONFIG, current_version="01OLD", min_secrets_version=8)
    assert (wire.last.method, wire.last.url.path) == ("POST", "/v1/apps/a/machines/m")
    assert wire.body == {"config": CONFIG, "current_version": "01OLD", "min_secrets_version": 8}


def test_an_update_may_name_the_region() -> None:
    fly, wire = answered(200, MACHINE)
    fly.update_machine("a", "m", config=CONFIG, current_version="01OLD", region="ams")
    assert wire.body == {"region": "ams", "config": CONFIG, "current_version": "01OLD"}


def test_a_stale_version_is_refused_and_is_no_taken_name() -> None:
    fly, _ = answered(409, {"error": "current_version does not match"})
    with pytest.raises(FlyRefused) as raised:
        fly.update_machine("a", "m", config=CONFIG, current_version="01OLD")
    assert raised.value.status == 409
    assert not isinstance(raised.value, NameTaken)


def test_a_stopped_machine_is_started() -> None:
    fly, wire = answered(200, {"previous_state": "stopped"})
    fly.start_machine("a", "m")
    assert (wire.last.method, wire.last.url.path) == ("POST", "/v1/apps/a/machines/m/start")


def test_machines_are_listed_and_read() -> None:
    fly, wire = answered(200, [MACHINE, {**MACHINE, "id": "b"}])
    assert [machine.id for machine in fly.list_machines("a")] == ["3d8d9014b32d89", "b"]
    assert wire.last.url.path == "/v1/apps/a/machines"
    fly, wire = answered(200, MACHINE)
    assert fly.get_machine("a", "m").state == "started"
    assert wire.last.url.path == "/v1/apps/a/machines/m"


def test_what_is_shown_of_a_machine_has_nothing_of_its_environment() -> None:
    assert CAPABILITY not in repr(Machine.model_validate(MACHINE))


def test_names_in_a_path_stay_one_part_of_it() -> None:
    fly, wire = answered(404)
    fly.get_app("../orgs?x")
    assert wire.last.url.raw_path == b"/v1/apps/..%2Forgs%3Fx"
