import uuid
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from prestage.contract_examples import examples
from prestage_contracts import CONTRACT, EnvironmentCreated, SecretsFailed, SecretsResolved
from prestage_contracts.envelope import MAX_HOP, Event, identify

CREATED = examples()["EnvironmentCreated"]
RESOLVED = examples()["SecretsResolved"]
NOW = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)

causes = st.text(max_size=40)
names = st.sampled_from(sorted(CONTRACT))
subjects = st.text(max_size=40)


class ResolvedInMinor(SecretsResolved):
    VERSION: ClassVar[str] = "1.7"

    @classmethod
    def name(cls) -> str:
        return SecretsResolved.name()


class ResolvedInMajor(ResolvedInMinor):
    VERSION: ClassVar[str] = "2.0"


@given(cause=causes, name=names, subject=subjects)
def test_the_same_step_states_the_same_fact(cause: str, name: str, subject: str) -> None:
    told = identify(cause, CONTRACT[name], subject)
    assert told == identify(cause, CONTRACT[name], subject)
    assert told.version == 5


def test_an_id_is_the_same_in_every_release() -> None:
    """Pinned: with other ids, whatever is in flight during a deployment would be stated twice."""
    expected = uuid.UUID("c0ac7978-d969-5253-b22c-a5e3404c0608")
    assert identify("72d3162e-cc78-11e3-81ab-4c9367dc0958", EnvironmentCreated, "an-environment@1") == expected


@given(one=st.tuples(causes, names, subjects), other=st.tuples(causes, names, subjects))
def test_another_cause_name_or_subject_is_another_fact(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assume(one != other)
    assert identify(one[0], CONTRACT[one[1]], one[2]) != identify(other[0], CONTRACT[other[1]], other[2])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (('a","b', "c"), ("a", 'b","c')),
        (("a,b", ""), ("a", "b")),
        (("", "a"), ("a", "")),
        (("é", "x"), ("e\u0301", "x")),
    ],
)
def test_parts_do_not_run_into_each_other(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert identify(one[0], SecretsResolved, one[1]) != identify(other[0], SecretsResolved, other[1])


def test_a_new_minor_version_is_the_same_fact_and_a_new_major_version_another() -> None:
    known = identify("a cause", SecretsResolved, "a subject")
    assert identify("a cause", ResolvedInMinor, "a subject") == known
    assert identify("a cause", ResolvedInMajor, "a subject") != known


def test_the_time_at_which_a_fact_is_stated_does_not_change_its_id() -> None:
    early = SecretsResolved.state(RESOLVED.data, cause=CREATED.metadata, now=NOW)
    late = SecretsResolved.state(RESOLVED.data, cause=CREATED.metadata, now=NOW.replace(year=2027))
    assert early.metadata.event_id == late.metadata.event_id
    assert early.metadata.occurred_at != late.metadata.occurred_at


def test_one_cause_leads_to_a_fact_per_name_and_subject() -> None:
    problem = examples()["SecretsFailed"].data
    stated: list[Event] = [
        SecretsResolved.state(RESOLVED.data, cause=CREATED.metadata, now=NOW),
        SecretsFailed.state(problem, cause=CREATED.metadata, now=NOW),
        SecretsResolved.state(RESOLVED.data, cause=RESOLVED.metadata, now=NOW),
    ]
    assert len({event.metadata.event_id for event in stated}) == 3


def test_a_fact_tells_the_same_story_one_hop_further() -> None:
    told = SecretsResolved.state(RESOLVED.data, cause=CREATED.metadata, now=NOW).metadata
    assert (told.correlation_id, told.group) == (CREATED.metadata.correlation_id, CREATED.metadata.group)
    assert told.causation_id == str(CREATED.metadata.event_id)
    assert (told.hop, told.version, told.occurred_at) == (CREATED.metadata.hop + 1, "1.0", NOW)


def test_a_fact_beyond_the_last_hop_cannot_be_made() -> None:
    last = CREATED.metadata.model_copy(update={"hop": MAX_HOP})
    with pytest.raises(ValidationError, match="hop"):
        SecretsResolved.state(RESOLVED.data, cause=last, now=NOW)
