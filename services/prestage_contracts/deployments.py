"""Facts about GitHub's deployments: what a pull request shows as "View deployment"."""

from typing import ClassVar, Literal

from prestage_contracts.envelope import Event
from prestage_contracts.snapshot import AboutEnvironment, EnvironmentProblem, GitHubId

type DeploymentState = Literal["in_progress", "success", "failure", "inactive"]


class DeploymentReportedData(AboutEnvironment):
    """The environment, GitHub's id of its generation's deployment, and the state that GitHub was told."""

    deployment_id: GitHubId
    state: DeploymentState

    @property
    def subject(self) -> str:
        """The environment, its generation and the state."""
        return f"{super().subject}:{self.state}"


class DeploymentReported(Event):
    """GitHub was told how an environment's deployment stands."""

    SOURCE: ClassVar[str] = "prestage.deployments"

    data: DeploymentReportedData


class DeploymentFailed(Event):
    """GitHub could not be told of an environment's deployment. The environment itself does not wait for it."""

    SOURCE: ClassVar[str] = "prestage.deployments"

    data: EnvironmentProblem
