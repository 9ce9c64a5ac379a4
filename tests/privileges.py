"""What functions were granted and what of it they used, on the stages of the whole suite, in all of its processes.

What a role lacks is refused where it is asked for; what it grants to nobody's use is seen only when every test has run.
A run of some tests, or one that fails, says nothing about it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from prestage.stage.roles import Grant
from prestage.stage.stage import Stage
from prestage.stage.template import load

_POLLERS = (
    "asked for with the function's role by Lambda's pollers, which the stage's is not: "
    "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"
)
_LOGS = (
    "written by Lambda's runtime, for the stage's a callback: "
    "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"
)
_TRACES = "sent by Lambda's own agent: https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html"

NOT_ON_THE_STAGE: Mapping[str, str] = {
    "logs:CreateLogStream": _LOGS,
    "logs:PutLogEvents": _LOGS,
    "sqs:DeleteMessage": _POLLERS,
    "sqs:GetQueueAttributes": _POLLERS,
    "sqs:ReceiveMessage": _POLLERS,
    "xray:PutTelemetryRecords": _TRACES,
    "xray:PutTraceSegments": _TRACES,
}
"""Actions that AWS itself takes with a function's role, never its code; each with the reason and its source."""


@dataclass
class Observed:
    """What stages granted, what was used of it, and what was refused."""

    granted: set[Grant] = field(default_factory=set)
    used: set[Grant] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def see(self, stage: Stage) -> None:
        """Add what was seen on a stage."""
        for role in stage.roles.values():
            self.granted |= role.grants
            self.used |= role.used
        self.refused |= {*stage.aws.refused}

    def add(self, other: "Observed") -> None:
        """Add what another process saw."""
        self.granted |= other.granted
        self.used |= other.used
        self.refused |= other.refused

    def as_plain(self) -> dict[str, Any]:
        """It as one process can tell another."""
        granted, used = ([list(astuple(grant)) for grant in sorted(found)] for found in (self.granted, self.used))
        return {"granted": granted, "used": used, "refused": sorted(self.refused)}

    @classmethod
    def of_plain(cls, told: Mapping[str, Any]) -> "Observed":
        """What another process told."""
        granted, used = ({Grant(*grant) for grant in told[name]} for name in ("granted", "used"))
        return cls(granted, used, {*told["refused"]})


HERE = Observed()
"""What was seen in this process."""


@contextmanager
def observed_stage(template: Path, **settings: Any) -> Iterator[Stage]:
    """A stage whose functions' use of their roles counts: nobody else is to borrow their credentials on it."""
    with Stage(template, **settings) as stage:
        try:
            yield stage
        finally:
            HERE.see(stage)


def problems(
    observed: Observed, exempt: Collection[str] = NOT_ON_THE_STAGE.keys(), *, wanted: Iterable[str] = ()
) -> list[str]:
    """Where roles and what functions did with them differ, in words.

    Args:
        observed: on all stages of the whole suite.
        exempt: actions that no function takes itself.
        wanted: roles that have to be among those observed.
    """
    found = [f"refused: {told}" for told in sorted(observed.refused)]
    found += [f"never seen on a stage: {role}" for role in sorted({*wanted} - {one.role for one in observed.granted})]
    unused = observed.granted - observed.used
    found += [f"granted and never used: {grant}" for grant in sorted(unused) if grant.action not in exempt]
    taken = {grant.action for grant in observed.used}
    granted = {grant.action for grant in observed.granted}
    for action in sorted(exempt):
        if action in taken:
            found.append(f"exempt and used by functions themselves: {action}")
        if action not in granted:
            found.append(f"exempt and granted nowhere: {action}")
    return found


def of_the_whole_suite() -> list[str]:
    """Where the template's roles and what was seen in this process, and told to it, differ; in words."""
    resources = load(Path(__file__).parents[1] / "template.yaml")["Resources"].values()
    functions = [one["Properties"] for one in resources if one["Type"] == "AWS::Serverless::Function"]
    return problems(HERE, wanted=[function["Role"]["Fn::GetAtt"][0] for function in functions])


def told() -> list[str]:
    """That, or how much was compared."""
    roles = {grant.role for grant in HERE.granted}
    return of_the_whole_suite() or [f"{len(HERE.granted)} grants of {len(roles)} roles: none refused, none unused"]
