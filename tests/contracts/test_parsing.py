"""What consumers get for whatever comes: an event, something unknown, or a clear error, and nothing else."""

import copy
import json
from datetime import timedelta
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prestage.contract_examples import delivered, examples
from prestage.contract_files import ROOT
from prestage.contract_releases import released_examples
from prestage_contracts import CONTRACT, CheckReported, Event, MalformedEventError, Unknown, parse
from prestage_contracts.envelope import MAX_HOP
from prestage_contracts.parsing import parsed
from prestage_contracts.reports import CheckReportedData
from tests.contracts.constraints import Path, at, changed
from tests.contracts.test_published_schemas import paths

EXAMPLES = {name: delivered(event) for name, event in examples().items()}
RELEASED = released_examples(ROOT)
READY = EXAMPLES["EnvironmentReady"]
VERSION = ("detail", "metadata", "version")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def crowded(value: Any) -> Any:
    """With fields that nobody knows, at every level."""
    match value:
        case dict():
            return {**{name: crowded(kept) for name, kept in value.items()}, "added_later": {"in": ["2036"]}}
        case list():
            return [crowded(kept) for kept in value]
    return value


@pytest.mark.parametrize("name", list(CONTRACT))
def test_an_event_is_parsed_to_its_class(name: str) -> None:
    assert parse(EXAMPLES[name]) == examples()[name]
    assert type(parse(EXAMPLES[name])) is CONTRACT[name]


@pytest.mark.parametrize("path", list(RELEASED))
def test_every_example_that_was_ever_released_is_parsed(path: str) -> None:
    event = RELEASED[path]
    found = parse(event)
    assert isinstance(found, Event)
    assert (found.name(), found.metadata.version) == (event["detail-type"], at(event, VERSION))
    assert json.loads(found.model_dump_json()).keys() == event["detail"].keys()


@pytest.mark.parametrize("path", list(RELEASED))
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.250"])
def test_fields_and_minor_versions_of_later_years_are_passed_over(path: str, version: str) -> None:
    later = changed(crowded(RELEASED[path]), VERSION, lambda _: version)
    found = parse({**later, "replay-name": "backfill"})
    assert isinstance(found, Event)
    assert found.data == cast("Event", parse(RELEASED[path])).data


@pytest.mark.parametrize("path", list(RELEASED))
@pytest.mark.parametrize("version", ["0.9", "2.0", "11.0", "next"])
def test_another_major_version_is_unknown(path: str, version: str) -> None:
    event = changed(RELEASED[path], VERSION, lambda _: version)
    found = parse(event)
    assert found == Unknown(name=event["detail-type"], source=event["source"], version=version, detail=event["detail"])


@pytest.mark.parametrize(
    "beside",
    [
        {"detail-type": "EnvironmentMoved"},
        {"source": "another.team"},
        {**EXAMPLES["CheckReported"], "source": "prestage.checks"},
        {**EXAMPLES["CheckReported"], "source": "prestage."},
        {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "a"}}},
        {"source": "prestage.later", "detail": {}},
    ],
)
def test_another_event_is_unknown(beside: dict[str, Any]) -> None:
    event = {**READY, **beside}
    found = parse(event)
    assert isinstance(found, Unknown)
    assert (found.name, found.source, found.detail) == (event["detail-type"], event["source"], event["detail"])


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("detail-type",), None, "detail-type: Input should be a valid string"),
        (("source",), 7, "source: Input should be a valid string"),
        (("detail",), "{}", "detail: Input should be a valid dictionary"),
        (("detail", "metadata"), {}, "detail.metadata.version: Field required"),
        (("detail", "data"), {}, "detail.data.environment: Field required"),
        (("detail", "data", "environment", "generation"), 0, "detail.data.environment.generation: Input should be"),
        (("detail", "metadata", "hop"), 99, "detail.metadata.hop: Input should be less than or equal to 16"),
    ],
)
def test_a_malformed_event_is_refused_with_the_field(path: Path, value: Any, told: str) -> None:
    with pytest.raises(MalformedEventError) as raised:
        parse(changed(READY, path, lambda _: value))
    assert str(raised.value).startswith(told)


def test_each_wrong_field_is_named() -> None:
    wrong = copy.deepcopy(READY)
    wrong["detail"]["data"]["environment"] |= {"sha": "HEAD", "type": "staging"}
    with pytest.raises(MalformedEventError, match=r"environment\.type: .*; detail\.data\.environment\.sha: "):
        parse(wrong)


def outcome(event: Any) -> Event | Unknown | MalformedEventError:
    try:
        return parse(event)
    except MalformedEventError as error:
        return error


@given(JSON)
def test_whatever_comes_is_an_event_unknown_or_malformed(event: Any) -> None:
    assert isinstance(outcome(event), Unknown | MalformedEventError)


@given(st.sampled_from([(name, path) for name in CONTRACT for path in paths(EXAMPLES[name]) if path]), JSON)
def test_an_event_with_anything_in_one_place_is_an_event_unknown_or_malformed(
    place: tuple[str, Path], value: Any
) -> None:
    name, path = place
    assert isinstance(outcome(changed(EXAMPLES[name], path, lambda _: value)), Event | Unknown | MalformedEventError)


class Moved(Event):
    SOURCE: ClassVar[str] = "prestage.environments"
    VERSION: ClassVar[str] = "2.0"

    @classmethod
    def name(cls) -> str:
        return "EnvironmentReady"


def test_a_former_major_version_is_read_beside_the_one_that_is_stated() -> None:
    models: dict[tuple[str, str], type[Event]] = {
        ("EnvironmentReady", "1"): CONTRACT["EnvironmentReady"],
        ("EnvironmentReady", "2"): Moved,
    }
    assert type(parsed(READY, models)) is CONTRACT["EnvironmentReady"]
    assert type(parsed(changed(READY, VERSION, lambda _: "2.3"), models)) is Moved


@pytest.mark.parametrize("source", ["acme.quality", "com.example", "prestage", "prestages.team"])
def test_a_report_is_read_whichever_team_states_it(source: str) -> None:
    found = parse({**EXAMPLES["CheckReported"], "source": source})
    assert found == examples()["CheckReported"]


@given(st.sampled_from(["state", "summary", "link", "name", "generation"]))
def test_each_different_report_of_one_cause_is_a_fact_of_its_own(field: str) -> None:
    other = {"state": "failure", "summary": "1 failed", "link": None, "name": "smoke", "generation": 2}[field]
    event = examples()["CheckReported"]
    again = CheckReportedData.model_validate({**event.data.model_dump(), field: other})
    cause = examples()["EnvironmentReady"].metadata
    stated = [CheckReported.state(data, cause=cause, now=cause.occurred_at) for data in (event.data, event.data, again)]
    assert len({one.metadata.event_id for one in stated}) == 2


@pytest.mark.parametrize(
    "link",
    [
        "http://quality.example/",
        "javascript:alert(1)",
        "https://github.com@evil.example/",
        "https://quality.example/<b>",
        "https://quality.example/a b",
        "https://quality.example/\u202egnp",
        "https://quality.example/[a](b)",
        "https://",
    ],
)
def test_a_link_that_is_not_plainly_one_is_malformed(link: str) -> None:
    with pytest.raises(MalformedEventError, match="link"):
        parse(changed(EXAMPLES["CheckReported"], ("detail", "data", "link"), lambda _: link))


def test_a_report_of_the_last_fact_that_can_be_is_one_too() -> None:
    example = examples()["CheckReported"]
    assert isinstance(example, CheckReported)
    cause = example.metadata.model_copy(update={"hop": MAX_HOP})
    assert CheckReported.state(example.data, cause=cause, now=example.metadata.occurred_at).metadata.hop == MAX_HOP


def test_what_is_reported_again_at_another_moment_is_another_fact() -> None:
    example = examples()["CheckReported"]
    assert isinstance(example, CheckReported)
    first = example.metadata.occurred_at
    moments = (first, first, first + timedelta(seconds=1))
    ids = [CheckReported.state(example.data, cause=example.metadata, now=now).metadata.event_id for now in moments]
    assert ids[0] == ids[1] != ids[2]
