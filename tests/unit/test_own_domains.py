"""What an environment's address is, and which domains may stand beside each other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from environments.previews import Naming
from records.apps import Apps
from records.domains import Domain, DomainConflictError, Use, check_uses, is_within
from records.environments import Environments
from tests.unit.dynamodb import Local
from tests.unit.record_examples import ad_hoc, app, preview, production, put_on_record
from tests.unit.steps import begin, close, register

SHOP = app("storefront", domain="previews.example.com", production_domain="www.example.org")
NAMING = Naming(lambda _: "prestage-k4w7q2zt", "https://{fly_app}.fly.dev")
LOCAL = Naming(lambda _: "prestage-k4w7q2zt", "http://{fly_app}.fly.localhost:4280")

LABELS = st.lists(st.sampled_from(["a", "ab", "b", "xa"]), min_size=1, max_size=3)


def use(domain: str, kind: str = "preview", whose: str = "a") -> Use:
    return Use(domain, kind, whose, f"app {whose}")  # type: ignore[arg-type]  # one of the two


# ---- Addresses


def test_an_app_without_domains_has_the_addresses_of_fly() -> None:
    for environment in (preview(), production(), ad_hoc()):
        named = NAMING.named(environment, app("storefront"))
        assert (named.address, named.own_host) == ("https://prestage-k4w7q2zt.fly.dev", None)


def test_previews_are_one_label_below_the_app_s_domain() -> None:
    for environment in (preview(), ad_hoc()):
        named = NAMING.named(environment, SHOP)
        assert named.address == "https://prestage-k4w7q2zt.previews.example.com"
        assert named.own_host == "prestage-k4w7q2zt.previews.example.com"


def test_production_has_its_domain_for_its_host_name() -> None:
    named = NAMING.named(production(), SHOP)
    assert (named.address, named.own_host) == ("https://www.example.org", "www.example.org")


def test_one_domain_says_nothing_of_the_other_type() -> None:
    assert NAMING.named(production(), app("storefront", domain="previews.example.com")).own_host is None
    assert NAMING.named(preview(), app("storefront", production_domain="www.example.org")).own_host is None


def test_an_own_host_name_has_the_scheme_and_port_of_the_others() -> None:
    assert LOCAL.named(preview(), SHOP).address == "http://prestage-k4w7q2zt.previews.example.com:4280"


def test_an_address_stays_while_the_environment_is_live_and_changes_when_it_begins_again(local: Local) -> None:
    register(local.table, SHOP)
    first = begin(local.table, of=SHOP, address="https://prestage-3.fly.dev")
    host = "prestage-3.previews.example.com"
    moved: dict[str, Any] = {"address": f"https://{host}", "own_host": host}
    updated = begin(local.table, 2, of=SHOP, **moved)
    assert (updated.address, updated.own_host) == (first.address, None)
    close(local.table, updated)
    again = begin(local.table, 3, of=SHOP, **moved)
    assert {"address": again.address, "own_host": again.own_host} == moved
    assert Environments(local.table).get(again.id) == again


# ---- Domains


@pytest.mark.parametrize("domain", ["example.com", "a.b-c.example.co.uk", "xn--bcher-kva.example", "1.example.com"])
def test_a_domain_is_two_labels_or_more(domain: str) -> None:
    assert TypeAdapter(Domain).validate_python(domain) == domain


@pytest.mark.parametrize(
    "domain",
    [
        *("", "com", "Example.com", "example.com.", ".example.com", "a..b", "-a.example.com", "a-.example.com"),
        *("*.a.com", "a_b.example.com", "exa mple.com", "example.123", "bücher.example", f"{'a' * 64}.com"),
        f"{'a.' * 95}com",
    ],
)
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Domain).validate_python(domain)


UNSAFE = [
    ("example.com", "example.com"),
    ("previews.example.com", "example.com"),
    ("a.b.example.com", "example.com"),
    ("example.com", "www.example.com"),
    ("example.com", "a.b.example.com"),
]


@pytest.mark.parametrize(("previews", "live"), UNSAFE)
@pytest.mark.parametrize("whose", ["a", "b"])
def test_previews_that_would_share_cookies_with_production_are_refused(previews: str, live: str, whose: str) -> None:
    one, other = use(previews), use(live, "production", whose)
    for wanted, others in (([one], [other]), ([other], [one]), ([one, other], [])):
        with pytest.raises(DomainConflictError, match="share cookies"):
            check_uses(wanted, others)


@given(LABELS, LABELS)
def test_every_two_domains_of_which_one_ends_in_the_other_are_refused_and_no_others(
    one: list[str], two: list[str]
) -> None:
    shorter, longer = sorted((one, two), key=len)
    unsafe = longer[len(longer) - len(shorter) :] == shorter
    previews, live = use(".".join(one)), use(".".join(two), "production")
    assert unsafe == (is_within(".".join(longer), ".".join(shorter)))
    try:
        check_uses([previews], [live])
    except DomainConflictError:
        assert unsafe
    else:
        assert not unsafe


def test_two_apps_can_have_previews_under_one_domain() -> None:
    check_uses([use("previews.example.com")], [use("previews.example.com", whose="b"), use("example.com", whose="c")])


def test_two_apps_can_not_be_at_one_production_domain() -> None:
    with pytest.raises(DomainConflictError, match="production of app b already"):
        check_uses([use("www.example.com", "production")], [use("www.example.com", "production", "b")])
    check_uses([use("www.example.com", "production")], [use("www.example.com", "production")])
    check_uses([use("www.example.com", "production")], [use("example.com", "production", "b")])


@pytest.mark.parametrize(("previews", "live"), UNSAFE)
def test_no_record_has_an_app_whose_domains_share_cookies(local: Local, previews: str, live: str) -> None:
    apps, unsafe = Apps(local.table), app("storefront", domain=previews, production_domain=live)
    put_on_record(local.table, app("api"))
    with pytest.raises(DomainConflictError):
        apps.add(unsafe)
    safe = app("api").model_copy(update={"domain": previews, "production_domain": live})
    with pytest.raises(DomainConflictError):
        apps.update(safe)
    assert [found.domain for found in apps.list_all()] == [None]
