"""What earlier releases stated or wrote down is read by this one, from queues, the archive and the tables."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from choreography.memory import Key, Memory
from comments.sticky import Stickies
from deployments.standing import Standings
from prestage.contract_files import ROOT
from prestage.contract_releases import released, released_examples
from prestage.stage.event_pattern import compile_pattern
from prestage.stage.template import load
from prestage_contracts.envelope import Reason
from records.apps import Apps
from records.environments import Environments
from records.journal import Journal
from records.pull_requests import PullRequests
from records.table import Table
from records.users import Users
from tests.fidelity.released_facts import narrowed
from tests.fidelity.taken import read
from tests.fidelity.template_policy import functions, of, reactions, referred, targets
from tests.unit.dynamodb import TABLE, Local

TEMPLATE = load(ROOT / "template.yaml")
SCHEMAS = released(ROOT)
STORED = json.loads((Path(__file__).parent / "stored" / "1.0.0.json").read_text(encoding="utf-8"))
"""Items of its tables, as the stage had them at release 1.0.0 (6d5e5f0) once a preview was updated, another closed, and
production deployed: all of the records, one of each reaction's memory, and some of the journal."""
THEN = datetime(2026, 11, 28, 20, 30, tzinfo=UTC)


def stated() -> Iterator[Mapping[str, Any]]:
    """Every released example, and with nothing in it that its release did not require."""
    for path, example in released_examples(ROOT).items():
        yield example
        schema = json.loads((ROOT / path).with_name("v1.json").read_text(encoding="utf-8"))
        yield narrowed(example, schema, bare=True)


def in_queues() -> dict[str, list[str]]:
    """What the rules put into each reaction's queue of it."""
    found = {}
    for name, (_, event) in reactions(TEMPLATE).items():
        into = [rule for rule in of(TEMPLATE, "Events::Rule").values() if targets(rule) == [referred(event["Queue"])]]
        patterns = [compile_pattern(rule["EventPattern"]) for rule in into]
        found[name] = [json.dumps(fact) for fact in stated() if any(one.matches(fact) for one in patterns)]
    return found


def test_every_fact_of_an_earlier_release_is_taken_by_each_reaction_that_it_leads_to() -> None:
    queues = in_queues()
    assert all(queues.values())
    told = read(functions(TEMPLATE), queues)
    untaken = {
        f"{name}: {json.loads(body)['detail-type']} {what}"
        for name, bodies in queues.items()
        for body, what in zip(bodies, told[name], strict=True)
        if what != "taken"
    }
    assert untaken == set()


def test_what_a_reaction_can_not_read_is_seen() -> None:
    [opened, *_] = [fact for fact in stated() if fact["detail-type"] == "PullRequestOpened"]
    other = {**opened, "detail-type": "NothingKnown"}
    broken = {**opened, "detail": {**opened["detail"], "data": {}}}
    bodies = [json.dumps(fact) for fact in (opened, other, broken)]
    assert read(functions(TEMPLATE), {"EnvironmentsFunction": bodies}) == {
        "EnvironmentsFunction": ["taken", "not_taken", "malformed"]
    }


def test_a_fact_is_narrowed_to_what_a_release_knew() -> None:
    schema = SCHEMAS["EnvironmentReady", "1"]
    [ready, *_] = [fact for fact in stated() if fact["detail-type"] == "EnvironmentReady"]
    assert narrowed(ready, schema) == ready
    newer = json.loads(json.dumps(ready))
    newer["detail"]["data"]["environment"]["mood"] = "good"
    newer["detail"]["data"]["since_then"] = 1
    assert narrowed(newer, schema) == ready


# ---- What was written down


def plain(kind: str, value: Any) -> Any:
    """An attribute as boto3 takes it, bytes from Base64."""
    match kind:
        case "B":
            return {"B": base64.b64decode(value)}
        case "L":
            return {"L": [plain(*next(iter(one.items()))) for one in value]}
        case "M":
            return {"M": {name: plain(*next(iter(one.items()))) for name, one in value.items()}}
    return {kind: value}


def stored(local: Local, what: str) -> Table:
    """The table with those items."""
    for item in STORED[what]:
        written = {name: plain(*next(iter(value.items()))) for name, value in item.items()}
        local.dynamodb.put_item(TableName=TABLE, Item=written)
    return local.table


def items(begin: str, sk: str = "") -> list[Mapping[str, Any]]:
    """The records whose keys begin so."""
    found = STORED["records"]
    return [one for one in found if one["pk"]["S"].startswith(begin) and one["sk"]["S"].startswith(sk)]


def test_every_kind_of_record_is_read_as_it_was_written(local: Local) -> None:
    table = stored(local, "records")
    environments, apps = Environments(table), Apps(table)
    for item in items("ENVIRONMENT#", "ENVIRONMENT"):
        found = environments.get(item["id"]["S"])
        assert found is not None
        assert found.snapshot().sha == item["sha"]["S"]
        assert found in environments.list_by_app(found.app_id)
        assert found in environments.list_by_repository(found.repository.id)
        assert Standings(table, lambda: THEN).get(found.id).deployments or found.status == "stopped"
    assert {one.status for one in environments.list_all()} == {"ready", "stopped"}
    for item in items("APP#", "APP"):
        app = apps.get(item["id"]["S"])
        assert app is not None
        assert app in apps.list_by_repository(app.repository.id)
        assert app in apps.list_by_installation(app.installation_id)
        assert app in apps.list_by_user(app.owner)
    for item in items("REPOSITORY#", "PULL_REQUEST#"):
        number = int(item["sk"]["S"].partition("#")[2])
        told = PullRequests(table).get(int(item["pk"]["S"].partition("#")[2]), number)
        assert told is not None
        assert Stickies(table, lambda: THEN).get(told.word.repository.id, number).comment_id is not None
    assert [user.id for user in Users(table).list_all()] == ["shop-team"]


def test_records_are_moved_on_from_how_they_were_written(local: Local) -> None:
    environments = Environments(stored(local, "records"))
    for before in environments.list_all():
        if before.is_live:
            closed = environments.close(before.id, "a later cause", Reason(code="closed", message="Closed."), THEN)
            assert closed is not None
            assert (closed.status, closed.generation) == ("closing", before.generation + 1)


def test_what_was_done_is_remembered_and_not_done_again(local: Local) -> None:
    memory = Memory(stored(local, "memory"), lambda: THEN)
    for item in STORED["memory"]:
        reaction, account, source, event_id = item["pk"]["S"].split("#")
        claim = memory.claim(Key(reaction.lower(), account, source, event_id), timedelta(minutes=1))
        assert claim is None


def test_the_journal_goes_on_telling(local: Local) -> None:
    [pk] = {item["pk"]["S"] for item in STORED["journal"]}
    told = Journal(stored(local, "journal"), lambda: THEN).of_environment(pk.partition("#")[2])
    assert len(told) == len(STORED["journal"])
