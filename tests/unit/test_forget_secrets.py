"""What was sealed for an environment goes with it."""

import pytest

from records.environments import Environment, Environments
from sealing.bundles import Bundles
from sealing.seal import DataKeys
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, app
from tests.unit.steps import begin, close, closed, created, register
from vault.forget_secrets import ForgetSecrets
from vault.resolve_secrets import ResolveSecrets
from vault.secrets import Secrets

SHOP = app("storefront")


class World:
    def __init__(self, local: Local) -> None:
        keys = DataKeys(local.kms, local.kms.create_key()["KeyMetadata"]["Arn"])
        secrets = Secrets(local.table, keys, lambda: NOW)
        self.local = local
        self.bundles = Bundles(local.table, keys, lambda: NOW)
        self.resolve = ResolveSecrets(Environments(local.table), secrets, self.bundles, pytest.fail)
        self.forget = ForgetSecrets(self.bundles)

    def begin(self, intent: int = 1) -> Environment:
        """A generation, and its bundle."""
        begun = begin(self.local.table, intent, of=SHOP)
        assert self.resolve(created(begun))
        return begun


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP)
    return World(local)


def test_a_closed_environment_has_no_bundle_and_nothing_is_stated(world: World) -> None:
    environment = world.begin()
    assert world.forget(closed(close(world.local.table, environment))) == []
    assert world.bundles.open(environment.id, 1) is None


def test_what_began_again_meanwhile_keeps_its_bundle(world: World) -> None:
    first = close(world.local.table, world.begin())
    again = world.begin(51)
    for _ in range(2):
        assert world.forget(closed(first)) == []
    assert world.bundles.open(again.id, again.generation) == {}


def test_a_close_that_overtakes_leaves_nothing_to_resolve(world: World) -> None:
    environment = begin(world.local.table, of=SHOP)
    world.forget(closed(close(world.local.table, environment)))
    assert world.resolve(created(environment)) == []
    assert world.bundles.open(environment.id, 1) is None


@pytest.mark.parametrize("operation", ["Query", "DeleteItem"])
def test_it_is_done_after_a_crash_at_any_point(world: World, operation: str) -> None:
    environment = close(world.local.table, world.begin())
    world.local.before(operation, _crash)
    with pytest.raises(KeyboardInterrupt):
        world.forget(closed(environment))
    assert world.forget(closed(environment)) == []
    assert world.bundles.open(environment.id, 1) is None


def _crash() -> None:
    raise KeyboardInterrupt
