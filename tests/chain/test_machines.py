"""What becomes of machines later, and what can't boot them."""

import json

import pytest

from tests.chain.world import FOR_A_WHILE, Place, World


def builds(place: Place) -> int:
    return place.stage.fly.log(place.machine_id()).count("prestage: build\n")


def fetches(place: Place) -> int:
    return place.stage.fly.log(place.machine_id()).count("prestage: fetch with")


@pytest.fixture
def built(world: World) -> Place:
    """A preview of an app that is built, and up."""
    place = world.place("storefront", build="echo building")
    place.run()
    assert place.shown()["commit"] == place.environment().sha
    assert (fetches(place), builds(place)) == (1, 1)
    return place


def test_a_machine_that_wakes_long_after_serves_without_a_new_build(built: Place) -> None:
    built.stage.fly.stop_machine(built.machine_id())
    built.stage.time.advance(FOR_A_WHILE * 1000)
    assert built.shown()["commit"] == built.environment().sha
    assert (fetches(built), builds(built)) == (1, 1)


def test_a_machine_whose_disk_is_gone_fetches_and_builds_again(built: Place) -> None:
    built.stage.fly.stop_machine(built.machine_id())
    built.stage.fly.forget_disk(built.machine_id())
    built.stage.time.advance(FOR_A_WHILE * 1000)
    assert built.shown()["commit"] == built.environment().sha
    assert (fetches(built), builds(built)) == (2, 2)


def test_an_older_generations_machine_is_updated_in_place(built: Place) -> None:
    before = built.machine_id()
    sha = built.push()
    built.settle()
    assert built.machine_id() == before
    assert built.shown()["commit"] == sha
    assert (fetches(built), builds(built)) == (2, 2)


def test_a_secret_that_is_deleted_is_gone_in_the_next_generation(world: World) -> None:
    place = world.place("storefront")
    [app] = place.apps
    for name in ("KEPT", "DELETED"):
        place.stage.stack.secrets.set(app.id, "preview", name, f"the value of {name}")
    place.run()
    place.stage.stack.secrets.delete(app.id, "preview", "DELETED")
    place.push()
    place.settle()
    given = place.stage.fly.process_environment(place.machine_id())
    assert given["KEPT"] == "the value of KEPT"
    assert "DELETED" not in given


def test_a_forged_fact_boots_nothing_but_what_the_record_says(place: Place) -> None:
    place.run()
    sha = place.environment().sha
    forged = json.loads(json.dumps(place.facts("SecretsResolved")[0]))
    environment = forged["detail"]["data"]["environment"]
    environment.update(
        sha="f" * 40, branch="evil", repository={"id": 1, "full_name": "mallory/evil"}, type="production"
    )
    forged["detail"]["metadata"]["event_id"] = "00000000-0000-4000-8000-000000000001"
    place.put_again(forged)
    place.stage.settle_through(FOR_A_WHILE)
    told = [fact["detail"]["data"]["environment"] for fact in place.facts("RuntimeRequested")]
    assert {(one["sha"], one["repository"]["full_name"], one["type"]) for one in told} == {
        (sha, place.full_name, "preview")
    }
    assert place.shown()["commit"] == sha
    assert len(place.machine_ids()) == 1


@pytest.mark.parametrize("change", [{"generation": 2}, {"id": "00000000-0000-5000-8000-000000000002"}])
def test_a_forged_fact_about_what_is_not_on_record_boots_nothing(place: Place, change: dict[str, object]) -> None:
    place.run()
    machines = place.stage.fly.machines()
    for name, event_id in (("EnvironmentCreated", 3), ("SecretsResolved", 4)):
        forged = json.loads(json.dumps(place.facts(name)[0]))
        forged["detail"]["data"]["environment"].update(change)
        forged["detail"]["metadata"]["event_id"] = f"00000000-0000-4000-8000-00000000000{event_id}"
        place.put_again(forged)
    place.stage.settle_through(FOR_A_WHILE)
    assert place.stage.fly.machines() == machines
    assert len(place.facts("RuntimeRequested")) == 1


def test_nobody_else_may_state_prestages_facts(place: Place) -> None:
    place.run()
    fact = place.facts("SecretsResolved")[0]
    entry = {
        "EventBusName": place.stage.bus.name,
        "Source": fact["source"],
        "DetailType": fact["detail-type"],
        "Detail": json.dumps(fact["detail"]),
    }
    for stranger in ("stage", "stage-CommentsFunction"):
        [result] = place.stage.bus.put_events([entry], stranger)
        assert result["ErrorCode"] == "NotAuthorizedForSourceException"


def test_the_bundle_is_for_one_environment_and_one_generation(world: World) -> None:
    """Copied under another key, as somebody with the table could, it opens nowhere."""
    first, second = world.place("storefront"), world.place("storefront")
    for place in (first, second):
        place.stage.stack.secrets.set(place.apps[0].id, "preview", "API_KEY", f"of {place.full_name}")
    first.run()
    second.open()
    stage, client = world.stage, world.stage.aws.client("dynamodb")
    table = stage.deployment.outputs["BundlesTable"]
    items = client.scan(TableName=table)["Items"]
    theirs = next(item for item in items if first.environment().id in item["pk"]["S"])
    stage.fly.fail(1, status=503, match=r"^POST /v1/apps$")
    stage.settle()
    mine = next(item for item in client.scan(TableName=table)["Items"] if second.environment().id in item["pk"]["S"])
    client.put_item(TableName=table, Item={**theirs, "pk": mine["pk"], "sk": mine["sk"]})
    stage.settle_through(FOR_A_WHILE)
    assert second.facts("RuntimeRequested") == []
    [failed] = second.facts("RuntimeFailed")
    assert f"of {first.full_name}" not in json.dumps(failed)
    assert second.machine_ids() == []
