"""Drive Fly.io to have nothing of a runtime: look first, delete what is there, look until it is gone."""

from datetime import timedelta

from aws_lambda_powertools import Logger

from choreography.reaction import BrokenError, RetryLaterError
from fly_io.client import Fly
from runtimes.lease import Lease
from runtimes.outcomes import as_outcomes
from runtimes.ownership import NotOursError, OurApps

_LOOK_AGAIN = timedelta(seconds=5)

logger = Logger()


class Deletion:
    """Fly apps of one organisation, made to be no more."""

    def __init__(self, fly: Fly, organization: str) -> None:
        self._fly = fly
        self._apps = OurApps(fly, organization)

    def __call__(self, fly_app: str, lease: Lease) -> None:
        """Delete the app, with all that it has; returns once Fly says that it is gone. Another's is left alone.

        The lease on the runtime has the mark from before the deletion until then: an app that is being deleted is
        found by its name for a while, and what is made in it goes with it.

        Raises:
            RetryLaterError: it is still there, or Fly does not answer now.
            BrokenError: Fly refused.
        """
        with as_outcomes(refusal=BrokenError):
            if self._is_there(fly_app):
                lease.mark_removing()
                self._fly.delete_app(fly_app)
                logger.info("app deleted", fly_app=fly_app)
                raise RetryLaterError("Fly.io is removing the app", _LOOK_AGAIN)
        lease.mark_removed()

    def _is_there(self, fly_app: str) -> bool:
        try:
            return self._apps.find(fly_app) is not None
        except NotOursError as error:
            if not error.told:
                raise RetryLaterError("Fly.io does not say whose the app is", _LOOK_AGAIN) from None
            logger.warning("an app of this name is somebody else's", fly_app=fly_app)
            return False
