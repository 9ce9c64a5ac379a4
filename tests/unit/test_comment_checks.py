"""Other teams' checks in the comment: what they say is text, and their link is a link, whatever is in them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from choreography.reaction import RetryLaterError
from comments.body import MAX_CHARACTERS, render
from comments.render_comment import steps
from prestage_contracts.checks import Check, CheckRecorded, CheckRecordedData
from prestage_contracts.reports import CheckReportedData
from records.checks import Checks, EnvironmentChecks, KeptCheck
from records.environments import Environment
from tests.unit.comments_stage import SHOP, World
from tests.unit.dynamodb import Local
from tests.unit.record_examples import NOW, app, preview
from tests.unit.steps import begin, metadata, register

ENVIRONMENT = preview()
QUALITY = "210987654321"
LINK = CheckReportedData.model_json_schema()["$defs"]["CheckLink"]["pattern"]
HOSTILE = st.text(
    st.sampled_from(list("|`*_~[]()<>@#!&\\\"'/:;-= \N{FULLWIDTH VERTICAL LINE}\u202e\u200b\u00a0aB3é😀")), max_size=200
)


def kept(name: str = "smoke", **said: Any) -> KeptCheck:
    check = Check.model_validate(
        {"name": name, "state": "success", "summary": "", "link": None, "account": QUALITY, **said}
    )
    return KeptCheck(check=check, reported_at=NOW, report=f"report {name}", since=NOW)


def below(environment: Environment, *found: KeptCheck) -> dict[str, EnvironmentChecks]:
    one = EnvironmentChecks(environment_id=environment.id, generation=environment.generation, checks=found)
    return {environment.id: one}


def rows(*found: KeptCheck) -> list[str]:
    return [line for line in render([ENVIRONMENT], below(ENVIRONMENT, *found)).splitlines() if "↳" in line]


def outside_code(row: str) -> str:
    """What of a row GitHub reads as Markdown: all but its code spans."""
    return re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", row)


def test_a_check_has_a_row_below_its_environments() -> None:
    said = {"state": "failure", "summary": "2 failed", "link": "https://quality.example/1?a=b&c=(d)"}
    body = render([ENVIRONMENT], below(ENVIRONMENT, kept("load", state="pending"), kept(**said))).splitlines()
    at = next(index for index, line in enumerate(body) if line.startswith("| `storefront`"))
    assert body[at + 1 : at + 3] == [
        "| ↳ `load` | Pending | - | 2026-11-01 10:00 UTC |",
        "| ↳ `smoke` | [Failed](https://quality.example/1?a=b&c=%28d%29): `2 failed` | - | 2026-11-01 10:00 UTC |",
    ]


def test_checks_are_below_their_own_environment_alone() -> None:
    other = preview(of=app("web"))
    body = render([ENVIRONMENT, other], below(other, kept()))
    assert body.index("`web`") < body.index("↳")


@given(HOSTILE)
def test_no_summary_is_markup_a_mention_a_link_or_a_cell(summary: str) -> None:
    [row] = rows(kept(summary=summary))
    read = outside_code(row)
    assert re.fullmatch(r"\| ↳  \| Passed(: )? \| - \| [0-9: -]+UTC \|", read)
    assert row.count("|") == 5


@given(st.from_regex(LINK, fullmatch=True))
def test_whatever_link_is_taken_stays_where_links_lead(link: str) -> None:
    try:
        check = kept(link=link)
    except ValidationError:  # too long
        return
    [row] = rows(check)
    assert re.fullmatch(r"\| ↳  \| \[Passed\]\(https://[^()<>\s|\[\]`]*\) \| - \| [0-9: -]+UTC \|", outside_code(row))


def test_many_checks_displace_no_app_and_fit_into_the_comment() -> None:
    apps = [preview(of=app(f"app-{number:03}")) for number in range(90)]
    link = f"https://quality.example/{'x' * 2000}"
    found = [kept(f"check {number}", summary="|" * 200, link=link) for number in range(20)]
    standing = {key: one for each in apps for key, one in below(each, *found).items()}
    body = render(apps, standing)
    assert all(f"`app-{number:03}`" in body for number in range(90))
    assert len(body) < MAX_CHARACTERS + 1000


def test_checks_without_room_are_counted() -> None:
    apps = [preview(of=app(f"app-{number:03}")) for number in range(90)]
    link = "https://quality.example/1"
    long = [kept(f"check {number}", summary="|" * 200, link=link) for number in range(20)]
    standing = {key: one for each in apps for key, one in below(each, *long).items()}
    assert re.search(r"^And [0-9]+ more checks\.$", render(apps, standing), re.MULTILINE)


def test_what_the_deployment_waits_for_has_a_row_before_anybody_reports_it() -> None:
    environment = preview(of=app("storefront"), required_checks=("Smoke", "load"))
    body = render([environment], below(environment, kept("smoke")))
    assert "| ↳ `load` | Waiting for its report | - | - |" in body
    assert body.count("moke`") == 1
    assert "`load`" in render([environment])
    assert "`load`" not in render([environment.model_copy(update={"status": "stopped"})])


def test_a_link_that_would_take_the_others_room_is_not_shown() -> None:
    environment = preview(of=app("storefront"))
    link = f"https://quality.example/{'(' * 2000}"
    body = render([environment], below(environment, kept("smoke", link=link)))
    assert "quality.example" not in body
    assert "| ↳ `smoke` | Passed" in body


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP)
    return World(local)


def take(world: World, environment: Environment, number: int, **said: Any) -> CheckRecorded:
    """A check goes on record; gives the fact that says so."""
    one = kept(**said).model_copy(update={"report": f"{number}", "reported_at": NOW + timedelta(seconds=number)})
    assert Checks(world.local.table).take(environment, one, NOW) is not None
    data = CheckRecordedData(environment=environment.snapshot(), check=one.check)
    return CheckRecorded(metadata=metadata(500 + number), data=data)


def test_a_burst_of_reports_is_one_rendering(world: World) -> None:
    begun = begin(world.local.table, of=SHOP)
    world.render(begun)
    facts = [take(world, begun, number, name=f"check {number}") for number in range(20)]
    stated = [fact for event in facts for fact in world.react(event)]
    assert (len(stated), len(world.github.bodies)) == (1, 2)
    assert all(f"`check {number}`" in world.github.bodies[-1] for number in range(20))


def test_what_is_reported_while_the_comment_is_written_is_written_too(world: World) -> None:
    begun = begin(world.local.table, of=SHOP)
    world.render(begun)
    first = take(world, begun, 1, name="smoke", state="pending")
    world.github.acts = [lambda: take(world, begun, 2, name="smoke", state="success")]
    world.react(first)
    assert "Passed" in world.github.bodies[-1]
    assert (len(world.github.bodies), world.is_free()) == (3, True)


def test_the_same_said_again_costs_no_write(world: World) -> None:
    begun = begin(world.local.table, of=SHOP)
    world.render(begun)
    world.react(take(world, begun, 1))
    assert world.react(take(world, begun, 2)) == []
    assert len(world.github.bodies) == 2


def test_a_generation_s_checks_go_with_it(world: World) -> None:
    begun = begin(world.local.table, of=SHOP)
    world.react(take(world, begun, 1))
    assert "↳" in world.github.bodies[-1]
    world.render(begin(world.local.table, 2, of=SHOP), 105)
    assert "↳" not in world.github.bodies[-1]


def test_what_was_just_recorded_waits_for_what_comes_at_the_same_time(world: World) -> None:
    begun = begin(world.local.table, of=SHOP)
    event = take(world, begun, 1)
    made = steps(world.local.table, world.stickies, pytest.fail, lambda: event.metadata.occurred_at)
    with pytest.raises(RetryLaterError):
        made[CheckRecorded].do(event)
