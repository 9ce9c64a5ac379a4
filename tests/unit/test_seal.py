from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from sealing.seal import OVERHEAD, DataKey, DataKeys, KeyRefusedError, UnsealError, seal, unseal
from tests.unit.dynamodb import Local

KEY = DataKey(plain=bytes(range(32)), wrapped=b"wrapped")
OTHER_KEY = DataKey(plain=bytes(32), wrapped=b"wrapped")
CONTEXT = {"app_id": "a", "environment_type": "preview"}


def data_keys(local: Local) -> DataKeys:
    return DataKeys(local.kms, local.kms.create_key()["KeyMetadata"]["Arn"])


@given(plaintext=st.binary(max_size=300), place=st.binary(max_size=50))
def test_what_is_sealed_is_unsealed_byte_for_byte(plaintext: bytes, place: bytes) -> None:
    sealed = seal(KEY, plaintext, place)
    assert unseal(KEY, sealed, place) == plaintext
    assert len(sealed) == len(plaintext) + OVERHEAD


def test_the_same_value_sealed_twice_is_not_the_same_to_look_at() -> None:
    assert seal(KEY, b"value", b"") != seal(KEY, b"value", b"")


def test_a_change_of_any_byte_is_refused() -> None:
    sealed = seal(KEY, b"value", b"place")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(UnsealError):
            unseal(KEY, bytes(changed), b"place")


@pytest.mark.parametrize(
    "change",
    [lambda _: b"", lambda sealed: sealed[: OVERHEAD - 1], lambda sealed: sealed[:-1], lambda sealed: sealed + b"\0"],
    ids=["nothing", "less than a tag", "cut", "more"],
)
def test_another_length_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UnsealError):
        unseal(KEY, change(seal(KEY, b"value", b"place")), b"place")


def test_another_key_or_another_place_is_refused() -> None:
    sealed = seal(KEY, b"value", b"place")
    with pytest.raises(UnsealError):
        unseal(OTHER_KEY, sealed, b"place")
    with pytest.raises(UnsealError):
        unseal(KEY, sealed, b"elsewhere")


def test_a_data_key_opens_as_it_was_made(local: Local) -> None:
    keys = data_keys(local)
    made = keys.make(CONTEXT)
    assert keys.open(made.wrapped, CONTEXT) == made
    assert len(made.plain) == 32
    assert made.plain not in made.wrapped


def test_every_data_key_is_another(local: Local) -> None:
    keys = data_keys(local)
    assert keys.make(CONTEXT).plain != keys.make(CONTEXT).plain


@pytest.mark.parametrize(
    "context",
    [{}, {"app_id": "a"}, {**CONTEXT, "app_id": "b"}, {**CONTEXT, "more": "x"}],
    ids=["none", "less", "another", "more"],
)
def test_a_data_key_opens_under_exactly_its_context(local: Local, context: dict[str, str]) -> None:
    keys = data_keys(local)
    made = keys.make(CONTEXT)
    with pytest.raises(UnsealError):
        keys.open(made.wrapped, context)


def test_a_change_of_any_byte_of_a_kept_data_key_is_refused(local: Local) -> None:
    keys = data_keys(local)
    wrapped = keys.make(CONTEXT).wrapped
    for position in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        with pytest.raises(UnsealError):
            keys.open(bytes(changed), CONTEXT)


@pytest.mark.parametrize("wrapped", [b"", b"x" * 6145], ids=["nothing", "too long"])
def test_what_kms_would_not_take_is_refused_without_asking(local: Local, wrapped: bytes) -> None:
    with pytest.raises(UnsealError):
        data_keys(local).open(wrapped, CONTEXT)
    assert "Decrypt" not in local.calls


def test_a_data_key_of_another_kms_key_is_refused(local: Local) -> None:
    made = data_keys(local).make(CONTEXT)
    with pytest.raises(KeyRefusedError):
        data_keys(local).open(made.wrapped, CONTEXT)


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Decrypt")


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "DisabledException", "IncorrectKeyException", "KMSInvalidStateException"]
)
def test_a_refusal_of_kms_is_told_as_one(local: Local, code: str) -> None:
    keys = data_keys(local)
    wrapped = keys.make(CONTEXT).wrapped
    local.before("Decrypt", lambda: _raise(_error(code)))
    with pytest.raises(KeyRefusedError, match=code):
        keys.open(wrapped, CONTEXT)


@pytest.mark.parametrize(
    "error",
    [_error("ThrottlingException"), _error("KMSInternalException"), EndpointConnectionError(endpoint_url="http://kms")],
    ids=["throttling", "500", "no connection"],
)
def test_an_outage_of_kms_is_no_refusal(local: Local, error: Exception) -> None:
    keys = data_keys(local)
    wrapped = keys.make(CONTEXT).wrapped
    local.before("Decrypt", lambda: _raise(error))
    with pytest.raises(type(error)) as raised:
        keys.open(wrapped, CONTEXT)
    assert raised.value is error


def test_no_text_shows_a_key_or_a_value(local: Local) -> None:
    keys = data_keys(local)
    made = keys.make(CONTEXT)
    assert repr(made.plain)[2:-1] not in f"{made!r} {made} {keys!r}"
    with pytest.raises(UnsealError) as raised:
        unseal(OTHER_KEY, seal(made, b"planted-value", b""), b"")
    assert "planted-value" not in f"{raised.value!r}"
    assert raised.value.__suppress_context__
