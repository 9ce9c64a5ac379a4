from datetime import timedelta

import pytest

from prestage.stage.template import load
from tests.simulation.topology import TEMPLATE, Topology, named, read, topology


@pytest.fixture
def found() -> Topology:
    return topology()


def test_the_template_is_read_once() -> None:
    assert topology() is topology()


def test_every_rule_leads_to_the_queue_of_a_function(found: Topology) -> None:
    fed = {named(target.arn) for rule in found.rules for target in rule.targets}
    assert fed == found.functions.keys() != set()


def test_every_queue_that_feeds_a_function_has_dead_letters_that_feed_none(found: Topology) -> None:
    for queue in found.functions:
        settings = found.queues[queue]
        assert settings.dead_letters is not None
        assert found.queues[settings.dead_letters].dead_letters is None
        assert settings.dead_letters not in found.functions
        assert settings.most_receives is not None


def test_what_a_function_inherits_counts(found: Topology) -> None:
    vault = found.functions["VaultQueue"]
    assert vault.name == "VaultFunction"
    assert vault.handler == "vault.resolve_secrets.handler"
    assert vault.timeout == timedelta(seconds=60)
    assert found.queues["VaultQueue"].visibility >= 6 * vault.timeout


def test_what_a_condition_leaves_out_is_there_for_who_asks_for_it(found: Topology) -> None:
    template = load(TEMPLATE)
    assert "DnsQueue" not in found.functions
    with_a_zone = read(template, {"HostedZoneId": "Z0123456789ABCDEFGHIJ"})
    assert with_a_zone.functions.keys() - found.functions.keys() == {"DnsQueue"}
    assert len(with_a_zone.rules) == len(found.rules) + 1
