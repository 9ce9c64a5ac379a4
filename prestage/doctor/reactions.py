"""What facts lead to: queues, functions and what feeds them, and what was given up."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from prestage.doctor.deployed import Declared, Deployed
from prestage.doctor.findings import Finding, finding

_GONE = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "ResourceNotFoundException"})
_WAITING = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_ENDINGS = {"DeliveryDeadLetterQueue": "undelivered", "DeadLetterQueue": "dead-letters"}
_FED = frozenset({"Enabled", "Enabling", "Creating", "Updating"})


class Reactions:
    """A stack's queues and functions, as AWS has them, beside what the template says of them."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._attributes = cache(self._ask)

    # ---- Queues

    def queues(self) -> Iterator[Finding]:
        """Whether each queue is there, and gives up what can't be done."""
        for queue in self._deployed.declared("SQS::Queue"):
            if queue.physical is not None:
                yield from self._queue(queue, queue.physical)

    def _queue(self, queue: Declared, url: str) -> Iterator[Finding]:
        name, found = url.rpartition("/")[2], self._attributes(url)
        wanted = queue.properties.get("RedrivePolicy")
        if found is None:
            yield finding("queue-missing", queue=name, resource=queue.logical_id)
        elif wanted and not _gives_up_as(json.loads(found.get("RedrivePolicy", "{}")), wanted):
            attributes = json.dumps({"RedrivePolicy": json.dumps(wanted)})
            yield finding("queue-without-redrive", queue=name, url=url, attributes=attributes)

    def dead_letters(self) -> Iterator[Finding]:
        """What was given up. It is counted, not received: nobody who looks at it meanwhile is disturbed."""
        for queue in self._deployed.declared("SQS::Queue"):
            ending = next((one for one in _ENDINGS if queue.logical_id.endswith(one)), None)
            found = self._attributes(queue.physical) if ending and queue.physical else None
            if ending and found and (count := sum(int(found.get(name, 0)) for name in _WAITING)):
                reaction = queue.logical_id.removesuffix(ending).lower()
                told = f"{count} fact was" if count == 1 else f"{count} facts were"
                yield finding(_ENDINGS[ending], count=told, reaction=reaction, stack=self._deployed.name)

    def _ask(self, url: str) -> Mapping[str, str] | None:
        try:
            asked = self._deployed.client("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=["RedrivePolicy", *_WAITING]
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return None
            raise
        found: Mapping[str, str] = asked.get("Attributes", {})
        return found

    # ---- Functions

    def functions(self) -> Iterator[Finding]:
        """Whether each function can run, and may."""
        for function in self._deployed.declared("Serverless::Function"):
            if function.physical is not None:
                yield from self._function(function.physical)

    def _function(self, name: str) -> Iterator[Finding]:
        lambda_ = self._deployed.client("lambda")
        try:
            found = lambda_.get_function_configuration(FunctionName=name)
            reserved = lambda_.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                raise
            yield finding("function-missing", function=name)
            return
        if reason := _why_not(found):
            yield finding("function-inactive", function=name, state=reason)
        if reserved == 0:
            yield finding("function-throttled", function=name)

    def mappings(self) -> Iterator[Finding]:
        """Whether each function has the messages in its queue."""
        for function, mapping in self._deployed.events_of_functions("SQS"):
            if function.physical is not None and mapping.physical is not None:
                yield from self._mapping(function.physical, mapping.properties)

    def _mapping(self, function: str, wanted: Mapping[str, Any]) -> Iterator[Finding]:
        """By function and queue: one that somebody made in place of CloudFormation's has an id that nobody knows."""
        batch, most = wanted["BatchSize"], wanted["ScalingConfig"]["MaximumConcurrency"]
        about = {"function": function, "queue": wanted["Queue"], "batch": batch, "most": most}
        found = self._mapping_of(function, wanted["Queue"])
        if found is None:
            yield finding("mapping-missing", **about)
            return
        about["mapping"] = found["UUID"]
        if found["State"] not in _FED:
            yield finding("mapping-disabled", **about, state=found["State"])
        if not {*wanted["FunctionResponseTypes"]} <= {*found.get("FunctionResponseTypes", [])}:
            yield finding("mapping-without-partial-responses", **about)
        cap = found.get("ScalingConfig", {}).get("MaximumConcurrency")
        if (found["BatchSize"], cap) != (batch, int(most)):
            yield finding("mapping-unbounded", **about)

    def _mapping_of(self, function: str, queue: str) -> Mapping[str, Any] | None:
        """The one that feeds the function from the queue: AWS takes no second; None also if it is on its way out."""
        try:
            told = self._deployed.client("lambda").list_event_source_mappings(
                FunctionName=function, EventSourceArn=queue
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                raise
            return None
        return next((one for one in told["EventSourceMappings"] if one["State"] != "Deleting"), None)


def _gives_up_as(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """SQS may give the count as text."""
    return {name: str(value) for name, value in found.items()} == {name: str(value) for name, value in wanted.items()}


def _why_not(found: Mapping[str, Any]) -> str | None:
    """Why a function can't run; it may be pending after a deployment, and inactive until somebody calls it."""
    if found.get("State") == "Failed":
        return f"it is Failed: {found.get('StateReason', 'AWS does not say why')}"
    if found.get("LastUpdateStatus") == "Failed":
        return f"its last update failed: {found.get('LastUpdateStatusReason', 'AWS does not say why')}"
    return None
