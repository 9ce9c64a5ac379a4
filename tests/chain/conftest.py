"""One stage for all tests of the chain; each has a repository of its own on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chain.world import Place, World
from tests.privileges import observed_stage

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def whole_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Deployed from a copy, so that a test can break a step's code, and mend it."""
    copy = tmp_path_factory.mktemp("deployed")
    shutil.copy(ROOT / "template.yaml", copy)
    for nested in ("events-schema", "operations"):
        (copy / nested).symlink_to(ROOT / nested)
    shutil.copytree(ROOT / "services", copy / "services", ignore=shutil.ignore_patterns("__pycache__"))
    logged: list[tuple[str, str]] = []
    with observed_stage(copy / "template.yaml", log=lambda function, line: logged.append((function, line))) as stage:
        stage.lambdas.warm([function.logical_id for function in stage.deployment.functions])
        yield World(stage, copy / "services", logged)


@pytest.fixture(scope="module", autouse=True)
def _nothing_of_other_files(whole_world: World) -> None:
    """What ran in another file neither costs this one time, nor is found by its sweeps."""
    whole_world.forget()


@pytest.fixture
def world(whole_world: World) -> Iterator[World]:
    """The world, with nothing going wrong. Its bus takes no event that is not as its published schema says, and its
    functions ask for nothing that their roles don't let them.
    """
    yield whole_world
    for part in (whole_world.stage.github, whole_world.stage.fly, whole_world.stage.bus):
        part.mend()
    assert whole_world.stage.aws.refused == []


@pytest.fixture
def place(world: World) -> Place:
    """A repository with one app."""
    return world.place("storefront")
