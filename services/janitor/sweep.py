"""Every hour: what should not be is looked for and stated. `EnvironmentExpired`, `RuntimeOrphaned`, `RuntimeLost`,
`PullRequestDrifted`; webhooks that were not taken are delivered again, and what operators have not stated is counted.

Each look is on its own. What an API does not answer is unknown, and nothing is stated about it.
"""

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import SecretStr

from choreography import measures, wiring
from choreography.clock import Clock, utc_now
from choreography.measures import Measure, count
from choreography.publisher import Publisher, PublishFailedError, Statement
from choreography.reaction import BrokenError, RetryLaterError
from fly_io.client import Fly, FlyRefused, FlyUnavailable, build_http
from github_app.access import access, credentials
from github_app.auth import InvalidCredentialsError, app_jwt
from github_app.client import GitHubRefusedError, GitHubUnavailableError
from janitor.drifted import Drifted
from janitor.expired import Expired
from janitor.expiring import Expiring
from janitor.finding import Finding, Look, sweep_id
from janitor.lost import Lost
from janitor.once import Once
from janitor.orphaned import Orphaned
from janitor.redelivered import Redelivered
from janitor.unstated import Unstated
from janitor.watch import OutOfTimeError, Watch
from records.apps import Apps
from records.certificates import Certificates
from records.environments import Environments
from records.outbox import Outbox
from records.pull_requests import PullRequests

_QUOTING_NOTHING = (
    BrokenError,
    FlyRefused,
    FlyUnavailable,
    GitHubRefusedError,
    GitHubUnavailableError,
    InvalidCredentialsError,
    PublishFailedError,
    RetryLaterError,
)
"""Errors whose text never quotes a value."""

logger = Logger()


@dataclass(frozen=True)
class Sweep:
    """All the looks, by name, in order."""

    looks: Mapping[str, Look]
    once: Once
    publisher: Publisher
    clock: Clock

    def __call__(self, left: Callable[[], timedelta]) -> dict[str, Any]:
        """Look, and state what is found. Gives how many facts each look stated, and which did not come to an end.

        Args:
            left: how much time the function has.
        """
        watch = Watch(self.clock(), left)
        logger.set_correlation_id(sweep_id(watch.began))
        stated: Counter[str] = Counter()
        unfinished = [name for name, look in self.looks.items() if not self._look(name, look, watch, stated)]
        logger.info("swept", stated=dict(+stated), unfinished=unfinished)
        return {"stated": dict(+stated), "unfinished": unfinished}

    def _look(self, name: str, look: Look, watch: Watch, stated: Counter[str]) -> bool:
        """Whether it came to an end. What it found until then is stated either way."""
        logger.append_keys(look=name)
        try:
            watch.check()
            for finding in look(watch):
                stated[name] += self._state(finding, watch)
        except OutOfTimeError:
            logger.warning("out of time: the next sweep goes on")
            count("LooksCutShort")
            return False
        except Exception as error:  # noqa: BLE001  # whatever stops one look stops no other
            logger.error("the look failed: what it did not come to is unknown", **_describe(error))  # noqa: TRY400  # its text may quote
            count("LooksFailed")
            return False
        finally:
            logger.remove_keys(["look"])
        return True

    def _state(self, finding: Finding, watch: Watch) -> bool:
        """Whether it was stated now; False for what an earlier sweep of the day stated."""
        event = finding.state(watch.began, self.clock())
        statement = Statement.of(event)
        event_id = str(event.metadata.event_id)
        now = self.once("prestage", event.SOURCE, event_id, lambda: self.publisher.publish([statement]))
        if now:
            logger.info("stated", event_id=event_id, detail_type=event.name(), about=finding.data.subject)
            count("FactsStated")
            measures.record(Measure("Findings", detail_type=event.name()))
        return now


def _describe(error: Exception) -> dict[str, Any]:
    """The type, and its text where that quotes nothing, or else where it came from."""
    if isinstance(error, _QUOTING_NOTHING):
        return {"error": type(error).__name__, "explanation": str(error)}
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "where": where}


def _jwt() -> SecretStr:
    return app_jwt(credentials(), utc_now())


@cache
def _sweep() -> Sweep:
    records = wiring.table("RECORDS_TABLE")
    environments, pull_requests = Environments(records), PullRequests(records)
    fly = Fly(build_http(), wiring.setting("FLY_API_URL"), lambda: wiring.secret("FLY_SECRET_ARN"))
    github, once = access(), Once(wiring.memory())
    looks: dict[str, Look] = {
        "expired": Expired(environments, Apps(records), pull_requests),
        "orphaned": Orphaned(fly, environments, wiring.setting("FLY_ORGANIZATION"), wiring.setting("FLY_APP_PREFIX")),
        "lost": Lost(fly, environments),
        "redelivered": Redelivered(github.github, _jwt, once),
        "drifted": Drifted(github, environments, pull_requests),
        "expiring": Expiring(Certificates(records)),
        "unstated": Unstated(Outbox(records)),
    }
    return Sweep(looks, once, wiring.publisher(), utc_now)


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of the schedule."""
    try:
        return _sweep()(lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()))
    finally:
        measures.flush()
