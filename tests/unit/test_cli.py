"""The command line as a whole: stacks, errors, tables, users."""

import io
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from prestage.cli_output import show_rows, tell_error, tell_note
from tests.unit.cli_stage import OWNER, Shell

# ---- Which stack


def test_a_stack_is_named_by_option_or_environment(shell: Shell) -> None:
    shell.at.publish("staging")
    shell.do("users", "list", "--stack", "staging")
    shell.monkeypatch.setenv("PRESTAGE_STACK", "nope")
    shell.run("users", "list").refused("there is no stack nope")
    shell.do("users", "list", "--stack", "staging")


def test_a_stack_that_is_not_there_is_refused(shell: Shell) -> None:
    shell.run("apps", "list", "--stack", "nope").refused("there is no stack nope", "--stack")


def test_a_stack_of_something_else_is_refused_by_what_it_lacks(shell: Shell) -> None:
    shell.at.publish("older", KeyArn=None)
    shell.run("apps", "list", "--stack", "older").refused("CREATE_COMPLETE", "no output KeyArn")


@pytest.mark.parametrize("command", [("doctor",), ("setup", "--yes"), ("apps", "list")], ids=lambda words: words[0])
def test_a_stack_whose_first_deployment_failed_is_told_with_what_to_do(shell: Shell, command: tuple[str, ...]) -> None:
    def failed(parsed: Any, **_: Any) -> None:
        parsed["Stacks"][0].update(StackStatus="ROLLBACK_COMPLETE", Outputs=[])

    shell.at.session.events.register("after-call.cloudformation.DescribeStacks", failed)
    ran = shell.run(*command)
    shell.at.session.events.unregister("after-call.cloudformation.DescribeStacks", failed)
    ran.refused("first deployment", "describe-stack-events --stack-name prestage", "delete-stack --stack-name prestage")


def test_without_credentials_it_says_to_log_in(shell: Shell) -> None:
    shell.log_in_afresh()
    shell.monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        shell.monkeypatch.delenv(name)
    shell.run("users", "list").refused("no AWS credentials", "log in")


def test_without_a_region_it_says_how_to_set_one(shell: Shell) -> None:
    shell.log_in_afresh()
    shell.monkeypatch.delenv("AWS_DEFAULT_REGION")
    shell.run("users", "list").refused("no AWS region", "AWS_DEFAULT_REGION")


def test_a_region_that_is_set_to_nothing_is_none(shell: Shell) -> None:
    shell.log_in_afresh()
    shell.monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    shell.run("users", "list").refused("no AWS region", "AWS_DEFAULT_REGION")


def test_a_profile_that_is_not_there_is_refused(shell: Shell) -> None:
    shell.log_in_afresh()
    shell.monkeypatch.setenv("AWS_PROFILE", "nope")
    shell.run("users", "list").refused("nope", "could not be found")


def test_an_endpoint_that_does_not_answer_is_told(shell: Shell) -> None:
    shell.monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    shell.run("users", "list").refused("AWS can't be reached", "http://127.0.0.1:9/", "AWS_ENDPOINT_URL")


def test_a_failure_of_aws_is_one_line(shell: Shell) -> None:
    shell.at.publish("gone", RecordsTable="no-such-table")
    shell.run("users", "list", "--stack", "gone").refused("ResourceNotFoundException")


def test_a_record_of_another_shape_is_told_without_its_values(shell: Shell) -> None:
    item = {"pk": {"S": "USER#me"}, "sk": {"S": "USER"}, "id": {"S": "ME hush"}}
    table = shell.at.outputs["RecordsTable"]
    shell.at.aws.client("dynamodb").put_item(TableName=table, Item=item)
    ran = shell.run("users", "list")
    ran.refused("another version's shape", "name: missing", "id: string_pattern_mismatch")
    assert "hush" not in ran.err


# ---- What is no command


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("bogus",), ("No such command 'bogus'", "(see prestage --help)")),
        (("apps", "show"), ("Missing argument 'APP'", "(see prestage apps show --help)")),
        (("apps", "list", "--nope"), ("No such option: --nope",)),
        (("secrets", "delete", "storefront", "A", "--type", "x"), ("--type", "'preview' or 'production'")),
    ],
)
def test_what_is_no_command_is_one_line_and_status_2(
    shell: Shell, command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    shell.run(*command).refused(*words, status=2)


@pytest.mark.parametrize(
    "group", [(), ("apps",), ("certificates",), ("environments",), ("users",), ("config",), ("secrets",)]
)
def test_without_a_command_the_commands_are_listed(shell: Shell, group: tuple[str, ...]) -> None:
    ran = shell.run(*group)
    assert (ran.status, ran.err) == (2, "")
    assert "Commands" in ran.out


def test_help_is_no_error(shell: Shell) -> None:
    assert "standard input" in shell.do("secrets", "set", "--help")


def test_commands_for_a_real_stack_load_no_stage() -> None:
    program = "import sys, prestage.cli; print([name for name in ('moto', 'samtranslator') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"


# ---- Rows


def test_rows_that_are_piped_are_lines_with_tabs_however_long(shell: Shell) -> None:
    name = "The team that looks after the shop, " * 5 + "[bold] :smile:"
    shell.do("users", "add", "a", "--name", name)
    shell.do("users", "add", "b", "--name", "two\nlines\tand a tab")
    assert shell.run("users", "list").rows[:2] == [["a", name], ["b", r"two\nlines\tand a tab"]]


def test_a_table_fits_a_narrow_terminal_and_cuts_nothing() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=40, color_system=None)
    show_rows(
        ("repository", "app"), [("octo-org/a-very-long-name-of-a-repository", "[red]web[/nope] :smile:")], console
    )
    shown = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    assert max(map(len, shown.splitlines())) <= 40
    cells = [line.split("│")[1:-1] for line in shown.splitlines() if line.startswith("│")]
    assert ["".join(part.strip() for part in parts) for parts in zip(*cells, strict=True)] == [
        "octo-org/a-very-long-name-of-a-repository",
        "[red]web[/nope]:smile:",
    ]


def test_a_table_without_rows_says_so() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None)
    show_rows(("user",), [], console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "none\n"


# ---- Users


def test_users_are_added_listed_and_removed(shell: Shell) -> None:
    assert shell.do("users", "add", "one", "--name", "Number One") == "added the user one\n"
    shell.do("users", "add", "me")
    assert shell.run("users", "list").rows == [["me", "me"], ["one", "Number One"], [OWNER, "The shop's team"]]
    assert shell.do("users", "remove", "me") == "removed the user me\n"
    assert [row[0] for row in shell.run("users", "list").rows] == ["one", OWNER]


def test_a_user_is_added_once(shell: Shell) -> None:
    shell.run("users", "add", OWNER).refused(f"there is a user {OWNER} already")


@pytest.mark.parametrize("user", ["Team [red]", "", "-x", "a" * 65])
def test_a_user_id_that_does_not_follow_the_rule_is_told_the_rule(shell: Shell, user: str) -> None:
    shell.run("users", "add", "--", user).refused("USER: lower-case letters", status=2)


def test_an_empty_name_is_refused(shell: Shell) -> None:
    shell.run("users", "add", "me", "--name", "").refused("--name: 1 to 200 characters", status=2)


def test_a_user_s_apps_are_listed(shell: Shell) -> None:
    shell.do("users", "add", "other")
    app = shell.at.have("storefront")
    assert shell.run("users", "show", OWNER).rows == [["octo-org/shop", "storefront", app.id]]
    assert shell.do("users", "show", "other") == ""


@pytest.mark.parametrize("command", ["show", "remove"])
def test_a_user_who_is_not_there_is_told(shell: Shell, command: str) -> None:
    shell.run("users", command, "nobody").refused("there is no user nobody", "`prestage users list`")


def test_a_user_who_owns_apps_stays(shell: Shell) -> None:
    shell.at.have("storefront")
    shell.run("users", "remove", OWNER).refused(f"{OWNER} owns 1 apps")
    assert [row[0] for row in shell.run("users", "list").rows] == [OWNER]


def test_nothing_that_an_error_or_a_note_repeats_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    tell_error("not \u202eknown\x1b[2J,\nat all")
    tell_note("seen \u202ebefore")
    assert capsys.readouterr().err == "error: not \\u202eknown\\x1b[2J, at all\nnote: seen \\u202ebefore\n"
