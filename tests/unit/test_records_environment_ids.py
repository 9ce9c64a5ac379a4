from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from records.environments import environment_id
from tests.unit.record_examples import NOW, SHA, ad_hoc, preview, production

subjects = st.tuples(
    st.uuids().map(str), st.sampled_from(["preview", "production"]), st.integers(1) | st.text() | st.none()
)


@given(one=subjects, other=subjects)
def test_an_id_is_derived_from_what_it_tracks_and_from_nothing_else(one: Any, other: Any) -> None:
    assert environment_id(*one) == environment_id(*one)
    assert (environment_id(*one) == environment_id(*other)) is (one == other)


def test_a_branch_called_like_a_number_is_no_pull_request_and_one_called_like_the_default_is_not_production() -> None:
    assert ad_hoc("3").id != preview(number=3).id
    assert ad_hoc("main").id != production().id


def test_a_pull_request_s_environment_is_found_by_its_number_and_production_by_none_whatever_the_branch() -> None:
    assert preview(branch="main").id == preview(branch="teal").id != preview(number=4).id
    assert production().id == production().model_copy(update={"branch": "trunk"}).id


def test_a_snapshot_says_what_the_environment_is() -> None:
    snapshot = preview().snapshot()
    assert (snapshot.id, snapshot.pull_request) == (preview().id, preview().pull_request)
    assert (snapshot.generation, snapshot.sha, snapshot.created_at) == (1, SHA, NOW)
