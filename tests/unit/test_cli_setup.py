"""What `prestage setup` and `prestage rotate` refuse before anything is changed, and in which words."""

from pathlib import Path

import pytest
import typer

from prestage import cli_setup
from tests.unit.cli_stage import SHOP, STACK, Shell

FIRST = {"name": "storefront", "repository": SHOP, "owner": "new-team", "image": "node:22", "start": "npm start"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"image": "bad image"}, "--image: a public image"),
        ({"owner": "Bad Team"}, "--owner: lower-case"),
        ({"name": "a\x1b[31mred"}, "NAME has characters that don't print"),
    ],
)
def test_no_team_is_added_for_an_app_that_will_not_do(shell: Shell, wrong: dict[str, str], words: str) -> None:
    users = shell.at.stack.users.list_all()
    with pytest.raises(typer.BadParameter, match=words):
        cli_setup.first_app(shell.at.stack, STACK, FIRST | wrong, None)
    assert (shell.at.stack.users.list_all(), shell.at.stack.apps.list_all()) == (users, [])


def test_the_team_of_the_first_app_is_added_with_it(shell: Shell) -> None:
    cli_setup.first_app(shell.at.stack, STACK, FIRST, None)
    assert [one.owner for one in shell.at.stack.apps.list_all()] == ["new-team"]
    assert shell.at.stack.users.get("new-team") is not None


def test_a_credential_is_not_changed_where_that_can_not_be_noted(shell: Shell) -> None:
    shell.at.publish("unnoted", RecordsTable="no-such-table")
    ran = shell.run("rotate", "fly-token", "--stack", "unnoted", given=b"FlyV1 planted")
    ran.refused("the change was not made, as it could not be noted for the audit trail: ", "Try again later")
    assert shell.at.stack.credentials.fly_token() is None


@pytest.mark.parametrize(("command", "what"), [("fly-token", "token of Fly.io"), ("github-key", "key")])
@pytest.mark.parametrize("given", [b"", b"\n"])
def test_no_credential_is_empty(shell: Shell, tmp_path: Path, command: str, what: str, given: bytes) -> None:
    nothing = f"nothing came on standard input: give the {what} there, or in a file with --file"
    shell.run("rotate", command, given=given).refused(nothing)
    empty = tmp_path / "empty"
    empty.write_bytes(given)
    shell.run("rotate", command, "--file", str(empty)).refused(f"--file: the file is empty, and the {what} has to be")
    shell.run("setup", "--fly-token", str(empty)).refused("--fly-token: the file is empty, and the token of Fly.io has")


@pytest.mark.parametrize(
    ("given", "words"),
    [(b"planted\xff", "not text, and so no"), (b"planted" * 10_000, "larger than 32768 bytes, and so no")],
    ids=["bytes", "large"],
)
def test_what_can_be_no_credential_is_told_as_such(shell: Shell, tmp_path: Path, given: bytes, words: str) -> None:
    (tmp_path / "wrong").write_bytes(given)
    for command, what in (("fly-token", "token of Fly.io"), ("github-key", "key")):
        by_file = shell.run("rotate", command, "--file", str(tmp_path / "wrong"))
        for ran in (by_file, shell.run("rotate", command, given=given)):
            ran.refused(f"{words} {what}")
            assert [one for one in ("planted", "variable") if one in ran.err] == []


def test_a_file_that_can_not_be_read_is_told_by_its_option(shell: Shell) -> None:
    shell.run("rotate", "fly-token", "--file", "/no/such").refused("--file can't be read: No such file or directory")
    shell.run("setup", "--fly-token", "/no/such").refused("--fly-token can't be read: No such file or directory")
