"""What a runtime's capability is answered with: GitHub's link, or always the same no."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from github_app.auth import InstallationTokens
from records.environments import Environment, Environments
from sealing.keyed import Keyed
from source.hand_out_source import HandOutSource, _capability, logger
from tests.unit.dynamodb import Local
from tests.unit.fly_wire import Wire
from tests.unit.github_stage import Now, credentials
from tests.unit.github_wire import LINK, TOKEN, answer, client
from tests.unit.record_examples import REPOSITORY, app
from tests.unit.steps import KEYED, STRANGE_SHA, begin, close, logged, register

SHOP = app("storefront")
NOT_FOUND = {
    "statusCode": 404,
    "headers": {"content-type": "application/json", "cache-control": "no-store"},
    "body": '{"message": "not found"}',
}


def minted(token: str = TOKEN) -> httpx.Response:
    return answer(201, {"token": token, "expires_at": "2026-11-24T11:00:00Z"})


def linked(link: str = LINK) -> httpx.Response:
    return answer(302, "", {"Location": link})


@dataclass
class World:
    local: Local
    wire: Wire = field(default_factory=Wire)
    now: Now = field(default_factory=Now)
    step: HandOutSource = field(init=False)
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        register(self.local.table, SHOP)
        self.environment = begin(self.local.table, of=SHOP, sha=STRANGE_SHA)
        github = client(self.wire)
        tokens = InstallationTokens(github, credentials, self.now)
        self.step = HandOutSource(KEYED.open_capability, Environments(self.local.table), tokens, github)
        self.local.calls.clear()

    def capability(self, generation: int = 1, environment_id: str | None = None) -> str:
        return KEYED.capability(environment_id or self.environment.id, generation)

    def ask(self, *answers: httpx.Response | type[Exception], capability: str | None = None) -> dict[str, Any]:
        """What the capability, by default the good one, is answered with while GitHub answers as given."""
        self.wire.answers = list(answers)
        answered = self.step(self.capability() if capability is None else capability)
        assert self.wire.answers == []
        return answered


@pytest.fixture
def world(local: Local) -> World:
    return World(local)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


# ---- Yes


def test_a_good_capability_is_redirected_to_exactly_the_link_that_github_gave(world: World) -> None:
    answered = world.ask(minted(), linked())
    assert answered["statusCode"] == 302
    assert answered["headers"]["location"] == LINK
    assert answered["headers"]["cache-control"] == "no-store"


def test_what_is_asked_for_is_what_the_record_says_with_a_token_for_no_more(world: World) -> None:
    world.ask(minted(), linked())
    mint, archive = world.wire.requests
    assert json.loads(mint.content) == {"permissions": {"contents": "read"}, "repository_ids": [REPOSITORY.id]}
    assert mint.url.path == f"/app/installations/{world.environment.installation_id}/access_tokens"
    assert archive.url.path == f"/repos/{REPOSITORY.full_name}/tarball/{world.environment.sha}"
    assert archive.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_machine_that_wakes_much_later_is_answered_again(world: World) -> None:
    """The capability does not expire; each link does, after minutes, and is asked for anew."""
    world.ask(minted(), linked())
    assert world.ask(linked(f"{LINK}-2"))["headers"]["location"] == f"{LINK}-2"
    world.now.advance(days=3)
    assert world.ask(minted(), linked())["statusCode"] == 302


# ---- No, always the same


def bad_capabilities(world: World) -> Mapping[str, str]:
    good = world.capability()
    other_stack = Keyed(SecretStr("l" * 64))
    unknown = "5a9e2f0c-5f4b-5c0e-8f53-1d7c0b7f2a11"
    return {
        "empty": "",
        "malformed": "not-a-capability",
        "not ASCII": f"{good[:-1]}é",
        "cut short": good[:-1],
        "longer": f"{good}A",
        "padded": f"{good}=",
        "another spelling": good.upper(),
        "forged": good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
        "another stack's": other_stack.capability(world.environment.id, 1),
        "of the generation before": world.capability(1),
        "of a generation that is not yet": world.capability(3),
        "of an environment that is not on record": world.capability(1, unknown),
        "for something else": KEYED.fly_app_name("prestage", world.environment.id),
    }


def test_no_capability_that_is_not_good_is_told_from_another(world: World) -> None:
    bad = bad_capabilities(world)
    begin(world.local.table, 2, of=SHOP)
    answers = {name: world.ask(capability=capability) for name, capability in bad.items()}
    assert answers == dict.fromkeys(bad, NOT_FOUND)
    assert world.wire.requests == []
    assert world.ask(minted(), linked(), capability=world.capability(2))["statusCode"] == 302


def test_a_closed_environments_capability_is_none(world: World) -> None:
    close(world.local.table, world.environment)
    assert world.ask() == NOT_FOUND
    assert world.wire.requests == []


@pytest.mark.parametrize(
    "event",
    [{}, {"pathParameters": None}, {"pathParameters": {}}, {"pathParameters": {"capability": None}}],
)
def test_a_request_without_a_capability_is_answered_alike(world: World, event: dict[str, Any]) -> None:
    assert world.ask(capability=_capability(event)) == NOT_FOUND


def test_the_capability_is_what_the_path_says(world: World) -> None:
    event = {"rawPath": "/source/x", "pathParameters": {"capability": world.capability()}}
    assert _capability(event) == world.capability()


def test_what_is_forged_is_never_looked_up(world: World) -> None:
    """So that neither the time nor the cost of an answer says which environments there are."""
    for environment_id in (world.environment.id, SHOP.id):
        forged = world.capability(1, environment_id)[:-10] + "A" * 10
        assert world.ask(capability=forged) == NOT_FOUND
    assert world.local.calls == []


@pytest.mark.parametrize("status", [403, 404, 409, 410, 422, 451])
def test_a_refusal_of_github_is_the_same_no(world: World, status: int) -> None:
    assert world.ask(minted(), answer(status, {"message": "no"})) == NOT_FOUND


@pytest.mark.parametrize("status", [403, 404, 422])
def test_an_installation_that_is_no_longer_there_is_the_same_no(world: World, status: int) -> None:
    assert world.ask(answer(status, {"message": "no"})) == NOT_FOUND


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/relative",
        "http://codeload.example.com/x",
        "ftp://x/y",
        "https://a:b@c.example.com/",
    ],
)
def test_a_link_that_is_not_fit_to_be_followed_is_not_handed_out(world: World, location: str) -> None:
    assert world.ask(minted(), linked(location)) == NOT_FOUND


def test_an_archive_in_place_of_a_link_is_not_handed_out(world: World) -> None:
    assert world.ask(minted(), answer(200, "the archive"))["statusCode"] == 404


# ---- Later


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        (answer(500), "11"),
        (answer(503, None, {"Retry-After": "30"}), "31"),
        (answer(429, None, {"Retry-After": "7"}), "8"),
        (answer(403, {"message": "You have exceeded a secondary rate limit"}), "61"),
        (httpx.ConnectError, "11"),
        (httpx.ReadTimeout, "11"),
    ],
)
@pytest.mark.parametrize("at", ["the token", "the link"])
def test_an_outage_is_said_so_with_the_time_to_wait(
    world: World, at: str, trouble: httpx.Response | type[Exception], seconds: str
) -> None:
    answered = world.ask(trouble) if at == "the token" else world.ask(minted(), trouble)
    assert answered["statusCode"] == 503
    assert answered["headers"]["retry-after"] == seconds
    assert "location" not in answered["headers"]


def test_a_token_that_is_too_new_is_used_again(world: World) -> None:
    answered = world.ask(minted(), answer(401, {"message": "Bad credentials"}))
    assert (answered["statusCode"], answered["headers"]["retry-after"]) == (503, "5")
    assert world.ask(linked())["statusCode"] == 302


@pytest.mark.parametrize(("status", "answered"), [(401, 503), (403, 404), (404, 404)])
def test_a_token_that_was_good_for_long_is_minted_anew_after_a_refusal(
    world: World, status: int, answered: int
) -> None:
    """It may have been revoked, or narrowed by what the installation lost."""
    world.ask(minted(), linked())
    world.now.advance(minutes=5)
    assert world.ask(answer(status, {"message": "no"}))["statusCode"] == answered
    assert world.ask(minted("ghs_another"), linked())["statusCode"] == 302
    assert world.wire.last.headers["Authorization"] == "Bearer ghs_another"


def test_a_key_that_github_does_not_take_is_no_fault_of_the_capabilitys(world: World) -> None:
    answered = world.ask(answer(401, {"message": "A JSON web token could not be decoded"}))
    assert answered["statusCode"] == 503


# ---- What is never said


def test_no_answer_and_no_log_line_has_a_token_a_capability_or_a_link(world: World, log: io.StringIO) -> None:
    quoting = {"message": f"{TOKEN} {world.capability()}"}
    answers = [
        world.ask(minted(), linked()),
        world.ask(answer(403, quoting)),
        world.ask(answer(500, quoting)),
        world.ask(answer(401, quoting)),
        world.ask(httpx.ReadTimeout),
        world.ask(capability=world.capability(2)),
        world.ask(capability=world.capability()[:-3] + "AAA"),
    ]
    assert [one["statusCode"] for one in answers] == [302, 404, 503, 503, 503, 404, 404]
    lines = log.getvalue().splitlines()
    assert len(lines) == len(answers)
    tag = world.capability().rpartition(".")[2]
    for text in (TOKEN, tag, world.capability(2).rpartition(".")[2]):
        assert text not in json.dumps(answers) + log.getvalue()
    assert LINK not in log.getvalue()
    assert TOKEN not in repr(world.step)


def test_a_refusal_is_logged_so_that_it_can_be_looked_into(world: World, log: io.StringIO) -> None:
    world.ask(minted(), answer(404, {"message": "Not Found"}, {"x-github-request-id": "ABCD:1"}))
    line = json.loads(log.getvalue())
    assert (line["level"], line["status"], line["github_request_id"]) == ("ERROR", 404, "ABCD:1")
    assert (line["environment_id"], line["generation"]) == (world.environment.id, 1)
