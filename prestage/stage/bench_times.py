"""Durations as the bench prints them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Measured durations, in seconds."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """Half of them are longer."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return f"p50 {self.median * 1000:6.0f} ms   p95 {p95 * 1000:6.0f} ms   (n = {len(ordered)})"
