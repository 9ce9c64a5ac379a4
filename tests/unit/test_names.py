import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from prestage_contracts.vault import SecretName
from records.names import MAX_VALUE_BYTES, InvalidVariableError, check_variable

REFUSED_NAMES = ["", "1A", "A-B", "A.B", "A B", "A=B", "A\n", "Ä", "A" * 129, "٣", "_\0"]


@given(name=st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True), value=st.text(st.characters(codec="utf-8")))
def test_what_is_taken_can_be_an_environment_variable(name: str, value: str) -> None:
    try:
        check_variable(name, value)
    except InvalidVariableError:
        assert "\0" in value or name == "PORT" or name.startswith(("PRESTAGE_", "FLY_"))
    else:
        assert "\0" not in value


@given(st.text())
def test_a_name_that_is_taken_is_one_that_the_facts_can_carry(name: str) -> None:
    try:
        check_variable(name, "")
    except InvalidVariableError:
        return
    assert TypeAdapter(SecretName).validate_python(name) == name
    assert name.isascii()


@pytest.mark.parametrize("name", REFUSED_NAMES)
def test_a_name_that_no_shell_takes_is_refused(name: str) -> None:
    with pytest.raises(InvalidVariableError, match="can't be an environment variable"):
        check_variable(name, "value")


@pytest.mark.parametrize("name", ["PORT", "PRESTAGE_SHA", "PRESTAGE_", "FLY_APP_NAME"])
def test_the_platform_s_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidVariableError, match="is the platform's"):
        check_variable(name, "value")


@pytest.mark.parametrize("name", ["A" * 128, "_", "PORTS", "port", "FLYWHEEL", "MY_FLY_"])
def test_names_that_only_look_alike_are_taken(name: str) -> None:
    check_variable(name, "value")


def test_the_largest_value_is_measured_in_bytes() -> None:
    check_variable("A", "é" * (MAX_VALUE_BYTES // 2))
    with pytest.raises(InvalidVariableError, match="larger than"):
        check_variable("A", "é" * (MAX_VALUE_BYTES // 2) + "x")


@pytest.mark.parametrize("value", ["planted\0", "planted\ud800", "planted" * 10_000], ids=["NUL", "surrogate", "large"])
def test_a_value_that_is_refused_is_not_in_the_text(value: str) -> None:
    with pytest.raises(InvalidVariableError, match=re.escape("the value of A")) as raised:
        check_variable("A", value)
    assert "planted" not in repr(raised.value)


def test_a_value_written_into_the_name_is_not_in_the_text() -> None:
    with pytest.raises(InvalidVariableError) as raised:
        check_variable("API_KEY=planted", "")
    assert "'API_KEY'" in str(raised.value)
    assert "planted" not in str(raised.value)
