"""`prestage apps`."""

import json
from typing import Any

import pytest

from prestage_contracts.snapshot import Repository
from tests.unit.cli_stage import (
    CREDENTIALS_TEXT,
    OTHER,
    OWNER,
    RENAMED,
    SHOP,
    Shell,
    add_app,
)
from tests.unit.github_stage import SLUG
from tests.unit.steps import begin

POLICY = ("forks", "bots", "drafts", "previews", "preview_label", "max_previews", "idle_hours", "keep_label")


def policy(app: Any) -> tuple[Any, ...]:
    return tuple(app[name] for name in POLICY)


def shown(shell: Shell, reference: str = "storefront") -> Any:
    return json.loads(shell.do("apps", "show", reference))


# ---- Adding


def test_an_app_is_added_with_what_github_tells_of_its_repository(shell: Shell) -> None:
    added = shell.do(*add_app())
    app = shown(shell)
    assert added == f"added {SHOP}:storefront ({app['id']})\n"
    assert app["repository"] == {"id": 700001, "full_name": SHOP}
    assert shell.at.stack.look_up(SHOP) == (Repository(id=700001, full_name=SHOP), app["installation_id"])
    assert (app["owner"], app["image"], app["start"]) == (OWNER, "python:3.13", "python3 server.py")
    assert (app["port"], app["memory_mb"], app["cpus"], app["region"]) == (8080, 512, 1, "iad")
    assert (app["build"], app["directory"], app["health_path"], app["forks"]) == (None, ".", "/", "ignore")


def test_every_setting_can_be_given(shell: Shell) -> None:
    commands = ("--build", "npm ci", "--directory", "apps/web", "--health-path", "/ready")
    machine = ("--port", "3000", "--region", "fra", "--memory-mb", "2048", "--cpus", "2")
    shell.do(*add_app("web", SHOP, *commands, *machine))
    app = shown(shell, "web")
    assert (app["build"], app["directory"], app["health_path"]) == ("npm ci", "apps/web", "/ready")
    assert (app["port"], app["region"], app["memory_mb"], app["cpus"]) == (3000, "fra", 2048, 2)


def test_a_policy_is_finite_and_careful_unless_it_is_given(shell: Shell) -> None:
    shell.do(*add_app())
    assert policy(shown(shell)) == ("ignore", "without_secrets", "preview", "every", "preview", 20, 168, "keep-preview")


def test_a_policy_can_be_given(shell: Shell) -> None:
    whose = ("--forks", "trusted", "--bots", "ignore", "--drafts", "ignore")
    which = ("--previews", "label", "--preview-label", "show it", "--keep-label", "stay")
    shell.do(*add_app("web", SHOP, *whose, *which, "--max-previews", "0", "--idle-hours", "8760"))
    assert policy(shown(shell, "web")) == ("trusted", "ignore", "ignore", "label", "show it", 0, 8760, "stay")


def test_a_repository_has_the_name_that_github_gives_it(shell: Shell) -> None:
    shell.do(*add_app(repository="Octo-Org/Shop"))
    assert shown(shell)["repository"]["full_name"] == SHOP


def test_github_is_not_asked_for_what_is_given(shell: Shell) -> None:
    before = shell.at.github.count()
    shell.do(*add_app("web", "acme/site", "--repository-id", "42", "--installation-id", "7"))
    assert shell.at.github.count() == before
    app = shown(shell, "web")
    assert (app["repository"], app["installation_id"]) == ({"id": 42, "full_name": "acme/site"}, 7)


def test_an_app_is_added_once(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.at.stack.secrets.set(app.id, "preview", "TOKEN", "hush")
    shell.run(*add_app()).refused(f"{SHOP} has an app storefront already")
    assert shown(shell)["secrets"]["preview"] == ["TOKEN"]


def test_an_owner_who_is_not_there_can_be_added(shell: Shell) -> None:
    shell.at.stack.users.remove(OWNER)
    shell.run(*add_app()).refused(f"there is no user {OWNER}", f"`prestage users add {OWNER}`")
    assert shell.do("apps", "list") == ""


def test_secrets_that_an_interrupted_removal_left_are_not_the_new_app_s(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.at.stack.secrets.set(app.id, "preview", "TOKEN", "hush")
    shell.at.stack.apps.remove(app.id)
    shell.do(*add_app())
    assert shown(shell)["secrets"] == {"preview": [], "production": []}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("--image", "Bad Image"), ("--image: a public image, such as node:22",)),
        (("--region", "nowhere"), ("--region: three lower-case letters, such as iad",)),
        (("--memory-mb", "300"), ("--memory-mb", "256, 512, 1024 or 2048")),
        (("--cpus", "3"), ("--cpus", "1, 2, 4 or 8")),
        (("--cpus", "8"), ("--memory-mb and --cpus",)),
        (("--forks", "maybe"), ("--forks", "'ignore', 'without_secrets'")),
        (("--bots", "maybe"), ("--bots", "'trusted'")),
        (("--drafts", "maybe"), ("--drafts", "'ignore', 'preview'")),
        (("--previews", "some"), ("--previews", "'every', 'label', 'command'")),
        (("--preview-label", " "), ("--preview-label: 1 to 50 characters",)),
        (("--keep-label", "x" * 51), ("--keep-label: 1 to 50 characters",)),
        (("--max-previews", "-1"), ("--max-previews: 0 to 1000",)),
        (("--max-previews", "1001"), ("--max-previews: 0 to 1000",)),
        (("--idle-hours", "0"), ("--idle-hours: 1 to 8760",)),
        (("--idle-hours", "8761"), ("--idle-hours: 1 to 8760",)),
        (("--port", "0"), ("--port", "greater than or equal to 1")),
        (("--port", "http"), ("--port",)),
        (("--directory", "/etc"), ("--directory: the directory is a path inside the repository",)),
        (("--health-path", "ready"), ("--health-path: a path that begins with /",)),
        (("--owner", "Some One"), ("--owner: lower-case letters",)),
        (("--start", ""), ("--start",)),
        (("--repository-id", "42"), ("--repository-id and --installation-id go together",)),
        (("--repository-id", "0", "--installation-id", "7"), ("--repository-id: a whole number above 0",)),
        (("--repository-id", "42", "--installation-id", "0"), ("--installation-id",)),
        (("--image", "Bad Image", "--region", "nowhere"), ("--image: a public", "; --region: three")),
    ],
)
def test_a_setting_that_is_not_valid_is_told_by_its_option(
    shell: Shell, settings: tuple[str, ...], words: tuple[str, ...]
) -> None:
    shell.run(*add_app("web", SHOP, *settings)).refused(*words, "(see prestage apps add --help)", status=2)
    assert shell.do("apps", "list") == ""


def test_a_name_that_is_empty_is_refused(shell: Shell) -> None:
    shell.run(*add_app(" ")).refused("NAME: 1 to 100 characters", status=2)


def test_a_name_that_would_move_the_cursor_is_refused(shell: Shell) -> None:
    shell.run(*add_app("a\x1b[31mred")).refused("NAME has characters that don't print", status=2)


def test_a_repository_is_called_owner_and_name(shell: Shell) -> None:
    ids = ("--repository-id", "42", "--installation-id", "7")
    shell.run(*add_app("web", "shop", *ids)).refused("--repository: owner/name", status=2)


# ---- What GitHub says


@pytest.mark.parametrize("repository", ["octo-org/none", "shop"])
def test_a_repository_without_the_app_is_told(shell: Shell, repository: str) -> None:
    shell.run(*add_app("web", repository)).refused(f"the GitHub App {SLUG} is not installed in {repository}")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ("has no value yet", "put-secret-value --secret-id arn:aws:secretsmanager:")),
        ("hush", ("is not as it has to be", "app_id")),
        ('{"app_id": "4711", "slug": "x", "private_key": "hush"}', ("private_key", "not an RSA private key")),
    ],
)
def test_credentials_that_are_not_there_or_not_good_are_told_and_not_shown(
    shell: Shell, value: str | None, words: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    name = f"app-{request.node.callspec.indices['value']}"
    arn = shell.at.secret(name, value)
    shell.at.publish(name, GitHubAppSecretArn=arn)
    ran = shell.run(*add_app(), "--stack", name)
    ran.refused(*words, arn)
    assert "hush" not in ran.err


def test_credentials_that_github_does_not_take_are_told(shell: Shell) -> None:
    arn = shell.at.secret("other-app", CREDENTIALS_TEXT.replace("4711", "99"))
    shell.at.publish("other-app", GitHubAppSecretArn=arn)
    ran = shell.run(*add_app(), "--stack", "other-app")
    ran.refused("GitHub answered 401", f"the secret {arn} are right")
    assert "PRIVATE" not in ran.err


def test_a_github_that_does_not_answer_is_told(shell: Shell) -> None:
    shell.at.publish("offline", GitHubApiUrl="http://127.0.0.1:9")
    shell.run(*add_app(), "--stack", "offline").refused("no answer from GitHub", "http://127.0.0.1:9", "try again")


def test_a_github_that_is_down_is_told(shell: Shell) -> None:
    shell.at.github.fail(1, status=503)
    shell.run(*add_app()).refused("GitHub answered 503", "try again later")


# ---- Changing


def test_what_is_set_is_changed_and_nothing_else(shell: Shell) -> None:
    shell.do(*add_app("web", SHOP, "--build", "npm ci"))
    before = shown(shell, "web")
    said = shell.do("apps", "set", "web", "--forks", "trusted", "--max-previews", "3", "--start", "npm start")
    assert said == f"changed {SHOP}:web: start='npm start', forks='trusted', max_previews=3\n"
    changed = {"forks": "trusted", "max_previews": 3, "start": "npm start", "revision": before["revision"] + 1}
    assert shown(shell, "web") == {**before, **changed}


def test_every_setting_can_be_changed(shell: Shell) -> None:
    shell.at.have("web")
    commands = {"image": "node:22", "start": "npm start", "build": "npm ci", "directory": "apps/web"}
    machine = {"port": 3000, "health_path": "/ready", "memory_mb": 2048, "cpus": 2}
    whose = {"forks": "trusted", "bots": "trusted", "drafts": "ignore"}
    which = {"previews": "command", "preview_label": "show", "keep_label": "stay", "max_previews": 1, "idle_hours": 2}
    wanted: dict[str, object] = {**commands, **machine, **whose, **which}
    options = [part for name, value in wanted.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    shell.do("apps", "set", "web", *options)
    assert {name: value for name, value in shown(shell, "web").items() if name in wanted} == wanted


def test_an_empty_build_is_none(shell: Shell) -> None:
    shell.do(*add_app("web", SHOP, "--build", "npm ci"))
    assert shell.do("apps", "set", "web", "--build", "") == f"changed {SHOP}:web: build=None\n"
    assert shown(shell, "web")["build"] is None


def test_a_change_keeps_config_values_and_secrets(shell: Shell) -> None:
    shell.at.have("web")
    shell.do("config", "set", "web", "GREETING", "hello")
    shell.do("secrets", "set", "web", "TOKEN", given=b"hush")
    shell.do("apps", "set", "web", "--drafts", "ignore")
    app = shown(shell, "web")
    assert (app["config"], app["secrets"]["preview"]) == ({"preview": {"GREETING": "hello"}}, ["TOKEN"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((), ("name at least one thing to change",)),
        (("--image", "Bad Image"), ("--image: a public image, such as node:22",)),
        (("--cpus", "8"), ("--memory-mb and --cpus",)),
        (("--start", ""), ("--start",)),
        (("--keep-label", ""), ("--keep-label: 1 to 50 characters",)),
        (("--max-previews", "2000"), ("--max-previews: 0 to 1000",)),
        (("--forks", "ignored"), ("--forks", "'ignore'")),
        (("--region", "fra"), ("No such option: --region",)),
    ],
)
def test_a_change_that_is_not_valid_is_told_by_its_option_and_changes_nothing(
    shell: Shell, settings: tuple[str, ...], words: tuple[str, ...]
) -> None:
    shell.at.have("web")
    before = shown(shell, "web")
    shell.run("apps", "set", "web", *settings).refused(*words, "(see prestage apps set --help)", status=2)
    assert shown(shell, "web") == before


# ---- Connecting again


def test_a_renamed_repository_is_found_by_the_name_that_it_had(shell: Shell) -> None:
    before = shell.at.have("storefront", repository=RENAMED)
    shell.at.github.rename_repository(RENAMED, "octo-org/renamed")
    assert shell.do("apps", "reconnect", "storefront").startswith("storefront is in octo-org/renamed, installation ")
    app = shown(shell)
    assert app["repository"] == {"id": before.repository.id, "full_name": "octo-org/renamed"}
    assert shown(shell, "octo-org/renamed:storefront")["id"] == before.id


def test_a_new_installation_is_found(shell: Shell) -> None:
    app = shell.at.have("storefront")
    installation_id = app.installation_id
    shell.at.stack.apps.update(app.model_copy(update={"installation_id": 1}))
    assert shell.do("apps", "reconnect", "storefront") == (f"storefront is in {SHOP}, installation {installation_id}\n")
    assert shown(shell)["installation_id"] == installation_id
    assert [one.id for one in shell.at.stack.apps.list_by_installation(1)] == []


def test_an_app_is_not_connected_to_another_repository(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.run("apps", "reconnect", "storefront", "--repository", OTHER).refused(OTHER)
    shell.run("apps", "reconnect", "storefront", "--repository", "octo-org/none").refused("is not installed in")
    assert shown(shell)["repository"]["id"] == app.repository.id


# ---- Listing, showing, naming


def test_apps_are_listed_of_all_repositories_or_of_one(shell: Shell) -> None:
    shell.at.have("web", "api")
    shell.at.have("web", repository=OTHER)
    rows = [row[:3] for row in shell.run("apps", "list").rows]
    assert rows == [[OTHER, "web", OWNER], [SHOP, "api", OWNER], [SHOP, "web", OWNER]]
    assert [row[1] for row in shell.run("apps", "list", "--repository", SHOP.upper()).rows] == ["api", "web"]


def test_an_app_that_is_being_removed_is_listed_as_such(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.at.stack.apps.update(app.model_copy(update={"removing": True}))
    assert shell.run("apps", "list").rows[0][1] == "storefront (being removed)"


@pytest.mark.parametrize("reference", ["Storefront", "Octo-Org/Shop:storefront", "{id}"])
def test_an_app_goes_by_its_name_in_any_case_its_repository_and_name_or_its_id(shell: Shell, reference: str) -> None:
    found = shell.at.have("web", "storefront").id
    assert shown(shell, reference.format(id=found))["id"] == found


def test_a_name_that_two_apps_have_is_not_guessed(shell: Shell) -> None:
    shell.at.have("web")
    shell.at.have("web", repository=OTHER)
    for command in (("apps", "show", "web"), ("apps", "remove", "web"), ("secrets", "delete", "web", "TOKEN")):
        shell.run(*command).refused(f"say which of {OTHER}:web, {SHOP}:web")
    assert shown(shell, f"{OTHER}:web")["repository"]["full_name"] == OTHER


def test_an_app_that_is_not_there_is_told(shell: Shell) -> None:
    for command in (("apps", "show", "no[p]e"), ("apps", "remove", "no[p]e"), ("config", "list", "no[p]e")):
        shell.run(*command).refused("there is no app no[p]e", "`prestage apps list`")


def test_an_app_is_shown_with_its_environments_and_the_names_of_its_secrets(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.at.stack.secrets.set(app.id, "preview", "TOKEN", "hush")
    begin(shell.at.records, of=app)
    printed = shell.do("apps", "show", "storefront")
    shown_app = json.loads(printed)
    assert shown_app["secrets"] == {"preview": ["TOKEN"], "production": []}
    [environment] = shown_app["environments"]
    assert (environment["status"], environment["pull_request"]["number"]) == ("deploying", 3)
    assert "hush" not in printed


# ---- Removing


def test_a_removed_app_is_gone_with_its_secrets(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.at.stack.secrets.set(app.id, "preview", "TOKEN", "hush")
    shell.at.stack.secrets.set(app.id, "production", "TOKEN", "hush")
    assert shell.do("apps", "remove", "storefront") == f"removed {SHOP}:storefront and its secrets\n"
    assert shell.do("apps", "list") == ""
    left = shell.at.aws.client("dynamodb").scan(TableName=shell.at.outputs["SecretsTable"])["Items"]
    assert left == []
    shell.run("apps", "remove", "storefront").refused("there is no app storefront")


def test_an_app_with_live_environments_stays_with_its_secrets(shell: Shell) -> None:
    app = shell.at.have("storefront")
    shell.at.stack.secrets.set(app.id, "preview", "TOKEN", "hush")
    begin(shell.at.records, of=app)
    shell.run("apps", "remove", "storefront").refused("1 environments that are not stopped", "environments stop`")
    left = shown(shell)
    assert (left["removing"], left["secrets"]["preview"]) == (False, ["TOKEN"])
