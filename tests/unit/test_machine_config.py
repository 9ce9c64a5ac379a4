"""What Fly.io is asked for: the machine of an environment."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runtimes.machine
from fly_io.client import Machine
from prestage.stage.fly_config import MachineConfig
from records.apps import App
from records.environments import Environment
from records.names import InvalidVariableError
from runtimes.machine import PASSWORD, Gate, find_ours, generation_of, is_gone, machine_config, metadata
from tests.unit.record_examples import SHA, app, preview, production

SOURCE = "https://hooks.example.com/source/capability"
GATE = Gate("https://releases.example.com/caddy.tar.gz", "5a" * 64)
OURS = {"PORT", "PRESTAGE_SOURCE_URL", "PRESTAGE_DIRECTORY", "PRESTAGE_BUILD", "PRESTAGE_START", "PRESTAGE_SHA"}


def config(of: App | None = None, environment: Environment | None = None, *secrets: str) -> dict[str, Any]:
    found = of or app()
    return machine_config(
        environment or preview(of=found), found, source_url=SOURCE, gate=GATE, secret_names=frozenset(secrets)
    )


def with_config(**values: str) -> App:
    """Written past the check of names, as nobody can by the command line."""
    return app().model_copy(update={"config": {"preview": values, "production": {"ONLY_LIVE": "live"}}})


def test_it_is_what_flys_api_takes() -> None:
    """By the stand-in's strict reading of a config; it knows no field that Fly's specification does not."""
    for each in (config(), config(app(build="make", cpus=2, memory_mb=1024)), config(environment=production())):
        MachineConfig.model_validate_json(json.dumps(each))


def test_it_boots_the_script_that_is_in_the_repository() -> None:
    made = config()
    [file] = made["files"]
    script = Path(runtimes.machine.__file__).with_name("boot.sh").read_bytes()
    assert base64.b64decode(file["raw_value"]) == script
    assert made["init"] == {"exec": ["/bin/sh", file["guest_path"]]}
    assert file["mode"] & 0o111


def test_the_script_is_told_what_to_fetch_build_and_start() -> None:
    env = config(app(build="make all", start="./run", directory="services/api", port=3000))["env"]
    assert env["PRESTAGE_SOURCE_URL"] == SOURCE
    assert (env["PRESTAGE_SHA"], env["PRESTAGE_DIRECTORY"]) == (SHA, "services/api")
    assert (env["PRESTAGE_BUILD"], env["PRESTAGE_START"], env["PORT"]) == ("make all", "./run", "3000")


def test_an_app_without_a_build_has_an_empty_one() -> None:
    assert config()["env"]["PRESTAGE_BUILD"] == ""


def test_the_app_is_told_where_it_runs() -> None:
    environment = preview()
    env = config(environment=environment)["env"]
    assert env["PRESTAGE_ENVIRONMENT"] == environment.id
    assert env["PRESTAGE_ENVIRONMENT_TYPE"] == "preview"
    assert env["PRESTAGE_ADDRESS"] == environment.address
    assert env["PRESTAGE_PULL_REQUEST"] == "3"
    assert "PRESTAGE_PULL_REQUEST" not in config(environment=production())["env"]


def test_every_value_of_the_environment_is_text() -> None:
    assert {type(value) for value in config()["env"].values()} == {str}


def test_config_values_are_those_of_the_environments_type() -> None:
    found = with_config(GREETING="hello")
    assert config(found)["env"]["GREETING"] == "hello"
    assert "ONLY_LIVE" not in config(found)["env"]
    live = config(found, production())["env"]
    assert live["ONLY_LIVE"] == "live"
    assert "GREETING" not in live


def test_a_config_value_gives_way_to_the_secret_of_its_name() -> None:
    """The secret's value is set by Fly at boot: which of two would count is not left to it."""
    found = with_config(GREETING="hello", KEY="from-config")
    assert "KEY" not in config(found, None, "KEY", "ANOTHER")["env"]
    assert config(found, None, "ANOTHER")["env"]["KEY"] == "from-config"


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_config_value_never_takes_a_name_of_the_platforms(name: str) -> None:
    with pytest.raises(InvalidVariableError):
        app().with_config("preview", name, "planted")
    assert config(with_config(**{name: "planted"}))["env"][name] != "planted"


@given(
    st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), st.text(max_size=5)), st.frozensets(st.sampled_from("ABX"))
)
def test_a_name_is_a_config_value_or_a_secret_and_never_both(values: dict[str, str], secrets: frozenset[str]) -> None:
    env = config(with_config(**values), None, *secrets)["env"]
    assert {name: env[name] for name in env if len(name) == 1} == {
        name: value for name, value in values.items() if name not in secrets
    }


def test_it_has_a_health_check_of_the_apps_path_and_port() -> None:
    [service] = config(app(port=3000, health_path="/healthz"))["services"]
    [check] = service["checks"]
    assert (check["type"], check["method"], check["path"], check["port"]) == ("http", "GET", "/healthz", 3000)
    assert service["internal_port"] == 3000
    assert all(isinstance(check[name], str) for name in ("interval", "timeout", "grace_period"))  # numbers are ns


def test_it_sleeps_when_nobody_comes_and_wakes_when_somebody_does() -> None:
    made = config()
    [service] = made["services"]
    assert (service["autostop"], service["autostart"], service["min_machines_running"]) == ("stop", True, 0)
    assert made["rootfs"] == {"persist": "always"}


def test_search_engines_are_kept_away_from_previews_alone() -> None:
    def told(made: dict[str, Any]) -> list[Any]:
        return [port.get("http_options") for port in made["services"][0]["ports"]]

    assert told(config()) == [{"response": {"headers": {"X-Robots-Tag": "noindex"}}}] * 2
    assert told(config(environment=production())) == [None, None]


def test_plain_http_is_sent_to_https() -> None:
    http, https = config()["services"][0]["ports"]
    assert (http["port"], http["force_https"]) == (80, True)
    assert (https["port"], https["handlers"]) == (443, ["tls", "http"])


def test_it_says_of_itself_what_finds_it_again() -> None:
    environment = preview().model_copy(update={"generation": 4})
    says = {"app": environment.app_id, "environment": environment.id, "generation": "4", "sha": SHA}
    assert config(environment=environment)["metadata"] == metadata(environment) == says


def test_it_is_as_large_as_the_app_asks() -> None:
    made = config(app(cpus=2, memory_mb=2048, image="node:22"))
    assert made["guest"] == {"cpu_kind": "shared", "cpus": 2, "memory_mb": 2048}
    assert made["image"] == "node:22"


# ---- Found again


@pytest.mark.parametrize(
    ("said", "generation"), [("1", 1), ("10", 10), ("0", 0), ("", 0), ("-1", 0), ("٣", 0), ("9" * 5000, 0), (None, 0)]
)
def test_the_generation_is_what_the_machine_says_if_it_can_be_one(said: str | None, generation: int) -> None:
    machine = Machine(id="m", config={"metadata": {} if said is None else {"generation": said}})
    assert generation_of(machine) == generation


def test_the_machine_that_is_made_here_is_found_by_its_name_unless_it_is_going() -> None:
    going = [Machine(id=state, name="app", state=state) for state in ("destroying", "destroyed")]
    other = Machine(id="by-hand", name="by-hand", state="started")
    ours = Machine(id="ours", name="app", state="stopped")
    assert find_ours([*going, other, ours]) == ours
    assert find_ours([*going, other]) is None
    assert [is_gone(machine) for machine in (*going, ours)] == [True, True, False]


def test_a_visitor_with_a_password_to_give_comes_in_by_the_gate() -> None:
    made = config(app(port=3000), None, PASSWORD)
    [service] = made["services"]
    assert service["internal_port"] == 8998
    assert [(check["type"], check["port"]) for check in service["checks"]] == [("http", 3000), ("tcp", 8998)]
    told = {name: made["env"][name] for name in made["env"] if name.startswith("PRESTAGE_GATE") or name == "PORT"}
    assert told == {
        "PORT": "3000",
        "PRESTAGE_GATE_URL": GATE.url,
        "PRESTAGE_GATE_SHA512": GATE.sha512,
        "PRESTAGE_GATE_PORT": "8998",
    }
    MachineConfig.model_validate_json(json.dumps(made))


def test_the_gate_is_not_where_the_application_is() -> None:
    [service] = config(app(port=8998), None, PASSWORD)["services"]
    assert service["internal_port"] == 8999


def test_without_a_password_there_is_no_gate() -> None:
    made = config(app(port=3000))
    assert made["services"][0]["internal_port"] == 3000
    assert not [name for name in made["env"] if name.startswith("PRESTAGE_GATE")]
