"""A bug in a step's code, deployed and mended."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chain.world import World

PLANTED = "    raise ValueError('a bug, and a value that is not to be logged: hunter2')\n"


@contextmanager
def planted(world: World, reaction: str, path: str, line: str) -> Iterator[Path]:
    """The file of it, while the function of that reaction raises where `line` begins in the file at `path`."""
    file = world.services / path
    right = file.read_text()
    body = right.index(":\n", right.index(")", right.index(line))) + 2
    file.write_text(right[:body] + PLANTED + right[body:])
    world.stage.lambdas.redeploy(f"{reaction}Function")
    try:
        yield file
    finally:
        file.write_text(right)
        world.stage.lambdas.redeploy(f"{reaction}Function")
