from datetime import UTC, datetime
from typing import Any

import pytest

from fly_io.shapes import Certificate, DnsRequirements, Ownership
from tests.unit.fly_wire import CHAIN, HOSTNAME, PRIVATE_KEY, answered, import_certificate

DETAIL = {
    "hostname": HOSTNAME,
    "configured": False,
    "status": "pending_ownership",
    "certificates": [
        {"source": "fly", "status": "active", "expires_at": "2027-06-01T00:00:00Z"},
        {"source": "custom", "status": "pending_ownership", "expires_at": "2027-02-01T00:00:00Z"},
    ],
    "dns_requirements": {
        "a": ["66.241.124.1"],
        "aaaa": ["2a09:8280:1::1"],
        "cname": "d6lmmxg.prv-3f9a.fly.dev",
        "acme_challenge": {"name": "_acme-challenge.previews.example.com", "target": "x.flydns.net"},
        "ownership": {"name": f"_fly-ownership.{HOSTNAME}", "app_value": "app-d6lmmxg", "org_value": "org-1"},
    },
}


def test_a_certificate_is_imported_with_its_key() -> None:
    fly, wire = answered(201, DETAIL)
    assert import_certificate(fly).state == "pending_ownership"
    assert (wire.last.method, wire.last.url.path) == ("POST", "/v1/apps/a/certificates/custom")
    assert wire.body == {"hostname": HOSTNAME, "fullchain": CHAIN, "private_key": PRIVATE_KEY}


def test_a_certificate_tells_what_dns_has_to_say() -> None:
    fly, wire = answered(200, DETAIL)
    found = fly.get_certificate("a", HOSTNAME)
    assert found is not None
    assert (wire.last.method, wire.last.url.path) == ("GET", f"/v1/apps/a/certificates/{HOSTNAME}")
    assert (found.hostname, found.state) == (HOSTNAME, "pending_ownership")
    assert found.dns == DnsRequirements(
        a=("66.241.124.1",),
        aaaa=("2a09:8280:1::1",),
        cname="d6lmmxg.prv-3f9a.fly.dev",
        ownership=Ownership(name=f"_fly-ownership.{HOSTNAME}", app_value="app-d6lmmxg"),
    )


def test_an_imported_chain_is_known_by_when_it_expires_and_not_by_flys_own() -> None:
    found = answered(200, DETAIL)[0].get_certificate("a", HOSTNAME)
    assert found is not None
    assert found.imported_until == datetime(2027, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize("untold", [{}, {"dns_requirements": None, "certificates": None}, {"dns_requirements": {}}])
def test_a_certificate_of_which_fly_says_little_requires_nothing(untold: dict[str, Any]) -> None:
    fly, _ = answered(200, {"hostname": HOSTNAME, "status": "active", **untold})
    found = fly.get_certificate("a", HOSTNAME)
    assert found == Certificate(hostname=HOSTNAME, state="active")
    assert found.imported_until is None


def test_an_absent_certificate_is_none() -> None:
    assert answered(404, {"error": "not found"})[0].get_certificate("a", HOSTNAME) is None


def test_fly_is_asked_to_look_at_dns_again() -> None:
    fly, wire = answered(200, DETAIL | {"status": "active"})
    assert fly.check_certificate("a", HOSTNAME).state == "active"
    assert (wire.last.method, wire.last.url.path) == ("POST", f"/v1/apps/a/certificates/{HOSTNAME}/check")


@pytest.mark.parametrize("status", [204, 404])
def test_a_certificate_is_deleted_or_is_gone_already(status: int) -> None:
    fly, wire = answered(status, "")
    fly.delete_certificate("a", "*.previews.example.com")
    assert wire.last.method == "DELETE"
    assert wire.last.url.raw_path == b"/v1/apps/a/certificates/%2A.previews.example.com"
