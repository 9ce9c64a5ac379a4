"""What was archived, once more: to one subscriber alone, so that Prestage's own reactions do nothing twice."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from prestage.tail import tail_prefix

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

_LONGEST_NAME = 51
"""Characters of a rule's name that go into a replay's, which has 64 at most."""


class NoSuchSubscriberError(Exception):
    """No rule on the bus goes by that name, or it is not a subscriber's; the text says which are."""


def replay(
    events: "EventBridgeClient", outputs: Mapping[str, str], subscriber: str, start: datetime, end: datetime
) -> str:
    """Have what was archived in that time delivered again, by one subscriber's rule alone; gives the replay's name.

    Args:
        events: EventBridge.
        outputs: the stack's.
        subscriber: the name of the rule.
        start: what was stated before is left out.
        end: what was stated after is.

    Raises:
        NoSuchSubscriberError: there is no such rule on the bus, or it is one of Prestage's own.
    """
    theirs = _subscribers(events, outputs)
    if subscriber not in theirs:
        those = f"those of subscribers are {', '.join(sorted(theirs))}" if theirs else "no subscriber has one"
        where = f"on the bus {outputs['BusName']}"
        raise NoSuchSubscriberError(f"there is no subscriber's rule {subscriber} {where}: {those}")
    name = f"{subscriber[:_LONGEST_NAME]}-{uuid4().hex[:12]}"
    events.start_replay(
        ReplayName=name,
        EventSourceArn=outputs["ArchiveArn"],
        EventStartTime=start,
        EventEndTime=end,
        Destination={"Arn": outputs["BusArn"], "FilterArns": [theirs[subscriber]]},
    )
    return name


def _subscribers(events: "EventBridgeClient", outputs: Mapping[str, str]) -> Mapping[str, str]:
    """The ARNs of the rules that lead to no queue of Prestage's own, are not AWS's, and are to stay, by name."""
    bus = outputs["BusName"]
    ours = {value for name, value in outputs.items() if name.endswith("QueueArn")}
    pages = events.get_paginator("list_rules").paginate(EventBusName=bus)
    rules = {
        rule["Name"]: rule["Arn"]
        for page in pages
        for rule in page["Rules"]
        if "ManagedBy" not in rule and not rule["Name"].startswith(tail_prefix(bus))
    }
    targets = events.get_paginator("list_targets_by_rule")
    led_to = {
        rule: {target["Arn"] for page in targets.paginate(EventBusName=bus, Rule=rule) for target in page["Targets"]}
        for rule in rules
    }
    return {rule: arn for rule, arn in rules.items() if not led_to[rule] & ours}
