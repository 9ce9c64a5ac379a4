import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.names import MAX_VALUE_BYTES, InvalidVariableError
from records.table import ConflictError
from sealing.seal import OVERHEAD, DataKeys
from tests.unit.dynamodb import TABLE, Local
from vault.secrets import MAX_SECRETS, MAX_TOTAL_BYTES, Secrets, SecretsTooLargeError, SecretUnreadableError

APP = "0d4f7a66-0f3c-5f52-9c3b-6f8b3f0a7c01"
OTHER = "0d4f7a66-0f3c-5f52-9c3b-6f8b3f0a7c02"
NOW = datetime(2026, 11, 1, 10, 0, 5, 250, tzinfo=UTC)
UPDATED = {"updated_at": {"S": NOW.isoformat()}}
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n"


@dataclass
class World:
    """Secrets, and the time."""

    local: Local
    keys: DataKeys
    now: datetime = NOW
    secrets: Secrets = field(init=False)

    def __post_init__(self) -> None:
        self.secrets = Secrets(self.local.table, self.keys, lambda: self.now)

    def change(self, sk: str, **changes: object) -> None:
        self.local.table.put({**self.local.item(f"APP#{APP}", sk), **changes})

    def put_many(self, names: Sequence[str], sealed: bytes) -> None:
        for some in itertools.batched(names, 25, strict=False):
            items: list[dict[str, Any]] = [
                {"pk": {"S": f"APP#{APP}"}, "sk": {"S": f"preview#SECRET#{name}"}, "sealed": {"B": sealed}, **UPDATED}
                for name in some
            ]
            puts: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
            self.local.dynamodb.batch_write_item(RequestItems={TABLE: puts})

    def flip(self, sk: str, attribute: str, position: int = -1) -> None:
        changed = bytearray(self.local.item(f"APP#{APP}", sk)[attribute])
        changed[position] ^= 1
        self.change(sk, **{attribute: bytes(changed)})


@pytest.fixture
def world(local: Local) -> World:
    keys = DataKeys(local.kms, local.kms.create_key()["KeyMetadata"]["Arn"])
    local.calls.clear()
    return World(local, keys)


@pytest.mark.parametrize(
    "value",
    ["", "\n", "a\r\nb\n", "\"'`$x\\n", "a=b=", PEM, "ÿ€😀\u2028", " x ", "\x01\x7f", "x" * MAX_VALUE_BYTES],
    ids=["empty", "line feed", "lines", "quotes", "equals", "PEM", "UTF-8", "spaces", "control", "32 KB"],
)
def test_any_value_survives_byte_for_byte(world: World, value: str) -> None:
    world.secrets.set(APP, "preview", "NAME", value)
    assert world.secrets.resolve(APP, "preview") == {"NAME": value}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_whatever_the_value_it_survives(world: World, value: str) -> None:
    world.secrets.set(APP, "preview", "NAME", value)
    assert world.secrets.resolve(APP, "preview") == {"NAME": value}


def test_resolving_twenty_secrets_costs_one_query_and_one_decrypt(world: World) -> None:
    values = {f"NAME_{number}": f"value {number}" for number in range(20)}
    for name, value in values.items():
        world.secrets.set(APP, "preview", name, value)
    world.local.calls.clear()
    assert world.secrets.resolve(APP, "preview") == values
    assert world.local.calls == ["Query", "Decrypt"]


def test_the_most_secrets_of_the_largest_size_still_take_one_query(world: World) -> None:
    names = [f"N{number:0127}" for number in range(MAX_SECRETS)]
    world.put_many(names, b"x" * (OVERHEAD + MAX_TOTAL_BYTES // MAX_SECRETS - 128))
    world.local.calls.clear()
    assert len(world.secrets.list(APP, "preview")) == MAX_SECRETS
    assert world.local.calls == ["Query"]


def test_no_secrets_cost_one_query_and_no_decrypt(world: World) -> None:
    assert world.secrets.resolve(APP, "preview") == {}
    assert world.local.calls == ["Query"]
    world.secrets.set(APP, "preview", "NAME", "value")
    world.secrets.delete(APP, "preview", "NAME")
    world.local.calls.clear()
    assert world.secrets.resolve(APP, "preview") == {}
    assert world.local.calls == ["Query"]


def test_secrets_are_of_one_app_and_one_type(world: World) -> None:
    world.secrets.set(APP, "preview", "NAME", "preview's")
    world.secrets.set(APP, "production", "NAME", "production's")
    world.secrets.set(OTHER, "preview", "NAME", "the other's")
    assert world.secrets.resolve(APP, "preview") == {"NAME": "preview's"}
    assert world.secrets.resolve(APP, "production") == {"NAME": "production's"}
    assert world.secrets.resolve(OTHER, "preview") == {"NAME": "the other's"}


def test_set_again_it_has_the_new_value_under_the_same_data_key(world: World) -> None:
    world.secrets.set(APP, "preview", "NAME", "old")
    key = world.local.item(f"APP#{APP}", "preview#KEY")["key"]
    world.secrets.set(APP, "preview", "NAME", "new")
    assert world.secrets.resolve(APP, "preview") == {"NAME": "new"}
    assert world.local.item(f"APP#{APP}", "preview#KEY")["key"] == key
    assert world.local.calls.count("GenerateDataKey") == 1


def test_the_data_key_s_context_names_the_app_and_the_type(world: World) -> None:
    """As the role in the template allows it, and no other."""
    world.secrets.set(APP, "preview", "NAME", "value")
    world.secrets.resolve(APP, "preview")
    context = {"app_id": APP, "environment_type": "preview"}
    assert world.local.contexts == [("GenerateDataKey", context), ("Decrypt", context)]


def test_the_records_hold_no_value_and_no_data_key_in_plain(world: World) -> None:
    world.secrets.set(APP, "preview", "NAME", "planted-value")
    assert b"planted-value" not in repr(world.local.items()).encode()
    assert set(world.local.item(f"APP#{APP}", "preview#KEY")) == {"pk", "sk", "key", "revision"}
    assert set(world.local.item(f"APP#{APP}", "preview#SECRET#NAME")) == {"pk", "sk", "sealed", "updated_at"}


# ---- Listing and deleting


def test_a_list_has_names_sizes_and_times_and_costs_no_kms_call(world: World) -> None:
    world.secrets.set(APP, "preview", "B", "€uro")
    world.now += timedelta(hours=1)
    world.secrets.set(APP, "preview", "A", "")
    world.local.calls.clear()
    listed = world.secrets.list(APP, "preview")
    assert [(info.name, info.size, info.updated_at) for info in listed] == [
        ("A", 0, NOW + timedelta(hours=1)),
        ("B", 6, NOW),
    ]
    assert world.local.calls == ["Query"]
    assert "€uro" not in repr(listed)


def test_deleting_says_whether_there_was_one(world: World) -> None:
    world.secrets.set(APP, "preview", "NAME", "value")
    assert world.secrets.delete(APP, "production", "NAME") is False
    assert world.secrets.delete(APP, "preview", "NAME") is True
    assert world.secrets.delete(APP, "preview", "NAME") is False
    assert world.secrets.list(APP, "preview") == ()


def test_a_purge_takes_all_of_one_app_the_keys_first(world: World) -> None:
    world.secrets.set(APP, "production", "A", "value")
    world.secrets.set(APP, "preview", "A", "value")
    world.secrets.set(OTHER, "preview", "A", "value")
    deleted: list[str] = []
    world.local.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.DeleteItem", lambda params, **_: deleted.append(params["Key"]["sk"]["S"])
    )
    world.secrets.purge(APP)
    assert deleted == ["preview#KEY", "production#KEY", "preview#SECRET#A", "production#SECRET#A"]
    assert {item["pk"]["S"] for item in world.local.items()} == {f"APP#{OTHER}"}
    assert world.secrets.resolve(APP, "preview") == {}


# ---- What is refused


@pytest.mark.parametrize(("name", "value"), [("1A", "x"), ("PORT", "x"), ("A", "\0"), ("A", "x" * 32769)])
def test_what_no_machine_can_carry_is_refused_before_anything_is_done(world: World, name: str, value: str) -> None:
    with pytest.raises(InvalidVariableError):
        world.secrets.set(APP, "preview", name, value)
    assert world.local.calls == []


def test_names_and_values_count_into_the_limit_and_it_is_exact(world: World) -> None:
    for number in range(8):
        world.secrets.set(APP, "preview", f"N{number}", "x" * (MAX_VALUE_BYTES - 2))
    with pytest.raises(SecretsTooLargeError, match=f"with M it would be {MAX_TOTAL_BYTES + 1}") as raised:
        world.secrets.set(APP, "preview", "M", "")
    assert "xx" not in str(raised.value)
    with pytest.raises(SecretsTooLargeError):
        world.secrets.set(APP, "preview", "N0", "x" * (MAX_VALUE_BYTES - 1))
    assert len(world.secrets.list(APP, "preview")) == 8


def test_what_is_replaced_or_deleted_no_longer_counts(world: World) -> None:
    for number in range(8):
        world.secrets.set(APP, "preview", f"N{number}", "x" * (MAX_VALUE_BYTES - 2))
    world.secrets.set(APP, "preview", "N0", "é" * ((MAX_VALUE_BYTES - 2) // 2))
    world.secrets.delete(APP, "preview", "N0")
    world.secrets.set(APP, "preview", "M", "")


def test_the_limit_is_for_an_app_and_type(world: World) -> None:
    for number in range(8):
        world.secrets.set(APP, "preview", f"N{number}", "x" * (MAX_VALUE_BYTES - 2))
    world.secrets.set(APP, "production", "M", "x")
    world.secrets.set(OTHER, "preview", "M", "x")


def test_too_many_secrets_are_refused(world: World) -> None:
    world.put_many([f"N{number}" for number in range(MAX_SECRETS)], b"x" * OVERHEAD)
    with pytest.raises(SecretsTooLargeError, match=str(MAX_SECRETS)):
        world.secrets.set(APP, "preview", "M", "")
    world.secrets.set(APP, "preview", "N0", "again")


# ---- Side by side


def test_two_first_secrets_set_at_once_are_under_one_data_key(world: World) -> None:
    world.local.before("TransactWriteItems", lambda: world.secrets.set(APP, "preview", "B", "second"))
    world.secrets.set(APP, "preview", "A", "first")
    assert world.secrets.resolve(APP, "preview") == {"A": "first", "B": "second"}


def test_the_limit_holds_when_secrets_are_set_at_once(world: World) -> None:
    for number in range(7):
        world.secrets.set(APP, "preview", f"N{number}", "x" * (MAX_VALUE_BYTES - 2))
    last = "x" * (MAX_VALUE_BYTES - 2)
    world.local.before("TransactWriteItems", lambda: world.secrets.set(APP, "preview", "M1", last))
    with pytest.raises(SecretsTooLargeError):
        world.secrets.set(APP, "preview", "M2", last)
    assert "M2" not in world.secrets.resolve(APP, "preview")


def test_a_secret_set_while_the_app_is_purged_is_readable(world: World) -> None:
    world.secrets.set(APP, "preview", "A", "old")
    world.local.before("TransactWriteItems", lambda: world.secrets.purge(APP))
    world.secrets.set(APP, "preview", "B", "new")
    assert world.secrets.resolve(APP, "preview") == {"B": "new"}


def _interfere(world: World, _left: int) -> None:
    world.change("preview#KEY", revision=world.local.item(f"APP#{APP}", "preview#KEY")["revision"] + 1)


def test_a_setting_that_others_keep_overtaking_ends(world: World) -> None:
    world.secrets.set(APP, "preview", "A", "old")
    for left in range(10):
        world.local.before("TransactWriteItems", lambda left=left: _interfere(world, left))  # type: ignore[misc]  # bound now
    with pytest.raises(ConflictError):
        world.secrets.set(APP, "preview", "A", "new")
    assert world.secrets.resolve(APP, "preview") == {"A": "old"}


# ---- What can't be read


def test_a_tampered_secret_is_named_and_no_value_is(world: World) -> None:
    for name in ("GOOD", "BAD"):
        world.secrets.set(APP, "preview", name, f"planted-{name}")
    world.flip("preview#SECRET#BAD", "sealed")
    with pytest.raises(SecretUnreadableError) as raised:
        world.secrets.resolve(APP, "preview")
    assert str(raised.value) == "Can't decrypt BAD: set it again"
    assert raised.value.names == ("BAD",)
    assert "planted" not in repr(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_secret_moved_to_another_name_is_refused(world: World) -> None:
    world.secrets.set(APP, "preview", "A", "value")
    world.local.table.put({**world.local.item(f"APP#{APP}", "preview#SECRET#A"), "sk": "preview#SECRET#B"})
    with pytest.raises(SecretUnreadableError, match="decrypt B: set"):
        world.secrets.resolve(APP, "preview")


def test_secrets_and_their_key_moved_to_another_app_are_refused(world: World) -> None:
    world.secrets.set(APP, "preview", "A", "value")
    for sk in ("preview#KEY", "preview#SECRET#A"):
        world.local.table.put({**world.local.item(f"APP#{APP}", sk), "pk": f"APP#{OTHER}"})
    with pytest.raises(SecretUnreadableError, match="decrypt A: set"):
        world.secrets.resolve(OTHER, "preview")


@pytest.mark.parametrize("position", [0, -1])
def test_with_a_tampered_data_key_all_are_named(world: World, position: int) -> None:
    for name in ("A", "B"):
        world.secrets.set(APP, "preview", name, "value")
    world.flip("preview#KEY", "key", position)
    with pytest.raises(SecretUnreadableError, match=r"decrypt A, B: .*set each of them again"):
        world.secrets.resolve(APP, "preview")


def test_without_a_data_key_all_are_named(world: World) -> None:
    world.secrets.set(APP, "preview", "A", "value")
    world.local.table.delete(f"APP#{APP}", "preview#KEY")
    with pytest.raises(SecretUnreadableError, match="decrypt A: set it again"):
        world.secrets.resolve(APP, "preview")


def test_a_secret_without_its_sealed_value_is_named_and_can_be_set_again(world: World) -> None:
    world.secrets.set(APP, "preview", "A", "value")
    world.change("preview#SECRET#A", sealed=None)
    with pytest.raises(SecretUnreadableError, match="decrypt A: set it again"):
        world.secrets.resolve(APP, "preview")
    world.secrets.set(APP, "preview", "A", "value")
    assert world.secrets.resolve(APP, "preview") == {"A": "value"}


def test_many_names_do_not_make_a_text_too_long_for_a_reason() -> None:
    names = tuple(f"N{number:0127}" for number in range(50))
    for refused in (False, True):
        error = SecretUnreadableError(names, refused=refused)
        assert "and 47 more: " in str(error)
        assert len(str(error)) <= 500
        assert str(error).endswith("set each of them again")
        assert error.names == names


@pytest.mark.parametrize(
    "harm",
    [
        lambda world: world.flip("preview#KEY", "key"),
        lambda world: world.change("preview#KEY", key=b""),
        lambda world: world.local.table.delete(f"APP#{APP}", "preview#KEY"),
    ],
    ids=["tampered", "empty", "gone"],
)
def test_setting_again_mends_what_can_t_be_read(world: World, harm: Callable[[World], None]) -> None:
    for name in ("A", "B"):
        world.secrets.set(APP, "preview", name, "old")
    harm(world)
    world.secrets.set(APP, "preview", "A", "new")
    with pytest.raises(SecretUnreadableError, match="decrypt B: set it again"):
        world.secrets.resolve(APP, "preview")
    world.secrets.set(APP, "preview", "B", "new")
    assert world.secrets.resolve(APP, "preview") == {"A": "new", "B": "new"}


def test_a_key_that_kms_refuses_is_not_replaced_under_the_secrets_of_others(world: World) -> None:
    for name in ("A", "B"):
        world.secrets.set(APP, "preview", name, "old")
    elsewhere = Secrets(
        world.local.table, DataKeys(world.local.kms, world.local.kms.create_key()["KeyMetadata"]["Arn"]), lambda: NOW
    )
    with pytest.raises(SecretUnreadableError, match="decrypt A: see that the KMS key is enabled"):
        elsewhere.set(APP, "preview", "B", "new")
    assert world.secrets.resolve(APP, "preview") == {"A": "old", "B": "old"}
    elsewhere.delete(APP, "preview", "A")
    elsewhere.set(APP, "preview", "B", "new")
    assert elsewhere.resolve(APP, "preview") == {"B": "new"}


def _throttle() -> None:
    raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "Decrypt")


def test_an_outage_of_kms_is_neither_unreadable_nor_a_reason_to_replace_the_key(world: World) -> None:
    world.secrets.set(APP, "preview", "A", "value")
    for act in (
        lambda: world.secrets.resolve(APP, "preview"),
        lambda: world.secrets.set(APP, "preview", "B", "value"),
    ):
        world.local.before("Decrypt", _throttle)
        with pytest.raises(ClientError, match="Throttling"):
            act()
    assert world.secrets.resolve(APP, "preview") == {"A": "value"}
