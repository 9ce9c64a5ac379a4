"""`prestage demo` where it can't begin, and where it is ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prestage.cli import main
from prestage.ending import ending_on_signals
from prestage.stage.sample import GitError, SampleRepository

# ---- What can be in the way


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "there is no"), ("Resources: [", "can't be set up"), ("{}", "can't be set up")]
)
def test_a_template_that_is_none_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, problem: str
) -> None:
    (tmp_path / "services").mkdir()
    template = tmp_path / "template.yaml"
    if text is not None:
        template.write_text(text)
    assert main(["demo", "--template", str(template)]) == 1
    said = capsys.readouterr()
    assert problem in said.out
    assert "Traceback" not in said.out + said.err


def test_a_machine_without_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git is not installed"):
        SampleRepository.create(tmp_path / "shop")


def test_what_git_says_is_told(tmp_path: Path) -> None:
    repository = SampleRepository.create(tmp_path / "shop")
    with pytest.raises(GitError, match=r"git checkout failed: .*nowhere"):
        repository.git("checkout", "nowhere")


# ---- How it ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_once_and_does_not_disturb_its_tidying_up(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with ending_on_signals():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        for impatient in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(impatient)
    assert signal.getsignal(number) is before


def test_a_demo_that_is_ended_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    program = "import sys; from prestage.cli import main; sys.exit(main(['demo']))"
    running = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert running.stdout is not None
    before = next(line for line in running.stdout if "The stage is up" in line)
    started = _descendants(running.pid)
    running.send_signal(signal.SIGTERM)
    running.send_signal(signal.SIGINT)  # impatience changes nothing
    after, _ = running.communicate(timeout=60)
    assert (running.returncode, len(started) > 0) == (130, True), before + after
    assert "The stage is down" in after
    assert "Traceback" not in after
    assert list(tmp_path.iterdir()) == []
    assert started & _processes().keys() == set()


def _processes() -> dict[int, int]:
    """The parent of each process."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return {int(line.split()[0]): int(line.split()[1]) for line in listed.splitlines()}


def _descendants(pid: int) -> set[int]:
    parents, found = _processes(), set[int]()
    while more := {one for one, parent in parents.items() if parent in {pid, *found}} - found:
        found |= more
    return found
