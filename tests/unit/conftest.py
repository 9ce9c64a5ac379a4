from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli_stage import Deployed, Shell, deployed_stack, shell_at
from tests.unit.operator_acts import Operator, operator_at


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The stack whose command line is tried; what is on it is each test's own."""
    with deployed_stack(tmp_path_factory.mktemp("github")) as at:
        yield at


@pytest.fixture
def shell(deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """Where commands are typed that lead there."""
    with shell_at(deployed, monkeypatch, capsys) as found:
        yield found


@pytest.fixture
def operator(shell: Shell, tmp_path: Path) -> Iterator[Operator]:
    """Somebody who changes each thing that can be changed there."""
    with operator_at(shell, tmp_path) as made:
        yield made
