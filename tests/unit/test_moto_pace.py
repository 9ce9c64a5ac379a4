"""moto answers the same by the shorter way."""

from collections.abc import Callable
from typing import Any

import pytest
from moto.core import responses
from moto.core.serialize import XFormedAttributePicker

from prestage.stage import moto_pace
from tests.unit.dynamodb import TABLE, Local

PLAIN: dict[str, Any] = {
    "B": {"B": b"\x00"},
    "BOOL": {"BOOL": False},
    "BS": {"BS": [b"1"]},
    "L": {"L": []},
    "M": {"M": {}},
    "N": {"N": "0"},
    "NS": {"NS": ["1", "2"]},
    "NULL": {"NULL": True},
    "S": {"S": ""},
    "SS": {"SS": ["a"]},
}
"""An attribute of each type, under the type's own name."""

KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
ITEM = {**KEY, **PLAIN, "in": {"M": {**PLAIN, "list": {"L": [*PLAIN.values(), {"M": PLAIN}]}}}}

type Ask = Callable[[Any], Any]

ASKED: dict[str, Ask] = {
    "get": lambda dynamodb: dynamodb.get_item(TableName=TABLE, Key=KEY)["Item"],
    "nothing": lambda dynamodb: dynamodb.get_item(TableName=TABLE, Key={**KEY, "sk": {"S": "c"}}).get("Item"),
    "scan": lambda dynamodb: dynamodb.scan(TableName=TABLE)["Items"],
    "query": lambda dynamodb: dynamodb.query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "a"}}
    )["Items"],
    "put": lambda dynamodb: dynamodb.put_item(TableName=TABLE, Item=ITEM, ReturnValues="ALL_OLD")["Attributes"],
    "describe": lambda dynamodb: dynamodb.describe_table(TableName=TABLE)["Table"],
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_an_answer_is_as_motos_own(local: Local, monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    local.dynamodb.put_item(TableName=TABLE, Item=ITEM)
    monkeypatch.setattr(responses, "XFormedAttributePicker", XFormedAttributePicker)
    own = ask(local.dynamodb)
    moto_pace.hurry()
    assert vars(responses)["XFormedAttributePicker"] is not XFormedAttributePicker
    assert ask(local.dynamodb) == own


def test_what_was_put_comes_back(local: Local) -> None:
    local.dynamodb.put_item(TableName=TABLE, Item=ITEM)
    assert local.dynamodb.get_item(TableName=TABLE, Key=KEY)["Item"] == ITEM
