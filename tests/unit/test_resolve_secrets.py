"""Which secrets an environment's generation gets, and what is said of them."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from choreography.reaction import BrokenError, RefusedError
from prestage_contracts.envelope import Reason
from prestage_contracts.vault import BundleReference, SecretsFailed, SecretsResolved, SecretsResolvedData
from records.environments import Environment, Environments
from sealing.bundles import Bundles
from sealing.seal import DataKeys
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, app
from tests.unit.steps import begin, close, created, forged, logged, register
from vault.resolve_secrets import ResolveSecrets, _failed, logger
from vault.secrets import Secrets

SHOP, API = app("storefront"), app("api")
VALUES = {"DATABASE_URL": "planted-database", "A_KEY": "planted-key\n"}


@dataclass
class World:
    local: Local
    key_arn: str
    step: ResolveSecrets = field(init=False)

    def __post_init__(self) -> None:
        keys = DataKeys(self.local.kms, self.key_arn)
        table = self.local.table
        self.step = ResolveSecrets(
            Environments(table), Secrets(table, keys, lambda: NOW), Bundles(table, keys, lambda: NOW)
        )

    def set(self, **values: str) -> None:
        for name, value in values.items():
            self.step.secrets.set(SHOP.id, "preview", name, value)

    def begin(self, intent: int = 1, *, with_secrets: bool = True) -> Environment:
        begun = begin(self.local.table, intent, of=SHOP, with_secrets=with_secrets)
        self.local.calls.clear()
        return begun

    def resolve(self, environment: Environment) -> SecretsResolvedData:
        [fact] = self.step(created(environment))
        assert fact.event is SecretsResolved
        assert isinstance(fact.data, SecretsResolvedData)
        return fact.data

    def tamper(self, name: str) -> None:
        place = (f"APP#{SHOP.id}", f"preview#SECRET#{name}")
        item = self.local.item(*place)
        self.local.table.put({**item, "sealed": item["sealed"][:-1] + b"!"})

    def bundles(self) -> list[str]:
        return [item["sk"]["S"] for item in self.local.items() if item["sk"]["S"].startswith("BUNDLE#")]


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP, API)
    return World(local, local.kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


def test_the_secrets_of_the_app_and_type_are_sealed_for_the_generation(world: World) -> None:
    world.set(**VALUES)
    world.step.secrets.set(SHOP.id, "production", "A_KEY", "planted-production")
    world.step.secrets.set(API.id, "preview", "OTHER", "planted-other")
    environment = world.begin()
    told = world.resolve(environment)
    assert told.names == ("A_KEY", "DATABASE_URL")
    assert told.bundle == BundleReference(environment_id=environment.id, generation=1)
    assert told.environment == environment.snapshot()
    assert world.step.bundles.open(environment.id, 1) == VALUES


def test_resolving_costs_one_decrypt_and_one_new_key(world: World) -> None:
    world.set(**VALUES)
    world.resolve(world.begin())
    assert [call for call in world.local.calls if call in {"Decrypt", "GenerateDataKey"}] == [
        "Decrypt",
        "GenerateDataKey",
    ]


def test_no_secrets_are_resolved_too(world: World) -> None:
    environment = world.begin()
    assert world.resolve(environment).names == ()
    assert world.step.bundles.open(environment.id, 1) == {}


def test_what_is_not_trusted_gets_none_and_none_is_read(world: World) -> None:
    world.set(**VALUES)
    environment = world.begin(with_secrets=False)
    assert world.resolve(environment).names == ()
    assert world.step.bundles.open(environment.id, 1) == {}
    assert world.local.calls.count("Decrypt") == 1  # the bundle's, just now
    assert world.local.contexts[-1][1] == {"environment_id": environment.id, "generation": "1"}


def test_trust_is_what_the_record_says_of_this_generation(world: World) -> None:
    world.set(**VALUES)
    trusted = world.begin()
    untrusted = world.begin(2, with_secrets=False)
    assert world.resolve(untrusted).names == ()
    assert world.step(created(trusted)) == []


@pytest.mark.parametrize("trouble", ["superseded", "not begun", "closed", "unknown"])
def test_nothing_is_resolved_for_what_is_not_live(world: World, trouble: str) -> None:
    world.set(**VALUES)
    environment = world.begin()
    match trouble:
        case "superseded":
            world.begin(2)
        case "not begun":
            environment = environment.model_copy(update={"generation": 2})
        case "closed":
            close(world.local.table, environment)
        case _:
            environment = environment.model_copy(update={"id": API.id})
    world.local.calls.clear()
    assert world.step(created(environment)) == []
    assert world.local.calls == ["GetItem"]
    assert world.bundles() == []


def test_an_event_is_believed_in_nothing_but_id_and_generation(world: World) -> None:
    world.set(**VALUES)
    world.step.secrets.set(SHOP.id, "production", "PRODUCTION_KEY", "planted-production")
    environment = world.begin()
    [fact] = world.step(created(forged(environment)))
    assert fact.data.model_dump()["names"] == ("A_KEY", "DATABASE_URL")
    assert fact.data.model_dump()["environment"] == environment.snapshot().model_dump()


def test_the_same_event_again_states_the_same(world: World) -> None:
    world.set(**VALUES)
    environment = world.begin()
    assert world.resolve(environment) == world.resolve(environment)
    assert world.bundles() == ["BUNDLE#1"]


def test_the_bundle_of_an_older_generation_goes(world: World) -> None:
    world.resolve(world.begin())
    world.resolve(world.begin(2))
    assert world.bundles() == ["BUNDLE#2"]


def test_a_secret_that_cant_be_decrypted_is_refused_by_its_name(world: World, log: io.StringIO) -> None:
    world.set(**VALUES)
    world.tamper("A_KEY")
    with pytest.raises(RefusedError) as raised:
        world.step(created(world.begin()))
    reason = raised.value.reason
    assert reason.code == "secret_unreadable"
    assert "A_KEY" in reason.message
    assert "DATABASE_URL" not in reason.message
    assert world.bundles() == []
    assert "planted" not in f"{raised.value!r} {reason} {log.getvalue()}"


def test_a_key_that_kms_refuses_is_for_an_operator_to_mend_and_no_refusal(world: World) -> None:
    def disabled() -> None:
        raise ClientError({"Error": {"Code": "DisabledException", "Message": "planted"}}, "Decrypt")

    world.set(**VALUES)
    environment = world.begin()
    world.local.before("Decrypt", disabled)
    with pytest.raises(BrokenError, match="KMS key is enabled") as raised:
        world.step(created(environment))
    assert raised.value.reason.code == "key_refused"


def test_kms_being_away_is_no_refusal(world: World) -> None:
    def away() -> None:
        raise EndpointConnectionError(endpoint_url="https://kms")

    world.set(**VALUES)
    environment = world.begin()
    world.local.before("Decrypt", away)
    with pytest.raises(EndpointConnectionError):
        world.step(created(environment))
    assert world.resolve(environment).names == ("A_KEY", "DATABASE_URL")


def test_neither_the_facts_nor_the_log_have_a_value(world: World, log: io.StringIO) -> None:
    world.set(**VALUES)
    told = world.resolve(world.begin())
    assert "resolved" in log.getvalue()
    assert "planted" not in told.model_dump_json() + log.getvalue()


def test_what_is_refused_or_given_up_names_the_environment_and_the_reason(world: World) -> None:
    environment = world.begin()
    fact = _failed(created(environment), Reason(code="secret_unreadable", message="Can't decrypt A_KEY"))
    assert fact.event is SecretsFailed
    assert fact.data.subject == f"{environment.id}@1:secret_unreadable"
