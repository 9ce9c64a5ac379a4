"""events/: each function of the template has what Lambda gives it, and can read it."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from ingress.delivery import Delivery
from ingress.payload.by_event import BY_EVENT
from ingress.signature import is_signed
from prestage.contract_docs import functions
from prestage.contract_examples import examples
from prestage.contract_files import ROOT
from prestage.sample_events import FOLDER, SECRET
from prestage.stage.template import load
from prestage_contracts import CONTRACT

EVENTS = ROOT / FOLDER
FUNCTIONS = {function.name: function for function in functions(load(ROOT / "template.yaml"))}
QUEUED = sorted(path for path in EVENTS.glob("*/*.json") if "Records" in json.loads(path.read_text(encoding="utf-8")))


def sample(path: str) -> Any:
    return json.loads((EVENTS / path).read_text(encoding="utf-8"))


def delivered(path: str) -> Delivery:
    return Delivery.of(sample(path))


def test_every_function_has_a_folder_and_every_folder_a_function() -> None:
    folders = {path.parent.name for path in EVENTS.glob("*/*.json")}
    assert folders == FUNCTIONS.keys()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_fact_that_a_function_takes_is_there(name: str) -> None:
    found = {path.stem for path in QUEUED if path.parent.name == name}
    assert found == set(FUNCTIONS[name].takes)


@pytest.mark.parametrize("path", QUEUED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_queued_fact_is_its_model_s(path: Path) -> None:
    [record] = json.loads(path.read_text(encoding="utf-8"))["Records"]
    event = json.loads(record["body"])
    assert event["detail-type"] == path.stem
    assert TypeAdapter(CONTRACT[path.stem]).validate_python(event["detail"]) == examples()[path.stem]
    assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()


def test_the_webhook_tells_what_the_contract_s_example_says() -> None:
    delivery = delivered("ingress/pull_request-opened.json")
    assert is_signed(delivery.body, delivery.signature, SECRET)
    [told] = BY_EVENT[str(delivery.event)](delivery.json())
    assert told.data == examples()["PullRequestOpened"].data


def test_the_bad_signature_is_all_that_is_bad() -> None:
    good, bad = sample("ingress/pull_request-opened.json"), sample("ingress/bad-signature.json")
    signatures = {"x-hub-signature", "x-hub-signature-256"}
    differing = {name for name, value in bad["headers"].items() if good["headers"][name] != value}
    assert differing == signatures
    assert {**bad, "headers": None} == {**good, "headers": None}
    delivery = delivered("ingress/bad-signature.json")
    assert not is_signed(delivery.body, delivery.signature, SECRET)


def test_a_ping_is_signed_and_tells_nothing() -> None:
    delivery = delivered("ingress/ping.json")
    assert is_signed(delivery.body, delivery.signature, SECRET)
    assert delivery.event not in BY_EVENT


def test_the_capability_is_as_long_as_one_and_nobody_s() -> None:
    capability = sample("source/unknown-capability.json")["pathParameters"]["capability"]
    assert len(base64.urlsafe_b64decode(capability + "=")) == hashlib.sha256().digest_size
