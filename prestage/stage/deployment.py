"""What a deployed template came to, as plain data: what the stage runs, routes and matches itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prestage.stage.roles import Role, listed
from prestage.stage.template import TemplateError

_PARTS_OF_A_FUNCTION = 7
"""Of its ARN. The eighth, where there is one, is a version or an alias."""


@dataclass(frozen=True)
class Resource:
    """A resource that there is: its properties without intrinsic functions, what `Ref` gives, and its attributes."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    ref: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class DeployedFunction:
    """A function of the template.

    `timeout` and `visibility` are seconds. `publishes` are the sources that its role lets it state facts under. What
    is about a queue, such as the id of what feeds it from there, is None for a function that no queue invokes.
    """

    logical_id: str
    handler: str
    environment: Mapping[str, str]
    timeout: int
    memory_mb: int
    role_logical_id: str
    publishes: tuple[str, ...]
    name: str = ""
    reserved_concurrency: int | None = None
    mapping_id: str | None = None
    queue_arn: str | None = None
    queue_url: str | None = None
    visibility: int | None = None
    batch_size: int | None = None
    maximum_concurrency: int | None = None

    @property
    def access_key_id(self) -> str:
        """What its requests to AWS are signed with on the stage."""
        return f"stage-{self.logical_id}"


@dataclass(frozen=True)
class Route:
    """A route of the HTTP API; `path` has `{name}` where a path parameter is, `function` is a logical id."""

    method: str
    path: str
    function: str


@dataclass(frozen=True)
class Target:
    """Where a rule sends events, by an id among its rule's. `message_group` is a JSON path into the event."""

    arn: str
    message_group: str | None
    dead_letter_arn: str | None
    id: str = "target"


@dataclass(frozen=True)
class Rule:
    """A rule of the event bus named `bus`."""

    name: str
    arn: str
    bus: str
    pattern: Mapping[str, Any]
    targets: tuple[Target, ...]
    enabled: bool


@dataclass(frozen=True)
class Schedule:
    """A rule that invokes a function at times of its own; `function` is a logical id."""

    name: str
    arn: str
    expression: str
    function: str


@dataclass(frozen=True)
class Archive:
    """An archive of the event bus named `bus`; no pattern keeps every event, 0 days keep them for ever."""

    name: str
    arn: str
    bus: str
    pattern: Mapping[str, Any] | None
    retention_days: int


@dataclass(frozen=True)
class Alarm:
    """An alarm, of this stack or of one within it: its properties without intrinsic functions."""

    logical_id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What a deployed template came to. `roles` are by the logical ids of functions.

    `statements` are those of the bus's resource policy.
    """

    stack_name: str
    account: str
    region: str
    functions: tuple[DeployedFunction, ...]
    routes: tuple[Route, ...]
    rules: tuple[Rule, ...]
    schedules: tuple[Schedule, ...]
    archives: tuple[Archive, ...]
    roles: Mapping[str, Role]
    alarms: Sequence[Alarm]
    statements: Sequence[Mapping[str, Any]]
    outputs: Mapping[str, str]

    def function(self, logical_id: str) -> DeployedFunction:
        """The function of that logical id; KeyError if there is none."""
        return {function.logical_id: function for function in self.functions}[logical_id]


class Reader:
    """Reads functions and their roles, routes, rules, schedules, archives and alarms off the resources of a stack."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = resources
        self._by_arn = {resource.attributes.get("Arn"): resource for resource in resources}

    def functions(self) -> tuple[DeployedFunction, ...]:
        """The functions.

        Raises:
            TemplateError: one is polled for in a way that the stage does not know.
        """
        mappings = {mapping.properties["FunctionName"]: mapping for mapping in self._of("Lambda::EventSourceMapping")}
        return tuple(self._function(found, mappings.get(found.ref)) for found in self._of("Lambda::Function"))

    def routes(self) -> tuple[Route, ...]:
        """The routes of the HTTP APIs."""
        return tuple(
            Route(method.upper(), path, self._integrated(operation["x-amazon-apigateway-integration"]["uri"]))
            for api in self._of("ApiGatewayV2::Api")
            for path, operations in api.properties["Body"]["paths"].items()
            for method, operation in operations.items()
        )

    def rules(self) -> tuple[Rule, ...]:
        """The rules that wait for events.

        Raises:
            TemplateError: a target has a setting that the stage does not know.
        """
        return tuple(
            Rule(
                name=rule.ref.split("|")[-1],
                arn=rule.attributes["Arn"],
                bus=rule.properties.get("EventBusName", "default"),
                pattern=rule.properties["EventPattern"],
                targets=tuple(_target(rule, target) for target in rule.properties["Targets"]),
                enabled=rule.properties.get("State", "ENABLED") != "DISABLED",
            )
            for rule in self._of("Events::Rule")
            if "EventPattern" in rule.properties
        )

    def schedules(self) -> tuple[Schedule, ...]:
        """The rules that wait for a time.

        Raises:
            TemplateError: one has a target that is no function, or a setting that the stage does not know.
        """
        return tuple(
            Schedule(
                name=rule.ref,
                arn=rule.attributes["Arn"],
                expression=rule.properties["ScheduleExpression"],
                function=self._scheduled(rule, _target(rule, target)),
            )
            for rule in self._of("Events::Rule")
            if "ScheduleExpression" in rule.properties
            for target in rule.properties["Targets"]
        )

    def archives(self) -> tuple[Archive, ...]:
        """The archives."""
        return tuple(
            Archive(
                name=archive.ref,
                arn=archive.attributes["Arn"],
                bus=self._by_arn[archive.properties["SourceArn"]].ref,
                pattern=archive.properties.get("EventPattern"),
                retention_days=int(archive.properties.get("RetentionDays", 0)),
            )
            for archive in self._of("Events::Archive")
        )

    def roles(self) -> Mapping[str, Role]:
        """The roles, by the logical ids of the functions that have them.

        Raises:
            TemplateError: a policy says what the stage does not know.
        """
        roles = {found.logical_id: self._by_arn[found.properties["Role"]] for found in self._of("Lambda::Function")}
        names = {arn: found.logical_id for found in self._resources for arn in (found.ref, found.attributes.get("Arn"))}
        named = {arn: logical_id for arn, logical_id in names.items() if arn is not None}
        return {name: Role(role.logical_id, _statements(role), named) for name, role in roles.items()}

    def alarms(self) -> list[Alarm]:
        """The alarms."""
        return [Alarm(alarm.logical_id, alarm.properties) for alarm in self._of("CloudWatch::Alarm")]

    def statements(self) -> list[Mapping[str, Any]]:
        """The statements of the bus's resource policy, each with its id."""
        found = (policy.properties for policy in self._of("Events::EventBusPolicy"))
        return [{"Sid": one["StatementId"], **one["Statement"]} for one in found]

    def _of(self, kind: str) -> Iterator[Resource]:
        return (resource for resource in self._resources if resource.type == f"AWS::{kind}")

    def _function(self, function: Resource, mapping: Resource | None) -> DeployedFunction:
        role = self._by_arn[function.properties["Role"]]
        return DeployedFunction(
            logical_id=function.logical_id,
            handler=function.properties["Handler"],
            environment=function.properties["Environment"]["Variables"],
            timeout=int(function.properties["Timeout"]),
            memory_mb=int(function.properties["MemorySize"]),
            role_logical_id=role.logical_id,
            publishes=tuple(_published_sources(role)),
            name=function.ref,
            reserved_concurrency=_whole(function.properties.get("ReservedConcurrentExecutions")),
            **self._polling(mapping) if mapping else {},
        )

    def _polling(self, feeding: Resource) -> dict[str, Any]:
        mapping = feeding.properties
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            raise TemplateError(f"{mapping['FunctionName']}: the stage polls only with ReportBatchItemFailures")
        queue = self._by_arn[mapping["EventSourceArn"]]
        return {
            "mapping_id": feeding.ref,
            "queue_arn": queue.attributes["Arn"],
            "queue_url": queue.ref,
            "visibility": int(queue.properties.get("VisibilityTimeout", 30)),
            "batch_size": int(mapping.get("BatchSize", 10)),
            "maximum_concurrency": _whole(mapping.get("ScalingConfig", {}).get("MaximumConcurrency")),
        }

    def _scheduled(self, rule: Resource, target: Target) -> str:
        found = self._by_arn.get(target.arn)
        if found is None or found.type != "AWS::Lambda::Function":
            raise TemplateError(f"{rule.logical_id}: on the stage, a schedule invokes functions and nothing else")
        return found.logical_id

    def _integrated(self, uri: str) -> str:
        arn = uri.partition("/functions/")[2].removesuffix("/invocations")
        return self._by_arn[":".join(arn.split(":")[:_PARTS_OF_A_FUNCTION])].logical_id  # without an alias


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _published_sources(role: Resource) -> Iterator[str]:
    for statement in _statements(role):
        if "events:PutEvents" in listed(statement["Action"]):
            yield from listed(statement.get("Condition", {}).get("StringEquals", {}).get("events:source", []))


def _statements(role: Resource) -> Iterator[Mapping[str, Any]]:
    for policy in role.properties.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def _target(rule: Resource, target: Mapping[str, Any]) -> Target:
    unknown = target.keys() - {"Id", "Arn", "SqsParameters", "DeadLetterConfig", "RetryPolicy"}
    if unknown:
        raise TemplateError(f"{rule.logical_id}: the stage's bus knows no {', '.join(sorted(unknown))} on a target")
    return Target(
        arn=target["Arn"],
        message_group=target.get("SqsParameters", {}).get("MessageGroupId"),
        dead_letter_arn=target.get("DeadLetterConfig", {}).get("Arn"),
        id=target["Id"],
    )
