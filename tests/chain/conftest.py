"""One stage for all tests of the chain; each has a repository of its own on it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, FormatChecker

from prestage.stage.stage import Stage
from tests.chain.world import Place, World

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def whole_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Deployed from a copy, so that a test can break a step's code, and mend it."""
    copy = tmp_path_factory.mktemp("deployed")
    shutil.copy(ROOT / "template.yaml", copy)
    shutil.copytree(ROOT / "services", copy / "services", ignore=shutil.ignore_patterns("__pycache__"))
    logged: list[tuple[str, str]] = []
    with Stage(copy / "template.yaml", log=lambda function, line: logged.append((function, line))) as stage:
        stage.lambdas.warm([function.logical_id for function in stage.deployment.functions])
        yield World(stage, copy / "services", logged)


@pytest.fixture(scope="package")
def schemas() -> dict[str, Draft4Validator]:
    found = {path.parent.name: json.loads(path.read_text()) for path in (ROOT / "events-schema").glob("*/v1.json")}
    return {name: Draft4Validator(schema, format_checker=FormatChecker()) for name, schema in found.items()}


@pytest.fixture
def world(whole_world: World, schemas: dict[str, Draft4Validator]) -> Iterator[World]:
    """The world; whatever a test made it state has to keep to the published contract."""
    before = len(whole_world.stage.bus.events)
    yield whole_world
    for event in whole_world.stage.bus.events[before:]:
        if event["source"].startswith("prestage."):
            schemas[event["detail-type"]].validate(_plain(event))


@pytest.fixture
def place(world: World) -> Place:
    """A repository with one app."""
    return world.place("storefront")


def _plain(event: Any) -> Any:
    return json.loads(json.dumps(event))
