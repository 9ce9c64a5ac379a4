"""A preview under a domain of the application's owner: its whole life, on a stage of its own that has a zone."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from prestage.certificate_files import read_certificate
from prestage.stage.stage import Stage
from tests.chain.world import FOR_A_WHILE, Place, World
from tests.privileges import observed_stage
from tests.unit.fly_certificate import issue

ROOT = Path(__file__).parents[2]
DOMAIN = "previews.example.com"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    logged: list[tuple[str, str]] = []
    with observed_stage(
        ROOT / "template.yaml", domain="example.com", log=lambda function, line: logged.append((function, line))
    ) as stage:
        yield World(stage, ROOT / "services", logged)


@pytest.fixture(scope="module")
def private_key(world: World) -> str:
    """The key of the certificate that is imported for the previews."""
    chain, key = issue(f"*.{DOMAIN}")
    stack = world.stage.stack
    certificate = read_certificate(DOMAIN, chain.encode(), key.encode(), stack.clock())
    stack.private_keys.keep(certificate, SecretStr(key))
    stack.certificates.keep(certificate)
    return key


@pytest.fixture
def place(world: World, private_key: str) -> Place:
    return world.place("storefront", domain=DOMAIN)


def names(stage: Stage) -> dict[str, str]:
    assert stage.zone is not None
    return stage.zone.names()


def run_until_ready(place: Place) -> int:
    number = place.open()
    assert place.stage.settle_until(lambda: bool(place.facts("EnvironmentReady")), FOR_A_WHILE)
    return number


def test_a_preview_lives_under_the_domain_and_its_name_goes_before_its_app(place: Place, private_key: str) -> None:
    stage = place.stage
    number = run_until_ready(place)
    environment = place.environment(number)
    host = f"{environment.fly_app}.{DOMAIN}"
    assert environment.own_host == host
    assert names(stage) == {host: f"{environment.fly_app}.fly.localhost"}
    assert place.shown(number)["commit"] == environment.sha

    stage.github.close_pull_request(place.full_name, number)
    assert stage.settle_until(lambda: not names(stage), FOR_A_WHILE)
    assert place.fly_apps() == [environment.fly_app]
    assert stage.settle_until(lambda: bool(place.facts("EnvironmentStopped")), FOR_A_WHILE)
    assert place.fly_apps() == []
    told = [fact["detail-type"] for fact in place.facts() if fact["detail-type"].startswith(("Domain", "RuntimeRem"))]
    assert told == ["DomainPointed", "DomainReleased", "RuntimeRemoved"]
    assert stage.aws.refused == []
    said = json.dumps([*place.facts(), *place.records(), *place.world.logged], default=repr)
    assert private_key.splitlines()[1] not in said


def test_a_preview_that_is_reopened_while_its_name_goes_has_it_again(place: Place) -> None:
    stage = place.stage
    number = run_until_ready(place)
    stage.github.close_pull_request(place.full_name, number)
    assert stage.settle_until(lambda: not names(stage), FOR_A_WHILE)
    stage.github.reopen_pull_request(place.full_name, number)
    assert stage.settle_until(lambda: len(place.facts("EnvironmentReady")) == 2, FOR_A_WHILE)
    stage.settle_through(timedelta(minutes=10))
    environment = place.environment(number)
    assert (environment.status, environment.generation) == ("ready", 3)
    assert names(stage) == {environment.own_host: f"{environment.fly_app}.fly.localhost"}
    assert place.shown(number)["commit"] == environment.sha


def test_what_is_no_fact_is_a_dead_letter(world: World) -> None:
    queue = world.stage.deployment.outputs["DnsQueueUrl"]
    world.stage.aws.client("sqs").send_message(QueueUrl=queue, MessageBody="{")
    world.stage.settle()
    [dead] = world.messages("DnsDeadLetterQueueUrl")
    assert dead["MessageAttributes"]["ReasonCode"]["StringValue"] == "malformed"
