"""The policy in docs/audit.md lets an operator state facts and keep what waits, and nothing else."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from prestage.changes import Change, Changes
from prestage.stage.roles import Role, Wish
from prestage_contracts.operators import UserAdded, UserChangeData
from records.outbox import Outbox
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW

DOCUMENT = Path(__file__).parents[2] / "docs" / "audit.md"
BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/prestage"
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/RECORDS_TABLE"
CHANGE = Change(UserAdded, UserChangeData(changed_by="arn:aws:iam::1:user/maria", user_id="shop-team", name="Shop"))


@pytest.fixture
def role() -> Role:
    """As it is written there."""
    [written] = re.findall(r"^    \{\n.*?^    \}$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    return Role("operator", json.loads(written)["Statement"])


class Bus:
    """It takes everything, and writes down from which source."""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []

    def put_events(self, Entries: list[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        self.wishes += [Wish("events:PutEvents", BUS, {"events:source": [entry["Source"]]}) for entry in Entries]
        return {"Entries": [{} for _ in Entries]}


def wishes(operation: str, body: Mapping[str, Any]) -> Iterator[Wish]:
    """What a call of DynamoDB asks for."""
    writes = [(f"{kind}Item", one) for write in body.get("TransactItems", []) for kind, one in write.items()]
    for action, asked in writes or [(operation, body)]:
        keyed = asked.get("Item") or asked.get("Key")
        pk = keyed["pk"]["S"] if keyed else asked["ExpressionAttributeValues"][":v0"]["S"]
        yield Wish(f"dynamodb:{action}", TABLE, {"dynamodb:LeadingKeys": [pk]})


def test_it_suffices_for_whatever_states_a_change(local: Local, role: Role) -> None:
    bus, asked = Bus(), list[Wish]()

    def called(*, model: Any, params: Mapping[str, Any], **_: object) -> None:
        asked.extend(wishes(model.name, json.loads(params["body"])))

    local.dynamodb.meta.events.register("before-call", called)
    changes = Changes(bus, "prestage", Outbox(local.table), clock=lambda: NOW, tell=lambda _: None)
    with changes.stated(CHANGE) as also:
        local.table.transact(also)
    with changes.intended(CHANGE):
        pass
    assert {wish.action for wish in asked} == {"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"}
    assert [wish for wish in (*asked, *bus.wishes) if not role.allows(wish)] == []


@pytest.mark.parametrize(
    "wish",
    [
        Wish("events:PutEvents", BUS, {"events:source": ["prestage.environments"]}),
        Wish("events:PutEvents", f"{BUS}-2", {"events:source": ["prestage.operators"]}),
        Wish("dynamodb:PutItem", TABLE, {"dynamodb:LeadingKeys": ["USER#shop-team"]}),
        Wish("dynamodb:Scan", TABLE),
    ],
)
def test_it_gives_nothing_else(role: Role, wish: Wish) -> None:
    assert not role.allows(wish)
