"""The facts about environments that follow a beginning, as their producer states them."""

from prestage_contracts.envelope import Reason
from prestage_contracts.environments import (
    EnvironmentFailed,
    EnvironmentFailedData,
    EnvironmentReady,
    EnvironmentReadyData,
    EnvironmentStopped,
    EnvironmentStoppedData,
)
from records.environments import Environment
from tests.unit.steps import metadata

NOT_READY = Reason(code="not_ready", message="It exited with 83.")


def ready(environment: Environment, number: int = 104) -> EnvironmentReady:
    return EnvironmentReady(metadata=metadata(number), data=EnvironmentReadyData(environment=environment.snapshot()))


def not_ready(environment: Environment, number: int = 105) -> EnvironmentFailed:
    data = EnvironmentFailedData(environment=environment.snapshot(), reason=NOT_READY, stage="build")
    return EnvironmentFailed(metadata=metadata(number), data=data)


def stopped(environment: Environment, number: int = 106) -> EnvironmentStopped:
    data = EnvironmentStoppedData(environment=environment.snapshot())
    return EnvironmentStopped(metadata=metadata(number), data=data)
