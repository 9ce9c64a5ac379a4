"""Webhooks that were not taken: GitHub is asked to deliver each again, every hour. States nothing: the webhook does."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from choreography.measures import count
from github_app.client import Delivery, GitHub, GitHubRefusedError, GitHubUnavailableError
from janitor.finding import Finding
from janitor.once import Once
from janitor.watch import Patience, Watch

KEPT = timedelta(days=3)
"""How long GitHub keeps deliveries."""

SETTLING = timedelta(minutes=1)
"""A function that died in an attempt holds what it says for some seconds: another attempt is not for then."""

MOST = 200
"""Deliveries in one sweep: a few minutes."""

PAUSE_SECONDS = 1.0
"""Between two requests that change something, as GitHub asks for."""

logger = Logger()


@dataclass(frozen=True)
class Redelivered:
    """The look. `jwt` proves the App; `pause` waits that many seconds; `most` is how many it comes to in one sweep."""

    github: GitHub
    jwt: Callable[[], SecretStr]
    once: Once
    pause: Callable[[float], None] = time.sleep
    most: int = MOST

    def __call__(self, watch: Watch) -> Sequence[Finding]:
        """Have what failed in the last three days delivered again: once for each sweep that finds it failed once more.

        It is remembered by its latest failed attempt: had it been taken since, there would be no later one. One that
        somebody else had delivered again may be among it: what it says was stated, and is not again.
        """
        done = 0
        patience = Patience()
        for attempt in self._failed(watch):
            watch.check()
            if done == self.most:
                break
            try:
                done += self.once("github", "attempt", str(attempt.id), partial(self._redeliver, attempt.id))
            except GitHubUnavailableError as error:
                logger.warning("not redelivered", delivery_id=attempt.guid, explanation=str(error))
                patience.lost(error)
            except GitHubRefusedError as error:
                logger.warning("not redelivered", delivery_id=attempt.guid, explanation=str(error))
            else:
                patience.answered()
        logger.info("redelivered", count=done)
        if done:
            count("WebhooksRedelivered", done)
        return []

    def _failed(self, watch: Watch) -> Sequence[Delivery]:
        """The latest attempt at each delivery that failed; all of them, or an error. Not what just failed.

        Those that failed once come first, so that what is refused for good keeps none of them waiting; of both kinds,
        the oldest first. A delivery whose first attempt is not among the failed ones is left: that attempt was taken,
        or is older than three days, and so nothing is delivered again for longer than that.
        """
        latest: dict[str, Delivery] = {}
        begun: set[str] = set()
        for attempt in self.github.failed_deliveries(self.jwt(), watch.began - KEPT):
            watch.check()
            latest.setdefault(attempt.guid, attempt)
            if not attempt.redelivery:
                begun.add(attempt.guid)
        settled = (one for one in reversed(latest.values()) if one.delivered_at < watch.began - SETTLING)
        return sorted((one for one in settled if one.guid in begun), key=lambda one: one.redelivery)

    def _redeliver(self, delivery_id: int) -> None:
        self.github.redeliver(self.jwt(), delivery_id)
        self.pause(PAUSE_SECONDS)
