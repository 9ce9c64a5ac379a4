"""A turn at telling GitHub of an environment's deployments."""

from dataclasses import dataclass

from choreography.clock import Clock
from choreography.reaction import RetryLaterError
from deployments.due import Due
from deployments.standing import Begun, Deployment, Standing, Standings
from deployments.tell import Teller
from github_app.access import SETTLING
from records.environments import Environment


@dataclass
class Turn:
    """Of whoever has the claim: `standing` is what is known by now. It is taken for the event `cause`."""

    standing: Standing
    standings: Standings
    teller: Teller
    clock: Clock
    cause: str

    def tell(self, environment: Environment, due: Due) -> None:
        """Tell what is due. What is deleted on GitHub is forgotten, and made anew at the next look if it is current."""
        deployment = self.standing.at(due.generation) or self._find(environment, due.generation)
        if deployment is None and due.state != "inactive":
            deployment = self._make(environment)
        if deployment is not None and self.teller.tell(environment, deployment.deployment_id, due.state, due.because):
            self.standing = self.standing.told(deployment, due.state, self.cause)
        else:
            self.standing = self.standing.without(due.generation)

    def _find(self, environment: Environment, generation: int) -> Deployment | None:
        """What an attempt has made whose answer, or whose record, was lost."""
        begun = self.standing.begun_at(generation)
        if begun is None:
            return None
        if self.clock() < begun.at + SETTLING:
            raise RetryLaterError("GitHub may not list yet what it has made", SETTLING)
        found = self.teller.find(environment, generation)
        return None if found is None else self._known(begun, found)

    def _make(self, environment: Environment) -> Deployment:
        """A new one. That it was begun is on record before: asking twice gives two."""
        begun = Begun(generation=environment.generation, sha=environment.sha, at=self.clock())
        beginning = self.standing.beginning(begun)
        self.standings.keep(beginning)
        self.standing = beginning
        return self._known(begun, self.teller.create(environment))

    def _known(self, begun: Begun, deployment_id: int) -> Deployment:
        deployment = Deployment(generation=begun.generation, sha=begun.sha, deployment_id=deployment_id)
        self.standing = self.standing.having(deployment)
        return deployment
