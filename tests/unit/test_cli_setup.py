"""What `prestage setup` and `prestage rotate` refuse before anything is changed, and in which words."""

from tests.unit.cli_stage import Shell


def test_a_credential_is_not_changed_where_that_can_not_be_noted(shell: Shell) -> None:
    shell.at.publish("unnoted", RecordsTable="no-such-table")
    ran = shell.run("rotate", "fly-token", "--stack", "unnoted", given=b"FlyV1 planted")
    ran.refused("the change was not made, as it could not be noted for the audit trail: ", "Try again later")
    assert shell.at.stack.credentials.fly_token() is None
