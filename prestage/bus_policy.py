"""Who of other accounts may subscribe to the bus, and report to it: statements of its resource policy.

The template's own statements are beside them, and a deployment leaves ours as they are (docs/adr/0020). EventBridge
replaces a policy only as a whole, so that it is read before and looked at after.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prestage_contracts import EVENTS, CheckReported
from prestage_contracts.envelope import Frozen
from prestage_contracts.reports import OURS

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

LONGEST = 10_240
"""Characters of a bus's policy (EventBridge's quota)."""

_ACCOUNT = re.compile(r"[0-9]{12}")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_CREATOR = {"events:creatorAccount": "${aws:PrincipalAccount}"}
_KEEPING = (
    "events:DeleteRule",
    "events:DescribeRule",
    "events:DisableRule",
    "events:EnableRule",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "events:TagResource",
    "events:UntagResource",
)
"""What a subscriber does with a rule of its own once it is made."""


class SubscriberRefusedError(Exception):
    """A subscriber can't be allowed, or there is none; the text says what to do."""


class PolicyOverwrittenError(Exception):
    """Somebody else changed the policy at the same moment: what holds now has to be looked at."""


class Subscriber(Frozen):
    """Another account, or an organisation, and what it may do.

    `facts` are those that its rules may ask for, by name. `reports_as` is the source that it may report checks under,
    None if it may not.
    """

    principal: str
    facts: tuple[str, ...] = ()
    reports_as: str | None = None


class BusPolicy:
    """The policy of a stack's bus.

    Args:
        events: an EventBridge client.
        outputs: the stack's.
    """

    def __init__(self, events: "EventBridgeClient", outputs: Mapping[str, str]) -> None:
        self._events = events
        self.bus_name, self.bus_arn = outputs["BusName"], outputs["BusArn"]
        self._sid = f"{self.bus_name}-Subscriber"  # a statement's id is unique in the account and region

    def subscribers(self) -> list[Subscriber]:
        """Those who were allowed, by account or organisation."""
        by_principal: dict[str, dict[str, Any]] = {}
        for statement in self._statements():
            if (of := self._principal(statement)) is not None:
                by_principal.setdefault(of, {"principal": of}).update(_allowed(statement))
        return [Subscriber.model_validate(found) for _, found in sorted(by_principal.items())]

    def allow(self, subscriber: Subscriber) -> None:
        """Let it do that from now on, and nothing else that it was let before.

        Raises:
            SubscriberRefusedError: it can't be allowed so; nothing is changed.
            PolicyOverwrittenError: somebody else changed the policy meanwhile.
        """
        self._check(subscriber)
        others = [one for one in self._statements() if self._principal(one) != subscriber.principal]
        self._write([*others, *self._made(subscriber)])

    def revoke(self, principal: str) -> None:
        """Let it do nothing any more. The rules that it has made go on.

        Raises:
            SubscriberRefusedError: it was not allowed anything; nothing is changed.
            PolicyOverwrittenError: somebody else changed the policy meanwhile.
        """
        statements = self._statements()
        others = [one for one in statements if self._principal(one) != principal]
        if len(others) == len(statements):
            raise SubscriberRefusedError(f"{principal} is no subscriber: see `prestage subscribers list`")
        self._write(others)

    def rules_of(self, account: str) -> list[str]:
        """The names of the rules on the bus that an account has made."""
        pages = self._events.get_paginator("list_rules").paginate(EventBusName=self.bus_name)
        names = [rule["Name"] for page in pages for rule in page["Rules"]]
        described = ((name, self._events.describe_rule(Name=name, EventBusName=self.bus_name)) for name in names)
        return sorted(name for name, rule in described if rule.get("CreatedBy") == account)

    def _statements(self) -> list[dict[str, Any]]:
        policy = self._events.describe_event_bus(Name=self.bus_name).get("Policy")
        statements: list[dict[str, Any]] = json.loads(policy)["Statement"] if policy else []
        return statements

    def _check(self, subscriber: Subscriber) -> None:
        if not (_ACCOUNT.fullmatch(subscriber.principal) or _ORGANIZATION.fullmatch(subscriber.principal)):
            raise SubscriberRefusedError(
                f"{subscriber.principal!r} is neither an account (twelve digits) nor an organisation (o-…)"
            )
        if subscriber.principal == self.bus_arn.split(":")[4]:
            raise SubscriberRefusedError("that is the stack's own account: what its IAM allows needs no more")
        if unknown := sorted({*subscriber.facts} - {*EVENTS}):
            raise SubscriberRefusedError(f"there is no fact {', '.join(unknown)}: docs/events.md lists them")
        source = subscriber.reports_as
        if source is not None and (not _SOURCE.fullmatch(source) or not CheckReported.is_from(source)):
            raise SubscriberRefusedError(
                f"{source!r} is no source of a subscriber's: letters, digits, '.', '_', '/' and '-', not {OURS}…"
            )

    def _made(self, subscriber: Subscriber) -> Iterator[dict[str, Any]]:
        """A statement for making rules, one for keeping them, and one for reporting."""
        rules = self.bus_arn.replace(":event-bus/", ":rule/") + "/*"
        sources = sorted({EVENTS[name].SOURCE for name in subscriber.facts})
        asked = _only({"events:source": sources, "events:detail-type": sorted(subscriber.facts)})
        yield self._statement(
            "Makes", subscriber, ["events:PutRule"], rules, {"StringEqualsIfExists": _CREATOR, **asked}
        )
        yield self._statement("Keeps", subscriber, _KEEPING, rules, {"StringEqualsIfExists": _CREATOR})
        if subscriber.reports_as is not None:
            said = _only({"events:source": [subscriber.reports_as], "events:detail-type": [CheckReported.name()]})
            yield self._statement("Reports", subscriber, ["events:PutEvents"], self.bus_arn, said)

    def _statement(
        self, what: str, subscriber: Subscriber, actions: Sequence[str], resource: str, when: Mapping[str, Any]
    ) -> dict[str, Any]:
        who, of_whom = _who(subscriber.principal)
        equal = {**when.get("StringEquals", {}), **of_whom}
        return {
            "Sid": f"{self._sid}{what}-{subscriber.principal}",
            "Effect": "Allow",
            "Principal": who,
            "Action": list(actions),
            "Resource": resource,
            "Condition": {**when, **({"StringEquals": equal} if equal else {})},
        }

    def _principal(self, statement: Mapping[str, Any]) -> str | None:
        """Whom a statement of ours is for, None of another's."""
        found = re.fullmatch(rf"{re.escape(self._sid)}(?:Makes|Keeps|Reports)-(.+)", statement.get("Sid", ""))
        return found[1] if found else None

    def _write(self, statements: Sequence[Mapping[str, Any]]) -> None:
        """The whole policy.

        Raises:
            SubscriberRefusedError: it does not fit; nothing is changed.
            PolicyOverwrittenError: somebody else changed it meanwhile.
        """
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
        if len(policy) > LONGEST:
            raise SubscriberRefusedError(
                f"the bus's policy would have {len(policy)} characters, of {LONGEST} that EventBridge takes: "
                "allow an organisation in place of its accounts, or fewer facts"
            )
        self._events.put_permission(EventBusName=self.bus_name, Policy=policy)
        if _sorted(self._statements()) != _sorted(statements):
            raise PolicyOverwrittenError("somebody else changed the bus's policy at the same moment: try again")


def parsed(principal: str, facts: str, reports_as: str | None) -> Subscriber:
    """A subscriber as it is typed: the facts with commas between.

    Raises:
        SubscriberRefusedError: there are no facts.
    """
    names = tuple(name.strip() for name in facts.split(",") if name.strip())
    if not names:
        raise SubscriberRefusedError("--facts names none: see docs/events.md")
    return Subscriber(principal=principal, facts=names, reports_as=reports_as)


def _only(values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Each of these keys is there, with no other values: a pattern that leaves one out would match everything."""
    return {"ForAllValues:StringEquals": dict(values), "Null": dict.fromkeys(values, "false")}


def _who(principal: str) -> tuple[str | dict[str, str], dict[str, str]]:
    """The principal as a policy names it, and what has to be equal besides."""
    if _ORGANIZATION.fullmatch(principal):
        return "*", {"aws:PrincipalOrgID": principal}
    return {"AWS": f"arn:aws:iam::{principal}:root"}, {}


def _allowed(statement: Mapping[str, Any]) -> dict[str, Any]:
    values = statement["Condition"].get("ForAllValues:StringEquals", {})
    match statement["Action"]:
        case "events:PutRule" | ["events:PutRule"]:
            return {"facts": _listed(values["events:detail-type"])}
        case "events:PutEvents" | ["events:PutEvents"]:
            return {"reports_as": _listed(values["events:source"])[0]}
    return {}


def _listed(value: str | list[str]) -> list[str]:
    """EventBridge gives a list of one without its brackets."""
    return value if isinstance(value, list) else [value]


def _sorted(statements: Sequence[Mapping[str, Any]]) -> list[str]:
    """In an order of their own, for comparing; EventBridge gives a list of one without its brackets."""
    return sorted(json.dumps(without_lists_of_one(statement), sort_keys=True) for statement in statements)


def without_lists_of_one(value: Any) -> Any:
    """A policy's part as EventBridge may write it: a list of one without its brackets."""
    if isinstance(value, Mapping):
        return {key: without_lists_of_one(one) for key, one in value.items()}
    if isinstance(value, list):
        return without_lists_of_one(value[0]) if len(value) == 1 else value
    return value
