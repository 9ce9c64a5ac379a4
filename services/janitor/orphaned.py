"""Fly.io apps of this stack that serve no live environment: `RuntimeOrphaned`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from fly_io.client import Fly, FlyApp, FlyRefused, FlyUnavailable
from janitor.finding import NO_REPOSITORY, Finding
from janitor.watch import Watch
from prestage_contracts.janitor import RuntimeOrphaned, RuntimeOrphanedData
from records.environments import Environment, Environments

REMOVAL = timedelta(days=1)
"""A closed environment's Fly app is being removed for this long, and Fly's list may show it a little longer."""

_HASH = re.compile(r"[a-z2-7]{20}")
"""What follows the prefix, see sealing/keyed.py. It has no dash, so the apps of a stack whose prefix is longer by a
dash and a word are not taken for this one's."""

_IDENTIFIER = re.compile(r"[0-9a-f-]{36}")

logger = Logger()


@dataclass(frozen=True)
class Orphaned:
    """The look. `prefix` is what the names of this stack's apps begin with, alone in the organisation."""

    fly: Fly
    environments: Environments
    organization: str
    prefix: str

    def __call__(self, watch: Watch) -> Iterator[Finding]:
        """Apps whose environment is not on record, or has been closed for a day."""
        apps = [app for app in self.fly.list_apps(self.organization) if self._is_ours(app)]
        # Read afterwards: an app is made after its record, so what begins meanwhile is not in the list.
        on_record = self.environments.list_all()
        by_app = {one.fly_app: one for one in sorted(on_record, key=lambda one: one.is_live)}
        known = frozenset(one.id for one in on_record)
        for app in apps:
            watch.check()
            environment = by_app.get(app.name)
            if environment is None:
                yield _finding(app, self._claimed(app, known), NO_REPOSITORY)
            elif self._is_over(environment, watch):
                yield _finding(app, environment.id, str(environment.repository.id))

    def _is_ours(self, app: FlyApp) -> bool:
        prefix, _, hashed = app.name.rpartition("-")
        return prefix == self.prefix and bool(_HASH.fullmatch(hashed)) and app.network == app.name

    def _is_over(self, seen: Environment, watch: Watch) -> bool:
        """Whether its app should be gone; looked at once more, as it may have begun again."""
        if seen.is_live or watch.began - seen.updated_at < REMOVAL:
            return False
        found = self.environments.get(seen.id)
        return found is not None and found.revision == seen.revision

    def _claimed(self, app: FlyApp, known: frozenset[str]) -> str | None:
        """The environment that its machine says it serves. None for one on record, which has another app.

        What runs on a machine can change what the machine says of itself.
        """
        try:
            machines = self.fly.list_machines(app.name)
        except (FlyUnavailable, FlyRefused) as error:
            logger.info("no word of the orphan's machines", fly_app=app.name, explanation=str(error))
            return None
        said = {str(machine.metadata.get("environment", "")) for machine in machines} - known
        return next((one for one in sorted(said) if _IDENTIFIER.fullmatch(one)), None)


def _finding(app: FlyApp, environment_id: str | None, group: str) -> Finding:
    data = RuntimeOrphanedData(fly_app=app.name, environment_id=environment_id)
    return Finding(RuntimeOrphaned, data, cause=f"{app.name}/{app.id}", group=group)
