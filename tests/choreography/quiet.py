"""In-memory stand-ins for the memory's table and the queues, where deliveries are counted in thousands."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from boto3.dynamodb.conditions import ConditionBase

from choreography.queue import Message
from records.table import ConditionFailedError, Item, Table
from tests.choreography.world import World, fact


class Shelf:
    """Keeps items as DynamoDB does, for the conditions that the memory writes under."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def put(self, item: Item, condition: ConditionBase) -> None:
        found = self._items.get(item["pk"])
        if not holds(condition, found):
            raise ConditionFailedError([found])
        self._items[item["pk"]] = dict(item)


def holds(condition: Any, found: Item | None) -> bool:
    expression: Mapping[str, Any] = condition.get_expression()
    values = expression["values"]
    match expression["operator"]:
        case "AND":
            return all(holds(part, found) for part in values)
        case "attribute_not_exists":
            return found is None
        case "=":
            return found is not None and bool(found[values[0].name] == values[1])
        case operator:
            raise NotImplementedError(operator)


class QuietWorld(World):
    """A world whose queues are lists."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), "", "", cast("Table", Shelf()))
        self.buried: list[str] = []
        self.sent = 0

    def send(self, body: str | None = None) -> dict[str, Any]:
        self.sent += 1
        sent_at = str(int(self.now.timestamp() * 1000))
        name = f"message-{self.sent}"
        return {
            "messageId": name,
            "receiptHandle": name,
            "body": body or fact(),
            "attributes": {"SentTimestamp": sent_at},
        }

    def hide(self, message: Message, duration: timedelta) -> None:
        self.waits.append(duration)

    def bury(self, message: Message, attributes: dict[str, str]) -> None:
        self.buried.append(message.body)

    def dead_letters(self) -> list[dict[str, Any]]:
        taken, self.buried = self.buried, []
        return [{"body": body} for body in taken]
