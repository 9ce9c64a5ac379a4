"""Where runtimes are driven: the records in moto, and a Fly.io that does what a test says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from choreography.reaction import RefusedError, RetryLaterError
from prestage_contracts.runtimes import (
    Runtime,
    RuntimeRequested,
    RuntimeRequestedData,
)
from records.apps import Apps
from records.environments import Environment, Environments
from runtimes.converge import Converge
from runtimes.lease import Lease, Leases
from runtimes.provision import Wanted
from sealing.bundles import Bundles
from sealing.seal import DataKeys
from tests.unit.dynamodb import Local
from tests.unit.github_stage import Now
from tests.unit.record_examples import app
from tests.unit.steps import KEYED, begin, resolved

SHOP = app("storefront")
SECRETS = {"API_KEY": "planted-key"}


def source_url(environment_id: str, generation: int) -> str:
    return f"https://hooks.example.com/source/{KEYED.capability(environment_id, generation)}"


@dataclass
class Fly:
    """Provisions and deletes. `act` is what happens meanwhile; what it deletes is gone after `lingers` more looks."""

    act: Callable[[], object] = lambda: None
    is_ahead: bool = False
    lingers: int = 0
    wanted: list[Wanted] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def delete(self, fly_app: str, lease: Lease) -> None:
        self.deleted.append(fly_app)
        if self.lingers:
            self.lingers -= 1
            raise RetryLaterError("Fly.io is removing the app", timedelta(seconds=5))
        lease.mark_removed()

    def provision(self, wanted: Wanted) -> Runtime | None:
        self.wanted.append(wanted)
        self.act()
        if self.is_ahead:
            return None
        return Runtime(
            provider="fly.io",
            fly_app=wanted.environment.fly_app,
            machine_id="3d8d9014b32d89",
            region="iad",
            address=wanted.environment.address,
        )


def password(environment_id: str) -> SecretStr:
    return KEYED.password(environment_id)


@dataclass
class World:
    local: Local
    now: Now = field(default_factory=Now)
    fly: Fly = field(default_factory=Fly)
    bundles: Bundles = field(init=False)

    def __post_init__(self) -> None:
        keys = DataKeys(self.local.kms, self.local.kms.create_key()["KeyMetadata"]["Arn"])
        self.bundles = Bundles(self.local.table, keys, self.now)

    @property
    def leases(self) -> Leases:
        return Leases(self.local.table, self.now)

    @property
    def step(self) -> Converge:
        table = self.local.table
        fly = self.fly
        return Converge(
            Environments(table),
            Apps(table),
            self.bundles,
            self.leases,
            fly.delete,
            fly.provision,
            source_url,
            password,
        )

    def begin(self, intent: int = 1, **facts: Any) -> Environment:
        """A generation, and its bundle."""
        begun = begin(self.local.table, intent, of=SHOP, **facts)
        self.bundles.keep(begun.id, begun.generation, SECRETS)
        return begun

    def converge(self, environment: Environment) -> RuntimeRequestedData:
        [fact] = self.step(resolved(environment))
        assert fact.event is RuntimeRequested
        assert isinstance(fact.data, RuntimeRequestedData)
        return fact.data

    def refuse(self, environment: Environment) -> str:
        """Why it is refused; nothing is provisioned, and the lease is free."""
        with pytest.raises(RefusedError) as raised:
            self.step(resolved(environment))
        assert self.fly.wanted == []
        assert self.is_free(environment)
        return raised.value.reason.code

    def is_free(self, environment: Environment) -> bool:
        try:
            with self.leases.held(environment.id):
                return True
        except RetryLaterError:
            return False
