"""docs/limits.md: what follows from GitHub's limits is what its own table comes to."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
WRITES = {what: int(count) for what, count in re.findall(r"^\| ([\w ]+) \| (\d+):", TEXT, re.MULTILINE)}
OPENED, PUSHED = WRITES["a pull request is opened"], WRITES["a push"]


@pytest.mark.parametrize(
    "told",
    [
        f"80 a minute are {80 // OPENED} pull requests opened, or {80 // PUSHED} pushes",
        f"500 an hour are {500 // OPENED} opened, or {500 // PUSHED} pushes",
    ],
)
def test_what_is_written_for_one_is_what_limits_all(told: str) -> None:
    assert told in TEXT


def test_what_is_written_is_what_the_table_counts() -> None:
    words = {"a": 1, "two": 2, "three": 3}
    rows = re.findall(r"^\| [\w ]+ \| (\d+): ([^|]+) \|", TEXT, re.MULTILINE)
    assert len(rows) == len(WRITES)
    for count, parts in rows:
        assert int(count) == sum(words[part.split()[0]] for part in parts.split(", "))
