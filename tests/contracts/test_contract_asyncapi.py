"""docs/asyncapi.yaml says of every event what the schemas say, and who states it and reacts to it."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft7Validator

from prestage.contract_asyncapi import document
from prestage.contract_docs import flow_of
from prestage.contract_examples import delivered, examples
from prestage.contract_files import ROOT
from prestage.contract_flow import may_follow
from prestage.contract_schema import published
from prestage.stage.template import load
from prestage_contracts import CONTRACT
from tests.contracts.constraints import at, changed
from tests.contracts.test_published_schemas import paths

TEMPLATE = load(ROOT / "template.yaml")
EXAMPLES = examples()
DOCUMENT = yaml.safe_load(document(flow_of(TEMPLATE), EXAMPLES, "1.0.0"))
SCHEMAS = DOCUMENT["components"]["schemas"]


def validator(name: str) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})


def operations(said: Any) -> dict[str, list[str]]:
    return {
        name: [message["$ref"].rsplit("/", 1)[1] for message in operation["messages"]]
        for name, operation in said["operations"].items()
    }


def test_every_event_is_a_message_of_the_bus() -> None:
    assert list(DOCUMENT["channels"]["bus"]["messages"]) == list(CONTRACT)
    assert list(DOCUMENT["components"]["messages"]) == list(CONTRACT)


@pytest.mark.parametrize("name", list(CONTRACT))
def test_a_message_is_told_by_its_docstring_its_example_and_what_may_follow(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    assert message["description"] == CONTRACT[name].__doc__
    assert message["examples"] == [{"name": name, "payload": delivered(EXAMPLES[name])}]
    assert message["x-may-follow"] == list(may_follow(name))
    [where] = message["x-stated-by"]
    assert (ROOT / where).is_file()


@pytest.mark.parametrize("function", flow_of(TEMPLATE), ids=lambda function: function.name)
def test_a_function_sends_what_it_states_and_receives_what_it_takes(function: Any) -> None:
    found = operations(DOCUMENT)
    assert found.get(f"{function.name}States", []) == list(function.states)
    assert found.get(f"{function.name}ReactsTo", []) == list(function.takes)


def test_a_new_rule_shows_up_as_a_reaction() -> None:
    template = copy.deepcopy(TEMPLATE)
    pattern = template["Resources"]["CommentsRule"]["Properties"]["EventPattern"]
    pattern["source"].append("prestage.deployments")
    pattern["detail-type"].append("DeploymentFailed")
    said = yaml.safe_load(document(flow_of(template), EXAMPLES, "1.0.0"))
    assert "DeploymentFailed" in operations(said)["commentsReactsTo"]
    assert "DeploymentFailed" not in operations(DOCUMENT)["commentsReactsTo"]


@given(
    st.sampled_from([(name, path) for name in CONTRACT for path in paths(delivered(EXAMPLES[name])) if path]),
    st.none() | st.booleans() | st.integers() | st.text() | st.just([]) | st.just({}),
)
def test_the_document_takes_what_the_published_schema_takes(place: tuple[str, Any], value: Any) -> None:
    name, path = place
    payload = changed(delivered(EXAMPLES[name]), path, lambda _: value)
    assert validator(name).is_valid(payload) is Draft4Validator(published(CONTRACT[name])).is_valid(payload)
    assert at(payload, path) == value
