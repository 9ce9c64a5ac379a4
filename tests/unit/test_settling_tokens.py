"""A 401 for a token that was minted a moment ago is waited out; any other is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from choreography.reaction import BrokenError, RetryLaterError
from comments.body import MARKER
from comments.write import Writer
from github_app.access import Access, Place
from github_app.auth import InstallationTokens
from prestage_contracts.snapshot import Repository
from records.environments import Environment
from source.hand_out_source import HandOutSource
from tests.unit.github_stage import REPOSITORY, SLUG, Stage, stage
from tests.unit.record_examples import preview


@dataclass
class OnRecord:
    """One environment, which is live."""

    environment: Environment

    def live_at(self, _environment_id: str, _generation: int) -> Environment:
        return self.environment


@dataclass
class Chain:
    stage: Stage
    tokens: InstallationTokens
    environment: Environment
    number: int

    def comment(self) -> int:
        """Gives the comment's id."""
        place = Place(self.environment.installation_id, self.environment.repository)
        writer = Writer(Access(self.stage.github, self.tokens), lambda: SLUG)
        written = writer.write(place, self.number, MARKER, None)
        assert written is not None
        return written.id

    def source(self) -> dict[str, Any]:
        on_record: Any = OnRecord(self.environment)
        return HandOutSource(lambda _: ("", 1), on_record, self.tokens, self.stage.github)("capability")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    with stage(tmp_path) as staged:
        environment = preview(
            repository=Repository(id=staged.repository_id, full_name=REPOSITORY),
            installation_id=staged.installation_id,
            sha=staged.sample.git("rev-parse", "teal"),
        )
        yield Chain(staged, staged.tokens(), environment, staged.open())


def minted(chain: Chain) -> int:
    return chain.stage.stand_in.count("POST /app/installations")


def test_a_comment_waits_for_a_new_token_to_be_known_and_uses_it(chain: Chain) -> None:
    chain.stage.stand_in.fail(times=2, status=401, match="/comments")
    for _ in range(2):
        with pytest.raises(RetryLaterError, match="does not know a new token everywhere"):
            chain.comment()
    assert chain.comment()
    assert minted(chain) == 1


def test_a_comment_fails_once_over_a_revoked_token(chain: Chain) -> None:
    first = chain.comment()
    chain.stage.now.advance(minutes=2)
    chain.stage.stand_in.revoke_tokens()
    with pytest.raises(BrokenError, match="credentials"):
        chain.comment()
    assert chain.comment() == first
    assert minted(chain) == 2


def test_a_comment_fails_over_a_key_that_github_does_not_take(chain: Chain) -> None:
    chain.stage.stand_in.fail(status=401, match="access_tokens")
    with pytest.raises(BrokenError, match="credentials"):
        chain.comment()


def test_source_is_asked_for_again_while_a_new_token_is_not_known(chain: Chain) -> None:
    chain.stage.stand_in.fail(status=401, match="/tarball/")
    assert (answer := chain.source())["statusCode"] == 503
    assert int(answer["headers"]["retry-after"]) > 0
    assert chain.source()["statusCode"] == 302
    assert minted(chain) == 1


def test_source_is_asked_for_again_after_a_revoked_token_or_a_key_that_is_not_taken(chain: Chain) -> None:
    assert chain.source()["statusCode"] == 302
    chain.stage.now.advance(minutes=2)
    chain.stage.stand_in.revoke_tokens()
    chain.stage.stand_in.fail(status=401, match="access_tokens")
    assert [chain.source()["statusCode"] for _ in range(3)] == [503, 503, 302]
    assert minted(chain) == 3
