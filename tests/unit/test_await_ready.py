"""What is said of a runtime that boots, and when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from choreography.reaction import BrokenError, Fact, RefusedError, RetryLaterError
from prestage_contracts.envelope import Reason
from prestage_contracts.runtimes import Runtime, RuntimeFailed, RuntimeFailedData, RuntimeReady, RuntimeReadyData
from records.apps import Apps
from records.environments import Environment, Environments
from runtimes.await_ready import READY_WITHIN, AwaitReady
from runtimes.machine import metadata
from tests.unit.dynamodb import Local
from tests.unit.fly_wire import Wire, client
from tests.unit.github_stage import Now
from tests.unit.provision_stage import World as Stage
from tests.unit.provision_stage import provisioning, wanted
from tests.unit.record_examples import NOW, app
from tests.unit.steps import begin, close, forged, register, requested

SHOP = app("storefront", build="npm ci")
PASSING = {"name": "servicecheck-00-http-8080", "status": "passing"}
LOG = "https://fly.io/apps/{fly_app}/monitoring"
NONE = httpx.Response(404, json={"error": "machine not found"})
ENDED = [{"type": "exit", "timestamp": 2, "request": {"exit_event": {"exit_code": 83}}}, {"type": "start"}]
STOPPED = [{"type": "exit", "timestamp": 2, "request": {"exit_event": {"requested_stop": True}}}, {"type": "start"}]


@dataclass
class World:
    local: Local
    now: Now = field(default_factory=Now)
    wire: Wire = field(default_factory=Wire)

    def __post_init__(self) -> None:
        self.now.advance(seconds=(NOW + timedelta(minutes=2) - self.now()).total_seconds())

    @property
    def step(self) -> AwaitReady:
        table = self.local.table
        return AwaitReady(Environments(table), Apps(table), client(self.wire), LOG, self.now)

    def begin(self, intent: int = 1) -> Environment:
        return begin(self.local.table, intent, of=SHOP)

    def grow(self, age: timedelta) -> None:
        """The fact's age is that from now on."""
        self.now.advance(seconds=(NOW + age - self.now()).total_seconds())

    def answer(self, *answers: httpx.Response | type[Exception]) -> None:
        self.wire.answers[:] = answers
        self.wire.requests.clear()

    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path.removeprefix('/v1/apps')}" for request in self.wire.requests]

    def look(self, environment: Environment, *answers: httpx.Response | type[Exception], **runtime: Any) -> Fact:
        self.answer(*answers)
        [fact] = self.step(requested(environment, **runtime))
        return fact

    def wait(self, environment: Environment, *answers: httpx.Response | type[Exception]) -> RetryLaterError:
        self.answer(*answers)
        with pytest.raises(RetryLaterError) as raised:
            self.step(requested(environment))
        assert self.wire.answers == []
        return raised.value


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP)
    return World(local)


def described(environment: Environment, **told: Any) -> dict[str, Any]:
    config = {"image": "python:3.13", "metadata": metadata(environment)}
    return {"id": "3d8d9014b32d89", "name": "app", "state": "started", "region": "iad", "config": config, **told}


def machine(environment: Environment, **told: Any) -> httpx.Response:
    return httpx.Response(200, json=described(environment, **told))


def machines(*told: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json=list(told))


def failed(fact: Fact) -> RuntimeFailedData:
    assert fact.event is RuntimeFailed
    assert isinstance(fact.data, RuntimeFailedData)
    return fact.data


def ready(fact: Fact) -> Runtime:
    assert fact.event is RuntimeReady
    assert isinstance(fact.data, RuntimeReadyData)
    return fact.data.runtime


# ---- Ready


def test_a_machine_that_runs_and_passes_its_checks_is_ready(world: World) -> None:
    environment = world.begin()
    runtime = ready(world.look(environment, machine(environment, checks=[PASSING], region="fra")))
    assert (runtime.fly_app, runtime.machine_id, runtime.region) == ("prestage-3", "3d8d9014b32d89", "fra")
    assert runtime.address == environment.address
    assert world.asked() == ["GET /prestage-3/machines/3d8d9014b32d89"]


def test_an_event_is_believed_in_nothing_but_ids_and_generation(world: World) -> None:
    environment = world.begin()
    world.answer(machine(environment, checks=[PASSING]))
    [fact] = world.step(requested(forged(environment), fly_app="prestage-evil", address="https://evil.example.com"))
    assert ready(fact).address == environment.address
    assert fact.data.model_dump()["environment"] == environment.snapshot().model_dump()
    assert world.asked() == ["GET /prestage-3/machines/3d8d9014b32d89"]


def test_a_machine_whose_region_fly_leaves_out_is_where_it_was_asked_for(world: World) -> None:
    environment = world.begin()
    assert (
        ready(world.look(environment, machine(environment, checks=[PASSING], region=""), region="fra")).region == "fra"
    )


@pytest.mark.parametrize("age", [timedelta(0), READY_WITHIN, READY_WITHIN * 5])
def test_what_is_ready_is_ready_however_late_it_is_looked_at(world: World, age: timedelta) -> None:
    environment = world.begin()
    world.grow(age)
    ready(world.look(environment, machine(environment, checks=[PASSING])))


# ---- Not yet


def test_a_machine_that_boots_is_waited_for_and_nobody_is_held_up(world: World) -> None:
    environment = world.begin()
    for state in ("created", "starting", "started", "replacing", "something new"):
        waiting = world.wait(environment, machine(environment, state=state))
        assert waiting.after == timedelta(seconds=5)
    assert "booting" in waiting.waiting_for
    assert [item for item in world.local.items() if item["sk"]["S"] == "RUNTIME"] == []


def test_in_the_first_minute_it_is_looked_at_more_often(world: World) -> None:
    environment = world.begin()
    for age, wait in ((timedelta(0), 2), (timedelta(seconds=59), 2), (timedelta(minutes=1), 5)):
        world.grow(age)
        assert world.wait(environment, machine(environment)).after == timedelta(seconds=wait)


@pytest.mark.parametrize("generation", ["1", "3", "", "x"])
@pytest.mark.parametrize("told", [{"checks": [PASSING]}, {"state": "stopped", "events": ENDED}, {"state": "failed"}])
def test_what_another_generation_does_says_nothing_of_this_one(
    world: World, generation: str, told: dict[str, Any]
) -> None:
    world.begin()
    environment = world.begin(2)
    says = {"metadata": {**metadata(environment), "generation": generation}}
    world.wait(environment, machine(environment, config=says, **told))


def test_a_machine_whose_host_is_not_reached_is_waited_for(world: World) -> None:
    environment = world.begin()
    world.wait(environment, machine(environment, config=None, checks=[PASSING]))


@pytest.mark.parametrize("refused", [None, 404, 409, 412])
@pytest.mark.parametrize("age", [timedelta(minutes=2), READY_WITHIN * 2])
def test_a_machine_that_the_proxy_stopped_before_it_was_ready_is_started_again(
    world: World, refused: int | None, age: timedelta
) -> None:
    """Also late: nobody looked for a while, and it may have been ready meanwhile."""
    environment = world.begin()
    world.grow(age)
    start = httpx.Response(refused or 200, json={"error": "failed_precondition"} if refused else {"ok": True})
    world.wait(environment, machine(environment, state="stopped", events=STOPPED), start)
    assert world.asked()[-1] == "POST /prestage-3/machines/3d8d9014b32d89/start"


@pytest.mark.parametrize("age", [timedelta(0), READY_WITHIN * 5])
def test_while_fly_does_not_answer_nothing_is_known(world: World, age: timedelta) -> None:
    environment = world.begin()
    world.grow(age)
    assert "503" in world.wait(environment, httpx.Response(503)).waiting_for
    assert world.wait(environment, httpx.Response(429, headers={"Retry-After": "90"})).after == timedelta(seconds=90)
    world.wait(environment, httpx.ReadTimeout)


# ---- Failed


def test_a_boot_that_ended_is_told_with_its_stage_its_exit_status_and_where_its_log_is(world: World) -> None:
    environment = world.begin()
    told = failed(world.look(environment, machine(environment, state="stopped", events=ENDED)))
    assert (told.stage, told.exit_status, told.reason.code) == ("build", 83, "build_failed")
    assert told.reason.message == "The build failed: `npm ci` did not succeed"
    assert told.log_url == "https://fly.io/apps/prestage-3/monitoring"
    assert told.environment == environment.snapshot()


def test_what_is_not_ready_within_half_an_hour_has_failed(world: World) -> None:
    environment = world.begin()
    world.grow(READY_WITHIN - timedelta(seconds=1))
    world.wait(environment, machine(environment))
    world.grow(READY_WITHIN)
    told = failed(world.look(environment, machine(environment)))
    assert (told.reason.code, told.stage, told.exit_status) == ("not_ready", "health", None)
    assert told.log_url == "https://fly.io/apps/prestage-3/monitoring"


def test_a_machine_that_never_becomes_of_this_generation_has_failed(world: World) -> None:
    environment = world.begin()
    world.grow(READY_WITHIN)
    assert failed(world.look(environment, machine(environment, config=None))).reason.code == "not_ready"


# ---- Gone


@pytest.mark.parametrize("listed", [machines(), NONE, machines({"id": "x", "name": "app", "state": "destroyed"})])
@pytest.mark.parametrize("looked", [NONE, httpx.Response(200, json={"id": "3d8d9014b32d89", "state": "destroyed"})])
def test_a_machine_that_is_gone_is_told_as_that(world: World, looked: httpx.Response, listed: httpx.Response) -> None:
    environment = world.begin()
    told = failed(world.look(environment, looked, listed))
    assert (told.reason.code, told.stage) == ("runtime_gone", "health")
    assert world.asked()[-1] == "GET /prestage-3/machines"


def test_a_machine_in_the_place_of_the_one_that_is_gone_is_the_one(world: World) -> None:
    environment = world.begin()
    another = described(environment, id="e2865e31c03328", checks=[PASSING])
    by_hand = described(environment, id="by-hand", name="by-hand", checks=[PASSING])
    assert ready(world.look(environment, NONE, machines(by_hand, another))).machine_id == "e2865e31c03328"


@pytest.mark.parametrize("status", [401, 404])
def test_what_not_all_of_fly_sees_yet_is_not_gone(world: World, status: int) -> None:
    environment = world.begin()
    world.grow(timedelta(seconds=59))
    unseen = httpx.Response(status, json={"error": "Could not find App"})
    assert "does not show" in world.wait(environment, unseen, unseen).waiting_for
    assert "does not show" in world.wait(environment, unseen, machines()).waiting_for


def test_a_token_that_fly_does_not_take_is_for_an_operator_to_mend(world: World) -> None:
    world.answer(httpx.Response(401, json={"error": "Authenticate: token validation error"}))
    with pytest.raises(BrokenError, match="token"):
        world.step(requested(world.begin()))


def test_an_app_that_is_somebody_elses_is_a_refusal(world: World) -> None:
    world.answer(httpx.Response(403, json={"error": "unauthorized"}))
    with pytest.raises(RefusedError):
        world.step(requested(world.begin()))


# ---- Superseded


@pytest.mark.parametrize("trouble", ["a newer generation", "closed", "unknown"])
def test_what_is_no_longer_wanted_is_not_looked_at(world: World, trouble: str) -> None:
    environment = world.begin()
    match trouble:
        case "a newer generation":
            world.begin(2)
        case "closed":
            close(world.local.table, environment)
        case _:
            environment = environment.model_copy(update={"id": SHOP.id})
    world.answer()
    assert world.step(requested(environment)) == []
    assert world.asked() == []


def test_what_is_given_up_names_the_environment_the_reason_and_the_log(world: World) -> None:
    environment = world.begin()
    told = failed(world.step.failed(requested(environment), Reason(code="gave_up", message="Gave up")))
    assert (told.environment, told.reason.code, told.stage) == (environment.snapshot(), "gave_up", "health")
    assert told.log_url == "https://fly.io/apps/prestage-3/monitoring"


# ---- On Fly


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with provisioning(tmp_path) as staged:
        yield staged


def test_a_machine_that_really_boots_in_vain_is_told_as_what_it_ended_with(world: World, stage: Stage) -> None:
    """Its source is none that can be fetched, and it gives up once its policy does."""
    environment = world.begin()
    runtime = stage.provision(wanted())
    stage.machine()
    table = world.local.table
    step = AwaitReady(Environments(table), Apps(table), stage.fly, LOG, world.now)
    facts: Sequence[Fact] = step(requested(environment, machine_id=runtime.machine_id))
    told = failed(facts[0])
    assert (told.stage, told.exit_status) == ("fetch", 81)


# ---- A host name of its own

HOST = "prestage-3.previews.example.com"
SERVED = httpx.Response(200, json={"hostname": HOST, "status": "active"})
UNPROVEN = httpx.Response(200, json={"hostname": HOST, "status": "pending_ownership"})


def named(world: World) -> Environment:
    return begin(world.local.table, of=SHOP, address=f"https://{HOST}", own_host=HOST)


def test_an_own_host_name_has_to_be_served_before_it_is_ready(world: World) -> None:
    environment = named(world)
    running = machine(environment, checks=[PASSING])
    for answer in (UNPROVEN, httpx.Response(404, json={"error": "not found"})):
        world.wait(environment, running, answer)
    fact = world.look(environment, running, SERVED)
    assert fact.event is RuntimeReady
    assert world.asked()[-1] == f"POST /prestage-3/certificates/{HOST}/check"


def test_an_own_host_name_is_not_asked_for_before_the_machine_is_ready(world: World) -> None:
    world.wait(named(world), machine(named(world)))


def test_an_own_host_name_that_is_never_served_is_told_as_such(world: World) -> None:
    environment = named(world)
    world.grow(READY_WITHIN)
    fact = world.look(environment, machine(environment, checks=[PASSING]), UNPROVEN)
    assert isinstance(fact.data, RuntimeFailedData)
    assert (fact.data.stage, fact.data.reason.code) == ("health", "not_served")
    assert HOST in fact.data.reason.message


def test_with_an_own_host_name_a_machine_that_does_not_answer_is_told_as_ever(world: World) -> None:
    environment = named(world)
    world.grow(READY_WITHIN)
    fact = world.look(environment, machine(environment))
    assert isinstance(fact.data, RuntimeFailedData)
    assert fact.data.reason.code == "not_ready"
