import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from sealing.keyed import MAX_NAME, Keyed

KEYED = Keyed(SecretStr("k" * 64))
OTHER = Keyed(SecretStr("l" * 64))
ENVIRONMENT = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2a11"
ENVIRONMENT_2 = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2a12"

environment_ids = st.uuids().map(str)
generations = st.integers(1, 10**15 - 1)
prefixes = st.from_regex(r"[a-z][a-z0-9-]{0,19}", fullmatch=True)


@given(prefix=prefixes, environment_id=environment_ids)
def test_a_fly_app_name_is_a_dns_label_that_begins_with_its_prefix(prefix: str, environment_id: str) -> None:
    name = KEYED.fly_app_name(prefix, environment_id)
    assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name)
    assert len(name) <= MAX_NAME
    assert name.startswith(f"{prefix}-")
    assert len(name) - len(prefix) - 1 >= 16
    assert name == KEYED.fly_app_name(prefix, environment_id)


def test_the_longest_prefix_still_makes_a_name() -> None:
    assert len(KEYED.fly_app_name("p" * 41, ENVIRONMENT)) == MAX_NAME
    with pytest.raises(ValueError, match="can't begin"):
        KEYED.fly_app_name("p" * 42, ENVIRONMENT)


@pytest.mark.parametrize("prefix", ["", "-a", "1a", "A", "a_b", "a\n", "ä"])
def test_a_prefix_that_is_no_beginning_of_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="can't begin"):
        KEYED.fly_app_name(prefix, ENVIRONMENT)


def test_names_differ_by_environment_and_by_key() -> None:
    names = [
        KEYED.fly_app_name("p", ENVIRONMENT),
        KEYED.fly_app_name("p", ENVIRONMENT_2),
        OTHER.fly_app_name("p", ENVIRONMENT),
    ]
    assert len(set(names)) == 3


@given(environment_id=environment_ids, generation=generations)
def test_a_capability_opens_to_what_it_is_for(environment_id: str, generation: int) -> None:
    capability = KEYED.capability(environment_id, generation)
    assert set(capability) <= set(string.ascii_letters + string.digits + "-_.")
    assert KEYED.open_capability(capability) == (environment_id, generation)


@pytest.mark.parametrize("generation", [1, 10])
def test_a_change_of_any_character_of_a_capability_is_refused(generation: int) -> None:
    good = KEYED.capability(ENVIRONMENT, generation)
    for position, character in enumerate(good):
        for other in set(string.ascii_letters + string.digits + "-_.=") - {character}:
            assert KEYED.open_capability(good[:position] + other + good[position + 1 :]) is None
        assert KEYED.open_capability(good[:position] + good[position + 1 :]) is None


def test_another_stack_s_capability_is_refused() -> None:
    assert KEYED.open_capability(OTHER.capability(ENVIRONMENT, 1)) is None


def test_the_tag_of_another_environment_or_generation_is_refused() -> None:
    for good in (KEYED.capability(ENVIRONMENT_2, 1), KEYED.capability(ENVIRONMENT, 2)):
        tag = good.rpartition(".")[2]
        assert KEYED.open_capability(f"{ENVIRONMENT}.1.{tag}") is None


@given(st.text(max_size=120))
@example("")
@example("..")
@example(f"{ENVIRONMENT}.1.")
@example(f"{ENVIRONMENT}.1.{'é' * 43}")
@example(f"{ENVIRONMENT}.٣.{'A' * 43}")
@example(f"{ENVIRONMENT}.{'9' * 5000}.{'A' * 43}")
@example(KEYED.capability(ENVIRONMENT, 1) + "\n")
@example(KEYED.capability(ENVIRONMENT, 1) + "=")
@example(KEYED.capability(ENVIRONMENT, 1).replace(".1.", ".01."))
@example(KEYED.capability(ENVIRONMENT, 1).upper())
def test_whatever_a_stranger_sends_is_no_capability(text: str) -> None:
    assert KEYED.open_capability(text) is None


def test_a_name_says_nothing_about_a_capability() -> None:
    """The same parts under another purpose have another tag: a name can't be turned into a capability."""
    mac = KEYED._mac
    assert mac("fly app", ENVIRONMENT) != mac("source", ENVIRONMENT)
    assert mac("source", ENVIRONMENT, 11) != mac("source", f"{ENVIRONMENT}1", 1)
    assert mac("source", "1") != mac("source", 1)


@pytest.mark.parametrize("key", ["", "k" * 31])
def test_a_key_that_can_be_guessed_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="less than 32"):
        Keyed(SecretStr(key))


def test_no_text_shows_the_key() -> None:
    keyed = Keyed(SecretStr("planted-stack-key-" * 4))
    assert "planted" not in f"{keyed!r} {keyed} {vars(keyed)}"
