"""What the comment has a row for, from the records as they are now."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from records.checks import Checks, EnvironmentChecks
from records.environments import Environment
from records.skips import Skip

type Row = Environment | Skip

NO_CHECKS: Mapping[str, EnvironmentChecks] = MappingProxyType({})

TOLD = frozenset({"fork", "cap"})
"""Codes of the skips that are told where there is no comment yet: a preview was to be expected. The others are silent
until there is something to show."""

REVOKED = frozenset({"uninstalled", "suspended"})
"""Codes of an environment's end after which the App has no right to write any more."""


def rows(environments: Sequence[Environment], skips: Sequence[Skip]) -> list[Row]:
    """A row for each app, by name: its live environment, or else why it has none, or else the one that it had."""
    found: dict[str, Row] = {skip.app_id: skip for skip in skips}
    found |= {one.app_id: one for one in environments if one.is_live or one.app_id not in found}
    return sorted(found.values(), key=lambda row: (row.app_name, row.app_id))


def checks_below(shown: Sequence[Row], checks: Checks) -> Mapping[str, EnvironmentChecks]:
    """How the checks of the live environments among them stand, by environment."""
    live = (row for row in shown if isinstance(row, Environment) and row.is_live)
    return {found.environment_id: found for one in live if (found := checks.of(one)).checks}


def is_worth_a_comment(shown: Sequence[Row]) -> bool:
    """Whether there is more to say than that nothing is wanted."""
    return any(isinstance(row, Environment) or row.reason.code in TOLD for row in shown)


def is_out_of_reach(shown: Sequence[Row]) -> bool:
    """Whether all there was ended because the App is no longer there."""
    environments = [row for row in shown if isinstance(row, Environment)]
    return bool(environments) and all(_is_revoked(one) for one in environments)


def _is_revoked(environment: Environment) -> bool:
    return not environment.is_live and environment.reason is not None and environment.reason.code in REVOKED
