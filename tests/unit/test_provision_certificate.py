"""The certificate on the Fly app, for the environment's own host name."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from choreography.reaction import RefusedError, RetryLaterError
from runtimes.provision import Wanted
from sealing.bundles import TlsCertificate
from tests.unit.fly_certificate import EXPIRES, issue
from tests.unit.provision_stage import NAME, CrashError, World, provisioning, stop_at
from tests.unit.provision_stage import wanted as wanted_without

HOST = f"{NAME}.previews.example.com"
IMPORT = "POST /it/certificates/custom"
LATER = datetime(2038, 1, 1, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with provisioning(tmp_path) as made:
        yield made


def certificate(expires: datetime = EXPIRES) -> TlsCertificate:
    chain, key = issue("*.previews.example.com", expires=expires)
    return TlsCertificate(chain, SecretStr(key), expires)


def wanted(given: TlsCertificate, generation: int = 1) -> Wanted:
    without = wanted_without(generation)
    named = without.environment.model_copy(update={"address": f"https://{HOST}", "own_host": HOST})
    return replace(without, environment=named, certificate=given)


def imported_until(world: World) -> datetime | None:
    found = world.fly.get_certificate(NAME, HOST)
    return found.imported_until if found else None


def test_the_app_has_the_certificate_for_the_host_name(world: World) -> None:
    given = certificate()
    runtime = world.provision(wanted(given))
    assert runtime.address == f"https://{HOST}"
    asked = world.body(IMPORT)
    assert asked == {
        "hostname": HOST,
        "fullchain": given.chain,
        "private_key": given.private_key.get_secret_value(),
    }
    assert imported_until(world) == EXPIRES


def test_an_address_of_fly_s_has_no_certificate_of_ours(world: World) -> None:
    world.provision(wanted_without())
    assert not [call for call in world.calls() if "certificates" in call]


def test_what_is_there_is_not_imported_again(world: World) -> None:
    given = certificate()
    world.provision(wanted(given))
    world.forget()
    world.provision(wanted(given, 2))
    assert IMPORT not in world.calls()


@pytest.mark.parametrize("expires", [LATER, datetime(2036, 1, 1, tzinfo=UTC)])
def test_another_certificate_takes_the_place_of_the_old_one(world: World, expires: datetime) -> None:
    world.provision(wanted(certificate()))
    world.provision(wanted(certificate(expires), 2))
    assert imported_until(world) == expires


def test_a_crash_around_the_import_is_mended(world: World) -> None:
    given = certificate()
    world.provision(wanted(given))
    number = world.calls().index(IMPORT) + 1
    world.fly.delete_app(NAME)
    for after in (False, True):
        world.forget()
        world.wire.stop = stop_at(number, after_effect=after)
        with pytest.raises(CrashError):
            world.provision(wanted(given))
        world.wire.stop = lambda *_: None
        world.provision(wanted(given))
        assert imported_until(world) == EXPIRES
        world.fly.delete_app(NAME)


@pytest.mark.parametrize(("status", "raised"), [(422, RefusedError), (404, RetryLaterError), (503, RetryLaterError)])
def test_a_refused_import_quotes_nothing_of_the_key(world: World, status: int, raised: type[Exception]) -> None:
    given = certificate()
    secret = given.private_key.get_secret_value()

    def edit(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        refused = request.url.path.endswith("/custom")
        return httpx.Response(status, json={"error": f"bad key {secret}"}, request=request) if refused else answer

    world.wire.edit = edit
    with pytest.raises(raised) as caught:
        world.provision(wanted(given))
    assert secret.splitlines()[1] not in f"{caught.value!r} {caught.value.__dict__} {caught.value.__context__!r}"


def test_what_is_wanted_is_shown_without_the_key(world: World) -> None:
    given = certificate()
    secret = given.private_key.get_secret_value().splitlines()[1]
    assert secret not in f"{given!r} {wanted(given)!r}"
