"""`sam deploy --config-env dev|prod` needs credentials alone, and two stacks leave each other's runtimes alone."""

import re
import tomllib
from typing import Any

import pytest

from prestage.contract_files import ROOT
from prestage.stage.template import load, parameter_values

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
ENVIRONMENTS = ("default", "dev", "prod")


def deploy(name: str) -> Any:
    return CONFIG[name]["deploy"]["parameters"]


def parameters(name: str) -> dict[str, str]:
    """What the template's parameters are."""
    given = dict(one.split("=", 1) for one in deploy(name).get("parameter_overrides", []))
    return {**parameter_values(load(ROOT / "template.yaml"), given), **given}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_says_all_that_sam_asks_for(name: str) -> None:
    assert CONFIG[name]["global"]["parameters"]["stack_name"]
    assert deploy(name)["capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    assert deploy(name)["resolve_s3"] is True


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_nobody_is_asked_while_it_is_deployed(name: str) -> None:
    assert deploy(name)["confirm_changeset"] is False
    assert deploy(name)["fail_on_empty_changeset"] is False


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_its_parameters_are_the_template_s(name: str) -> None:
    assert parameters(name).keys() <= load(ROOT / "template.yaml")["Parameters"].keys()


def test_the_stacks_have_names_and_fly_apps_of_their_own() -> None:
    """The janitor removes what has the stack's prefix and is unknown to it."""
    stacks = {CONFIG[name]["global"]["parameters"]["stack_name"] for name in ("dev", "prod")}
    pattern = load(ROOT / "template.yaml")["Parameters"]["FlyAppPrefix"]["AllowedPattern"]
    assert len({re.fullmatch(pattern, stack) and stack for stack in stacks} - {None}) == 2
    # sam replaces the whole list where somebody gives a parameter: what keeps the stacks apart can't be in it.
    assert {parameters(name)["FlyAppPrefix"] for name in ENVIRONMENTS} == {""}
