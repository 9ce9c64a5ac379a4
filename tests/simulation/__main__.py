"""`make simulate`: run histories, and say what they covered; or see that they bite, without each protection."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulation.mutants import MUTANTS, without
from tests.simulation.oracle import check
from tests.simulation.simulation import Simulation

TRACE_LINES = 400
MOST_SEEDS = 5000
_BATCH = 25


@dataclass
class Outcome:
    """What some seeds came to; `failed` is the first that failed, with what did not hold and its trace."""

    covered: Counter[str]
    facts: Counter[str]
    seeds: int
    failed: tuple[int, Sequence[str], Sequence[str]] | None = None
    trace: Sequence[str] = ()
    """Of the last seed."""


def run(seeds: Sequence[int]) -> Outcome:
    """Run these seeds, until one fails."""
    outcome = Outcome(Counter(), Counter(), 0)
    for seed in seeds:
        simulation = Simulation(seed)
        complaints = check(simulation)
        outcome.seeds += 1
        outcome.covered += simulation.covered
        outcome.facts.update(one.event.name() for one in simulation.bus.stated)
        outcome.trace = simulation.trace
        if complaints:
            outcome.failed = seed, complaints, simulation.trace
            break
    return outcome


def simulate(first: int, count: int) -> int:
    """Run that many seeds on all cores; the exit status."""
    began = time.monotonic()
    batches = [range(at, min(at + _BATCH, first + count)) for at in range(first, first + count, _BATCH)]
    covered: Counter[str] = Counter()
    facts: Counter[str] = Counter()
    done = 0
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for outcome in pool.map(run, batches):
            covered += outcome.covered
            facts += outcome.facts
            done += outcome.seeds
            if outcome.failed:
                pool.shutdown(cancel_futures=True)
                _tell_failure(*outcome.failed)
                return 1
    took = time.monotonic() - began
    each = took * min(os.cpu_count() or 1, len(batches)) / done
    last = first + count - 1
    _say(f"seeds {first} to {last}, none failed: {took:.0f} s, {1 / each:.1f} seeds a second and core\n")
    _tell_counts(covered, facts)
    return 0


def simulate_one(seed: int) -> int:
    """Run one seed and show its history; the exit status."""
    outcome = run([seed])
    if outcome.failed:
        _tell_failure(*outcome.failed)
        return 1
    _say("\n".join(outcome.trace))
    _say(f"\nseed {seed}: all holds")
    _tell_counts(outcome.covered, outcome.facts)
    return 0


def simulate_mutants(names: Sequence[str], most: int) -> int:
    """See that without each protection some seed fails; the exit status."""
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        survived = [name for name, told in zip(names, pool.map(_hunt, names, [most] * len(names)), strict=True) if told]
    if survived:
        _say(f"nothing failed without: {', '.join(survived)}")
    return 1 if survived else 0


def _hunt(name: str, most: int) -> bool:
    """Whether it survived that many seeds."""
    with without(name):
        for seed in range(most):
            complaint = _complaint(seed)
            if complaint:
                line = complaint.splitlines()[0]
                _say(f"without {name + ':':<28} seed {seed:>4} fails: {line[:110]}")
                return False
    return True


def _complaint(seed: int) -> str:
    try:
        return next(iter(check(Simulation(seed))), "")
    except Exception as error:  # noqa: BLE001  # a mutant may break anything
        return f"{type(error).__name__}: {error}"


def _tell_failure(seed: int, complaints: Sequence[str], trace: Sequence[str]) -> None:
    _say("\n".join(trace[-TRACE_LINES:]))
    _say(f"\nseed {seed} fails:")
    _say("\n".join(f"  {one}" for one in complaints))
    _say(f"\nagain, alone: make simulate SEED={seed}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell_counts(covered: Counter[str], facts: Counter[str]) -> None:
    _say("\n".join(_lines("covered", covered)))
    _say("\n".join(_lines("facts", facts)))


def _lines(title: str, counted: Counter[str]) -> Iterator[str]:
    yield f"{title}: {sum(counted.values()):,} in all" if title == "facts" else f"{title}:"
    yield from (f"  {name:<24}{count:>10,}" for name, count in sorted(counted.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 if a seed failed, or a mutant survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one, and show its history")
    parser.add_argument("--seeds", type=int, default=200, help="run so many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument(
        "--mutants", nargs="*", choices=MUTANTS, help="see that the protections are needed: all or these"
    )
    given = parser.parse_args(arguments)
    if given.mutants is not None:
        return simulate_mutants(given.mutants or list(MUTANTS), MOST_SEEDS)
    return simulate(given.first, given.seeds) if given.seed is None else simulate_one(given.seed)


if __name__ == "__main__":
    sys.exit(main())
