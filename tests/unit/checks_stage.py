"""An app with an environment on record, and the reaction that reads reports about it, as EventBridge delivers them."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid5

from checks.record_check import steps
from choreography.memory import Memory
from choreography.publisher import Publisher
from choreography.queue import Message
from choreography.reports import ReportReaction
from prestage_contracts.checks import CheckRecorded
from prestage_contracts.reports import CheckReported, CheckReportedData
from records.apps import App, Apps
from records.checks import Checks
from records.environments import Environment, Environments
from records.users import Users
from tests.unit.dynamodb import Local
from tests.unit.github_stage import Now
from tests.unit.record_examples import NOW, app, preview, tell, user
from tests.unit.steps import metadata

QUALITY, OTHERS = "210987654321", "333322221111"
_NAMES = UUID("5f1d3b8e-6c1a-4b53-8f0e-0c5a7e2d9b41")


@dataclass
class _Sent:
    """Takes facts, and messages that nobody should send."""

    facts: list[CheckRecorded] = field(default_factory=list)
    buried: list[dict[str, str]] = field(default_factory=list)
    hidden: list[timedelta] = field(default_factory=list)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        self.facts += [CheckRecorded.model_validate_json(entry["Detail"]) for entry in Entries]
        return {"Entries": [{"EventId": "x"} for _ in Entries]}

    def hide(self, _message: Message, duration: timedelta) -> None:
        self.hidden.append(duration)

    def bury(self, _message: Message, attributes: dict[str, str]) -> None:
        self.buried.append(attributes)


@dataclass
class World:
    """`sent` is what became of reports but records and log lines."""

    local: Local
    now: Now = field(default_factory=Now)
    sent: _Sent = field(default_factory=_Sent)

    def __post_init__(self) -> None:
        Users(self.local.table).add(user())
        self.app = self.add(app())
        tell(self.local.table)
        self.environment = self.begin(preview())

    def add(self, added: App) -> App:
        Apps(self.local.table).add(added)
        return added

    def begin(self, wanted: Environment, number: int = 900) -> Environment:
        return Environments(self.local.table).deploy(wanted, f"event-{number}")

    @property
    def checks(self) -> Checks:
        return Checks(self.local.table)

    def reaction(self) -> ReportReaction:
        return ReportReaction(
            "checks",
            steps=steps(self.local.table, self.now),
            memory=Memory(self.local.table, self.now),
            publisher=Publisher(cast("Any", self.sent), "bus", sleep=lambda _: None),
            queue=cast("Any", self.sent),
            clock=self.now,
        )

    def deliver(self, body: str) -> None:
        self.reaction().react(Message("m-1", "r-1", body), timedelta(seconds=60))

    def report(self, account: str = QUALITY, *, report_id: str = "", seconds: int = 0, **said: Any) -> None:
        """Deliver that account's report of a check, stated that long after `NOW`."""
        self.deliver(json.dumps(self.delivered(account, report_id=report_id, seconds=seconds, **said)))

    def delivered(self, account: str = QUALITY, *, report_id: str = "", seconds: int = 0, **said: Any) -> Any:
        given = {
            "environment_id": self.environment.id,
            "generation": self.environment.generation,
            "name": "smoke",
            "state": "success",
            "summary": "all well",
            "link": None,
        }
        data = CheckReportedData.model_validate({**given, **said})
        event = CheckReported(metadata=metadata(1), data=data)
        event = event.model_copy(
            update={
                "metadata": event.metadata.model_copy(
                    update={
                        "event_id": uuid5(_NAMES, report_id or f"{data.subject} {seconds}"),
                        "occurred_at": NOW + timedelta(seconds=seconds),
                    }
                )
            }
        )
        detail = event.model_dump(mode="json")
        return {"account": account, "source": "acme.quality", "detail-type": "CheckReported", "detail": detail}

    def stands(self) -> dict[str, str]:
        """Each check's state."""
        return {one.check.name: one.check.state for one in self.checks.of(self.environment).checks}
