import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from prestage.stage.serve import Server
from tests.unit.boot_machine import (
    CAPABILITY,
    FETCHERS,
    OTHER_SHA,
    SHA,
    SHELLS,
    Machine,
    Source,
    archive,
    bring,
    brings_its_own,
    new_machine,
)


@pytest.fixture
def source() -> Source:
    return Source(archive({"hello.txt": "hello", "apps/web/page.txt": "web"}))


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path, source: Source) -> Iterator[Machine]:
    with Server(source.application()) as server:
        yield new_machine(request.param, tmp_path, f"{server.url}/source/{CAPABILITY}")


@pytest.fixture
def equipped(machine: Machine) -> Machine:
    """With python, which every machine that runs these tests has."""
    bring(machine.programs, "python3")
    return machine


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_the_source_is_fetched_with_what_the_image_has(machine: Machine, source: Source, fetcher: str) -> None:
    own = brings_its_own(machine.shell, machine.programs)
    if own and fetcher not in {"curl", "busybox wget"}:
        pytest.skip("this shell brings a wget of its own, which comes first")
    bring(machine.programs, fetcher)
    booted = machine.boot(start="cat hello.txt")
    assert (booted.returncode, booted.stdout) == (0, "hello"), booted.stderr
    assert f"prestage: fetch with {fetcher.rsplit(maxsplit=1)[-1]}\n" in booted.stderr
    assert source.asked == [CAPABILITY]


def test_an_image_that_can_fetch_nothing_is_told_so(machine: Machine, source: Source) -> None:
    if brings_its_own(machine.shell, machine.programs):
        pytest.skip("this shell brings a wget of its own")
    booted = machine.boot()
    assert booted.returncode == 81
    assert booted.stderr == "prestage: fetch: this image has none of curl, wget, python3, python and node\n"
    assert source.asked == []


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_a_source_that_stays_away_ends_the_boot_whatever_fetches_it(
    machine: Machine, source: Source, fetcher: str
) -> None:
    bring(machine.programs, fetcher)
    source.failures = 99
    booted = machine.boot()
    assert booted.returncode == 81
    assert len(source.asked) == 3
    assert booted.stderr.count("trying again in 0 s") == 2
    assert "prestage: fetch failed" in booted.stderr.splitlines()[-1]
    assert CAPABILITY not in booted.stdout + booted.stderr


def test_the_waits_between_tries_grow(equipped: Machine, source: Source, tmp_path: Path) -> None:
    if brings_its_own(equipped.shell, equipped.programs):
        pytest.skip("this shell brings a sleep of its own, which would really sleep")
    sleep = equipped.programs / "sleep"
    sleep.unlink()
    sleep.write_text(f'#!/bin/sh\necho "$1" >>"{tmp_path}/slept"\n')
    sleep.chmod(0o755)
    source.failures = 99
    assert equipped.boot(PRESTAGE_FETCH_WAITS=None).returncode == 81
    assert (tmp_path / "slept").read_text().split() == ["1", "2", "4", "8", "15"]


def test_a_source_that_comes_late_is_fetched(equipped: Machine, source: Source) -> None:
    source.failures = 2
    assert equipped.boot(start="exit 7").returncode == 7
    assert len(source.asked) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"PRESTAGE_SOURCE_URL": None},
        {"PRESTAGE_SOURCE_URL": "file:///etc/passwd"},
        {"PRESTAGE_SOURCE_URL": "-o/etc/passwd"},
        {"PRESTAGE_SHA": None},
        {"PRESTAGE_SHA": "../../etc"},
    ],
)
def test_what_is_no_source_is_not_fetched(equipped: Machine, source: Source, settings: dict[str, str | None]) -> None:
    booted = equipped.boot(**settings)
    assert booted.returncode == 81
    assert "prestage: fetch: " in booted.stderr
    assert source.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not an archive</html>",
        b"",
        archive({"a": "1" * 4096})[:-40],
        archive({"a": "1"}, top=""),
        archive({"one/a": "1", "two/b": "2"}, top=""),
    ],
    ids=["a page", "nothing", "truncated", "no folder", "two folders"],
)
def test_what_is_no_source_archive_ends_the_boot_as_unpacking(equipped: Machine, source: Source, body: bytes) -> None:
    source.body = body
    booted = equipped.boot()
    assert booted.returncode == 82, booted.stderr
    assert "prestage: unpack" in booted.stderr.splitlines()[-1]
    assert "complete" not in equipped.left


def test_a_failing_build_ends_the_boot_and_is_done_again(equipped: Machine, source: Source) -> None:
    booted = equipped.boot(start="echo started", PRESTAGE_BUILD="echo building; exit 5")
    assert (booted.returncode, booted.stdout) == (83, "building\n")
    assert booted.stderr.endswith("prestage: build failed (the command ended with 5)\n")
    booted = equipped.boot(start="cat built", PRESTAGE_BUILD="test ! -e built && echo yes > built")
    assert (booted.returncode, booted.stdout) == (0, "yes\n")
    assert len(source.asked) == 2


@pytest.mark.parametrize("directory", ["apps/none", "hello.txt"])
@pytest.mark.parametrize("build", [None, "exit 0"])
def test_a_folder_that_the_source_does_not_have_ends_the_boot(
    equipped: Machine, directory: str, build: str | None
) -> None:
    booted = equipped.boot(PRESTAGE_DIRECTORY=directory, PRESTAGE_BUILD=build)
    assert booted.returncode == 84
    assert booted.stderr.endswith(f"prestage: start: the source has no {directory}\n")


@pytest.mark.parametrize("start", [None, ""])
def test_nothing_to_start_ends_the_boot(equipped: Machine, start: str | None) -> None:
    booted = equipped.boot(start=start)
    assert booted.returncode == 84
    assert booted.stderr.endswith("prestage: start: PRESTAGE_START is no command\n")


@pytest.mark.parametrize("status", [0, 1, 81, 137])
def test_the_application_ends_as_it_ends(equipped: Machine, status: int) -> None:
    assert equipped.boot(start=f"exit {status}").returncode == status


def test_the_application_takes_the_place_of_the_boot(equipped: Machine) -> None:
    booted = equipped.boot(start="kill -TERM $$")
    assert booted.returncode == -15


def test_build_and_start_run_in_the_applications_folder(equipped: Machine) -> None:
    booted = equipped.boot(
        start="cat page.txt built", PRESTAGE_DIRECTORY="apps/web", PRESTAGE_BUILD='echo "$PORT" >built'
    )
    assert (booted.returncode, booted.stdout) == (0, "web8080\n")


def test_a_top_folder_may_be_hidden(equipped: Machine, source: Source) -> None:
    source.body = archive({"hello.txt": "hidden"}, top=".github-4f3c2b1")
    assert equipped.boot(start="cat hello.txt").stdout == "hidden"


def test_neither_build_nor_application_sees_the_capability(equipped: Machine) -> None:
    booted = equipped.boot(start="env", PRESTAGE_BUILD="env >&2", PRESTAGE_DIRECTORY=".")
    assert booted.returncode == 0
    for output in (booted.stdout, booted.stderr):
        assert CAPABILITY not in output
        assert {line.split("=")[0] for line in output.splitlines() if line.startswith("PRESTAGE_")} == {"PRESTAGE_SHA"}


def test_what_the_application_was_given_reaches_it_unchanged(equipped: Machine) -> None:
    lines = equipped.boot(start="env").stdout.splitlines()
    assert {f"PRESTAGE_SHA={SHA}", "PORT=8080", "build=the application's own"} <= set(lines)


def test_what_is_complete_is_neither_fetched_nor_built_again(equipped: Machine, source: Source) -> None:
    build = "echo x >>built"
    equipped.boot(PRESTAGE_BUILD=build)
    booted = equipped.boot(start="cat built", PRESTAGE_BUILD=build, PRESTAGE_SOURCE_URL=None)
    assert (booted.returncode, booted.stdout) == (0, "x\n")
    assert "prestage: fetch and build: done on an earlier boot\n" in booted.stderr
    assert len(source.asked) == 1
    assert equipped.left == {"source", "complete"}


def test_what_the_application_wrote_beside_its_source_is_there_on_the_next_boot(equipped: Machine) -> None:
    equipped.boot(start="echo kept >data")
    assert equipped.boot(start="cat data").stdout == "kept\n"


@pytest.mark.parametrize("changed", ["PRESTAGE_SHA", "PRESTAGE_BUILD", "PRESTAGE_DIRECTORY"])
def test_another_commit_or_way_to_build_starts_from_nothing(equipped: Machine, source: Source, changed: str) -> None:
    other = {"PRESTAGE_SHA": OTHER_SHA, "PRESTAGE_BUILD": "exit 0", "PRESTAGE_DIRECTORY": "apps/web"}
    equipped.boot(start="echo old >old")
    booted = equipped.boot(start=f"cat {equipped.home}/source/old", **{changed: other[changed]})
    assert booted.returncode == 1
    assert len(source.asked) == 2
    assert equipped.left == {"source", "complete"}


@pytest.mark.parametrize("damage", ["no marker", "empty marker", "no source", "no folder", "half unpacked"])
def test_a_damaged_disk_is_fetched_again(equipped: Machine, source: Source, damage: str) -> None:
    def once_more() -> subprocess.CompletedProcess[str]:
        return equipped.boot(start="cat page.txt", PRESTAGE_DIRECTORY="apps/web")

    once_more()
    if damage in {"no marker", "half unpacked"}:
        (equipped.home / "complete").unlink()
    if damage == "empty marker":
        (equipped.home / "complete").write_text("")
    if damage == "no source":
        shutil.rmtree(equipped.home / "source")
    if damage == "no folder":
        shutil.rmtree(equipped.home / "source" / "apps" / "web")
    if damage == "half unpacked":
        (equipped.home / "work" / "tree" / "stray").mkdir(parents=True)
    booted = once_more()
    assert (booted.returncode, booted.stdout) == (0, "web"), booted.stderr
    assert len(source.asked) == 2
    assert equipped.left == {"source", "complete"}


def test_a_boot_that_was_cut_off_in_its_build_leaves_no_marker(equipped: Machine, source: Source) -> None:
    cut = equipped.boot(PRESTAGE_BUILD="kill -KILL 0")
    assert cut.returncode == -9
    assert "complete" not in equipped.left
    assert equipped.boot(start="exit 0").returncode == 0
    assert len(source.asked) == 2


def test_the_build_finds_no_capability_in_any_process_above_it(equipped: Machine) -> None:
    """What a process was started with can be read, whatever it has unset since."""
    build = "for p in $PPID $$; do cat /proc/$p/environ /proc/$p/cmdline; done >seen"
    booted = equipped.boot(start="cat seen", PRESTAGE_BUILD=build)
    assert booted.returncode == 0, booted.stderr
    assert "PRESTAGE_SHA=" in booted.stdout
    assert equipped.url not in booted.stdout
    assert "PRESTAGE_SOURCE_URL" not in booted.stdout


def test_the_second_half_is_run_by_any_shell(equipped: Machine) -> None:
    """/bin/sh, which it is handed to, is this machine's in the other tests."""
    assert equipped.boot(PRESTAGE_BUILD="exit 1").returncode == 83
    booted = equipped.boot("fetched", start="cat built", PRESTAGE_BUILD="echo done >built", PRESTAGE_SOURCE_URL=None)
    assert (booted.returncode, booted.stdout) == (0, "done\n"), booted.stderr
    assert equipped.left == {"source", "complete"}


def test_a_folder_that_is_not_its_to_write_to_is_left_alone(equipped: Machine, tmp_path: Path) -> None:
    """As where an image's user is not root."""
    (equipped.home / "boot.sh").chmod(0o755)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = (equipped.home / "boot.sh").read_text()
    (equipped.home / "boot.sh").write_text(script.replace('[ -w "$PRESTAGE_HOME" ]', "false"))
    booted = equipped.boot(start="cat hello.txt", TMPDIR=str(elsewhere))
    assert (booted.returncode, booted.stdout) == (0, "hello"), booted.stderr
    assert equipped.left == set()


def test_it_is_found_by_its_bare_name(equipped: Machine) -> None:
    run = subprocess.run(
        [*equipped.shell, "boot.sh"],
        cwd=equipped.home,
        env={
            "PATH": str(equipped.programs),
            "CDPATH": "/",
            "PRESTAGE_SOURCE_URL": equipped.url,
            "PRESTAGE_SHA": SHA,
            "PRESTAGE_START": "cat hello.txt",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (0, "hello"), run.stderr
