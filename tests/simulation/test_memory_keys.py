"""The data keys that need no KMS, held to those of moto's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealing.seal import DataKey, DataKeys, KeyRefusedError, UnsealError, seal, unseal
from tests.simulation.memory_keys import MemoryKeys
from tests.unit.dynamodb import Local

CONTEXTS: Sequence[Mapping[str, str]] = (
    {},
    {"app_id": "a"},
    {"app_id": "a", "environment_type": "preview"},
    {"environment_type": "preview", "app_id": "a"},
    {"app_id": "b", "environment_type": "preview"},
    {"environment_id": "a", "generation": "1"},
    {"environment_id": "a", "generation": "2"},
)


@dataclass(frozen=True)
class Make:
    """A data key under one of two KMS keys."""

    under: int
    context: Mapping[str, str]


@dataclass(frozen=True)
class Open:
    """A data key that was made, or none was; `changed` is a byte of it."""

    under: int
    which: int
    context: Mapping[str, str]
    changed: int | None = None


calls = st.lists(
    st.builds(Make, st.integers(0, 1), st.sampled_from(CONTEXTS))
    | st.builds(
        Open, st.integers(0, 1), st.integers(0, 3), st.sampled_from(CONTEXTS), st.none() | st.integers(0, 2**16)
    ),
    min_size=2,
    max_size=12,
)


def changed(wrapped: bytes, at: int | None) -> bytes:
    if at is None:
        return wrapped
    position = at % len(wrapped)
    return wrapped[:position] + bytes([wrapped[position] ^ 1]) + wrapped[position + 1 :]


def told(keys: Sequence[DataKeys], asked: Sequence[Make | Open]) -> list[str]:
    """What comes of each call."""
    made: list[tuple[Make, DataKey]] = []
    came: list[str] = []
    for call in asked:
        match call:
            case Make():
                made.append((call, keys[call.under].make(call.context)))
                came.append(f"a key of {len(made[-1][1].plain)} bytes")
            case Open():
                came.append(opened(keys[call.under], made, call))
    parts = [part for _, key in made for part in (key.plain, key.wrapped)]
    assert len(set(parts)) == len(parts)
    return came


def opened(keys: DataKeys, made: Sequence[tuple[Make, DataKey]], call: Open) -> str:
    under, key = made[call.which % len(made)] if made else (Make(0, {}), DataKey(b"", b"never made"))
    try:
        found = keys.open(changed(key.wrapped, call.changed), call.context)
    except UnsealError as error:
        # KMS may tell a change as either, and which it says of two things that are wrong is left to it.
        only_the_key = call.changed is None and call.context == under.context
        return "refused" if only_the_key and isinstance(error, KeyRefusedError) else "not opened"
    return f"key {[kept for _, kept in made].index(found)}"


@pytest.fixture
def on_moto(local: Local) -> Sequence[DataKeys]:
    """Under two KMS keys."""
    return [DataKeys(local.kms, local.kms.create_key()["KeyMetadata"]["Arn"]) for _ in range(2)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(asked=calls)
def test_whatever_is_asked_comes_out_as_on_moto(on_moto: Sequence[DataKeys], asked: Sequence[Make | Open]) -> None:
    assert told([MemoryKeys("one"), MemoryKeys("two")], asked) == told(on_moto, asked)


@pytest.mark.parametrize("wrapped", [b"", b"x" * 6145], ids=["nothing", "too long"])
def test_what_kms_would_not_take_is_no_key(wrapped: bytes) -> None:
    with pytest.raises(UnsealError):
        MemoryKeys().open(wrapped, {})


def test_a_context_counts_as_it_was_given() -> None:
    keys, context = MemoryKeys(), {"app_id": "a"}
    wrapped = keys.make(context).wrapped
    context["app_id"] = "b"
    assert keys.open(wrapped, {"app_id": "a"}).wrapped == wrapped
    with pytest.raises(UnsealError):
        keys.open(wrapped, context)


def test_the_same_run_has_the_same_keys() -> None:
    one, other = MemoryKeys(), MemoryKeys()
    assert [one.make({}) for _ in range(3)] == [other.make({}) for _ in range(3)]


def test_the_keys_seal() -> None:
    keys = MemoryKeys()
    key = keys.make({"app_id": "a"})
    sealed = seal(key, b"value", b"place")
    assert unseal(keys.open(key.wrapped, {"app_id": "a"}), sealed, b"place") == b"value"
    with pytest.raises(UnsealError):
        unseal(keys.make({"app_id": "a"}), sealed, b"place")
