"""Facts about other teams' checks that Prestage took."""

import json
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from prestage_contracts.envelope import Event, Frozen
from prestage_contracts.reports import CheckLink, CheckName, CheckState, CheckSummary
from prestage_contracts.snapshot import AboutEnvironment

type AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


class Check(Frozen):
    """A check as it was reported, by the AWS account that its name belongs to."""

    name: CheckName
    state: CheckState
    summary: CheckSummary
    link: CheckLink | None
    account: AccountId


class CheckRecordedData(AboutEnvironment):
    """The environment, and how a check of its generation stands."""

    check: Check

    @property
    def subject(self) -> str:
        """The environment, its generation, and all of the check: ids of reports are others' to choose."""
        said = tuple(self.check.model_dump().values())
        return f"{super().subject}:{json.dumps(said, separators=(',', ':'))}"


class CheckRecorded(Event):
    """Prestage took another team's report of a check. The pull request's comment shows it."""

    SOURCE: ClassVar[str] = "prestage.checks"

    data: CheckRecordedData
