"""`prestage environments password`: told where a preview asks for one, and nowhere else."""

import pytest

from records.apps import App
from tests.unit.cli_stage import Shell
from tests.unit.record_examples import preview, production
from tests.unit.test_cli_environments import deploy


@pytest.fixture
def shop(shell: Shell) -> App:
    return shell.at.have("storefront")


def test_the_password_of_a_preview_is_told_where_there_is_one(shell: Shell, shop: App) -> None:
    deploy(shell, preview(of=shop, with_password=True))
    shell.run("apps", "set", "storefront", "--authentication", "none")  # which its next deployment will follow
    told = shell.run("environments", "password", "storefront#3").out
    environment = shell.at.stack.environment("storefront#3")
    assert told.split() == [
        "address",
        environment.address,
        "user",
        "preview",
        "password",
        shell.at.stack.password(environment),
    ]


def test_no_password_is_told_of_a_preview_that_asks_for_none_yet(shell: Shell, shop: App) -> None:
    deploy(shell, preview(of=shop))
    shell.run("apps", "set", "storefront", "--authentication", "basic")
    told = ("see --authentication of `prestage apps set`", "next deployment")
    shell.run("environments", "password", "storefront#3").refused(*told)


def test_production_asks_for_no_password(shell: Shell, shop: App) -> None:
    shell.run("apps", "set", "storefront", "--authentication", "basic")
    deploy(shell, production(of=shop))
    shell.run("environments", "password", "storefront").refused("give no password")
