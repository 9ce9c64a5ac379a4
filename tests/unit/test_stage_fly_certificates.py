from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fly_io.client import FlyRefused
from tests.unit.fly_certificate import EXPIRES, issue
from tests.unit.fly_stage import APP, ORGANIZATION, Stage, stage, web

HOST = "shop-7.previews.example.com"
WILDCARD = "*.previews.example.com"
LATER = datetime(2038, 1, 1, tzinfo=UTC)


@pytest.fixture
def fly(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as staged:
        staged.fly.create_app(APP, ORGANIZATION, APP)
        yield staged


def give(fly: Stage, hostname: str = HOST, app: str = APP, **issued: Any) -> None:
    chain, key = issue(WILDCARD, **issued)
    fly.fly.import_certificate(app, hostname, fullchain=chain, private_key=SecretStr(key))


def state(fly: Stage, hostname: str = HOST) -> str | None:
    found = fly.fly.get_certificate(APP, hostname)
    return found.state if found else None


def visit(fly: Stage, hostname: str = HOST) -> int:
    return fly.edge.get("/", headers={"Host": f"{hostname}:4280"}).status_code


def test_a_certificate_waits_until_dns_proves_whose_the_name_is(fly: Stage) -> None:
    assert state(fly) is None
    give(fly)
    assert state(fly) == "pending_ownership"
    fly.stand_in.prove_ownership(HOST, "another-app")
    assert fly.fly.check_certificate(APP, HOST).state == "pending_ownership"
    fly.stand_in.prove_ownership(HOST, APP)
    assert fly.fly.check_certificate(APP, HOST).state == state(fly) == "active"


def test_a_certificate_says_what_dns_has_to_prove(fly: Stage) -> None:
    for ip_type in ("shared_v4", "v6", "private_v6"):
        fly.fly.assign_ip(APP, ip_type)
    give(fly)
    give(fly, WILDCARD)
    one, wildcard = fly.fly.get_certificate(APP, HOST), fly.fly.get_certificate(APP, WILDCARD)
    assert one is not None
    assert wildcard is not None
    assert (len(one.dns.a), len(one.dns.aaaa)) == (1, 1)
    assert one.dns.cname.endswith(f".{APP}.fly.localhost")
    assert one.dns.ownership.name == f"_fly-ownership.{HOST}"
    assert wildcard.dns.ownership.name == "_fly-ownership.previews.example.com"
    assert one.dns.ownership.app_value == wildcard.dns.ownership.app_value != ""


def test_another_import_replaces_the_chain_and_the_proof_holds(fly: Stage) -> None:
    fly.stand_in.prove_ownership(HOST, APP)
    give(fly)
    first = fly.fly.get_certificate(APP, HOST)
    give(fly, expires=LATER)
    second = fly.fly.get_certificate(APP, HOST)
    assert first is not None
    assert second is not None
    assert (first.state, first.imported_until, second.state, second.imported_until) == (
        "active",
        EXPIRES,
        "active",
        LATER,
    )


def test_certificates_are_listed_by_the_page(fly: Stage) -> None:
    hosts = [f"shop-{number}.previews.example.com" for number in range(3)]
    for host in hosts:
        give(fly, host)

    def listed(**query: Any) -> tuple[list[str], int, str]:
        answer = fly.api.get(f"/apps/{APP}/certificates", params=query).json()
        return [one["hostname"] for one in answer["certificates"]], answer["total_count"], answer["next_cursor"]

    assert listed() == (hosts, 3, "")
    assert listed(limit=2) == (hosts[:2], 3, hosts[1])
    assert listed(limit=2, cursor=hosts[1]) == (hosts[2:], 3, "")
    assert listed(filter="shop-1") == ([hosts[1]], 1, "")
    assert fly.api.get(f"/apps/{APP}/certificates", params={"limit": 501}).status_code == 400


def test_a_deleted_certificate_is_gone(fly: Stage) -> None:
    give(fly)
    path = f"/apps/{APP}/certificates/{HOST}"
    assert fly.api.delete(path).status_code == 204
    assert fly.api.delete(path).status_code == 404
    fly.fly.delete_certificate(APP, HOST)
    assert state(fly) is None
    with pytest.raises(FlyRefused) as raised:
        fly.fly.check_certificate(APP, HOST)
    assert raised.value.status == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"hostname": "shop.example.com"}, 422),
        ({"hostname": "a.shop-7.previews.example.com"}, 422),
        ({"hostname": "previews.example.com"}, 422),
        ({"hostname": "Shop-7.previews.example.com"}, 400),
        ({"hostname": "a.*.example.com"}, 400),
        ({"hostname": None}, 400),
        ({"fullchain": "no PEM"}, 422),
        ({"fullchain": ""}, 422),
        ({"fullchain": issue()[0]}, 422),
        ({"private_key": "no PEM"}, 422),
        ({"private_key": issue(WILDCARD)[1]}, 422),
        ({"colour": "red"}, 400),
    ],
)
def test_what_is_imported_is_checked_and_not_quoted(fly: Stage, changes: dict[str, Any], status: int) -> None:
    chain, key = issue(WILDCARD)
    asked = {"hostname": HOST, "fullchain": chain, "private_key": key} | changes
    answer = fly.api.post(f"/apps/{APP}/certificates/custom", json=asked)
    assert answer.status_code == status, answer.text
    assert not any(line in answer.text for line in (chain + key).splitlines())
    assert state(fly) is None


def test_a_host_name_is_routed_while_its_certificate_is_active(fly: Stage) -> None:
    fly.run(web())
    fly.fly.assign_ip(APP, "shared_v4")
    give(fly)
    assert visit(fly) == 404
    fly.stand_in.prove_ownership(HOST, APP)
    assert visit(fly) == visit(fly, HOST.upper()) == 200
    assert visit(fly, "shop-8.previews.example.com") == 404
    fly.fly.delete_certificate(APP, HOST)
    assert visit(fly) == 404


def test_a_host_names_own_app_is_asked_before_a_wildcards(fly: Stage) -> None:
    fly.fly.create_app("everything", ORGANIZATION, "everything")
    fly.fly.assign_ip("everything", "shared_v4")
    give(fly, WILDCARD, "everything")
    fly.stand_in.prove_ownership(WILDCARD, "everything")
    assert "no machine" in fly.edge.get("/", headers={"Host": HOST}).text
    fly.run(web())
    fly.fly.assign_ip(APP, "shared_v4")
    give(fly)
    fly.stand_in.prove_ownership(HOST, APP)
    assert fly.edge.get("/", headers={"Host": HOST}).json()["environment"]["FLY_APP_NAME"] == APP
    assert visit(fly, "shop-8.previews.example.com") == 503


def test_a_deleted_app_is_not_served_under_its_host_name(fly: Stage) -> None:
    fly.run(web())
    fly.fly.assign_ip(APP, "shared_v4")
    give(fly)
    fly.stand_in.prove_ownership(HOST, APP)
    assert visit(fly) == 200
    fly.stand_in.let_deletions_linger(1, machines_run=True)
    fly.fly.delete_app(APP)
    assert visit(fly) == 404


def test_the_next_app_of_the_name_has_none_of_its_certificates(fly: Stage) -> None:
    give(fly)
    fly.fly.delete_app(APP)
    fly.fly.create_app(APP, ORGANIZATION, APP)
    assert state(fly) is None
