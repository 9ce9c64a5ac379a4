"""What is seldom done: sweeps, an App that is taken away, a skip that is taken back, failures that nobody waits for."""

from prestage.stage.stage import ORGANIZATION
from tests.chain import test_checks as checks
from tests.chain.bugs import planted
from tests.chain.world import FOR_A_WHILE, Place, World

ORPHAN = f"prestage-{'a' * 20}"


def sweep(place: Place) -> None:
    place.stage.sweep()
    place.stage.settle_through(FOR_A_WHILE)


def test_a_sweep_has_a_runtime_that_is_gone_made_anew_and_one_that_nobody_knows_removed(place: Place) -> None:
    place.run()
    place.world.remove_by_hand(place.environment().fly_app)
    place.stage.fly.plant_app(ORPHAN, ORGANIZATION, network=ORPHAN)
    sweep(place)
    assert (place.environment().status, place.environment().generation) == ("ready", 2)
    assert place.data("RuntimeLost")["environment"]["id"] == place.environment().id
    assert ORPHAN not in [app.name for app in place.stage.fly.apps()]


def test_a_sweep_finds_out_that_a_pull_request_was_closed_when_no_webhook_told(place: Place) -> None:
    number = place.run()
    place.stage.github.lose_deliveries()
    place.stage.github.close_pull_request(place.full_name, number)
    sweep(place)
    assert place.environment().status == "stopped"


def test_where_the_app_is_uninstalled_every_environment_ends(world: World) -> None:
    place = world.place("storefront", organization="leaving-org")
    place.run()
    place.stage.github.uninstall("leaving-org")
    place.stage.settle_through(FOR_A_WHILE)
    assert place.environment().status == "stopped"
    assert place.fly_apps() == []


def test_a_draft_that_is_ready_for_review_is_skipped_no_more(world: World) -> None:
    place = world.place("storefront", drafts="ignore")
    number = place.run(draft=True)
    assert place.data("PreviewSkipped")["reason"]["code"] == "draft"
    place.stage.github.ready_for_review(place.full_name, number)
    place.settle()
    assert place.environment().status == "ready"
    assert "draft" not in place.comment()


def test_a_fact_that_the_journal_fails_on_is_a_dead_letter_that_a_redrive_has_it_keep(place: Place) -> None:
    with planted(place.world, "Journal", "records/journal.py", "def _about("):
        place.run()
        place.stage.settle_through(FOR_A_WHILE)
    dead = place.world.messages("JournalDeadLetterQueueUrl")
    assert {one["MessageAttributes"]["ReasonCode"]["StringValue"] for one in dead} == {"internal_error"}
    assert place.world.redrive("Journal") == len(dead) >= len(place.facts())
    place.stage.settle_through(FOR_A_WHILE)
    kept = {entry.event_id for entry in place.stage.stack.journal.of_pull_request(place.id, 1)}
    assert {fact["detail"]["metadata"]["event_id"] for fact in place.facts("PrCommented")} <= {*map(str, kept)}


def test_a_report_that_checks_fail_on_is_a_dead_letter_that_a_redrive_has_recorded(place: Place) -> None:
    checks.allow(place.world)
    place.run()
    with planted(place.world, "Checks", "records/checks.py", "def _owner_key("):
        checks.report(place)
        place.stage.settle_through(FOR_A_WHILE)
    [dead] = place.world.messages("ChecksDeadLetterQueueUrl")
    assert dead["MessageAttributes"]["ReasonCode"]["StringValue"] == "internal_error"
    assert place.facts("CheckRecorded") == []
    assert place.world.redrive("Checks") == 1
    place.stage.settle_through(FOR_A_WHILE)
    assert place.data("CheckRecorded")["check"]["name"] == "smoke"
