"""The life of an environment: the states that it can be in, and every move that is legal between them."""

from collections.abc import Mapping
from typing import Literal

type Status = Literal["deploying", "ready", "failed", "closing", "stopped"]
type Intent = Literal["begin", "update", "close"]
"""Moves that raise the generation: somebody wants something else of the environment than before."""
type Report = Literal["ready", "fail", "remove"]
"""Moves that tell how the current generation does."""
type Move = Intent | Report

LIVE: tuple[Status, ...] = ("deploying", "ready", "failed")
"""States of an environment that is wanted."""

MOVES: Mapping[tuple[Status | None, Move], Status] = {
    (None, "begin"): "deploying",
    ("closing", "begin"): "deploying",
    ("stopped", "begin"): "deploying",
    **{(live, "update"): "deploying" for live in LIVE},
    **{(live, "close"): "closing" for live in LIVE},
    ("deploying", "ready"): "ready",
    ("failed", "ready"): "ready",
    ("deploying", "fail"): "failed",
    ("closing", "remove"): "stopped",
}
"""Where each move leads, from each state; None is no environment. What is not here is not legal and changes nothing."""


def is_legal(status: Status | None, move: Move) -> bool:
    """Whether an environment in that state can make the move."""
    return (status, move) in MOVES
