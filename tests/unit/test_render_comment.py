"""When the comment is written, what it shows by then, and what is stated of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from choreography.claims import LASTING
from choreography.reaction import RefusedError, RetryLaterError
from comments.body import MARKER
from comments.render_comment import MOST_WRITES, logger, steps
from comments.sticky import Stickies, Sticky, show
from comments.write import Writer
from github_app.access import Access, Place
from prestage_contracts.comments import PrCommentedData, PrCommentFailed
from prestage_contracts.envelope import Reason
from prestage_contracts.environments import EnvironmentCreated, PreviewSkipped
from prestage_contracts.snapshot import Repository
from records.environments import Environment
from tests.unit.comments_stage import ANOTHER, API, CAUSE, SHOP, WEB, World, skipped
from tests.unit.dynamodb import Local
from tests.unit.github_stage import REPOSITORY as FULL_NAME
from tests.unit.github_stage import SLUG, Stage, stage
from tests.unit.record_examples import NOW, REPOSITORY, ad_hoc, app, tell
from tests.unit.steps import begin, created, event_id, forged, logged, register


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, API, SHOP, WEB)
    return World(local)


@pytest.fixture
def shop(world: World) -> Environment:
    return begin(world.local.table, of=SHOP)


def fail(error: BaseException) -> Callable[[], object]:
    def act() -> None:
        raise error

    return act


def away() -> None:
    raise EndpointConnectionError(endpoint_url="https://dynamodb")


# ---- What is written and stated


def test_the_first_write_is_stated_as_the_comments_creation(world: World, shop: Environment) -> None:
    told = world.render(shop)
    assert (told.comment_id, told.comment_url, told.created) == (5, "https://github.com/c/5", True)
    assert (told.repository, told.pull_request_number) == (REPOSITORY, 3)
    assert told.shows == show([shop])
    assert world.github.known == [None]
    assert world.github.places == [Place(7, REPOSITORY)]
    assert "`storefront`" in world.github.bodies[0]


def test_all_environments_of_the_pull_request_are_shown_as_they_are_now(world: World, shop: Environment) -> None:
    reopened = begin(world.local.table, 2, of=SHOP, sha="c" * 40)
    wanted = begin(world.local.table, 3, of=API)
    begin(world.local.table, 4, of=API, number=4, sha="d" * 40)
    told = world.render(shop)
    assert told.shows == show([wanted, reopened])
    [body] = world.github.bodies
    assert "`ccccccc`" in body
    assert "`ddddddd`" not in body


def test_a_later_write_is_stated_as_no_creation(world: World, shop: Environment) -> None:
    world.render(shop)
    world.change(shop)
    told = world.render(shop, ANOTHER)
    assert (told.comment_id, told.created) == (5, False)
    assert world.github.known == [None, 5]


def test_a_comment_that_was_made_anew_is_stated_as_a_creation(world: World, shop: Environment) -> None:
    world.render(shop)
    world.change(shop)
    world.github.comment_id = None
    told = world.render(shop, ANOTHER)
    assert (told.comment_id, told.created) == (6, True)
    assert world.sticky().comment_id == 6


def test_what_is_shown_already_costs_no_call_and_states_nothing(world: World, shop: Environment) -> None:
    second = begin(world.local.table, 2, of=API)
    world.render(shop)
    before = world.local.items()
    assert world.react(created(second, ANOTHER), pytest.fail) == []
    assert world.local.items() == before


def test_the_same_event_again_states_the_same_and_writes_nothing(world: World, shop: Environment) -> None:
    """Also when there is something new to show: that has an event of its own."""
    first = world.render(shop)
    world.change(shop)
    assert world.render(shop) == first
    assert len(world.github.bodies) == 1


def test_an_environment_that_is_not_on_record_is_not_commented_on(world: World, shop: Environment) -> None:
    unknown = shop.model_copy(update={"id": API.id})
    assert world.react(created(unknown), pytest.fail) == []


def test_an_environment_without_a_pull_request_is_not_commented_on(world: World) -> None:
    branch = world.environments.deploy(ad_hoc(of=SHOP), event_id(1))
    assert world.react(created(branch), pytest.fail) == []


def test_a_pull_request_that_is_not_on_record_is_not_commented_on(world: World, shop: Environment) -> None:
    world.local.table.delete(f"REPOSITORY#{REPOSITORY.id}", "PULL_REQUEST#3")
    assert world.react(created(shop), pytest.fail) == []


def test_the_repository_is_written_to_under_the_name_and_by_the_installation_of_the_last_word(
    world: World, shop: Environment
) -> None:
    moved = Repository(id=REPOSITORY.id, full_name="octo-org/store")
    tell(world.local.table, event_id(9), repository=moved, installation_id=8, updated_at=NOW.replace(minute=9))
    assert world.render(shop).repository == moved
    assert world.github.places == [Place(8, moved)]


def test_an_event_is_believed_in_nothing_but_the_id(world: World, shop: Environment) -> None:
    [fact] = world.react(created(forged(shop)))
    told = fact.data.model_dump()
    assert (told["repository"]["full_name"], told["pull_request_number"]) == (REPOSITORY.full_name, 3)
    assert "evil" not in world.github.bodies[0]
    before = world.local.items()
    assert world.react(created(forged(shop), ANOTHER), pytest.fail) == []
    assert world.local.items() == before


# ---- What changes meanwhile


def test_what_changes_while_it_is_written_is_written_too(world: World, shop: Environment) -> None:
    world.github.acts = [lambda: begin(world.local.table, 2, of=API)]
    told = world.render(shop)
    assert len(world.github.bodies) == 2
    assert "`api`" not in world.github.bodies[0]
    assert "`api`" in world.github.bodies[1]
    assert told.created
    assert told.shows == show(world.environments.list_by_pull_request(REPOSITORY.id, 3))
    assert world.github.known == [None, 5]


def test_what_never_stops_changing_is_written_so_often_and_no_more(world: World, shop: Environment) -> None:
    world.github.acts = [lambda: world.change(shop)] * (MOST_WRITES + 2)
    told = world.render(shop)
    assert len(world.github.bodies) == MOST_WRITES
    assert told.shows == world.sticky().shown
    assert world.is_free()
    world.github.acts = []
    assert world.render(shop, ANOTHER).shows[0].revision == MOST_WRITES + 1


def test_another_step_waits_and_then_finds_its_change_shown(world: World, shop: Environment) -> None:
    waited: list[RetryLaterError] = []

    def another() -> None:
        second = begin(world.local.table, 2, of=API)
        with pytest.raises(RetryLaterError) as raised:
            world.react(created(second, ANOTHER))
        waited.append(raised.value)

    world.github.acts = [another]
    world.render(shop)
    assert waited[0].after == timedelta(seconds=2)
    [second] = world.environments.list_by_app(API.id)
    assert world.react(created(second, ANOTHER)) == []
    assert len(world.github.bodies) == 2


def test_what_was_written_between_the_look_and_the_claim_is_not_written_again(world: World, shop: Environment) -> None:
    second = begin(world.local.table, 2, of=API)
    stickies = world.stickies

    class Slow(Stickies):
        def claim(self, repository_id: int, number: int) -> Sticky:
            world.render(shop)
            return stickies.claim(repository_id, number)

    slow = Slow(world.local.table, world.now)
    assert world.react(created(second, ANOTHER), stickies=slow) == []
    assert len(world.github.bodies) == 1
    assert world.is_free()


# ---- What goes wrong


@pytest.mark.parametrize(
    "error", [RetryLaterError("GitHub", timedelta(1)), RefusedError("comment_refused", "no"), ValueError("a bug")]
)
def test_whatever_breaks_the_writing_off_the_claim_is_given_back(
    world: World, shop: Environment, error: Exception
) -> None:
    world.github.acts = [fail(error)]
    with pytest.raises(type(error)):
        world.render(shop)
    assert world.sticky().comment_id is None
    assert world.render(shop).created


def test_what_was_written_before_it_broke_off_is_kept(world: World, shop: Environment) -> None:
    begin_another = lambda: begin(world.local.table, 2, of=API)  # noqa: E731  # it is one of a list
    world.github.acts = [begin_another, fail(RetryLaterError("GitHub", timedelta(1)))]
    with pytest.raises(RetryLaterError):
        world.render(shop)
    assert world.sticky().shown == show([shop])
    assert world.render(shop).created
    [second] = world.environments.list_by_app(API.id)
    told = world.render(second, ANOTHER)
    assert len(told.shows) == 2
    assert not told.created


def test_a_step_that_was_stopped_while_it_wrote_is_waited_for_and_repeated(world: World, shop: Environment) -> None:
    world.stickies.claim(REPOSITORY.id, 3)
    world.github.comment_id = 5  # written, and then it was stopped
    with pytest.raises(RetryLaterError):
        world.render(shop)
    world.now.advance(seconds=LASTING.total_seconds())
    told = world.render(shop)
    assert (told.comment_id, told.created) == (5, True)
    assert world.is_free()


def test_a_comment_whose_record_could_not_be_kept_is_found_and_still_stated_as_created(
    world: World, shop: Environment
) -> None:
    world.github.acts = [lambda: world.local.before("PutItem", away)]
    with pytest.raises(EndpointConnectionError):
        world.render(shop)
    with pytest.raises(RetryLaterError):
        world.render(shop)
    world.now.advance(seconds=LASTING.total_seconds())
    told = world.render(shop)
    assert (told.comment_id, told.created) == (5, True)
    assert world.github.known == [None, None]


def test_who_overslept_its_claim_leaves_the_record_to_its_successor(world: World, shop: Environment) -> None:
    def overtaken() -> None:
        world.now.advance(seconds=LASTING.total_seconds())
        begin(world.local.table, 2, of=API)
        world.render(shop, ANOTHER)

    world.github.acts = [overtaken]
    world.react(created(shop))
    assert world.sticky().cause == event_id(ANOTHER)
    assert len(world.sticky().shown) == 2


def test_what_is_refused_or_given_up_names_the_environment_and_the_reason(world: World, shop: Environment) -> None:
    fact = steps(world.local.table, world.stickies, pytest.fail)[EnvironmentCreated].failed(
        created(shop), Reason(code="comment_refused", message="Locked")
    )
    assert fact is not None
    assert fact.event is PrCommentFailed
    assert fact.data.subject == f"{shop.id}@1:comment_refused"


def test_a_skip_that_could_not_be_told_has_no_environment_to_state_and_is_logged(world: World) -> None:
    step = steps(world.local.table, world.stickies, pytest.fail)[PreviewSkipped]
    with logged(logger) as log:
        assert step.failed(skipped(world.skip(SHOP)), Reason(code="comment_refused", message="Locked")) is None
    assert '"level":"ERROR"' in log.getvalue()
    assert '"reason":"comment_refused"' in log.getvalue()
    assert '"about":"#3"' in log.getvalue()


# ---- With the real writer


@dataclass
class Real:
    world: World
    stage: Stage
    number: int
    environment: Environment

    def render(self, number: int = CAUSE) -> PrCommentedData:
        writer = Writer(Access(self.stage.github, self.stage.tokens()), lambda: SLUG)
        return self.world.tell(created(self.environment, number), lambda: writer)

    def ids(self) -> list[int]:
        return [comment.id for comment in self.stage.stand_in.comments(FULL_NAME, self.number)]


@pytest.fixture
def real(local: Local, tmp_path: Path) -> Iterator[Real]:
    with stage(tmp_path) as staged:
        repository = Repository(id=staged.repository_id, full_name=FULL_NAME)
        shop = app("storefront", repository=repository)
        register(local.table, shop)
        number = staged.open()
        begun = begin(local.table, of=shop, number=number)
        word = {"repository": repository, "installation_id": staged.installation_id, "number": number}
        tell(local.table, event_id(2), "open", **word, updated_at=NOW.replace(minute=2))
        yield Real(World(local), staged, number, begun)


def test_a_create_that_timed_out_after_its_effect_is_one_comment_and_stated_as_created(real: Real) -> None:
    real.stage.stand_in.fail(1, match="^POST .*/comments$", after_effect=True, drop=True)
    with pytest.raises(RetryLaterError):
        real.render()
    told = real.render()
    assert real.ids() == [told.comment_id]
    assert told.created


def test_a_comment_whose_record_was_lost_is_found_among_strangers(real: Real) -> None:
    theirs = real.stage.stand_in.plant_comment(FULL_NAME, real.number, f"{MARKER}\nmine!")
    first = real.render()
    real.world.local.table.delete(f"REPOSITORY#{real.stage.repository_id}", f"COMMENT#PULL_REQUEST#{real.number}")
    assert real.render(ANOTHER).comment_id == first.comment_id
    assert real.ids() == [theirs, first.comment_id]
