"""What is not ours on Fly.io is not touched, and what Fly refuses or puts off is told apart."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from runtimes.outcomes import logger
from tests.unit.provision_stage import NAME, ORGANIZATION, TOKEN, World, provisioning, wanted
from tests.unit.steps import logged


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with provisioning(tmp_path) as staged:
        yield staged


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


# ---- Whose it is


def test_a_taken_name_that_is_ours_is_adopted(world: World) -> None:
    """Such as one that was made in between: the first look did not see it."""
    looks = iter([httpx.Response(404, json={"error": "Could not find App"})])

    def unseen(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return next(looks, answer) if request.method == "GET" else answer

    world.stand_in.plant_app(NAME, ORGANIZATION, NAME)
    world.wire.edit = unseen
    world.provision(wanted())
    assert world.calls()[:3] == ["GET /it", "POST ", "GET /it"]
    assert len(world.stand_in.machines()) == 1


@pytest.mark.parametrize(
    ("organization", "network"), [("others", NAME), (ORGANIZATION, "default"), (ORGANIZATION, f"{NAME}-2")]
)
def test_what_is_not_in_our_organisation_and_its_own_network_is_not_touched(
    world: World, organization: str, network: str
) -> None:
    world.stand_in.plant_app(NAME, organization, network)
    with pytest.raises(RefusedError) as raised:
        world.provision(wanted())
    assert raised.value.reason.code == "name_taken"
    assert world.changes() == []


@pytest.mark.parametrize("organization", [{"slug": "others"}, {"slug": "previews-2"}, None])
def test_an_app_of_another_organisation_that_our_token_sees_too_is_not_touched(
    world: World, organization: dict[str, str] | None
) -> None:
    world.stand_in.plant_app(NAME, ORGANIZATION, NAME)
    world.wire.edit = lambda _, answer: httpx.Response(200, json={**answer.json(), "organization": organization})
    with pytest.raises(RefusedError) as raised:
        world.provision(wanted())
    assert raised.value.reason.code == "name_taken"
    assert world.changes() == []


@pytest.mark.parametrize("network", [None, ""])
def test_an_app_of_which_fly_tells_no_network_is_not_touched(world: World, network: str | None) -> None:
    world.stand_in.plant_app(NAME, ORGANIZATION, NAME)
    world.wire.edit = lambda _, answer: httpx.Response(200, json={**answer.json(), "network": network})
    with pytest.raises(RefusedError) as raised:
        world.provision(wanted())
    assert raised.value.reason.code == "name_taken"


def test_a_name_that_another_organisation_takes_in_between_is_not_touched(world: World) -> None:
    looks = iter([httpx.Response(404, json={"error": "Could not find App"})])
    world.stand_in.plant_app(NAME, "others")
    world.wire.edit = lambda request, answer: next(looks, answer) if request.method == "GET" else answer
    with pytest.raises(RefusedError) as raised:
        world.provision(wanted())
    assert raised.value.reason.code == "name_taken"
    assert world.changes() == ["POST "]


def test_a_name_that_is_taken_and_not_found_is_looked_at_again(world: World) -> None:
    """An app that was deleted a moment ago, or made a moment ago."""
    world.stand_in.plant_app(NAME, ORGANIZATION, NAME)
    world.stand_in.fail(2, status=404, match="^GET ")
    with pytest.raises(RetryLaterError, match="name is taken"):
        world.provision(wanted())
    assert world.changes() == ["POST "]
    world.provision(wanted())


# ---- Refused, and away


def test_a_refusal_is_logged_with_flys_request_id_and_says_nothing_secret(world: World, log: io.StringIO) -> None:
    def refuse(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/machines"):
            words = {"error": f"bad image, config was {request.content.decode()}"}
            return httpx.Response(422, json=words, headers={"fly-request-id": "01REFUSED"}, request=request)
        return answer

    world.wire.edit = refuse
    with pytest.raises(RefusedError) as raised:
        world.provision(wanted())
    reason = raised.value.reason
    assert reason.code == "provider_refused"
    assert "bad image" in reason.message
    line = json.loads(log.getvalue())
    assert (line["level"], line["status"], line["fly_request_id"]) == ("ERROR", 422, "01REFUSED")
    for secret in ("planted-key", "planted-capability", TOKEN):
        assert secret not in log.getvalue() + repr(raised.value) + str(reason)


def test_words_about_secrets_are_not_repeated(world: World, log: io.StringIO) -> None:
    def refuse(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.url.path.endswith("/secrets"):
            return httpx.Response(422, json={"error": "bad value planted-key"}, request=request)
        return answer

    world.wire.edit = refuse
    with pytest.raises(RefusedError) as raised:
        world.provision(wanted())
    assert "planted" not in log.getvalue() + str(raised.value.reason)


def test_a_token_that_fly_does_not_take_is_a_failure_and_no_refusal(world: World) -> None:
    """A refusal would be final, and the next pull request would fare no better."""
    world.token = "fm2_another"
    with pytest.raises(BrokenError, match="token") as raised:
        world.provision(wanted())
    assert raised.value.reason.code == "provider_unauthorized"


@pytest.mark.parametrize(
    ("headers", "after"), [({}, timedelta(seconds=20)), ({"Retry-After": "90"}, timedelta(seconds=90))]
)
def test_an_outage_is_waited_out_for_as_long_as_fly_asks(
    world: World, headers: dict[str, str], after: timedelta
) -> None:
    world.stand_in.fail(1, status=503, headers=headers)
    with pytest.raises(RetryLaterError) as raised:
        world.provision(wanted())
    assert raised.value.after == after


def test_no_text_shows_what_is_secret_of_what_is_wanted() -> None:
    text = f"{wanted()!r} {wanted()} {replace(wanted(), secrets={'A': 'planted'})!r}"
    assert "planted" not in text
