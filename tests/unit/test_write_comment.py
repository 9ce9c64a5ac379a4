"""The one comment on GitHub: found, written, and never anybody else's."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from comments.body import MARKER
from comments.write import Writer
from github_app.access import Access, logger
from github_app.access import Place as Where
from github_app.auth import InvalidCredentialsError
from github_app.client import Comment
from prestage_contracts.snapshot import Repository
from tests.unit.github_stage import REPOSITORY, SLUG, Stage, stage
from tests.unit.steps import logged

BODY = f"{MARKER}\n### Preview\n"
OURS = {"author": f"{SLUG}[bot]", "author_type": "Bot"}
CREATE = "^POST .*/comments$"


@dataclass
class Place:
    """A pull request on GitHub, and the App that comments on it."""

    stage: Stage
    number: int
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer(Access(self.stage.github, self.stage.tokens()), lambda: SLUG)

    @property
    def where(self) -> Where:
        return Where(self.stage.installation_id, Repository(id=self.stage.repository_id, full_name=REPOSITORY))

    def write(self, known: int | None = None, *, body: str = BODY, number: int | None = None) -> Comment:
        written = self.writer.write(self.where, number or self.number, body, known)
        assert written is not None
        return written

    def write_if_there(self, known: int | None = None) -> Comment | None:
        return self.writer.write(self.where, self.number, BODY, known, create=False)

    def plant(self, body: str = BODY, **author: Any) -> int:
        return self.stage.stand_in.plant_comment(REPOSITORY, self.number, body, **author)

    def bodies(self, full_name: str = REPOSITORY) -> dict[int, str]:
        return {one.id: one.body for one in self.stage.stand_in.comments(full_name, self.number)}

    def delete(self, comment_id: int) -> None:
        self.stage.stand_in.delete_comment(REPOSITORY, self.number, comment_id)

    def calls(self) -> list[str]:
        return [request.method for request in self.stage.stand_in.requests if "comments" in request.path]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with stage(tmp_path) as staged:
        yield Place(staged, staged.open())


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


# ---- Which comment


def test_the_first_comment_is_created_and_told_with_its_address(place: Place) -> None:
    written = place.write()
    assert place.bodies() == {written.id: BODY}
    assert written.html_url.endswith(f"/{REPOSITORY}/pull/{place.number}#issuecomment-{written.id}")
    assert place.calls() == ["GET", "POST"]


def test_a_known_comment_is_changed_in_one_call(place: Place) -> None:
    first = place.write()
    again = place.write(first.id, body=f"{BODY}more")
    assert again.id == first.id
    assert place.bodies() == {first.id: f"{BODY}more"}
    assert place.calls()[2:] == ["PATCH"]


def test_a_comment_that_somebody_deleted_is_created_once(place: Place) -> None:
    first = place.write()
    place.delete(first.id)
    again = place.write(first.id)
    assert again.id != first.id
    assert place.write(again.id).id == again.id
    assert place.bodies() == {again.id: BODY}


def test_a_comment_that_is_deleted_while_it_is_looked_for_is_created_anew(place: Place) -> None:
    first = place.write()
    place.stage.stand_in.fail(1, status=404, match="^PATCH ")
    again = place.write()
    assert again.id != first.id


def test_a_comment_that_is_not_known_is_found_by_marker_and_author(place: Place) -> None:
    first = place.write()
    place.plant("Looks good")
    found = place.write(None, body=f"{BODY}more")
    assert found.id == first.id
    assert place.bodies()[first.id] == f"{BODY}more"


def test_of_two_of_ours_the_oldest_is_taken(place: Place) -> None:
    first, second = place.plant(**OURS), place.plant(**OURS)
    assert place.write(body=f"{BODY}more").id == first
    assert place.bodies()[second] == BODY


def test_ours_is_found_behind_a_hundred_others(place: Place) -> None:
    for number in range(101):
        place.plant(f"comment {number}")
    ours = place.plant(**OURS)
    assert place.write().id == ours
    assert len(place.bodies()) == 102


@pytest.mark.parametrize(
    "author",
    [
        {"author": "mallory", "author_type": "User"},
        {"author": f"{SLUG}[bot]", "author_type": "User"},
        {"author": "another[bot]", "author_type": "Bot"},
        {"author": SLUG, "author_type": "Bot"},
        {"author": f"{SLUG.upper()}[bot]", "author_type": "Bot"},
        {"author": "", "author_type": ""},
    ],
)
def test_a_strangers_comment_with_the_marker_is_never_touched(place: Place, author: dict[str, str]) -> None:
    theirs = place.plant(f"{BODY}theirs", **author)
    ours = place.write()
    assert ours.id != theirs
    assert place.bodies() == {theirs: f"{BODY}theirs", ours.id: BODY}


@pytest.mark.parametrize("body", [f"> {MARKER}", f"hello\n{MARKER}", f" {MARKER}", MARKER[:-1], "", MARKER.upper()])
def test_what_does_not_begin_with_the_marker_is_another_comment_of_ours(place: Place, body: str) -> None:
    other = place.plant(body, **OURS)
    assert place.write().id != other
    assert place.bodies()[other] == body


# ---- Where none is to be created


def test_what_is_there_is_changed_and_nothing_is_created(place: Place) -> None:
    assert place.write_if_there() is None
    assert place.bodies() == {}
    ours = place.plant(**OURS)
    found = place.write_if_there()
    assert found is not None
    assert found.id == ours


def test_a_comment_that_somebody_deleted_stays_deleted(place: Place) -> None:
    first = place.write()
    place.delete(first.id)
    assert place.write_if_there(first.id) is None
    assert place.bodies() == {}


# ---- Trouble


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 502}, {"drop": True}])
def test_a_create_whose_answer_was_lost_is_found_the_next_time(place: Place, fault: dict[str, Any]) -> None:
    place.stage.stand_in.fail(1, match=CREATE, after_effect=True, **fault)
    with pytest.raises(RetryLaterError) as raised:
        place.write()
    assert raised.value.after >= timedelta(seconds=10)
    written = place.write()
    assert place.bodies() == {written.id: BODY}
    assert place.calls()[-1] == "PATCH"


def test_a_change_whose_answer_was_lost_is_repeated(place: Place) -> None:
    first = place.write()
    place.stage.stand_in.fail(1, match="^PATCH ", after_effect=True, drop=True)
    with pytest.raises(RetryLaterError):
        place.write(first.id, body=f"{BODY}more")
    assert place.write(first.id, body=f"{BODY}more").id == first.id
    assert place.bodies() == {first.id: f"{BODY}more"}


@pytest.mark.parametrize(
    ("headers", "after"),
    [({"Retry-After": "77"}, 77), ({"Retry-After": "1"}, 10), ({"x-ratelimit-remaining": "0"}, 60)],
)
def test_a_rate_limit_is_waited_out_and_no_refusal(place: Place, headers: dict[str, str], after: int) -> None:
    place.stage.stand_in.fail(1, status=403, match=CREATE, headers=headers)
    with pytest.raises(RetryLaterError) as raised:
        place.write()
    assert raised.value.after == timedelta(seconds=after)


@pytest.mark.parametrize("match", [CREATE, "^PATCH "])
def test_a_locked_conversation_is_a_refusal_that_says_so(place: Place, match: str, log: io.StringIO) -> None:
    known = place.plant(**OURS) if match != CREATE else None
    place.stage.stand_in.fail(1, status=403, match=match, headers={"x-github-request-id": "ABCD:1"})
    with pytest.raises(RefusedError, match="pull_requests: write") as raised:
        place.write(known)
    assert raised.value.reason.code == "comment_refused"
    assert '"github_request_id":"ABCD:1"' in log.getvalue()
    assert '"status":403' in log.getvalue()


@pytest.mark.parametrize("status", [410, 422])
def test_a_pull_request_that_takes_no_comment_is_a_refusal(place: Place, status: int) -> None:
    place.stage.stand_in.fail(1, status=status, match=CREATE)
    with pytest.raises(RefusedError, match=rf"\({status}\)") as raised:
        place.write()
    assert raised.value.reason.code == "comment_refused"


def test_a_pull_request_that_github_does_not_know_is_tried_again_and_nothing_is_created_elsewhere(place: Place) -> None:
    """Its API learns of what is new after its webhooks do."""
    with pytest.raises(BrokenError, match="does not find it") as raised:
        place.write(4711, number=99)
    assert raised.value.reason.code == "github_not_found"
    assert place.bodies() == {}


def test_an_installation_that_github_does_not_know_is_tried_again(place: Place) -> None:
    place.stage.stand_in.fail(1, status=404, match="access_tokens")
    with pytest.raises(BrokenError, match="is the App installed"):
        place.write()
    written = place.write()
    assert place.bodies() == {written.id: BODY}


def test_a_renamed_repository_keeps_its_comment(place: Place) -> None:
    first = place.write()
    place.stage.stand_in.rename_repository(REPOSITORY, "octo-org/store")
    assert place.write(first.id, body=f"{BODY}more").id == first.id
    assert place.write(None, body=f"{BODY}and more").id == first.id
    place.stage.stand_in.delete_comment("octo-org/store", place.number, first.id)
    again = place.write(first.id)
    assert place.bodies("octo-org/store") == {again.id: BODY}


def test_an_app_whose_credentials_can_not_be_read_is_an_operators_to_mend(place: Place) -> None:
    def slug() -> str:
        raise InvalidCredentialsError("the secret is not as it has to be")

    with pytest.raises(BrokenError, match="the secret is not as it has to be") as raised:
        Writer(place.writer.access, slug).write(place.where, place.number, BODY, None)
    assert raised.value.reason.code == "github_app_secret"
    assert place.bodies() == {}


# ---- With which right


def test_the_token_is_good_for_comments_and_nothing_else(place: Place) -> None:
    place.write()
    [token] = place.stage.stand_in.tokens_issued
    headers = {"Authorization": f"Bearer {token}"}
    sha = place.stage.sample.git("rev-parse", "teal")
    assert place.stage.api.get(f"/repos/{REPOSITORY}/tarball/{sha}", headers=headers).status_code == 403
    place.stage.stand_in.add_repository("octo-org/other", place.stage.sample.path)
    assert place.stage.api.get("/repos/octo-org/other/issues/1/comments", headers=headers).status_code == 404


def test_no_log_line_and_no_refusal_has_a_token(place: Place, log: io.StringIO) -> None:
    place.stage.stand_in.fail(1, status=403, match=CREATE)
    with pytest.raises(RefusedError) as raised:
        place.write()
    [token] = place.stage.stand_in.tokens_issued
    assert token not in f"{log.getvalue()}{raised.value!r}{raised.value.reason}{place.writer!r}"
