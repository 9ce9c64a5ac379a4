"""docs/events.md tells subscribers what the template and the models say."""

import copy
import json
import re
from typing import Any

import pytest

from prestage.contract_docs import OPERATORS, flow_of, functions, page
from prestage.contract_examples import delivered, examples
from prestage.contract_files import ROOT
from prestage.contract_flow import may_follow
from prestage.stage.template import Template, load
from prestage_contracts import CONTRACT, EVENTS, REPORTS

TEMPLATE = load(ROOT / "template.yaml")
FUNCTIONS = functions(TEMPLATE)
EXAMPLES = examples()
PAGE = page(flow_of(TEMPLATE), EXAMPLES)


@pytest.fixture
def template() -> Template:
    return copy.deepcopy(TEMPLATE)


def section(name: str, text: str = PAGE) -> str:
    return text.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def line(name: str, label: str, text: str = PAGE) -> str:
    [found] = [kept for kept in section(name, text).splitlines() if kept.startswith(f"- {label}: ")]
    return found.removeprefix(f"- {label}: ")


def rows(name: str) -> dict[str, list[str]]:
    cells = [re.split(r" ?(?<!\\)\| ?", kept)[1:-1] for kept in section(name).splitlines() if kept.startswith("| `")]
    return {path.strip("`"): [cell.strip() for cell in rest] for path, *rest in cells}


def test_events_are_told_in_the_order_of_the_flow() -> None:
    told = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    assert told == list(CONTRACT)


@pytest.mark.parametrize("name", list(CONTRACT))
def test_an_event_is_told_with_its_source_its_docstring_and_its_example(name: str) -> None:
    event = CONTRACT[name]
    source = "any that does not begin with `prestage.`" if name in REPORTS else f"`{event.SOURCE}`"
    assert line(name, "Source") == source
    assert event.__doc__ is not None
    assert event.__doc__ in section(name)
    [example] = re.findall(r"```json\n(.*?)\n```", section(name), re.DOTALL)
    assert json.loads(example) == delivered(EXAMPLES[name])


@pytest.mark.parametrize("name", list(CONTRACT))
def test_a_linked_schema_exists(name: str) -> None:
    [target] = re.findall(r"\]\((\S+)\)", line(name, "Schema"))
    assert (ROOT / "docs" / target).resolve().is_file()


@pytest.mark.parametrize("name", list(CONTRACT))
def test_every_field_of_an_event_has_a_row(name: str) -> None:
    assert set(fields(delivered(EXAMPLES[name])["detail"]["data"], "detail.data")) <= rows(name).keys()


def fields(value: Any, path: str) -> list[str]:
    match value:
        case dict():
            return [path, *(inner for name, kept in value.items() for inner in fields(kept, f"{path}.{name}"))]
        case [first, *_]:
            return [path, *fields(first, f"{path}[]")]
    return [path]


@pytest.mark.parametrize(
    ("name", "path", "kind", "constraint"),
    [
        ("PullRequestOpened", "detail.data.action", "string", '`"opened"` or `"reopened"`'),
        ("PullRequestOpened", "detail.data.head.repository_id", "integer or null", "1 to 9007199254740992"),
        ("EnvironmentCreated", "detail.data.environment.pull_request", "object or null", ""),
        ("EnvironmentCreated", "detail.data.environment.generation", "integer", "1 or more"),
        ("EnvironmentCreated", "detail.data.environment.created_at", "string", "date-time"),
        ("RuntimeRequested", "detail.data.runtime.address", "string", r"`^https?://[^\s]+$`, at most 2048 characters"),
        ("SecretsResolved", "detail.data.names[]", "string", "`^[A-Za-z_][A-Za-z0-9_]{0,127}$`"),
    ],
)
def test_a_row_tells_type_and_constraint(name: str, path: str, kind: str, constraint: str) -> None:
    assert rows(name)[path][:2] == [kind, constraint]


def test_functions_take_what_their_rules_lead_to_them() -> None:
    takes = {function.name: function.takes for function in FUNCTIONS}
    assert takes["ingress"] == takes["source"] == takes["janitor"] == ()
    assert takes["vault"] == ("EnvironmentCreated", "EnvironmentUpdated", "EnvironmentClosed")
    assert takes["runtimes"] == ("RuntimeOrphaned", "EnvironmentClosed", "SecretsResolved", "RuntimeRequested")


def test_what_may_follow_is_stated_by_who_reacts() -> None:
    takes = {f"prestage.{function.name}": function.takes for function in FUNCTIONS}
    for name in CONTRACT:
        by_prestage = [each for each in may_follow(name) if each in EVENTS]
        assert [each for each in by_prestage if name not in takes[EVENTS[each].SOURCE]] == [], name


def test_whoever_reacts_may_state_something_but_for_forgetting_secrets() -> None:
    silent = {
        (function.name, name)
        for function in FUNCTIONS
        for name in function.takes
        if not function.listens and not set(may_follow(name)) & set(function.states)
    }
    assert silent == {("vault", "EnvironmentClosed")}


def test_every_fact_follows_from_another_unless_its_function_is_started_otherwise() -> None:
    following = {each for name in CONTRACT for each in may_follow(name)}
    started = {name for function in (OPERATORS, *FUNCTIONS) if function.starts for name in function.states}
    assert set(EVENTS) - following == started


@pytest.mark.parametrize("name", list(CONTRACT))
def test_every_fact_is_stated_by_a_file_that_exists(name: str) -> None:
    [where] = re.findall(r"\((\S+)\)", line(name, "Stated by"))
    assert (ROOT / where).is_file()


def test_what_may_follow_is_told_with_links_in_the_order_of_the_flow() -> None:
    assert line("RuntimeRequested", "What may follow") == (
        "[RuntimeReady](#runtimeready), [RuntimeFailed](#runtimefailed), "
        "[DomainPointed](#domainpointed), [DomainFailed](#domainfailed)"
    )
    assert line("PrCommented", "Reacting to it") == "no function of Prestage"
    assert line("PrCommented", "What may follow") == "nothing that Prestage states"


def test_a_new_rule_shows_up_as_a_reaction(template: Template) -> None:
    pattern = template["Resources"]["CommentsRule"]["Properties"]["EventPattern"]
    pattern["source"].append("prestage.deployments")
    pattern["detail-type"].append("DeploymentFailed")
    changed = page(flow_of(template), EXAMPLES)
    assert line("DeploymentFailed", "Reacting to it", changed).startswith("`comments` (services/comments/")
    assert '  deployments -- "DeploymentFailed" --> comments\n' in changed
    assert '  deployments -- "DeploymentFailed" --> comments\n' not in PAGE


def test_a_rule_that_is_gone_is_no_reaction(template: Template) -> None:
    del template["Resources"]["VaultRule"]
    changed = page(flow_of(template), EXAMPLES)
    assert "`vault`" not in line("EnvironmentCreated", "Reacting to it", changed)
    assert " --> vault\n" not in changed
    assert " --> vault\n" in PAGE


def test_what_listens_to_everything_is_told_once_and_not_drawn(template: Template) -> None:
    [listening] = [function for function in FUNCTIONS if function.listens]
    assert f"Not drawn is `{listening.name}` ({listening.where}), which takes every fact" in PAGE
    assert f"--> {listening.name}\n" not in PAGE
    assert f"`{listening.name}`" not in line("RuntimeReady", "Reacting to it")
    template["Resources"]["JournalRule"]["Properties"]["EventPattern"]["source"] = ["prestage.runtimes"]
    changed = page(flow_of(template), EXAMPLES)
    assert "Not drawn" not in changed
    assert f"`{listening.name}`" in line("RuntimeReady", "Reacting to it", changed)


def test_the_flow_begins_with_what_comes_from_outside() -> None:
    assert '(["POST /webhooks/github"]) --> ingress\n' in PAGE
    assert '(["prestage"]) --> operators\n' in PAGE
    assert '(["rate(1 hour)"]) --> janitor\n' in PAGE
    assert "source[" not in PAGE


def test_the_pattern_to_subscribe_with_pins_the_major_version() -> None:
    [pattern, *_] = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    assert json.loads(pattern)["detail"] == {"metadata": {"version": [{"prefix": "1."}]}}
