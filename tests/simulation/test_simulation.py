"""Five hundred histories, decided by their seeds: see docs/simulation.md."""

import pytest

from tests.simulation.functions import Tables
from tests.simulation.moto_tables import moto_tables
from tests.simulation.mutants import MUTANTS, without
from tests.simulation.oracle import check
from tests.simulation.simulation import Simulation

SEEDS = 500
BATCH = 25
ON_MOTO = 50
"""Every so manieth seed runs on moto's DynamoDB."""


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_everything_agrees_once_it_rests(first: int) -> None:
    for seed in range(first, first + BATCH):
        simulation = Simulation(seed)
        assert check(simulation) == [], "\n".join([*simulation.trace, f"again, alone: make simulate SEED={seed}"])


def test_a_seed_is_the_same_history_each_time() -> None:
    first, second = Simulation(7), Simulation(7)
    assert check(first) == check(second) == []
    assert first.trace == second.trace
    assert first.covered == second.covered


@pytest.mark.parametrize("seed", range(0, SEEDS, ON_MOTO))
def test_on_moto_it_is_the_same_history(seed: int) -> None:
    in_memory = Simulation(seed)
    assert check(in_memory) == []
    with moto_tables() as tables:
        on_moto = Simulation(seed, tables=tables)
        assert check(on_moto) == []
    assert on_moto.trace == in_memory.trace


@pytest.mark.parametrize(
    ("protection", "first"),
    [("look before retry", 0), ("get-or-create", 0), ("removing mark", 500), ("gone only when Fly says so", 0)],
)
def test_without_a_protection_some_seed_fails(protection: str, first: int) -> None:
    """Among forty seeds. The others take longer: `make simulate-mutants` has all."""
    assert protection in MUTANTS
    with without(protection):
        assert any(check(Simulation(seed)) for seed in range(first, first + 40))


def test_the_tables_of_a_simulation_are_empty_at_first() -> None:
    with moto_tables() as tables:
        assert isinstance(tables, Tables)
        assert tables.records.get("APP#1", "APP") is None
