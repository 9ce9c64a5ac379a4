"""The bus: its policy, the rules that lead facts to their reactions, and the archive."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from prestage.bus_policy import without_lists_of_one
from prestage.doctor.check import CannotLookError
from prestage.doctor.deployed import Declared, Deployed
from prestage.doctor.findings import Finding, finding

_COMPARED = ("Effect", "Action", "Condition")
"""Of a statement: EventBridge writes principals and resources in ways of its own."""


class BusOfStack:
    """A stack's bus, as EventBridge has it, beside what the template says of it."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._name = deployed.outputs["BusName"]

    @cached_property
    def _events(self) -> Any:
        return self._deployed.client("events")

    @cached_property
    def _described(self) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._events.describe_event_bus(Name=self._name)
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return found

    def policy(self) -> Iterator[Finding]:
        """Whether each source is held to its owner, and nobody else is Prestage."""
        if self._described is None:
            yield finding("bus-missing", bus=self._name)
            return
        statements = json.loads(self._described.get("Policy") or '{"Statement": []}')["Statement"]
        found = {one.get("Sid"): one for one in statements}
        for declared in self._deployed.declared("Events::EventBusPolicy"):
            wanted = {"Sid": declared.properties["StatementId"], **declared.properties["Statement"]}
            about = {"statement": wanted["Sid"], "bus": self._name, "json": _written(wanted)}
            if wanted["Sid"] not in found:
                yield finding("statement-missing", **about)
            elif _compared(found[wanted["Sid"]]) != _compared(wanted):
                yield finding("statement-changed", **about)

    def rules(self) -> Iterator[Finding]:
        """Whether what the template's rules say leads to their queues."""
        if self._described is None:
            raise CannotLookError("there is no bus")
        for rule in self._deployed.declared("Events::Rule"):
            if rule.physical is not None:
                yield from self._rule(rule.physical.rpartition("|")[2], rule.properties)

    def _rule(self, name: str, wanted: Mapping[str, Any]) -> Iterator[Finding]:
        about = {"rule": name, "bus": self._name, "pattern": _written(wanted["EventPattern"])}
        try:
            found = self._events.describe_rule(Name=name, EventBusName=self._name)
        except ClientError as error:
            if not _is_missing(error):
                raise
            yield finding("rule-missing", **about)
            return
        if found["State"] == "DISABLED":
            yield finding("rule-disabled", **about)
        if _sorted(json.loads(found["EventPattern"])) != _sorted(wanted["EventPattern"]):
            yield finding("rule-changed", **about)
        targets = self._events.list_targets_by_rule(Rule=name, EventBusName=self._name)["Targets"]
        for target in wanted["Targets"]:
            yield from self._target(name, target, targets)

    def _target(self, rule: str, wanted: Mapping[str, Any], targets: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
        about = {"rule": rule, "bus": self._name}
        found = next((one for one in targets if one["Arn"] == wanted["Arn"]), None)
        if found is None:
            yield finding("target-missing", **about, target=_written([wanted]))
            return
        about["target"] = _written([{**wanted, "Id": found["Id"]}])  # under another one it would be a second target
        named = {"DeadLetterConfig": "its dead-letter queue", "SqsParameters": "its message group"}
        wrong = [words for setting, words in named.items() if found.get(setting) != wanted.get(setting)]
        if wrong:
            yield finding("target-changed", **about, why=" and ".join(wrong))

    def archive(self) -> Iterator[Finding]:
        """Whether facts are kept for replays."""
        [wanted] = self._deployed.declared("Events::Archive")
        bus_arn = self._deployed.outputs["BusArn"]
        archives = self._events.list_archives(EventSourceArn=bus_arn)["Archives"]
        found = next((one for one in archives if one["ArchiveName"] == wanted.physical), None)
        if found is None and wanted.physical is not None:
            about = {"archive": wanted.physical, "bus_arn": bus_arn, "days": wanted.properties["RetentionDays"]}
            yield finding("archive-missing", **about, pattern=_written(wanted.properties["EventPattern"]))
        elif found is not None and found["State"] != "ENABLED":
            yield finding("archive-not-enabled", archive=wanted.physical, state=found["State"])

    def schedules(self) -> Iterator[Finding]:
        """Whether what runs by itself does."""
        for function, schedule in self._deployed.events_of_functions("Schedule"):
            if schedule.physical is not None:
                yield from self._schedule(function, schedule, schedule.physical)

    def _schedule(self, function: Declared, schedule: Declared, name: str) -> Iterator[Finding]:
        about = {"rule": name, "function": function.logical_id}
        try:
            state = self._events.describe_rule(Name=name)["State"]
        except ClientError as error:
            if not _is_missing(error):
                raise
            arn = self._deployed.arn_of(function)
            yield finding("schedule-missing", **about, arn=arn, expression=schedule.properties["Schedule"])
            return
        if state == "DISABLED":
            yield finding("schedule-disabled", **about)


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") == "ResourceNotFoundException"


def _written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _compared(statement: Mapping[str, Any]) -> Any:
    return _sorted(without_lists_of_one({name: statement.get(name) for name in _COMPARED}))


def _sorted(value: Any) -> Any:
    """It with each list in an order of its own: in patterns and conditions the order means nothing."""
    match value:
        case dict():
            return {key: _sorted(one) for key, one in value.items()}
        case list():
            return sorted((_sorted(one) for one in value), key=_written_in_order)
        case _:
            return value


def _written_in_order(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
