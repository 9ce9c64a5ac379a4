"""`EnvironmentClosed` → what was sealed for the environment is deleted; nothing is stated."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from choreography.reaction import Fact
from prestage_contracts.environments import EnvironmentClosed
from sealing.bundles import Bundles

logger = Logger()


@dataclass(frozen=True)
class ForgetSecrets:
    """The step. If the environment began again meanwhile, what is sealed for its newer generation stays."""

    bundles: Bundles

    def __call__(self, closed: EnvironmentClosed) -> Sequence[Fact]:
        """No bundle of that generation or of an older one."""
        about = closed.data.environment
        self.bundles.discard(about.id, about.generation)
        logger.info("forgotten", environment_id=about.id, generation=about.generation)
        return []
