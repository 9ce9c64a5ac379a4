"""The webhook's function can begin from a snapshot: nothing in it is of one process, and its alias is called."""

import subprocess
import sys
from typing import Any

import pytest

from prestage.contract_files import ROOT
from prestage.stage.aws import REGION
from prestage.stage.sam import translate
from prestage.stage.session import local_session
from prestage.stage.template import Template, load, parameter_values

TEMPLATE = load(ROOT / "template.yaml")
PUBLISHED = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if "AutoPublishAlias" in resource["Properties"]
}

BEGUN = """
import os, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("it connects as it is imported")
socket.socket.connect = refuse
os.environ.clear()
os.environ["AWS_REGION"] = "us-east-1"
from {module} import {cached}
assert {cached}.cache_info().currsize == 0, "it was built as it was imported"
from choreography import wiring
for name in dir(wiring):
    info = getattr(getattr(wiring, name), "cache_info", None)
    assert info is None or info().currsize == 0, f"wiring.{{name}} was built as it was imported"
"""


def references(value: Any) -> set[str]:
    """What intrinsic functions in it refer to by `Ref`."""
    match value:
        case {"Ref": str(name)}:
            return {name}
        case dict():
            return set().union(*map(references, value.values()))
        case list():
            return set().union(*map(references, value))
    return set()


def translated(**parameters: str) -> Template:
    return translate(TEMPLATE, parameter_values(TEMPLATE, parameters), local_session(REGION))


def test_nothing_is_built_read_or_connected_before_the_first_event() -> None:
    code = BEGUN.format(module="ingress.webhook", cached="_ingress")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "services", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_webhooks_are_the_only_ones_that_begin_from_a_snapshot() -> None:
    assert PUBLISHED.keys() == {"IngressFunction"}
    assert PUBLISHED["IngressFunction"]["SnapStart"] == {"ApplyOn": {"Ref": "IngressSnapStart"}}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_function_is_the_same_whatever_the_parameters(name: str) -> None:
    """A version keeps the settings that it was published with, and SAM publishes none for a parameter's new value."""
    shared = TEMPLATE["Globals"]["Function"]
    assert references({**shared, **PUBLISHED[name]}) & TEMPLATE["Parameters"].keys() <= {
        "Architecture",  # which other code comes with
        "IngressSnapStart",  # which counts from the next version on
        "WebhookBurstLimit",  # of the route
        "WebhookRateLimit",
    }


def test_the_api_calls_the_alias_and_may() -> None:
    resources = translated()["Resources"]
    [post] = [
        paths["post"] for path, paths in resources["HttpApi"]["Properties"]["Body"]["paths"].items() if "web" in path
    ]
    assert "${IngressFunctionAliaslive}" in post["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    permission = resources["IngressFunctionWebhookPermission"]["Properties"]
    assert permission["FunctionName"] == {"Ref": "IngressFunctionAliaslive"}


def test_versions_that_are_replaced_are_deleted() -> None:
    [version] = [one for one in translated()["Resources"].values() if one["Type"] == "AWS::Lambda::Version"]
    assert version["DeletionPolicy"] == "Delete"
