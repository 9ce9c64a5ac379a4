"""`prestage certificates`, and the domains of `prestage apps`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from records.environments import Environments
from tests.unit.cli_stage import Deployed, Shell, add_app, deployed_stack, shell_at
from tests.unit.fly_certificate import issue
from tests.unit.record_examples import preview, production
from tests.unit.steps import CLOSED

PREVIEWS = "previews.example.com"
LATER = datetime(2038, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed_stack(tmp_path_factory.mktemp("stack"), zone="example.com") as deployed:
        yield deployed


@pytest.fixture
def shell(at: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    with shell_at(at, monkeypatch, capsys) as shell:
        yield shell


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path


def command(files: Path, domain: str, *names: str, expires: datetime = LATER) -> tuple[tuple[str, ...], str]:
    """A command that imports a certificate, and the key."""
    chain, key = issue(*(names or (f"*.{domain}",)), expires=expires)
    (files / "chain.pem").write_text(chain)
    (files / "key.pem").write_text(key)
    given = ("--chain", str(files / "chain.pem"), "--key", str(files / "key.pem"))
    return ("certificates", "import", domain, *given), key


def have(shell: Shell, files: Path, *domains: str) -> None:
    for domain in domains:
        shell.do(*command(files, domain)[0])


def everything(at: Deployed) -> str:
    client = at.aws.client("dynamodb")
    tables = [at.outputs[name] for name in ("RecordsTable", "SecretsTable", "BundlesTable")]
    return json.dumps([client.scan(TableName=table)["Items"] for table in tables], default=repr)


def test_a_certificate_is_imported_and_listed_with_the_apps_that_use_it(shell: Shell, files: Path) -> None:
    asked, key = command(files, PREVIEWS)
    assert shell.do(*asked) == f"imported *.{PREVIEWS}, valid until 2038-01-01\n"
    shell.do(*add_app("storefront", "octo-org/shop", "--domain", PREVIEWS))
    have(shell, files, "example.com")
    shell.do(*add_app("api", "octo-org/other", "--production-domain", "www.example.com"))
    assert shell.run("certificates", "list").rows == [
        ["example.com", "2038-01-01", "api"],
        [PREVIEWS, "2038-01-01", "storefront"],
    ]
    assert key.splitlines()[1] not in everything(shell.at)


def test_the_key_is_sealed_and_opens_for_its_certificate(shell: Shell, files: Path) -> None:
    asked, key = command(files, PREVIEWS)
    shell.do(*asked)
    certificate = shell.at.stack.certificates.get(PREVIEWS)
    assert certificate is not None
    opened = shell.at.stack.private_keys.open(certificate)
    assert opened is not None
    assert opened.get_secret_value() == key


def test_another_import_replaces_certificate_and_key(shell: Shell, files: Path) -> None:
    have(shell, files, PREVIEWS)
    first = shell.at.stack.certificates.get(PREVIEWS)
    have(shell, files, PREVIEWS)
    second = shell.at.stack.certificates.get(PREVIEWS)
    assert first is not None
    assert second is not None
    assert first.fingerprint != second.fingerprint
    assert shell.at.stack.private_keys.open(first) is None
    assert shell.at.stack.private_keys.open(second) is not None


def test_an_import_names_what_is_live_and_gets_it_later(shell: Shell, files: Path) -> None:
    have(shell, files, PREVIEWS)
    shop = shell.at.have("storefront")
    host = f"prestage-3.{PREVIEWS}"
    named = preview(of=shop, address=f"https://{host}", own_host=host)
    Environments(shell.at.stack._records).deploy(named, "event-1")
    ran = shell.run(*command(files, PREVIEWS)[0])
    assert ran.status == 0
    assert ran.err == f"note: https://{host} gets it with `prestage environments retry`\n"


@pytest.mark.parametrize(
    ("domain", "issued", "words"),
    [
        (PREVIEWS, ("*.example.com",), "has to be for *.previews.example.com"),
        ("Previews.example.com", (), "is no domain"),
        ("*.example.com", (), "is no domain"),
    ],
)
def test_what_can_t_be_served_is_not_imported(
    shell: Shell, files: Path, domain: str, issued: tuple[str, ...], words: str
) -> None:
    shell.run(*command(files, domain, *issued)[0]).refused(words)
    assert shell.at.stack.certificates.list_all() == []


def test_an_expired_certificate_is_not_imported(shell: Shell, files: Path) -> None:
    shell.run(*command(files, PREVIEWS, expires=datetime(2026, 1, 1, tzinfo=UTC))[0]).refused("expired on 2026-01-01")
    assert shell.at.stack.certificates.list_all() == []


def test_a_key_of_another_certificate_is_not_imported_and_not_quoted(shell: Shell, files: Path) -> None:
    asked, _ = command(files, PREVIEWS)
    _, other = issue(f"*.{PREVIEWS}")
    (files / "key.pem").write_text(other)
    ran = shell.run(*asked)
    ran.refused("not that of the first certificate")
    assert other.splitlines()[1] not in ran.err


def test_a_file_that_is_not_there_is_told(shell: Shell, files: Path) -> None:
    asked, _ = command(files, PREVIEWS)
    (files / "key.pem").unlink()
    shell.run(*asked).refused("--key can't be read: No such file")


# ---- apps --domain, --production-domain


def test_a_domain_is_set_and_taken_away(shell: Shell, files: Path) -> None:
    have(shell, files, PREVIEWS)
    shop = shell.at.have("storefront")
    shell.do("apps", "set", shop.name, "--domain", PREVIEWS)
    assert shell.at.stack.app(shop.id).domain == PREVIEWS
    shell.do("apps", "set", shop.name, "--port", "3000")
    assert shell.at.stack.app(shop.id).domain == PREVIEWS
    shell.do("apps", "set", shop.name, "--domain", "")
    assert shell.at.stack.app(shop.id).domain is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--domain", "Previews.example.com"), "--domain: in lower case"),
        (("--production-domain", "www"), "--production-domain: in lower case"),
        (("--domain", "previews.example.org"), "not in the stack's DNS zone, which is example.com"),
        (("--production-domain", "example.com"), "can't lead elsewhere"),
        (("--domain", "other.example.com"), "`prestage certificates import other.example.com` first"),
        (("--production-domain", "www.shop.example.com"), "`prestage certificates import shop.example.com` first"),
        (("--domain", PREVIEWS, "--production-domain", PREVIEWS), "share cookies"),
        (("--domain", PREVIEWS, "--production-domain", f"www.{PREVIEWS}"), "share cookies"),
        (("--domain", PREVIEWS, "--production-domain", "example.com"), "share cookies"),
    ],
)
def test_a_domain_that_can_t_be_used_is_refused(
    shell: Shell, files: Path, options: tuple[str, ...], words: str
) -> None:
    have(shell, files, PREVIEWS, "example.com")
    shell.at.have("storefront")
    is_wrong_option = words.startswith("--")
    for asked in (("apps", "set", "storefront", *options), add_app("other", "octo-org/shop", *options)):
        shell.run(*asked).refused(words, status=2 if is_wrong_option else 1)
    [app] = shell.at.stack.apps.list_all()
    assert (app.domain, app.production_domain) == (None, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("--domain", PREVIEWS), ("--production-domain", PREVIEWS)),
        (("--domain", PREVIEWS), ("--production-domain", f"www.{PREVIEWS}")),
        (("--domain", "example.com"), ("--production-domain", f"www.{PREVIEWS}")),
        (("--production-domain", PREVIEWS), ("--domain", PREVIEWS)),
        (("--production-domain", f"www.{PREVIEWS}"), ("--domain", PREVIEWS)),
        (("--production-domain", PREVIEWS), ("--domain", f"www.{PREVIEWS}")),
    ],
)
def test_another_app_s_domain_counts_too(
    shell: Shell, files: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    have(shell, files, PREVIEWS, "example.com", f"www.{PREVIEWS}")
    shell.at.have("storefront", "api")
    shell.do("apps", "set", "storefront", *first)
    shell.run("apps", "set", "api", *second).refused("share cookies")
    assert shell.at.stack.app("api").domain_uses() == []


def test_a_live_environment_s_domain_counts_until_it_is_stopped(shell: Shell, files: Path) -> None:
    """Its address stays, whatever its app is set to."""
    have(shell, files, PREVIEWS)
    shop = shell.at.have("storefront")
    shell.at.have("api")
    live = production(of=shop, address=f"https://www.{PREVIEWS}", own_host=f"www.{PREVIEWS}")
    environments = Environments(shell.at.stack._records)
    begun = environments.deploy(live, "event-1")
    shell.run("apps", "set", "api", "--domain", PREVIEWS).refused("share cookies", "storefront")
    now = begun.created_at + timedelta(hours=1)
    closed = environments.close(begun.id, "event-2", CLOSED, now)
    assert closed is not None
    shell.run("apps", "set", "api", "--domain", PREVIEWS).refused("share cookies")
    environments.report(closed.id, closed.generation, "remove", "event-3", now)
    shell.do("apps", "set", "api", "--domain", PREVIEWS)


def test_two_apps_are_not_in_production_at_one_name(shell: Shell, files: Path) -> None:
    have(shell, files, "example.com")
    shell.at.have("storefront", "api")
    shell.do("apps", "set", "storefront", "--production-domain", "www.example.com")
    asked = ("apps", "set", "api", "--production-domain", "www.example.com")
    shell.run(*asked).refused("production of storefront already")


def test_a_stack_without_a_zone_takes_no_domain(shell: Shell, files: Path) -> None:
    have(shell, files, PREVIEWS)
    shell.at.have("storefront")
    shell.at.publish("zoneless", HostedZoneId=None)
    asked = ("apps", "set", "storefront", "--domain", PREVIEWS, "--stack", "zoneless")
    shell.run(*asked).refused("HostedZoneId", "docs/domains.md")
