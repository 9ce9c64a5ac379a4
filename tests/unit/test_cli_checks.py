"""`prestage checks`, and what apps require."""

import json

from prestage_contracts.checks import Check
from records.apps import App
from records.checks import KeptCheck
from records.environments import Environments
from tests.unit.cli_stage import Shell, add_app
from tests.unit.record_examples import NOW, preview

QUALITY = "210987654321"


def report(shell: Shell, app: App, name: str) -> None:
    """Have an account's check of the app's preview on record."""
    begun = Environments(shell.at.records).deploy(preview(of=app), "event-1")
    check = Check(name=name, state="success", summary="", link=None, account=QUALITY)
    kept = KeptCheck(check=check, reported_at=NOW, report=f"report {name}", since=NOW)
    assert shell.at.stack.checks.take(begun, kept, NOW) == kept


def required(shell: Shell) -> list[str]:
    found: list[str] = json.loads(shell.do("apps", "show", "storefront"))["required_checks"]
    return found


def test_names_are_listed_with_whose_they_are_and_what_is_required(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.do("apps", "set", "storefront", "--require-check", "Smoke", "--require-check", "load")
    report(shell, app, "smoke")
    report(shell, app, "lint")
    assert shell.run("checks", "list", "storefront").rows == [
        ["lint", QUALITY, "2026-11-01 10:00:05", ""],
        ["smoke", QUALITY, "2026-11-01 10:00:05", "yes"],
        ["load", "nobody yet", "", "yes"],
    ]


def test_a_name_is_given_back_once(shell: Shell) -> None:
    app = shell.at.have("storefront")
    report(shell, app, "smoke")
    assert QUALITY in shell.do("checks", "release", "storefront", "Smoke")
    assert shell.at.stack.checks.owners(app.id) == []
    shell.run("checks", "release", "storefront", "smoke").refused("nobody's", "prestage checks list")


def test_an_app_is_added_with_the_checks_that_it_requires(shell: Shell) -> None:
    shell.do(*add_app(), "--require-check", "smoke", "--require-check", "load tests", "--require-check", "Smoke")
    assert required(shell) == ["Smoke", "load tests"]


def test_an_app_requires_no_checks_unless_told_and_none_again(shell: Shell) -> None:
    shell.do(*add_app())
    assert required(shell) == []
    shell.do("apps", "set", "storefront", "--require-check", "smoke")
    shell.do("apps", "set", "storefront", "--port", "3000")
    assert required(shell) == ["smoke"]
    shell.do("apps", "set", "storefront", "--require-check", "")
    assert required(shell) == []


def test_a_name_that_no_check_can_have_is_refused(shell: Shell) -> None:
    shell.at.have("storefront")
    shell.run("apps", "set", "storefront", "--require-check", "<b>").refused("--require-check", status=2)
    many = [part for number in range(11) for part in ("--require-check", f"check {number}")]
    shell.run("apps", "set", "storefront", *many).refused("--require-check", status=2)
