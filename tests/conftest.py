import gc
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.loaders import create_loader
from hypothesis import settings

from tests import privileges
from tests.unit.dynamodb import Local, local_aws

# A machine that others use too is slow now and then: no example fails for its time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# botocore reads what it knows of AWS's services anew for each session, of which some tests begin their own.
botocore.session.create_loader = cache(create_loader)

_GARBAGE = (20_000, 20, 50)
"""Python's thresholds of garbage collection. With its own (2,000, 10 and 10), a twelfth of the time went there."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run one more process than there are cores: tests with a stage wait now and then, for functions that do."""
    return (os.process_cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Keep what is there for as long as the tests run (packages, the tests) out of every look for garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


def pytest_unconfigure() -> None:
    """Look for garbage once. As it ends, pytest looks through everything that is not set aside five times more."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def local() -> Iterator[Local]:
    """A pk/sk table and KMS, in moto."""
    with local_aws() as local:
        yield local


# ---- What functions' roles grant, held against what the whole suite used of it (tests/privileges.py)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what another of pytest-xdist's processes saw."""
    if told := getattr(node, "workeroutput", {}).get("privileges"):
        privileges.HERE.add(privileges.Observed.of_plain(told))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tell it to the process that began the others; that one, after every test has passed, compares."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["privileges"] = privileges.HERE.as_plain()
    elif exitstatus == pytest.ExitCode.OK and _is_of_everything(session.config) and privileges.of_the_whole_suite():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was found."""
    if terminalreporter.stats.keys().isdisjoint({"failed", "error"}) and _is_of_everything(config):
        terminalreporter.section("least privilege")
        for line in privileges.told():
            terminalreporter.write_line(line)


def _is_of_everything(config: pytest.Config) -> bool:
    last_failed = config.getoption("lf", default=False)  # pytest's cacheprovider has it, which can be left out
    chosen = (config.option.keyword, last_failed, config.option.collectonly, config.option.markexpr != "not built")
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(chosen)
