import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from choreography.reaction import RefusedError
from prestage.certificate_files import MAX_KEY_BYTES
from prestage_contracts.envelope import Metadata
from prestage_contracts.vault import BundleReference, SecretsResolved, SecretsResolvedData
from records.apps import Apps
from records.certificates import MAX_CHAIN_BYTES
from records.environments import Environment, Environments
from runtimes.converge import Converge
from runtimes.lease import Leases
from sealing.bundles import KEPT, Bundles, TlsCertificate, _pack, _unpack
from sealing.seal import DataKeys, UnsealError, seal
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, app, preview, put_on_record
from vault.secrets import MAX_SECRETS, MAX_TOTAL_BYTES, Secrets

ENVIRONMENT = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2a11"
OTHER = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2a12"
APP = "0d4f7a66-0f3c-5f52-9c3b-6f8b3f0a7c01"
VALUES = {"B": 'two\nlines = "x"\'', "A": "", "C": "ÿ€😀"}


@dataclass
class World:
    """Bundles, and the time."""

    local: Local
    keys: DataKeys
    now: datetime = NOW
    bundles: Bundles = field(init=False)

    def __post_init__(self) -> None:
        self.bundles = Bundles(self.local.table, self.keys, lambda: self.now)

    def item(self, generation: int, environment_id: str = ENVIRONMENT) -> dict[str, object]:
        return self.local.item(f"ENVIRONMENT#{environment_id}", f"BUNDLE#{generation}")

    def tamper(self, generation: int, **changes: object) -> None:
        self.local.table.put({**self.item(generation), **changes})


@pytest.fixture
def world(local: Local) -> World:
    return World(local, DataKeys(local.kms, local.kms.create_key()["KeyMetadata"]["Arn"]))


@given(st.dictionaries(st.text(), st.text()))
def test_any_names_and_values_are_packed_and_unpacked(values: Mapping[str, str]) -> None:
    assert _unpack(_pack(values)) == values


@pytest.mark.parametrize("values", [VALUES, {}])
def test_what_is_kept_opens_byte_for_byte(world: World, values: dict[str, str]) -> None:
    assert world.bundles.keep(ENVIRONMENT, 1, values) == tuple(sorted(values))
    assert world.bundles.open(ENVIRONMENT, 1) == values


def test_keeping_costs_one_data_key_and_opening_one_decrypt(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 1, VALUES)
    assert world.local.calls.count("GenerateDataKey") == 1
    assert "Decrypt" not in world.local.calls
    world.local.calls.clear()
    world.bundles.open(ENVIRONMENT, 1)
    assert world.local.calls == ["GetItem", "Decrypt"]


def test_what_was_never_kept_is_none_and_not_empty(world: World) -> None:
    assert world.bundles.open(ENVIRONMENT, 1) is None


def test_kept_again_it_has_the_values_as_they_are_now(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 1, {"A": "old", "B": "old"})
    assert world.bundles.keep(ENVIRONMENT, 1, {"A": "new"}) == ("A",)
    assert world.bundles.open(ENVIRONMENT, 1) == {"A": "new"}
    assert len(world.local.items()) == 1


def test_it_is_kept_for_thirty_days_however_late_dynamodb_deletes_it(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 1, VALUES)
    assert world.item(1)["expires_at"] == int((NOW + timedelta(days=30)).timestamp())
    world.now = NOW + KEPT - timedelta(seconds=1)
    assert world.bundles.open(ENVIRONMENT, 1) == VALUES
    world.now = NOW + KEPT
    assert world.bundles.open(ENVIRONMENT, 1) is None


def test_a_newer_generation_deletes_the_older_ones_of_its_environment(world: World) -> None:
    for environment_id, generation in ((OTHER, 1), (ENVIRONMENT, 2), (ENVIRONMENT, 9), (ENVIRONMENT, 10)):
        world.bundles.keep(environment_id, generation, VALUES)
    assert world.bundles.open(ENVIRONMENT, 2) is None
    assert world.bundles.open(ENVIRONMENT, 9) is None
    assert world.bundles.open(ENVIRONMENT, 10) == VALUES
    assert world.bundles.open(OTHER, 1) == VALUES


def test_an_older_generation_that_comes_late_deletes_nothing_but_itself(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 2, VALUES)
    world.bundles.keep(ENVIRONMENT, 1, {"A": "old"})
    assert world.bundles.open(ENVIRONMENT, 2) == VALUES
    assert world.bundles.open(ENVIRONMENT, 1) is None


def test_what_is_discarded_is_that_generation_and_the_older_ones_of_that_environment(world: World) -> None:
    for environment_id in (OTHER, ENVIRONMENT):
        world.bundles.keep(environment_id, 1, VALUES)
    for generation in (2, 9, 10):  # as they lie there when newer ones were kept meanwhile
        world.local.table.put({**world.item(1), "sk": f"BUNDLE#{generation}"})
    world.bundles.discard(ENVIRONMENT, 9)
    left = {(item["pk"]["S"], item["sk"]["S"]) for item in world.local.items()}
    assert left == {(f"ENVIRONMENT#{OTHER}", "BUNDLE#1"), (f"ENVIRONMENT#{ENVIRONMENT}", "BUNDLE#10")}


def test_discarding_again_or_what_was_never_kept_changes_nothing(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 2, VALUES)
    for _ in range(2):
        world.bundles.discard(ENVIRONMENT, 1)
        world.bundles.discard(OTHER, 1)
    assert world.bundles.open(ENVIRONMENT, 2) == VALUES
    for _ in range(2):
        world.bundles.discard(ENVIRONMENT, 2)
    assert world.local.items() == []


@pytest.mark.parametrize(("environment_id", "generation"), [(ENVIRONMENT, 2), (OTHER, 1)])
def test_a_bundle_opens_for_no_other_environment_or_generation(
    world: World, environment_id: str, generation: int
) -> None:
    world.bundles.keep(ENVIRONMENT, 1, VALUES)
    moved = {**world.item(1), "pk": f"ENVIRONMENT#{environment_id}", "sk": f"BUNDLE#{generation}"}
    world.local.table.put(moved)
    with pytest.raises(UnsealError):
        world.bundles.open(environment_id, generation)


def test_the_data_key_s_context_names_the_environment_and_the_generation(world: World) -> None:
    """As the roles in the template allow it, and no other."""
    world.bundles.keep(ENVIRONMENT, 2, VALUES)
    world.bundles.open(ENVIRONMENT, 2)
    context = {"environment_id": ENVIRONMENT, "generation": "2"}
    assert world.local.contexts == [("GenerateDataKey", context), ("Decrypt", context)]


def test_what_was_sealed_in_another_s_place_is_refused_even_under_the_right_key(world: World) -> None:
    key = world.keys.make({"environment_id": ENVIRONMENT, "generation": "1"})
    world.bundles.keep(ENVIRONMENT, 1, VALUES)
    for place in (b"", json.dumps([f"ENVIRONMENT#{OTHER}", "BUNDLE#1"]).encode()):
        world.tamper(1, key=key.wrapped, sealed=seal(key, _pack(VALUES), place))
        with pytest.raises(UnsealError):
            world.bundles.open(ENVIRONMENT, 1)


@pytest.mark.parametrize("attribute", ["sealed", "key"])
@pytest.mark.parametrize("position", [0, -1])
def test_a_tampered_bundle_is_refused(world: World, attribute: str, position: int) -> None:
    world.bundles.keep(ENVIRONMENT, 1, VALUES)
    changed = bytearray(world.item(1)[attribute])  # type: ignore[call-overload]  # it is binary
    changed[position] ^= 1
    world.tamper(1, **{attribute: bytes(changed)})
    with pytest.raises(UnsealError):
        world.bundles.open(ENVIRONMENT, 1)


@pytest.mark.parametrize("attribute", ["sealed", "key", "expires_at"])
@pytest.mark.parametrize("value", [None, "text"])
def test_an_attribute_of_another_kind_is_refused(world: World, attribute: str, value: object) -> None:
    world.bundles.keep(ENVIRONMENT, 1, VALUES)
    world.tamper(1, **{attribute: value})
    with pytest.raises(UnsealError):
        world.bundles.open(ENVIRONMENT, 1)


def test_names_are_under_the_seal_as_well_as_values(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 1, {"PLANTED_NAME": "planted-value"})
    item = world.item(1)
    assert set(item) == {"pk", "sk", "key", "sealed", "expires_at"}
    assert b"PLANTED_NAME" not in item["sealed"]  # type: ignore[operator]  # it is binary
    assert b"planted-value" not in item["sealed"]  # type: ignore[operator]  # it is binary


@pytest.mark.parametrize("character", ["\x01", '"', "\\", "é", "😀"])
def test_the_largest_set_of_secrets_fits_into_a_bundle(world: World, character: str) -> None:
    values = {f"N{number}": _of(character, 32 * 1024 - 2) for number in range(8)}
    assert sum(len(name) + len(value.encode()) for name, value in values.items()) == MAX_TOTAL_BYTES
    secrets = Secrets(world.local.table, world.keys, lambda: NOW)
    for name, value in values.items():
        secrets.set(APP, "preview", name, value)
    world.bundles.keep(ENVIRONMENT, 1, secrets.resolve(APP, "preview"))
    assert world.bundles.open(ENVIRONMENT, 1) == values


def test_the_most_secrets_fit_into_a_bundle(world: World) -> None:
    values = {f"N{number:0127}": "x" * 134 for number in range(MAX_SECRETS)}
    assert MAX_TOTAL_BYTES - 262 < sum(len(name) + len(value) for name, value in values.items()) <= MAX_TOTAL_BYTES
    world.bundles.keep(ENVIRONMENT, 1, values)
    assert world.bundles.open(ENVIRONMENT, 1) == values


def test_a_tampered_bundle_is_a_refusal_of_the_runtime_and_not_tried_for_ever(world: World) -> None:
    put_on_record(world.local.table, app())
    environments = Environments(world.local.table)
    begun = environments.deploy(preview(), "event-1")
    world.bundles.keep(begun.id, 1, VALUES)
    item = world.item(1, begun.id)
    world.local.table.put({**item, "sealed": item["sealed"][:-1]})  # type: ignore[index]  # it is binary
    leases = Leases(world.local.table, lambda: NOW)
    converge = Converge(environments, Apps(world.local.table), world.bundles, leases, _never, _never, *_UNUSED)
    with pytest.raises(RefusedError) as raised:
        converge(_resolved(begun))
    assert raised.value.reason.code == "secrets_unreadable"


_UNUSED = (lambda *_: "", lambda _: SecretStr(""))


def _never(*_: object) -> NoReturn:
    raise AssertionError("nothing is to be provisioned or deleted")


def _resolved(environment: Environment) -> SecretsResolved:
    cause = Metadata(
        event_id=UUID(int=1), correlation_id="d", causation_id="d", version="1.0", occurred_at=NOW, hop=0, group="1"
    )
    reference = BundleReference(environment_id=environment.id, generation=environment.generation)
    data = SecretsResolvedData(environment=environment.snapshot(), names=("A", "B", "C"), bundle=reference)
    return SecretsResolved.state(data, cause=cause, now=NOW)


def _of(character: str, size: int) -> str:
    count = size // len(character.encode())
    return character * count + "x" * (size - count * len(character.encode()))


CERTIFICATE = TlsCertificate("planted-chain", SecretStr("planted-private-key"), NOW + timedelta(days=90))


def test_a_certificate_is_sealed_beside_the_values(world: World) -> None:
    assert world.bundles.keep(ENVIRONMENT, 1, VALUES, CERTIFICATE) == tuple(sorted(VALUES))
    assert world.bundles.open(ENVIRONMENT, 1) == VALUES
    assert world.bundles.open_certificate(ENVIRONMENT, 1) == CERTIFICATE
    assert b"planted" not in world.item(1)["certificate"]  # type: ignore[operator]  # it is binary


def test_a_bundle_without_a_certificate_has_none(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 1, VALUES, CERTIFICATE)
    world.bundles.keep(ENVIRONMENT, 1, VALUES)
    assert world.bundles.open_certificate(ENVIRONMENT, 1) is None
    assert world.bundles.open_certificate(OTHER, 1) is None


def test_certificate_and_values_do_not_open_in_each_other_s_place(world: World) -> None:
    world.bundles.keep(ENVIRONMENT, 1, VALUES, CERTIFICATE)
    item = world.item(1)
    world.tamper(1, sealed=item["certificate"], certificate=item["sealed"])
    for opening in (world.bundles.open, world.bundles.open_certificate):
        with pytest.raises(UnsealError):
            opening(ENVIRONMENT, 1)


def test_the_largest_certificate_fits_beside_the_largest_set_of_secrets(world: World) -> None:
    values = {f"N{number:0127}": "x" * 134 for number in range(MAX_SECRETS)}
    largest = TlsCertificate("c" * MAX_CHAIN_BYTES, SecretStr("k" * MAX_KEY_BYTES), NOW)
    world.bundles.keep(ENVIRONMENT, 1, values, largest)
    assert world.bundles.open_certificate(ENVIRONMENT, 1) == largest
