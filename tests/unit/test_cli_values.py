"""`prestage config` and `prestage secrets`."""

from pathlib import Path

import pytest

from prestage_contracts.envelope import EnvironmentType
from records.names import MAX_VALUE_BYTES
from tests.unit.cli_stage import Shell

APP = "storefront"
NOTE = "note: the value ends with a line feed, which was kept (`printf %s` writes none)\n"
RESERVED = ["PORT", "PRESTAGE_SHA", "FLY_REGION"]


@pytest.fixture
def shell(shell: Shell) -> Shell:
    shell.at.have(APP)
    return shell


def values(shell: Shell, environment_type: EnvironmentType = "preview") -> dict[str, str]:
    return shell.at.stack.secrets.resolve(shell.at.stack.app(APP).id, environment_type)


# ---- Config values


def test_config_values_are_set_listed_and_unset_by_environment_type(shell: Shell) -> None:
    assert shell.do("config", "set", APP, "GREETING", "Good [red] morning") == "set GREETING for preview\n"
    shell.do("config", "set", APP, "GREETING", "Good evening", "--type", "production")
    shell.do("config", "set", APP, "COLOUR", "", "--type", "production")
    assert shell.run("config", "list", APP).rows == [
        ["preview", "GREETING", "Good [red] morning"],
        ["production", "COLOUR", ""],
        ["production", "GREETING", "Good evening"],
    ]
    assert shell.do("config", "unset", APP, "GREETING", "--type", "production") == "unset GREETING for production\n"
    assert [row[:2] for row in shell.run("config", "list", APP).rows] == [
        ["preview", "GREETING"],
        ["production", "COLOUR"],
    ]


def test_a_config_value_may_begin_with_a_dash(shell: Shell) -> None:
    shell.run("config", "set", APP, "OFFSET", "-5").refused("-5", "--help", status=2)
    shell.do("config", "set", APP, "OFFSET", "--", "-5")
    assert shell.run("config", "list", APP).rows == [["preview", "OFFSET", "-5"]]


def test_a_config_value_that_is_not_set_is_not_unset(shell: Shell) -> None:
    shell.do("config", "set", APP, "GREETING", "hello")
    unset = ("config", "unset", APP, "GREETING", "--type", "production")
    shell.run(*unset).refused(f"{APP} has no config value GREETING for production")


@pytest.mark.parametrize("name", RESERVED)
def test_names_of_the_platform_are_refused(shell: Shell, name: str) -> None:
    shell.run("config", "set", APP, name, "1").refused(f"{name} is the platform's")
    shell.run("secrets", "set", APP, name, given=b"hush").refused(f"{name} is the platform's")
    assert shell.do("config", "list", APP) + shell.do("secrets", "list", APP) == ""


def test_config_values_that_are_too_large_in_all_are_refused(shell: Shell) -> None:
    full = shell.at.stack.app(APP)
    for name in ("A", "B"):
        full = full.with_config("preview", name, name * (MAX_VALUE_BYTES - 1))
    shell.at.stack.apps.update(full)
    shell.run("config", "set", APP, "C", "c").refused("config values for preview take at most 65536 bytes")


# ---- Secrets come from standard input or a file


def test_a_secret_comes_from_standard_input_byte_for_byte(shell: Shell) -> None:
    value = "-----BEGIN KEY-----\r\na=\"b\" 'c' \\n ü\n\n  -----END KEY-----"
    printed = shell.do("secrets", "set", APP, "KEY", given=value.encode())
    assert printed == f"set KEY for preview ({len(value.encode())} bytes)\n"
    assert values(shell) == {"KEY": value}


def test_a_line_feed_at_the_end_is_kept_and_noted(shell: Shell) -> None:
    ran = shell.run("secrets", "set", APP, "KEY", given=b"hush\n")
    assert (ran.status, ran.out, ran.err) == (0, "set KEY for preview (5 bytes)\n", NOTE)
    assert values(shell) == {"KEY": "hush\n"}


def test_a_secret_comes_from_a_file_byte_for_byte(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(b"\xef\xbb\xbfhush\r\n")
    shell.do("secrets", "set", APP, "KEY", "--file", str(file), "--type", "production", given=b"not this")
    assert values(shell, "production") == {"KEY": "\ufeffhush\r\n"}
    assert values(shell) == {}


def test_a_file_may_be_empty_but_standard_input_may_not(shell: Shell, tmp_path: Path) -> None:
    shell.run("secrets", "set", APP, "EMPTY", given=b"").refused("nothing came on standard input", "--file /dev/null")
    assert values(shell) == {}
    shell.do("secrets", "set", APP, "EMPTY", "--file", "/dev/null")
    assert values(shell) == {"EMPTY": ""}


def test_a_standard_input_that_is_closed_gives_nothing(shell: Shell) -> None:
    shell.run("secrets", "set", APP, "KEY", given=None).refused("nothing came on standard input")


@pytest.mark.parametrize(
    "arguments",
    [
        ("hush",),
        ("-----BEGIN PRIVATE KEY-----\nhush",),
        ("--value=hush",),
        ("-hush",),
        ("--", "-hush"),
        ("a", "hush"),
    ],
)
def test_a_secret_is_never_taken_from_an_argument_nor_repeated(shell: Shell, arguments: tuple[str, ...]) -> None:
    ran = shell.run("secrets", "set", APP, "KEY", *arguments, given=b"other")
    ran.refused("the value comes on standard input or with --file", status=2)
    assert "hush" not in ran.err
    assert values(shell) == {}


def test_a_value_written_after_the_name_is_not_repeated(shell: Shell) -> None:
    ran = shell.run("secrets", "set", APP, "KEY=hush", given=b"other")
    ran.refused("'KEY' can't be an environment variable")
    assert "hush" not in ran.err


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"hush\xff", "the value is not UTF-8"),
        (b"hush\0", "the value of KEY has a NUL byte"),
        (b"hush" * MAX_VALUE_BYTES, f"the value of KEY is larger than {MAX_VALUE_BYTES} bytes"),
        ("ü".encode() * (MAX_VALUE_BYTES // 2 + 1), f"larger than {MAX_VALUE_BYTES} bytes"),
    ],
)
def test_a_value_that_no_environment_can_carry_is_refused_and_not_shown(shell: Shell, value: bytes, words: str) -> None:
    ran = shell.run("secrets", "set", APP, "KEY", given=value)
    ran.refused(words)
    assert "hush" not in ran.err
    assert values(shell) == {}


def test_the_largest_value_is_taken(shell: Shell) -> None:
    value = "ü" * (MAX_VALUE_BYTES // 2)
    shell.do("secrets", "set", APP, "KEY", given=value.encode())
    assert values(shell) == {"KEY": value}


@pytest.mark.parametrize(("file", "words"), [("nope", "No such file"), (".", "Is a directory")])
def test_a_file_that_can_not_be_read_is_told(shell: Shell, tmp_path: Path, file: str, words: str) -> None:
    shell.run("secrets", "set", APP, "KEY", "--file", str(tmp_path / file)).refused("--file can't be read", words)


def test_secrets_that_are_too_large_in_all_are_refused(shell: Shell) -> None:
    app = shell.at.stack.app(APP)
    for number in range(7):
        shell.at.stack.secrets.set(app.id, "preview", f"KEY_{number}", "h" * MAX_VALUE_BYTES)
    shell.at.stack.secrets.set(app.id, "preview", "REST", "h" * (MAX_VALUE_BYTES - 100))
    shell.run("secrets", "set", APP, "MORE", given=b"h" * 100).refused("secrets for preview take at most 262144 bytes")


def test_secrets_under_a_key_that_can_not_be_opened_are_told_and_not_shown(shell: Shell) -> None:
    shell.do("secrets", "set", APP, "KEY", given=b"hush")
    other = shell.at.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    shell.at.publish("another-key", KeyArn=other)
    ran = shell.run("secrets", "set", APP, "OTHER", "--stack", "another-key", given=b"hush")
    ran.refused("Can't decrypt KEY", "set it again")
    assert "hush" not in ran.err


# ---- Secrets are listed and deleted, never shown


def test_secrets_are_listed_by_name_and_size_and_never_shown(shell: Shell) -> None:
    shell.do("secrets", "set", APP, "TOKEN", given=b"hush")
    shell.do("secrets", "set", APP, "KEY", "--type", "production", given=b"hush hush")
    ran = shell.run("secrets", "list", APP)
    assert [row[:3] for row in ran.rows] == [["preview", "TOKEN", "4"], ["production", "KEY", "9"]]
    assert all(row[3].endswith(" UTC") for row in ran.rows)
    assert "hush" not in ran.out


def test_a_deleted_secret_is_gone_from_its_environment_type(shell: Shell) -> None:
    for kind in ("preview", "production"):
        shell.do("secrets", "set", APP, "TOKEN", "--type", kind, given=b"hush")
    assert shell.do("secrets", "delete", APP, "TOKEN") == "deleted TOKEN for preview\n"
    assert (values(shell), values(shell, "production")) == ({}, {"TOKEN": "hush"})


def test_a_secret_that_is_not_there_is_not_deleted(shell: Shell) -> None:
    shell.run("secrets", "delete", APP, "TOKEN").refused(f"{APP} has no secret TOKEN for preview")
