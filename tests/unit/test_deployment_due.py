"""What GitHub is still to be told, for every state of the record and of what GitHub was told last."""

from itertools import product
from typing import get_args

import pytest

from deployments.due import STATES, Due, due
from deployments.standing import Begun, Deployment, Standing
from prestage_contracts.deployments import DeploymentState
from prestage_contracts.envelope import Reason
from records.environments import Environment
from records.life import LIVE, Status
from tests.unit.record_examples import NOW, SHA, preview

STATUSES: tuple[Status, ...] = get_args(Status.__value__)
KNOWN: tuple[DeploymentState | None, ...] = (None, *get_args(DeploymentState.__value__))
MERGED = Reason(code="pull_request_merged", message="It was merged.")


def environment(status: Status, generation: int = 3, reason: Reason | None = MERGED) -> Environment:
    return preview().model_copy(update={"status": status, "generation": generation, "reason": reason})


def standing(*states: tuple[int, DeploymentState | None]) -> Standing:
    made = [Deployment(generation=of, sha=SHA, deployment_id=of, state=state) for of, state in states]
    return Standing(environment_id=preview().id, deployments=tuple(made))


def begun(*generations: int) -> Standing:
    attempts = tuple(Begun(generation=one, sha=SHA, at=NOW) for one in generations)
    return Standing(environment_id=preview().id, begun=attempts)


def test_every_live_state_has_its_word_and_no_other_has_one() -> None:
    assert set(STATES) == set(LIVE)


@pytest.mark.parametrize(("status", "known"), list(product(LIVE, KNOWN)))
def test_a_live_environments_state_is_told_unless_it_is_known(status: Status, known: DeploymentState | None) -> None:
    told = due(environment(status), standing((3, known)))
    assert told == ([] if known == STATES[status] else [Due(3, STATES[status])])


@pytest.mark.parametrize("status", LIVE)
def test_it_is_told_where_no_deployment_is_known(status: Status) -> None:
    for known in (standing(), begun(3)):
        assert due(environment(status), known) == [Due(3, STATES[status])]


@pytest.mark.parametrize(("status", "known"), list(product(STATUSES, KNOWN)))
def test_older_generations_are_inactive_before_anything_else_is_told(
    status: Status, known: DeploymentState | None
) -> None:
    told = due(environment(status), standing((2, known), (1, known)))
    assert told[:2] == [Due(1, "inactive"), Due(2, "inactive")]
    assert due(environment(status), begun(1))[0] == Due(1, "inactive")


@pytest.mark.parametrize("status", ["closing", "stopped"])
def test_an_environment_that_is_over_has_nothing_but_inactive_deployments(status: Status) -> None:
    assert due(environment(status), standing()) == []
    assert due(environment(status), standing((2, "success"))) == [Due(2, "inactive")]
    assert due(environment(status), standing((3, "success"))) == [Due(3, "inactive")]


@pytest.mark.parametrize(("status", "code"), list(product(STATUSES, ["uninstalled", "suspended"])))
def test_nothing_is_due_where_the_app_is_gone_unless_it_is_back(status: Status, code: str) -> None:
    gone = Reason(code=code, message="The App is gone.")
    told = due(environment(status, reason=gone), standing((2, "success")))
    assert bool(told) == (status in LIVE)


@pytest.mark.parametrize("status", ["closing", "stopped"])
def test_an_end_without_a_reason_is_an_end_all_the_same(status: Status) -> None:
    assert due(environment(status, reason=None), standing((2, "success"))) == [Due(2, "inactive")]
