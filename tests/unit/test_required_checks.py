"""When a deployment that is ready counts as successful."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest

from choreography.reaction import Fact
from deployments.required import READY, verdict
from prestage_contracts.checks import Check, CheckRecorded, CheckRecordedData
from prestage_contracts.deployments import DeploymentReportedData
from prestage_contracts.reports import CheckState
from records.checks import Checks, EnvironmentChecks, KeptCheck, Owner
from records.environments import Environment
from tests.unit.deployments_stage import World, deployments
from tests.unit.dynamodb import Local
from tests.unit.environment_facts import ready
from tests.unit.record_examples import NOW, preview
from tests.unit.steps import metadata

QUALITY, OTHERS = "210987654321", "333322221111"
STATES: tuple[CheckState | None, ...] = (None, "pending", "success", "failure")


def kept(name: str, state: CheckState, account: str = QUALITY, number: int = 0) -> KeptCheck:
    check = Check(name=name, state=state, summary="", link=None, account=account)
    at = NOW.replace(second=number)
    return KeptCheck(check=check, reported_at=at, report=f"{name} {number}", since=at)


def standing(*checks: KeptCheck) -> EnvironmentChecks:
    return EnvironmentChecks(environment_id=preview().id, generation=1, checks=checks)


def owner(name: str, account: str = QUALITY) -> Owner:
    return Owner(app_id=preview().app_id, name=name, account=account, since=NOW)


@pytest.mark.parametrize(("one", "other"), [*product(STATES, STATES)])
def test_one_failure_fails_it_all_successes_make_it_and_else_it_waits(
    one: CheckState | None, other: CheckState | None
) -> None:
    states = {"smoke": one, "load": other}
    found = standing(*(kept(name, state) for name, state in states.items() if state))
    told = verdict(("smoke", "load"), found, [owner("smoke"), owner("load")])
    if "failure" in states.values():
        assert told.state == "failure"
        assert all((name in told.because) == (state == "failure") for name, state in states.items())
    elif one == other == "success":
        assert told == READY
    else:
        assert told.state == "in_progress"
        assert all((name in told.because) == (state != "success") for name, state in states.items())


def test_other_checks_do_not_count() -> None:
    found = standing(kept("smoke", "success"), kept("lint", "failure"))
    assert verdict(("Smoke",), found, [owner("smoke"), owner("lint")]) == READY


@pytest.mark.parametrize("owners", [[], [owner("smoke", OTHERS)]])
@pytest.mark.parametrize("state", ["success", "failure"])
def test_a_report_of_somebody_whose_name_it_is_not_any_more_does_not_count(
    owners: list[Owner], state: CheckState
) -> None:
    assert verdict(("smoke",), standing(kept("smoke", state)), owners).state == "in_progress"


@pytest.fixture
def world(local: Local, tmp_path: Path) -> Iterator[World]:
    with deployments(local, tmp_path) as world:
        yield world


def recorded(environment: Environment, number: int, check: Check) -> CheckRecorded:
    data = CheckRecordedData(environment=environment.snapshot(), check=check)
    return CheckRecorded(metadata=metadata(number), data=data)


def states(facts: Sequence[Fact]) -> list[str]:
    return [fact.data.state for fact in facts if isinstance(fact.data, DeploymentReportedData)]


def test_a_deployment_that_is_ready_waits_for_its_checks(world: World) -> None:
    begun = world.begin(required_checks=("smoke",))
    now = world.report(begun, "ready", 60)
    assert states(world.react(ready(now))) == ["in_progress"]
    following: tuple[CheckState, ...] = ("pending", "failure", "success")
    for number, state in enumerate(following, start=1):
        one = kept("smoke", state, number=number)
        assert Checks(world.local.table).take(now, one, NOW) == one
        world.react(recorded(now, 70 + number, one.check))
    assert world.states() == [["in_progress", "failure", "success"]]


def test_the_checks_of_an_older_generation_do_not_count(world: World) -> None:
    begun = world.begin(required_checks=("smoke",))
    now = world.report(begun, "ready", 60)
    assert Checks(world.local.table).take(now, kept("smoke", "success"), NOW)
    newer = world.report(world.begin(2, required_checks=("smoke",)), "ready", 61)
    world.react(ready(newer))
    assert world.states()[-1] == ["in_progress"]
