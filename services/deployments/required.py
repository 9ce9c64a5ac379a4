"""Whether an environment that is ready may be said to have succeeded, by the checks that its app requires."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prestage_contracts.deployments import DeploymentState
from records.checks import Checks, EnvironmentChecks, Owner, check_key
from records.environments import Environment


@dataclass(frozen=True)
class Verdict:
    """The state of a deployment that is ready, and why; no words where it is for no check."""

    state: DeploymentState = "success"
    because: str = ""


READY = Verdict()


@dataclass(frozen=True)
class RequiredChecks:
    """What an environment requires, and what is on record of it."""

    checks: Checks

    def __call__(self, environment: Environment) -> Verdict:
        """What it counts for that the environment is ready."""
        required = environment.required_checks
        if environment.status != "ready" or not required:
            return READY
        return verdict(required, self.checks.of(environment), self.checks.owners(environment.app_id))


def verdict(required: Sequence[str], checks: EnvironmentChecks, owners: Iterable[Owner]) -> Verdict:
    """A failure as soon as one check failed, a success once all passed, and in progress until then.

    What counts is the report of whoever the check's name belongs to.
    """
    accounts = {check_key(owner.name): owner.account for owner in owners}
    states = {name: _state(name, checks, accounts.get(check_key(name))) for name in required}
    failed = [name for name, state in states.items() if state == "failure"]
    waiting = [name for name, state in states.items() if state != "success"]
    if failed:
        return Verdict("failure", f"A check failed: {', '.join(failed)}")
    return Verdict("in_progress", f"Waiting for checks: {', '.join(waiting)}") if waiting else READY


def _state(name: str, checks: EnvironmentChecks, account: str | None) -> str:
    found = checks.get(name)
    return found.check.state if found and found.check.account == account else "pending"
