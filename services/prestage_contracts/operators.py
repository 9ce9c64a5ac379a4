"""Facts that the operator's command line states."""

from typing import ClassVar

from prestage_contracts.envelope import Data, Event, Text
from prestage_contracts.snapshot import AboutEnvironment, Identifier, Repository


class DeployRequestedData(Data):
    """The app, and the branch to deploy; null is production, on the default branch. `requested_by` is an AWS ARN."""

    app_id: Identifier
    app_name: Text
    repository: Repository
    branch: Text | None
    requested_by: Text

    @property
    def subject(self) -> str:
        """The app and the branch."""
        return f"{self.app_id}:{'production' if self.branch is None else self.branch}"


class DeployRequested(Event):
    """An operator asked for an app's production, or for an environment of one of its branches."""

    SOURCE: ClassVar[str] = "prestage.operators"

    data: DeployRequestedData


class OperatorRequestData(AboutEnvironment):
    """The environment that something was asked for, and by whom: an AWS ARN."""

    requested_by: Text


class RetryRequested(Event):
    """An operator asked for an environment to be deployed afresh."""

    SOURCE: ClassVar[str] = "prestage.operators"

    data: OperatorRequestData


class StopRequested(Event):
    """An operator asked for an environment to be stopped."""

    SOURCE: ClassVar[str] = "prestage.operators"

    data: OperatorRequestData
