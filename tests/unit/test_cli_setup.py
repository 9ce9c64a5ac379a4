"""What `prestage setup` and `prestage rotate` refuse before anything is changed, and in which words."""

import pytest
import typer

from prestage import cli_setup
from tests.unit.cli_stage import SHOP, STACK, Shell

FIRST = {"name": "storefront", "repository": SHOP, "owner": "new-team", "image": "node:22", "start": "npm start"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"image": "bad image"}, "--image: a public image"), ({"owner": "Bad Team"}, "--owner: lower-case")],
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
