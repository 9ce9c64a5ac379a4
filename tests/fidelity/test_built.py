"""What `make build` made: only what is shipped, importable by itself, and working under Lambda's own runtime client."""

import filecmp
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from importlib.metadata import distributions
from pathlib import Path
from typing import cast

import httpx
import pytest

from prestage.stage import gateway
from prestage.stage.built import BuiltFunction, built_functions
from prestage.stage.lambdas import Lambdas
from prestage.stage.poller import Poller
from prestage.stage.serve import Server
from prestage.stage.settling import Boots, Settling
from prestage.stage.stage import Stage
from prestage.stage.template import load
from tests.chain.world import World
from tests.fidelity.emulator import (
    EmulatedFunctions,
    Emulator,
    EmulatorError,
    lay_out_runtime,
)

pytestmark = pytest.mark.built

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services"
TEMPLATE = ROOT / ".aws-sam" / "build" / "template.yaml"
UNZIPPED_LIMIT = 250 * 1024 * 1024
"""Bytes of a package, unzipped: "Lambda quotas" in the developer guide."""

REMEDY = "run: make build"

LOADED = """
import importlib, json, sys
handler, folder = sys.argv[1:]
sys.path.insert(0, folder)
module, _, name = handler.rpartition(".")
assert callable(getattr(importlib.import_module(module), name))
print(json.dumps(sorted({found.__file__ for found in sys.modules.values() if getattr(found, "__file__", None)})))
"""

type Functions = Mapping[str, BuiltFunction]


@pytest.fixture(scope="module")
def built() -> Functions:
    if not TEMPLATE.exists():
        pytest.fail(f"{TEMPLATE.relative_to(ROOT)} is missing; {REMEDY}", pytrace=False)
    return built_functions(TEMPLATE)


@pytest.fixture(scope="module")
def packages(built: Functions) -> list[Path]:
    """The folders, each once: functions may share one."""
    return sorted({function.folder for function in built.values()})


# ---- What is in it


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def compiled(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def shipped() -> set[Path]:
    return {path for path in files(SERVICES) if "__pycache__" not in path.parts}


def of_dependencies(package: Path) -> set[Path]:
    return {Path(file) for found in distributions(path=[str(package)]) for file in found.files or ()}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_function_of_the_template_is_built_for_this_python(built: Functions) -> None:
    assert built
    assert built.keys() == built_functions(ROOT / "template.yaml").keys(), REMEDY
    assert {function.runtime for function in built.values()} == {"python{}.{}".format(*sys.version_info)}


def test_a_package_has_services_as_they_are_now(packages: list[Path]) -> None:
    assert Path("runtimes/boot.sh") in shipped()
    for package in packages:
        _, differing, missing = filecmp.cmpfiles(SERVICES, package, map(str, shipped()), shallow=False)
        assert differing + missing == [], REMEDY


def test_a_package_has_the_pinned_dependencies(packages: list[Path]) -> None:
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (SERVICES / "requirements.txt").read_text(), re.MULTILINE)
    for package in packages:
        installed = {plain(found.name): found.version for found in distributions(path=[str(package)])}
        assert installed == {plain(name): version for name, version in pins}, REMEDY


def test_a_package_has_nothing_else(packages: list[Path]) -> None:
    for package in packages:
        wanted = shipped() | of_dependencies(package)
        wanted |= {compiled(source) for source in wanted if source.suffix == ".py"}
        assert sorted(files(package) - wanted) == []


def is_compiled(source: Path) -> bool:
    """Whether the bytecode beside it is its own, and taken by this Python without a look at the source."""
    if not compiled(source).exists():
        return False
    unchecked_hash = (1).to_bytes(4, "little") + importlib.util.source_hash(source.read_bytes())
    return compiled(source).read_bytes()[:16] == importlib.util.MAGIC_NUMBER + unchecked_hash


def test_a_package_is_compiled_so_that_no_cold_start_has_to(packages: list[Path]) -> None:
    for package in packages:
        sources = [path for path in files(package) if path.suffix == ".py"]
        assert [path for path in sources if not is_compiled(package / path)] == [], REMEDY


def test_a_package_fits_lambda(packages: list[Path]) -> None:
    sizes = {package.name: sum((package / path).stat().st_size for path in files(package)) for package in packages}
    assert {name: size for name, size in sizes.items() if size >= UNZIPPED_LIMIT} == {}


def test_the_registry_is_built_beside_them(built: Functions) -> None:
    assert built
    nested = load(TEMPLATE)["Resources"]["Contracts"]["Properties"]["TemplateURL"]
    assert load(TEMPLATE.parent / nested) == load(ROOT / "events-schema" / "registry.yaml"), REMEDY


# ---- That it imports


def loaded(function: BuiltFunction) -> list[Path]:
    """The files of every module that is loaded once the handler is, by an interpreter without site-packages."""
    command = [sys.executable, "-I", "-S", "-B", "-c", LOADED, function.handler, str(function.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert done.returncode == 0, done.stderr
    return [Path(file) for file in json.loads(done.stdout)]


def test_each_handler_imports_from_its_package_alone(built: Functions) -> None:
    library = Path(json.__file__).parents[1]
    for function in built.values():
        found = loaded(function)
        assert function.folder / (function.handler.rpartition(".")[0].replace(".", "/") + ".py") in found
        elsewhere = [file for file in found if not file.is_relative_to(function.folder)]
        assert [file for file in elsewhere if not file.is_relative_to(library) or "site-packages" in file.parts] == []


# ---- That it answers


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out_runtime(tmp_path_factory.mktemp("var") / "runtime")


@pytest.fixture(scope="module")
def stage(built: Functions) -> Iterator[Stage]:
    """The built template, deployed. There are no `services` beside it: nothing but the emulators can run a function."""
    assert built
    with Stage(TEMPLATE) as made:
        yield made


@pytest.fixture(scope="module")
def emulated(
    built: Functions, stage: Stage, runtime: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmulatedFunctions]:
    """Every built function that this deployment has, behind the stage's gateway."""
    logs = tmp_path_factory.mktemp("logs")

    def start(name: str) -> None:
        timeout, environment = stage.deployment.function(name).timeout, stage.lambdas.environment(name)
        log = logs / f"{name}.log"
        emulators[name] = Emulator(built[name], environment, timeout=timeout, runtime=runtime, log=log)

    emulators: dict[str, Emulator] = {}
    with ExitStack() as parts:
        functions = parts.enter_context(EmulatedFunctions(emulators))
        with ThreadPoolExecutor(max_workers=len(built)) as pool:
            list(pool.map(start, [function.logical_id for function in stage.deployment.functions]))
        parts.enter_context(stage.gateway.down())
        answering = gateway.application(stage.deployment.routes, functions.invoke)
        parts.enter_context(Server(answering, port=stage.gateway.port))
        yield functions


@pytest.fixture(scope="module")
def world(stage: Stage, emulated: EmulatedFunctions) -> World:
    assert emulated.emulators
    return World(stage, SERVICES)


def settle_until(stage: Stage, emulated: EmulatedFunctions, holds: Callable[[], bool]) -> bool:
    """Feed the emulated functions from the stage's queues until that holds. Their clocks stay where they are."""
    # A poller does no more with the functions than invoke them.
    functions = cast("Lambdas", emulated)
    poller = Poller(stage.deployment.functions, functions, stage.aws.client("sqs"), stage.aws.next_visible)
    return Settling(poller, stage.time, Boots(stage.fly.machines)).until(holds, timedelta(minutes=1))


def test_a_pull_request_becomes_a_live_preview(world: World, emulated: EmulatedFunctions) -> None:
    place = world.place("storefront")
    [app] = place.apps
    world.stage.stack.secrets.set(app.id, "preview", "API_KEY", "the-value-of-the-key")
    number = place.open()
    assert settle_until(world.stage, emulated, lambda: bool(place.facts("EnvironmentReady")))
    assert place.shown(number)["commit"] == place.environment(number).sha
    assert len(place.comments(number)) == len(place.fly_apps()) == 1
    assert [name for name in place.names() if name.endswith("Failed")] == []
    answered = {name for name, answer in emulated.answers if answer == {"batchItemFailures": []}}
    fed = {it.logical_id for it in world.stage.deployment.functions if it.queue_url}
    assert answered == fed - {"ChecksFunction"}  # nobody reports a check here


def test_a_sweep_comes_to_its_end(stage: Stage, emulated: EmulatedFunctions) -> None:
    [schedule] = stage.deployment.schedules
    assert emulated.invoke(schedule.function, {"time": "2026-01-01T00:00:00Z"})["unfinished"] == []


def test_a_webhook_is_taken_only_as_it_was_signed(world: World) -> None:
    place = world.place()
    place.open()
    delivery = world.stage.github.deliveries[-1]
    stated = len(place.facts())
    url = f"{world.stage.gateway.url}/webhooks/github"
    tampered = httpx.post(url, content=delivery.body + b" ", headers=delivery.headers, trust_env=False)
    again = httpx.post(url, content=delivery.body, headers=delivery.headers, trust_env=False)
    assert (tampered.status_code, again.status_code) == (401, 202)
    assert place.names() == ["PullRequestOpened"] * stated


@pytest.mark.usefixtures("emulated")
def test_the_source_of_a_bad_capability_is_not_found(stage: Stage) -> None:
    answer = httpx.get(f"{stage.gateway.url}/source/no-capability", trust_env=False)
    assert (answer.status_code, answer.json()) == (404, {"message": "not found"})


# ---- That the emulator can be relied on


CODE = """
def handler(event, _context):
    if event.get("do") == "raise":
        raise ValueError("the value that no caller may see")
    return event
"""


@pytest.fixture
def step(tmp_path: Path, runtime: Path) -> Iterator[Emulator]:
    (tmp_path / "step.py").write_text(CODE)
    function = BuiltFunction("StepFunction", "step.handler", "python3.13", tmp_path)
    made = Emulator(function, {}, timeout=10, runtime=runtime, log=tmp_path / "log")
    yield made
    made.close()


def test_a_handler_that_raises_is_told_by_its_type_alone(step: Emulator) -> None:
    with pytest.raises(EmulatorError, match=r"^StepFunction failed \(200, ValueError\); its log is [^\n]*$"):
        step.invoke({"do": "raise"})


def test_no_process_is_left(step: Emulator) -> None:
    assert step.invoke({"greeting": "grüß"}) == {"greeting": "grüß"}
    assert step.running
    step.close()
    assert not step.running
